"""PutMetricData and GetMetricStatistics: what goes in comes out as statistics."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.services.cloudwatch.points import Point, merged, statistic
from tests.cloudwatch.conftest import SERVICES
from tests.cloudwatch.support import minute, put, refused
from tests.support.running import Running

ALL = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]


def statistics(running: Running, namespace: str, metric: str, minutes: float = 60, period: int = 60, **more: Any) -> list[dict[str, Any]]:
    if "ExtendedStatistics" not in more:
        more["Statistics"] = ALL
    found = running.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=metric, StartTime=minute(running, minutes), EndTime=minute(running, -1), Period=period, **more
    )["Datapoints"]
    return sorted(found, key=lambda one: one["Timestamp"])


def test_values_of_a_period_become_statistics(watch: Running) -> None:
    """Because a datapoint sums up everything that was reported in its period, whichever way it was reported."""
    put(watch, "A", {"MetricName": "M", "Value": 4}, {"MetricName": "M", "Values": [1, 2], "Counts": [3, 1]})
    put(watch, "A", {"MetricName": "M", "StatisticValues": {"SampleCount": 2, "Sum": 17, "Minimum": 7, "Maximum": 10}})
    (point,) = statistics(watch, "A", "M")
    assert {name: point[name] for name in ALL} == {"SampleCount": 7, "Average": 26 / 7, "Sum": 26, "Minimum": 1, "Maximum": 10}
    assert point["Timestamp"] == minute(watch) and point["Unit"] == "None"


def test_dimensions_and_units_are_apart(watch: Running) -> None:
    """Because each combination of dimensions is a metric of its own, and values in different units are never added up."""
    one, two = [{"Name": "Host", "Value": "a"}], [{"Name": "Host", "Value": "b"}]
    put(watch, "B", {"MetricName": "M", "Value": 1, "Dimensions": one}, {"MetricName": "M", "Value": 2, "Dimensions": two, "Unit": "Bytes"})
    put(watch, "B", {"MetricName": "M", "Value": 5, "Dimensions": two, "Unit": "Seconds"})
    assert statistics(watch, "B", "M") == []
    assert [point["Sum"] for point in statistics(watch, "B", "M", Dimensions=one)] == [1]
    assert {(point["Unit"], point["Sum"]) for point in statistics(watch, "B", "M", Dimensions=two)} == {("Bytes", 2), ("Seconds", 5)}
    assert [point["Sum"] for point in statistics(watch, "B", "M", Dimensions=two, Unit="Seconds")] == [5]


def test_longer_periods_take_minutes_together(watch: Running) -> None:
    """Because periods begin at the start time and hold the values of all their minutes."""
    for ago in range(10):
        put(watch, "C", {"MetricName": "M", "Value": ago, "Timestamp": minute(watch, ago)})
    points = statistics(watch, "C", "M", minutes=9, period=300)
    assert [(point["Timestamp"], point["Sum"]) for point in points] == [(minute(watch, 9), 35), (minute(watch, 4), 10)]


def test_high_resolution_is_seen_by_the_second(watch: Running) -> None:
    """Because only values with StorageResolution 1 are kept by the second; the others are seen by the minute."""
    start = minute(watch, 2)
    for second in (0, 1, 11):
        put(watch, "D", {"MetricName": "Fine", "Value": 1, "Timestamp": start + timedelta(seconds=second), "StorageResolution": 1})
        put(watch, "D", {"MetricName": "Coarse", "Value": 1, "Timestamp": start + timedelta(seconds=second)})
    assert [point["Sum"] for point in statistics(watch, "D", "Fine", period=10)] == [2, 1]
    assert statistics(watch, "D", "Coarse", period=10) == []
    assert [point["Sum"] for point in statistics(watch, "D", "Coarse")] == [3]


def test_percentiles_come_from_the_values(watch: Running) -> None:
    """Because percentiles and trimmed means need the values themselves; a summary of different values has none."""
    put(watch, "E", {"MetricName": "M", "Values": [float(number) for number in range(1, 101)], "Unit": "Milliseconds"})
    (point,) = statistics(watch, "E", "M", ExtendedStatistics=["p50", "p99.9", "tm90", "TM(10%:90%)", "PR(:25)", "TC(50:)"])
    found = point["ExtendedStatistics"]
    assert (found["p50"], found["p99.9"], found["PR(:25)"], found["TC(50:)"]) == (50, 100, 25, 50)
    assert found["tm90"] == 45.5 and found["TM(10%:90%)"] == 50.5
    put(watch, "E", {"MetricName": "S", "StatisticValues": {"SampleCount": 2, "Sum": 3, "Minimum": 1, "Maximum": 2}})
    assert statistics(watch, "E", "S", ExtendedStatistics=["p50"]) == []
    for name, total in (("Equal", 2), ("Odd", 3)):  # A sum that bounds and count do not make tells that single values are not known.
        put(watch, "E", {"MetricName": name, "StatisticValues": {"SampleCount": 2, "Sum": total, "Minimum": 1, "Maximum": 1}})
    assert [point["ExtendedStatistics"]["p50"] for name in ("Equal", "Odd") for point in statistics(watch, "E", name, ExtendedStatistics=["p50"])] == [1]


def test_negative_values_have_no_percentiles(watch: Running) -> None:
    """Because CloudWatch has none of the statistics made of single values where any of them is negative; those of sums and bounds it has."""
    names = ["p0", "p50", "p100", "tm90", "TM(10%:90%)", "WM(:90%)", "TC(0:)", "TS(0:)", "PR(0:5)", "IQM"]
    put(watch, "N", {"MetricName": "M", "Values": [-1.0, 2.0, 3.0], "Timestamp": minute(watch, 2)}, {"MetricName": "M", "Values": [0.0, 4.0], "Timestamp": minute(watch, 1)})
    (point,) = statistics(watch, "N", "M", ExtendedStatistics=names)
    assert point["Timestamp"] == minute(watch, 1) and sorted(point["ExtendedStatistics"]) == sorted(names)
    assert [point["Minimum"] for point in statistics(watch, "N", "M", Statistics=["Minimum"])] == [-1, 0]
    assert statistics(watch, "N", "M", ExtendedStatistics=["p50"], period=3600) == []


@given(st.lists(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30), min_size=1, max_size=5), st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_points_added_up_are_one_point_of_all_values(groups: list[list[int]], percent: int) -> None:
    """Because the order and grouping in which values arrive changes nothing; plain lists are the oracle."""
    values = sorted(float(value) for group in groups for value in group)
    point = merged(merged(Point(1.0, value, value, value, {float(value): 1.0}) for value in group) for group in groups)
    assert (point.samples, point.sum, point.min, point.max) == (len(values), sum(values), values[0], values[-1])
    make = statistic(f"p{percent}")
    expected = values[-(-percent * len(values) // 100) - 1] if values[0] >= 0 else None
    assert make is not None and make(point) == expected


@pytest.mark.parametrize(
    ("datum", "code", "words"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue", "MetricData.member.1.Value"),
        ({"Value": 2.0**361}, "InvalidParameterValue", "MetricData.member.1.Value"),
        ({}, "InvalidParameterCombination", "MetricData.member.1.Value"),
        ({"Value": 1, "Values": [1]}, "InvalidParameterCombination", "mutually exclusive"),
        ({"Values": [1], "Counts": [1, 2]}, "InvalidParameterValue", "must be of the same size"),
        ({"Values": [1.0] * 151}, "InvalidParameterValue", "150"),
        ({"Value": 1, "StorageResolution": 30}, "InvalidParameterValue", "StorageResolution"),
        ({"Value": 1, "Unit": "Miles"}, "ValidationError", "unit"),
        ({"Value": 1, "Dimensions": [{"Name": str(number), "Value": "x"} for number in range(31)]}, "ValidationError", "30"),
    ],
)
def test_data_outside_the_limits_is_refused(watch: Running, datum: dict[str, Any], code: str, words: str) -> None:
    """Because what is accepted is kept, and what cannot be kept is refused with the parameter's name."""
    message = refused(code, watch.client("cloudwatch").put_metric_data, Namespace="F", MetricData=[{"MetricName": "M", **datum}])
    assert words in message


def test_times_outside_two_weeks_and_two_hours_are_refused(watch: Running) -> None:
    """Because values may come two weeks late and two hours early, no more."""
    client = watch.client("cloudwatch")
    for ago in (14 * 1440 + 2, -122):
        data = [{"MetricName": "M", "Value": 1, "Timestamp": minute(watch, ago)}]
        assert "Timestamp" in refused("InvalidParameterValue", client.put_metric_data, Namespace="G", MetricData=data)
    put(watch, "G", {"MetricName": "M", "Value": 1, "Timestamp": minute(watch, 14 * 1440 - 2)}, {"MetricName": "M", "Value": 1, "Timestamp": minute(watch, -119)})


def test_a_request_has_a_thousand_metrics_at_most(watch: Running) -> None:
    """Because that is the limit of a request, and a namespace of AWS belongs to the services."""
    client = watch.client("cloudwatch")
    put(watch, "H", *({"MetricName": f"M{number}", "Value": 1} for number in range(1000)))
    data = [{"MetricName": "M", "Value": 1}] * 1001
    assert "1000" in refused("InvalidParameterValue", client.put_metric_data, Namespace="H", MetricData=data)
    refused("InvalidParameterValue", client.put_metric_data, Namespace="AWS/Lambda", MetricData=data[:1])
    first = client.list_metrics(Namespace="H")
    second = client.list_metrics(Namespace="H", NextToken=first["NextToken"])
    assert len(first["Metrics"]) == len(second["Metrics"]) == 500 and "NextToken" not in second


def test_statistics_have_their_limits(watch: Running) -> None:
    """Because at most 1,440 datapoints are answered, and one kind of statistics must be asked for."""
    client, times = watch.client("cloudwatch"), {"StartTime": minute(watch, 1441), "EndTime": minute(watch)}
    common = {"Namespace": "I", "MetricName": "M"}
    message = refused("InvalidParameterCombination", client.get_metric_statistics, **common, **times, Period=60, Statistics=["Sum"])
    assert message.startswith("You have requested up to 1,441 datapoints, which exceeds the limit of 1,440.")
    refused("InvalidParameterCombination", client.get_metric_statistics, **common, **times, Period=60)
    refused("InvalidParameterCombination", client.get_metric_statistics, **common, **times, Period=300, Statistics=["Sum"], ExtendedStatistics=["p90"])
    refused("InvalidParameterValue", client.get_metric_statistics, **common, **times, Period=61, Statistics=["Sum"])
    refused("InvalidParameterValue", client.get_metric_statistics, **common, **times, Period=300, ExtendedStatistics=["p101"])
    times["StartTime"] = times["EndTime"]
    refused("InvalidParameterCombination", client.get_metric_statistics, **common, **times, Period=60, Statistics=["Sum"])


def test_metrics_are_listed_by_name_dimension_and_activity(fresh_watch: Running) -> None:
    """Because the list shows what has had values within two weeks, and with PT3H what had some within three hours."""
    put(fresh_watch, "J", {"MetricName": "A", "Value": 1, "Dimensions": [{"Name": "X", "Value": "1"}]}, {"MetricName": "B", "Value": 1})
    client = fresh_watch.client("cloudwatch")

    def names(**params: Any) -> list[str]:
        return [one["MetricName"] for one in client.list_metrics(**params)["Metrics"] if one["Namespace"] == "J"]

    assert names() == ["A", "B"] and names(Namespace="J", MetricName="B") == ["B"] and names(MetricName="B") == ["B"]
    assert names(Dimensions=[{"Name": "X"}]) == ["A"] and names(Dimensions=[{"Name": "X", "Value": "2"}]) == []
    fresh_watch.advance("4h")
    put(fresh_watch, "J", {"MetricName": "B", "Value": 1})
    assert names(RecentlyActive="PT3H") == ["B"] and names() == ["A", "B"]
    fresh_watch.advance("14d")
    assert names() == ["B"]
    refused("InvalidParameterValue", client.list_metrics, NextToken="nonsense")


def test_each_resolution_is_forgotten_at_its_age(fresh_watch: Running) -> None:
    """Because seconds are kept 3 hours, minutes 15 days, five minutes 63 days and hours 455 days; the rows themselves go too."""
    put(fresh_watch, "K", {"MetricName": "M", "Value": 1, "StorageResolution": 1, "Timestamp": minute(fresh_watch)})
    start = minute(fresh_watch)
    client = fresh_watch.client("cloudwatch")

    def seen(period: int) -> bool:
        begin = start - timedelta(hours=start.hour % 24, minutes=start.minute)
        times = {"StartTime": begin if period >= 60 else start, "EndTime": start + timedelta(minutes=1)}
        if period >= 60:
            times["EndTime"] = begin + timedelta(days=1)
        return bool(client.get_metric_statistics(Namespace="K", MetricName="M", Period=period, Statistics=["Sum"], **times)["Datapoints"])

    assert [seen(period) for period in (1, 60, 300, 3600)] == [True] * 4
    fresh_watch.advance("3h1m")
    assert [seen(period) for period in (1, 60, 300, 3600)] == [False, True, True, True]
    fresh_watch.advance("15d")
    assert [seen(period) for period in (60, 300, 3600)] == [False, True, True]
    fresh_watch.advance("48d")
    assert [seen(period) for period in (300, 3600)] == [False, True]
    fresh_watch.advance("430d")
    assert not seen(3600)


def test_data_survive_a_restart(tmp_path: Any) -> None:
    """Because what was acknowledged is on the disk, and what services reported is written before the end."""
    running = Running(data_dir=tmp_path, services=SERVICES).start()
    put(running, "L", {"MetricName": "M", "Value": 3})

    async def report() -> None:
        running.app.cloud.metrics.add("000000000000", "us-east-1", "AWS/Test", "Count", (), 2.0)

    running.run(report())
    running.stop()
    running.start()
    assert [point["Sum"] for point in statistics(running, "L", "M")] == [3]
    assert [point["Sum"] for point in statistics(running, "AWS/Test", "Count")] == [2]
    running.stop()


def test_accounts_and_regions_are_apart(watch: Running) -> None:
    """Because one account's and one region's metrics are nobody else's."""
    put(watch, "N", {"MetricName": "M", "Value": 1})
    assert watch.client("cloudwatch", region="eu-west-1").list_metrics(Namespace="N")["Metrics"] == []
    assert watch.client("cloudwatch", key="111111111111").list_metrics(Namespace="N")["Metrics"] == []


def test_compressed_requests_are_read(watch: Running) -> None:
    """Because SDKs compress large requests of this operation by themselves."""
    client = watch.client("cloudwatch", request_min_compression_size_bytes=1)
    seen: list[Any] = []
    client.meta.events.register("before-send.cloudwatch.PutMetricData", lambda request, **_: seen.append(request))
    client.put_metric_data(Namespace="O", MetricData=[{"MetricName": "M", "Value": 7}])
    assert seen[0].headers["Content-Encoding"] in (b"gzip", "gzip") and gzip.decompress(seen[0].body)
    assert [point["Sum"] for point in statistics(watch, "O", "M")] == [7]


def test_values_that_did_not_occur_are_no_datapoints(watch: Running) -> None:
    """Because clients that count in buckets also send the empty ones, and a minimum of nothing is not zero."""
    put(watch, "Zero", {"MetricName": "none", "Values": [5.0], "Counts": [0.0]}, {"MetricName": "some", "Values": [5.0, 7.0], "Counts": [0.0, 2.0]})
    times = {"StartTime": minute(watch, 1), "EndTime": minute(watch, -1), "Period": 60, "Statistics": ["Minimum"]}
    client = watch.client("cloudwatch")
    assert client.get_metric_statistics(Namespace="Zero", MetricName="none", **times)["Datapoints"] == []
    assert [one["Minimum"] for one in client.get_metric_statistics(Namespace="Zero", MetricName="some", **times)["Datapoints"]] == [7]
