"""What alarms tell functions and topics. These stand in for the real ones: they only note what they are called with."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.operation import Operation, Shape
from haneul.core.service import Service
from haneul.services.cloudwatch.judging import iso
from tests.cloudwatch.conftest import SERVICES
from tests.cloudwatch.support import put, refused
from tests.support.running import Running

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
TOPIC = "arn:aws:sns:us-east-1:000000000000:topic"


class _Noting(Service):
    """A service with one operation, which notes its calls; its resource policy lets CloudWatch in, for one alarm only."""

    operation: ClassVar[str]
    principal: ClassVar[str]

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.calls: list[tuple[Call, Shape]] = []

    def resource_policy(self, call: Call, arn: str) -> str | None:
        alarm = {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a"}}
        statement = {"Effect": "Allow", "Principal": {"Service": self.principal}, "Action": "*", "Resource": "*", "Condition": alarm}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        async def note(call: Call, request: Shape) -> Shape:
            call.service(cls).calls.append((call, request))
            return {}

        name = cls.operation
        return {name: Operation(cls.name, name, note, f"{cls.name}:{name}", lambda call, request: request.get("FunctionName") or request["TopicArn"], None)}


class Functions(_Noting):
    name = "lambda"
    operation = "Invoke"
    principal = "lambda.alarms.cloudwatch.amazonaws.com"


class Topics(_Noting):
    name = "sns"
    operation = "Publish"
    principal = "cloudwatch.amazonaws.com"


def test_functions_and_topics_are_told() -> None:
    """Because both get the service's own documents, called by its principals on behalf of the alarm; whom a policy does not let in is told to the history."""
    with Running(services=[*SERVICES, Functions, Topics]) as running:
        client = running.client("cloudwatch")
        for name in ("a", "b"):
            client.put_metric_alarm(
                AlarmName=name, Namespace="Acts", MetricName="m", Dimensions=[{"Name": "Host", "Value": "x"}], Statistic="Sum", Period=60, EvaluationPeriods=1,
                Threshold=5, ComparisonOperator="GreaterThanThreshold", AlarmActions=[FUNCTION, TOPIC], AlarmDescription="too much",
            )  # fmt: skip
        made_at = iso(running.clock.seconds())
        put(running, "Acts", {"MetricName": "m", "Value": 9, "Dimensions": [{"Name": "Host", "Value": "x"}]})
        running.advance("1m")
        ((_, invoked),) = running.app.cloud.service(Functions).calls
        ((_, published),) = running.app.cloud.service(Topics).calls
        event, message = json.loads(invoked["Payload"]), json.loads(published["Message"])
        assert invoked["InvocationType"] == "Event" and event["source"] == "aws.cloudwatch" and event["alarmArn"].endswith(":alarm:a")
        assert event["alarmData"]["state"]["value"] == "ALARM" and event["alarmData"]["previousState"]["value"] == "INSUFFICIENT_DATA"
        assert event["alarmData"]["configuration"]["metrics"][0]["metricStat"]["metric"] == {"namespace": "Acts", "name": "m", "dimensions": {"Host": "x"}}
        assert event["alarmData"]["previousState"] == {"value": "INSUFFICIENT_DATA", "reason": "Unchecked: Initial alarm creation", "timestamp": made_at}
        assert published["Subject"] == 'ALARM: "a" in US East (N. Virginia)'
        assert (message["AlarmName"], message["NewStateValue"], message["OldStateValue"]) == ("a", "ALARM", "INSUFFICIENT_DATA")
        assert (message["Region"], message["AlarmConfigurationUpdatedTimestamp"]) == ("US East (N. Virginia)", made_at) != (message["Region"], message["StateChangeTime"])
        assert message["Trigger"]["Threshold"] == 5 and message["Trigger"]["Dimensions"] == [{"value": "x", "name": "Host"}]

        def outcomes(name: str) -> list[Any]:
            items = client.describe_alarm_history(AlarmName=name, HistoryItemType="Action", ScanBy="TimestampAscending")["AlarmHistoryItems"]
            return [json.loads(one["HistoryData"])["actionState"] for one in items]

        assert outcomes("a") == ["Succeeded", "Succeeded"] and outcomes("b") == ["Failed", "Failed"]
        running.advance("2m")
        assert len(running.app.cloud.service(Functions).calls) == 1


def test_alarms_on_expressions_tell_their_queries() -> None:
    """Because each of the two documents writes queries in its own way: topics with dimensions in small letters, functions with everything so."""
    with Running(services=[*SERVICES, Functions, Topics]) as running:
        client = running.client("cloudwatch")
        metric = {"Namespace": "Acts", "MetricName": "m", "Dimensions": [{"Name": "Host", "Value": "x"}]}
        queries = [
            {"Id": "m", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum", "Unit": "Count"}, "ReturnData": False},
            {"Id": "e", "Expression": "m * 2", "Label": "twice"},
        ]
        client.put_metric_alarm(
            AlarmName="a", Metrics=queries, EvaluationPeriods=2, DatapointsToAlarm=1, Threshold=5, ComparisonOperator="GreaterThanThreshold",
            AlarmActions=[FUNCTION, TOPIC],
        )  # fmt: skip
        client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="test")
        running.settle()
        ((_, invoked),) = running.app.cloud.service(Functions).calls
        ((_, published),) = running.app.cloud.service(Topics).calls
        assert json.loads(published["Message"])["Trigger"] == {
            "Period": 60, "EvaluationPeriods": 2, "DatapointsToAlarm": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 5.0, "TreatMissingData": "missing",
            "EvaluateLowSampleCountPercentile": "",
            "Metrics": [
                {"Id": "m", "MetricStat": {"Metric": {**metric, "Dimensions": [{"value": "x", "name": "Host"}]}, "Period": 60, "Stat": "Sum", "Unit": "Count"}, "ReturnData": False},
                {"Id": "e", "Expression": "m * 2", "Label": "twice", "ReturnData": True},
            ],
        }  # fmt: skip
        assert json.loads(invoked["Payload"])["alarmData"]["configuration"] == {
            "metrics": [
                {"id": "m", "metricStat": {"metric": {"namespace": "Acts", "name": "m", "dimensions": {"Host": "x"}}, "period": 60, "stat": "Sum", "unit": "Count"}, "returnData": False},
                {"id": "e", "expression": "m * 2", "label": "twice", "returnData": True},
            ]
        }  # fmt: skip


def test_a_suppressor_holds_back_a_composite_alarms_actions() -> None:
    """Because nobody is to be called during a maintenance: the User Guide's six examples, with a minute to wait and three of extension."""
    with Running(services=[*SERVICES, Functions]) as running:
        client = running.client("cloudwatch")
        for name in ("child", "quiet"):
            client.put_metric_alarm(
                AlarmName=name, Namespace="Acts", MetricName=name, Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=5,
                ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore",
            )  # fmt: skip
        asked: dict[str, Any] = {"AlarmName": "a", "AlarmRule": "ALARM(child)", "AlarmActions": [FUNCTION], "OKActions": [FUNCTION], "ActionsSuppressor": "quiet"}
        periods = {"ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 180}
        for wrong in ({}, {"ActionsSuppressorWaitPeriod": 60}, {**periods, "ActionsSuppressor": "nobody"}, {**periods, "OKActions": ["arn:aws:automate:us-east-1:ec2:stop"]}):
            refused("ValidationError", client.put_composite_alarm, **{**asked, **wrong})
        client.put_composite_alarm(**asked, **periods)

        def became(wait: str, **states: str) -> tuple[str | None, list[str]]:
            """What holds back actions after these states were set, and the states that the function was told of meanwhile and until the wait is over."""
            calls = running.app.cloud.service(Functions).calls
            calls.clear()
            for name, value in states.items():
                client.set_alarm_state(AlarmName=name, StateValue=value, StateReason="test")
            running.settle()
            (shown,) = client.describe_alarms(AlarmNames=["a"], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
            assert ("ActionsSuppressedBy" in shown) == ("ActionsSuppressedReason" in shown)
            running.advance(wait)
            return shown.get("ActionsSuppressedBy"), [json.loads(one["Payload"])["alarmData"]["state"]["value"] for _, one in calls]

        assert became("1m") == ("WaitPeriod", ["OK"])
        assert became("1m", child="ALARM") == ("WaitPeriod", ["ALARM"])
        before = json.loads(running.app.cloud.service(Functions).calls[0][1]["Payload"])["alarmData"]
        assert (before["previousState"]["value"], before["previousState"]["actionsSuppressedReason"]) == ("ALARM", "Actions suppressed by WaitPeriod")
        assert before["configuration"]["actionsSuppressorWaitPeriod"] == 60 and "actionsSuppressedBy" not in before["state"]
        assert became("30s", child="OK") == ("WaitPeriod", [])
        assert became("59s", child="ALARM") == ("WaitPeriod", [])
        assert became("10m", quiet="ALARM") == ("Alarm", [])
        assert became("10m", child="OK") == ("Alarm", [])
        assert became("3m", quiet="OK") == ("ExtensionPeriod", ["OK"])
        assert became("10m", quiet="ALARM", child="ALARM") == ("Alarm", [])
        assert became("1m", quiet="OK") == ("ExtensionPeriod", [])
        assert became("1m", child="OK") == ("WaitPeriod", ["OK"])
        assert became("5m", quiet="ALARM") == ("Alarm", []) and became("5m", quiet="OK") == ("ExtensionPeriod", []) and became("1m") == (None, [])
        # The wait outlives a restart.
        assert became("30s", child="ALARM") == ("WaitPeriod", [])
        running.stop()
        running.start()
        client = running.client("cloudwatch")
        assert became("29s") == ("WaitPeriod", []) and became("1s") == ("WaitPeriod", ["ALARM"])


def test_composite_alarms_tell_which_alarm_was_the_reason() -> None:
    """Because whoever is called wants to know what broke: the rule and the alarm that changed, none when the state was set by hand."""
    with Running(services=[*SERVICES, Topics]) as running:
        client = running.client("cloudwatch")
        for name in ("b", "c"):
            client.put_metric_alarm(
                AlarmName=name, Namespace="Acts", MetricName=name, Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=5, ComparisonOperator="GreaterThanThreshold"
            )
        rule = "ALARM(b) OR ALARM(c)"
        client.put_composite_alarm(AlarmName="a", AlarmRule=rule, AlarmActions=[TOPIC])
        running.settle()
        running.advance("10s")
        client.set_alarm_state(AlarmName="c", StateValue="ALARM", StateReason="test")
        running.settle()
        client.set_alarm_state(AlarmName="a", StateValue="OK", StateReason="test")
        client.set_alarm_state(AlarmName="a", StateValue="ALARM", StateReason="test")
        running.settle()
        by_itself, by_hand = (json.loads(request["Message"]) for _, request in running.app.cloud.service(Topics).calls)
        (child,) = by_itself["TriggeringChildren"]
        assert child == {"Arn": by_itself["AlarmArn"][:-1] + "c", "State": {"Value": "ALARM", "Timestamp": by_itself["StateChangeTime"]}}
        assert by_itself["NewStateReason"].startswith(f"{child['Arn']} transitioned to ALARM at ") and by_itself["AlarmRule"] == rule
        assert by_hand["TriggeringChildren"] == [] and not {"Trigger", "AlarmConfigurationUpdatedTimestamp"} & by_hand.keys()
