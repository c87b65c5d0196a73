"""Alarms: they change their state on the clock, remember it and act."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from haneul.services.cloudwatch.judging import Datapoint, Rule, judge
from tests.cloudwatch.conftest import SERVICES
from tests.cloudwatch.support import minute, put, query, refused
from tests.support.running import ACCOUNT, REGION, Running

TOPIC = "arn:aws:sns:us-east-1:000000000000:topic"


def make(running: Running, name: str, **more: Any) -> None:
    settings: dict[str, Any] = {
        "MetricName": name, "Namespace": "Alarms", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold",
    }  # fmt: skip
    running.client("cloudwatch").put_metric_alarm(AlarmName=name, **{key: value for key, value in (settings | more).items() if value is not None})


def state(running: Running, name: str) -> str:
    found = running.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return str((found["MetricAlarms"] + found["CompositeAlarms"])[0]["StateValue"])


def report(running: Running, name: str, value: float) -> None:
    put(running, "Alarms", {"MetricName": name, "Value": value})


def test_an_alarm_follows_its_metric(fresh_watch: Running) -> None:
    """Because each minute's datapoint decides, and without any the state is unknown again."""
    make(fresh_watch, "a")
    assert state(fresh_watch, "a") == "INSUFFICIENT_DATA"
    seen = []
    for value in (6, 5, 7):
        report(fresh_watch, "a", value)
        fresh_watch.advance("1m")
        seen.append(state(fresh_watch, "a"))
    fresh_watch.advance("5m")
    assert [*seen, state(fresh_watch, "a")] == ["ALARM", "OK", "ALARM", "INSUFFICIENT_DATA"]
    items = fresh_watch.client("cloudwatch").describe_alarm_history(AlarmName="a", HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert [one["HistorySummary"] for one in items][::-1][:2] == ["Alarm updated from INSUFFICIENT_DATA to ALARM", "Alarm updated from ALARM to OK"]


def test_the_reason_says_what_was_compared(fresh_watch: Running) -> None:
    """Because tools and people read the reason in the service's own form."""
    make(fresh_watch, "a")
    start = minute(fresh_watch)
    report(fresh_watch, "a", 6)
    fresh_watch.advance("1m")
    (alarm,) = fresh_watch.client("cloudwatch").describe_alarms()["MetricAlarms"]
    at = start.strftime("%d/%m/%y %H:%M:%S")
    assert alarm["StateReason"] == (
        f"Threshold Crossed: 1 out of the last 1 datapoint [6.0 ({at})] was greater than the threshold (5.0) (minimum 1 datapoint for INSUFFICIENT_DATA -> ALARM transition)."
    )
    assert '"recentDatapoints":[6.0]' in alarm["StateReasonData"] and alarm["StateTransitionedTimestamp"] == start + timedelta(minutes=1)


RESULTS = [
    # Range, needed of periods: missing, ignore (None keeps the state), breaching, notBreaching. From the User Guide's two tables.
    ("0-X-X", (3, 3), ("OK", "OK", "OK", "OK")),
    ("----0", (3, 3), ("OK", "OK", "OK", "OK")),
    ("-----", (3, 3), ("INSUFFICIENT_DATA", None, "ALARM", "OK")),
    ("0XX-X", (3, 3), ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("--X--", (3, 3), ("ALARM", None, "ALARM", "OK")),
    ("0-X-X", (2, 3), ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("00X0X", (2, 3), ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0-X--", (2, 3), ("OK", "OK", "ALARM", "OK")),
    ("----0", (2, 3), ("OK", "OK", "ALARM", "OK")),
    ("----X", (3, 3), (None, None, "ALARM", "OK")),
]


@pytest.mark.parametrize(("points", "counts", "expected"), RESULTS)
def test_missing_data_are_treated_as_documented(points: str, counts: tuple[int, int], expected: tuple[str | None, ...]) -> None:
    """Because the four treatments differ exactly as the User Guide's tables show, and an alarm is not raised prematurely."""
    window = [None if one == "-" else Datapoint(60 * number, 9.0 if one == "X" else 0.0) for number, one in enumerate(points)]
    found = []
    for treatment in ("missing", "ignore", "breaching", "notBreaching"):
        rule = Rule("GreaterThanThreshold", 5.0, counts[1], counts[0], treatment, 60)
        found.append(judge(rule, window, "unknown", 600).state)
    assert tuple(found) == expected


def test_some_of_several_datapoints_are_enough(fresh_watch: Running) -> None:
    """Because DatapointsToAlarm of EvaluationPeriods suffice."""
    make(fresh_watch, "a", EvaluationPeriods=3, DatapointsToAlarm=2)
    seen = []
    for value in (9, 0, 9, 0, 0):
        report(fresh_watch, "a", value)
        fresh_watch.advance("1m")
        seen.append(state(fresh_watch, "a"))
    assert seen[2:] == ["ALARM", "OK", "OK"]


def test_missing_data_may_breach(fresh_watch: Running) -> None:
    """Because a heartbeat that stops is to raise an alarm."""
    make(fresh_watch, "a", TreatMissingData="breaching", ComparisonOperator="LessThanThreshold", Threshold=1.0)
    report(fresh_watch, "a", 1)
    fresh_watch.advance("1m")
    assert state(fresh_watch, "a") == "OK"
    fresh_watch.advance("4m")
    assert state(fresh_watch, "a") == "ALARM"


def test_alarms_on_expressions(fresh_watch: Running) -> None:
    """Because an error rate is an expression over two metrics."""
    metrics = [query("e", "Alarms", "errors"), query("r", "Alarms", "requests"), {"Id": "rate", "Expression": "100 * e / r"}]
    fresh_watch.client("cloudwatch").put_metric_alarm(
        AlarmName="rate", Metrics=metrics, EvaluationPeriods=1, Threshold=10, ComparisonOperator="GreaterThanOrEqualToThreshold"
    )
    report(fresh_watch, "errors", 1)
    report(fresh_watch, "requests", 10)
    fresh_watch.advance("1m")
    assert state(fresh_watch, "rate") == "ALARM"
    # An expression of the time has values where the metric has none, and is evaluated without them.
    hours = [query("m", "Alarms", "silent"), {"Id": "e", "Expression": "IF(HOUR(m) >= 0, 11, 0)"}]
    fresh_watch.client("cloudwatch").put_metric_alarm(AlarmName="hours", Metrics=hours, EvaluationPeriods=1, Threshold=10, ComparisonOperator="GreaterThanThreshold")
    report(fresh_watch, "errors", 1)
    report(fresh_watch, "requests", 11)
    fresh_watch.advance("1m")
    assert (state(fresh_watch, "rate"), state(fresh_watch, "hours")) == ("OK", "ALARM")


def test_short_periods_are_looked_at_every_ten_seconds(fresh_watch: Running) -> None:
    """Because an alarm on a high-resolution metric may have periods of ten seconds."""
    fresh_watch.advance("60s")
    make(fresh_watch, "fine", Period=10)
    put(fresh_watch, "Alarms", {"MetricName": "fine", "Value": 6, "StorageResolution": 1})
    fresh_watch.advance("10s")
    assert state(fresh_watch, "fine") == "ALARM"


def test_actions_that_cannot_be_done_are_told_truthfully(fresh_watch: Running) -> None:
    """Because the history must not claim that somebody was notified: this cloud runs without SNS."""
    make(fresh_watch, "a", AlarmActions=[TOPIC])
    report(fresh_watch, "a", 6)
    fresh_watch.advance("1m")
    client = fresh_watch.client("cloudwatch")
    (item,) = client.describe_alarm_history(AlarmName="a", HistoryItemType="Action")["AlarmHistoryItems"]
    assert item["HistorySummary"].startswith(f"Failed to execute action {TOPIC}") and '"actionState":"Failed"' in item["HistoryData"]
    client.disable_alarm_actions(AlarmNames=["a"])
    report(fresh_watch, "a", 1)
    fresh_watch.advance("1m")
    report(fresh_watch, "a", 6)
    fresh_watch.advance("1m")
    assert state(fresh_watch, "a") == "ALARM"
    assert len(client.describe_alarm_history(AlarmName="a", HistoryItemType="Action")["AlarmHistoryItems"]) == 1


def test_a_state_can_be_set_for_a_while(fresh_watch: Running) -> None:
    """Because that is how actions are tried out; the next evaluation puts it right."""
    make(fresh_watch, "a")
    report(fresh_watch, "a", 1)
    fresh_watch.advance("1m")
    client = fresh_watch.client("cloudwatch")
    client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="trying")
    assert state(fresh_watch, "a") == "ALARM"
    report(fresh_watch, "a", 1)
    fresh_watch.advance("1m")
    assert state(fresh_watch, "a") == "OK"
    refused("ResourceNotFound", client.set_alarm_state, AlarmName="b", StateValue="OK", StateReason="")
    refused("InvalidFormat", client.set_alarm_state, AlarmName="a", StateValue="OK", StateReason="", StateReasonData="{")


def test_composite_alarms_follow_their_children(fresh_watch: Running) -> None:
    """Because their state follows from the rule at once, through several levels."""
    client = fresh_watch.client("cloudwatch")
    for name in ("a", "b"):
        make(fresh_watch, name)
        report(fresh_watch, name, 1)
    client.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("a") AND ALARM(b)')
    client.put_composite_alarm(AlarmName="top", AlarmRule="ALARM(both) OR (INSUFFICIENT_DATA(a) AND NOT TRUE)")
    fresh_watch.advance("1m")
    assert (state(fresh_watch, "both"), state(fresh_watch, "top")) == ("OK", "OK")
    for name in ("a", "b"):
        client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="trying")
    fresh_watch.settle()
    assert (state(fresh_watch, "both"), state(fresh_watch, "top")) == ("ALARM", "ALARM")
    (both,) = client.describe_alarms(AlarmNames=["both"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert " transitioned to ALARM at" in both["StateReason"] and "triggeringAlarms" in both["StateReasonData"]
    children = client.describe_alarms(ChildrenOfAlarmName="both")["MetricAlarms"]
    assert [one["AlarmName"] for one in children] == ["a", "b"] and set(children[0]) == {"AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp"}
    (parent,) = client.describe_alarms(ParentsOfAlarmName="both")["CompositeAlarms"]
    assert parent == {"AlarmName": "top", "AlarmArn": both["AlarmArn"].replace("both", "top")}
    refused("ValidationError", client.describe_alarms, ParentsOfAlarmName="both", ChildrenOfAlarmName="both")
    # What is set for a while stays until a child changes, as SetAlarmState documents.
    client.set_alarm_state(AlarmName="both", StateValue="OK", StateReason="trying")
    fresh_watch.settle()
    assert (state(fresh_watch, "both"), state(fresh_watch, "top")) == ("OK", "OK")
    client.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="trying")
    client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="trying")
    fresh_watch.settle()
    assert (state(fresh_watch, "both"), state(fresh_watch, "top")) == ("ALARM", "ALARM")
    refused("ValidationError", client.delete_alarms, AlarmNames=["a"])
    refused("ValidationError", client.put_composite_alarm, AlarmName="new", AlarmRule="ALARM(unknown)")
    refused("ValidationError", client.put_composite_alarm, AlarmName="new", AlarmRule="ALARM(a) AND")
    refused("ValidationError", client.put_composite_alarm, AlarmName="new", AlarmRule="ALARM(new)")


def test_a_circle_of_alarms_stands_still_until_a_rule_breaks_it(fresh_watch: Running) -> None:
    """Because CloudWatch takes circles, stops evaluating them, and lets go of none of their alarms until one's rule is changed (DeleteAlarms)."""
    client = fresh_watch.client("cloudwatch")
    make(fresh_watch, "m")

    def set_state(value: str) -> list[str]:
        client.set_alarm_state(AlarmName="m", StateValue=value, StateReason="trying")
        fresh_watch.settle()
        return [state(fresh_watch, name) for name in ("a", "b", "c", "over")]

    client.put_composite_alarm(AlarmName="a", AlarmRule="ALARM(m)")
    client.put_composite_alarm(AlarmName="b", AlarmRule="ALARM(a) OR ALARM(m)")
    client.put_composite_alarm(AlarmName="c", AlarmRule="ALARM(b)")
    client.put_composite_alarm(AlarmName="over", AlarmRule="ALARM(c) OR ALARM(m)")
    assert set_state("OK") == ["OK"] * 4
    client.put_composite_alarm(AlarmName="a", AlarmRule="ALARM(c)")
    assert set_state("ALARM") == ["OK", "OK", "OK", "ALARM"]
    for name in "abc":
        assert "composite alarm(s) depending on it" in refused("ValidationError", client.delete_alarms, AlarmNames=[name])
    client.put_composite_alarm(AlarmName="a", AlarmRule="FALSE")
    fresh_watch.settle()
    assert [state(fresh_watch, name) for name in ("a", "b", "c", "over")] == ["OK", "ALARM", "ALARM", "ALARM"]
    client.put_composite_alarm(AlarmName="over", AlarmRule="NOT ALARM(over)")
    assert set_state("OK") == ["OK", "OK", "OK", "ALARM"]
    refused("ValidationError", client.delete_alarms, AlarmNames=["over"])
    client.put_composite_alarm(AlarmName="over", AlarmRule="FALSE")
    for name in ("over", "c", "b", "a"):
        client.delete_alarms(AlarmNames=[name])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Statistic": None}, "Exactly one of"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of"),
        ({"EvaluationPeriods": 1441}, "EvaluationPeriods * Period must be <= 86400"),
        ({"Period": 45}, "Period must be"),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm"),
        ({"TreatMissingData": "whatever"}, "TreatMissingData"),
        ({"AlarmActions": ["topic"]}, "Invalid arn syntax: topic"),
        ({"OKActions": ["arn:aws:sns:eu-west-1:000000000000:topic"]}, "Invalid region eu-west-1 specified. Only us-east-1 is supported."),
        ({"Threshold": None}, "Threshold"),
        ({"MetricName": None}, "MetricName"),
        ({"AlarmName": "a\tb"}, "control characters"),
    ],
)
def test_alarms_that_make_no_sense_are_refused(watch: Running, change: dict[str, Any], words: str) -> None:
    """Because an alarm that cannot be evaluated would never be raised."""
    settings = {"MetricName": "m", "Namespace": "n", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0} | change
    given = {key: value for key, value in settings.items() if value is not None}
    client = watch.client("cloudwatch")
    assert words in refused("ValidationError", client.put_metric_alarm, **{"AlarmName": "x", "ComparisonOperator": "GreaterThanThreshold", **given})


def test_alarms_are_listed(fresh_watch: Running) -> None:
    """Because lists are filtered, in the order of names, and paged."""
    client = fresh_watch.client("cloudwatch")
    for name in ("a1", "a2", "b1"):
        make(fresh_watch, name, AlarmActions=[TOPIC] if name == "a2" else [])

    def names(**params: Any) -> list[str]:
        return [one["AlarmName"] for one in client.describe_alarms(**params)["MetricAlarms"]]

    assert names() == ["a1", "a2", "b1"] and names(AlarmNamePrefix="a") == ["a1", "a2"] and names(ActionPrefix="arn:aws:sns") == ["a2"]
    assert names(StateValue="OK") == [] and names(AlarmTypes=["CompositeAlarm"]) == []
    first = client.describe_alarms(MaxRecords=2)
    assert [one["AlarmName"] for one in client.describe_alarms(NextToken=first["NextToken"])["MetricAlarms"]] == ["b1"]
    refused("InvalidNextToken", client.describe_alarms, NextToken="nonsense")
    found = client.describe_alarms_for_metric(Namespace="Alarms", MetricName="a1")["MetricAlarms"]
    assert [one["AlarmName"] for one in found] == ["a1"]
    assert client.describe_alarms_for_metric(Namespace="Alarms", MetricName="a1", Period=300)["MetricAlarms"] == []


def test_changes_deletion_and_tags(fresh_watch: Running) -> None:
    """Because an alarm that is put again keeps its state and tags, and its history outlives it."""
    client = fresh_watch.client("cloudwatch")
    make(fresh_watch, "a", Tags=[{"Key": "k", "Value": "v"}])
    arn = client.describe_alarms()["MetricAlarms"][0]["AlarmArn"]
    report(fresh_watch, "a", 6)
    fresh_watch.advance("1m")
    make(fresh_watch, "a", Threshold=9.0)
    assert state(fresh_watch, "a") == "ALARM"
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "l", "Value": "w"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["k"])
    assert client.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
    report(fresh_watch, "a", 8)
    fresh_watch.advance("1m")
    assert state(fresh_watch, "a") == "OK"
    client.delete_alarms(AlarmNames=["a", "never"])
    assert client.describe_alarms()["MetricAlarms"] == []
    refused("ResourceNotFoundException", client.list_tags_for_resource, ResourceARN=arn)
    items = client.describe_alarm_history(AlarmName="a", HistoryItemType="ConfigurationUpdate", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    assert [one["HistorySummary"] for one in items] == ['Alarm "a" created', 'Alarm "a" updated', 'Alarm "a" deleted']
    first = client.describe_alarm_history(MaxRecords=2)
    rest = client.describe_alarm_history(NextToken=first["NextToken"])
    assert len(first["AlarmHistoryItems"]) == 2 and len(rest["AlarmHistoryItems"]) == 3
    fresh_watch.advance("31d")
    assert client.describe_alarm_history()["AlarmHistoryItems"] == []


def test_alarms_go_on_after_a_restart(tmp_path: Path) -> None:
    """Because who watches must not stop watching when the cloud was stopped for a while."""
    running = Running(data_dir=tmp_path, services=SERVICES).start()
    make(running, "a", TreatMissingData="breaching")
    report(running, "a", 1)
    running.advance("1m")
    assert state(running, "a") == "OK"
    running.stop()
    running.start()
    running.advance("5m")
    assert state(running, "a") == "ALARM"
    running.stop()


def test_an_alarm_at_rest_costs_nothing(fresh_watch: Running) -> None:
    """Because a year may be passed over in a moment when nothing is reported."""
    for number in range(20):
        make(fresh_watch, f"a{number}")
    report(fresh_watch, "a1", 6)
    fresh_watch.advance("10m")
    timers = fresh_watch.app.cloud.services["cloudwatch"].monitor._timers  # type: ignore[attr-defined]
    assert timers == {} and state(fresh_watch, "a1") == "INSUFFICIENT_DATA"


def test_percentiles_of_few_samples_may_be_ignored(fresh_watch: Running) -> None:
    """A p90 means something from 100 samples on; with EvaluateLowSampleCountPercentile=ignore the state stays as it is below that."""
    client = fresh_watch.client("cloudwatch")
    rule = {"Namespace": "Alarms", "MetricName": "m", "ExtendedStatistic": "p90", "Period": 60, "EvaluationPeriods": 1, "Threshold": 5.0}
    for name in ("evaluate", "ignore"):
        client.put_metric_alarm(AlarmName=name, ComparisonOperator="GreaterThanThreshold", EvaluateLowSampleCountPercentile=name, **rule)
    put(fresh_watch, "Alarms", {"MetricName": "m", "Values": [9.0], "Counts": [99.0]})
    fresh_watch.advance("1m")
    assert (state(fresh_watch, "evaluate"), state(fresh_watch, "ignore")) == ("ALARM", "INSUFFICIENT_DATA")
    put(fresh_watch, "Alarms", {"MetricName": "m", "Values": [9.0], "Counts": [100.0]})
    fresh_watch.advance("1m")
    assert (state(fresh_watch, "evaluate"), state(fresh_watch, "ignore")) == ("ALARM", "ALARM")


@pytest.mark.parametrize(
    ("expressions", "metrics", "words"),
    [
        (["METRICS()"], 2, "single time series"),
        (["m1 + AVG(METRICS()) + METRICS()"], 2, "single time series"),
        (["SUM(m1)"], 2, "single time series"),
        (["SUM(METRICS())"], 11, "10 of the metric data queries may have MetricStat"),
        (["m1", *["m1 * 2"] * 10], 2, "10 of the metric data queries may have Expression"),
        (["m1", *["m1 * 2"] * 10], 10, "size greater than 20"),
        (["SUM(METRICS()) / m1"], 10, ""),
        (["FILL(m1, 0) / SUM(m2)"], 2, ""),
        (["FIRST(SORT(METRICS(), AVG, DESC))"], 2, ""),
    ],
)
def test_an_alarms_expression_is_one_series_of_a_few_metrics(watch: Running, expressions: list[str], metrics: int, words: str) -> None:
    """Because an alarm compares one line with its threshold; of anything else it would never have a datapoint."""
    queries = [query(f"m{number}", "Alarms", f"metric{number}") for number in range(1, metrics + 1)]
    queries += [{"Id": f"e{number}", "Expression": one, "ReturnData": not number} for number, one in enumerate(expressions)]
    client = watch.client("cloudwatch")
    asked: dict[str, Any] = {"AlarmName": "x", "Metrics": queries, "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    if words:
        assert words in refused("ValidationError", client.put_metric_alarm, **asked)
        return
    client.put_metric_alarm(**asked)
    instances = "arn:aws:automate:us-east-1:ec2:stop"
    assert refused("ValidationError", client.put_metric_alarm, **asked, AlarmActions=[instances]) == f"Invalid use of ARN: {instances}"
    queries[0]["MetricStat"]["Period"] = 300
    assert "same period" in refused("ValidationError", client.put_metric_alarm, **asked)


def test_missing_data_of_dynamodb_are_always_ignored(fresh_watch: Running) -> None:
    """As PutMetricAlarm documents: tables report nothing while nobody uses them, and their alarms stay as they are whatever TreatMissingData says."""
    client = fresh_watch.client("cloudwatch")
    for treatment in ("breaching", "notBreaching", "missing"):
        client.put_metric_alarm(
            AlarmName=treatment, Namespace="AWS/DynamoDB", MetricName="WriteThrottleEvents", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=5.0,
            ComparisonOperator="GreaterThanThreshold", TreatMissingData=treatment,
        )  # fmt: skip
    fresh_watch.advance("5m")
    assert {state(fresh_watch, name) for name in ("breaching", "notBreaching", "missing")} == {"INSUFFICIENT_DATA"}

    async def throttle() -> None:
        fresh_watch.app.cloud.metrics.add(ACCOUNT, REGION, "AWS/DynamoDB", "WriteThrottleEvents", (), 6.0)

    fresh_watch.run(throttle())
    fresh_watch.advance("10m")
    assert {state(fresh_watch, name) for name in ("breaching", "notBreaching", "missing")} == {"ALARM"}


def test_constants_of_rules_may_be_written_small(fresh_watch: Running) -> None:
    """Because DeleteAlarms documents `false` as the rule that makes a composite alarm depend on nothing."""
    client = fresh_watch.client("cloudwatch")
    client.put_composite_alarm(AlarmName="never", AlarmRule="false")
    assert "500 elements" in refused("ValidationError", client.put_composite_alarm, AlarmName="long", AlarmRule=" OR ".join(["(TRUE)"] * 251))
    client.put_composite_alarm(AlarmName="always", AlarmRule="NOT false AND true AND " + " AND ".join(["(TRUE)"] * 249))
    fresh_watch.settle()
    found = client.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert {one["AlarmName"]: one["StateValue"] for one in found} == {"never": "OK", "always": "ALARM"}


def test_rules_count_alarms(fresh_watch: Running) -> None:
    """Because a critical mass of many hosts is what one wants to hear of: a number or a percentage of alarms that are in a state, or are not."""
    client = fresh_watch.client("cloudwatch")
    for name in "uvw":
        make(fresh_watch, name)
    arn = client.describe_alarms(AlarmNames=["u"])["MetricAlarms"][0]["AlarmArn"]
    rules = {"two": f'AT_LEAST(2, ALARM, ("{arn}", v,w))', "most": "AT_LEAST( 60% , NOT OK, (u, v, w) ) AND NOT FALSE", "none": 'AT_LEAST(1,NOT INSUFFICIENT_DATA,("u","v"))'}
    for name, rule in rules.items():
        client.put_composite_alarm(AlarmName=name, AlarmRule=rule)

    def ringing() -> list[str]:
        fresh_watch.settle()
        found = client.describe_alarms(AlarmTypes=["CompositeAlarm"], AlarmNames=list(rules))["CompositeAlarms"]
        return sorted(one["AlarmName"] for one in found if one["StateValue"] == "ALARM")

    seen = [ringing()]
    for name, state in (("u", "OK"), ("v", "OK"), ("u", "ALARM"), ("v", "ALARM"), ("w", "OK")):
        client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")
        seen.append(ringing())
    assert seen == [["most"], ["most", "none"], ["none"], ["most", "none"], ["most", "none", "two"], ["most", "none", "two"]]
    for wrong in ("AT_LEAST(4, ALARM, (u, v, w))", "AT_LEAST(0, ALARM, (u))", "AT_LEAST(101%, OK, (u))", "AT_LEAST(1, ALARM, ())", "AT_LEAST(1, SAD, (u))", "AT_LEAST(1, OK, (u)", "AT_LEAST(1, OK)"):
        refused("ValidationError", client.put_composite_alarm, AlarmName="wrong", AlarmRule=wrong)
    refused("ValidationError", client.delete_alarms, AlarmNames=["w"])
