"""GetMetricData: expressions, labels, pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.services.cloudwatch.mathematics.parser import MathError, Number, Operation, parse
from haneul.services.cloudwatch.mathematics.search import parse_search
from haneul.services.cloudwatch.mathematics.series import combine
from haneul.services.cloudwatch.metrics import Metric
from tests.cloudwatch.conftest import SERVICES
from tests.cloudwatch.support import minute, put, query, refused
from tests.support.running import Running


@pytest.fixture(scope="module")
def filled() -> Iterator[Running]:
    """Metrics of the last five minutes, oldest first: a = 4 3 2 1 0, b = 10 each, c only in the oldest and newest minute."""
    with Running(services=SERVICES) as running:
        for ago in range(5):
            at = minute(running, ago)
            put(running, "App", {"MetricName": "a", "Value": ago, "Timestamp": at}, {"MetricName": "b", "Value": 10, "Timestamp": at})
        for ago in (4, 0):
            put(running, "App", {"MetricName": "c", "Value": 8 - ago, "Timestamp": minute(running, ago)})
        yield running


def results(running: Running, expression: str, **more: Any) -> list[dict[str, Any]]:
    queries = [query("a", "App", "a"), query("b", "App", "b"), query("c", "App", "c"), {"Id": "e", "Expression": expression, **more}]
    found: list[dict[str, Any]] = running.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=minute(running, 4), EndTime=minute(running, -1), ScanBy="TimestampAscending"
    )["MetricDataResults"]
    return found


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("a + 1", [5, 4, 3, 2, 1]),
        ("a * b / 2 - 1", [19, 14, 9, 4, -1]),
        ("-a ^ 2", [-16, -9, -4, -1, 0]),
        ("2 ^ 3 ^ 0 * a", [8, 6, 4, 2, 0]),
        ("b / a", [2.5, 10 / 3, 5, 10]),
        ("a + c", [8, 3, 2, 1, 8]),
        ("c / a", [1, 0, 0, 0]),
        ("c < a", [0, 1, 1, 1, 0]),
        ("a > 1 AND c > 1", [1, 0, 0, 0, 0]),
        ("AVG([a, c])", [4, 1.5, 1, 0.5, 4]),
        ("DATAPOINT_COUNT([a, c])", [2, 1, 1, 1, 2]),
        ("IF(a, c, b)", [4, 0, 0, 0, 10]),
        ("IF(a > 2, b, c)", [10, 10, 8]),
        ("IF(0, a)", []),
        ("IF(MONTH(c) > 0, 7)", [7, 7, 7, 7, 7]),
        ("a > 2", [1, 1, 0, 0, 0]),
        ("a >= 2 AND a < 4 OR a == 0", [0, 1, 1, 0, 1]),
        ("IF(a > 2, a, b)", [4, 3, 10, 10, 10]),
        ("IF(a, a)", [4, 3, 2, 1]),
        ("FILL(c, 0)", [4, 0, 0, 0, 8]),
        ("FILL(c, REPEAT)", [4, 4, 4, 4, 8]),
        ("FILL(c, LINEAR)", [4, 5, 6, 7, 8]),
        ("FILL(c, a)", [4, 3, 2, 1, 8]),
        ("DIFF(a)", [-1, -1, -1, -1]),
        ("RATE(c)", [4 / 240]),
        ("RUNNING_SUM(a)", [4, 7, 9, 10, 10]),
        ("SUM([a, b])", [14, 13, 12, 11, 10]),
        ("MAX(METRICS())", [10, 10, 10, 10, 10]),
        ('AVG(METRICS("a"))', [4, 3, 2, 1, 0]),
        ("a - AVG(a)", [2, 1, 0, -1, -2]),
        ("a / MAX(a) * 100", [100, 75, 50, 25, 0]),
        ("STDDEV(b) + a", [4, 3, 2, 1, 0]),
        ("TIME_SERIES(7)", [7, 7, 7, 7, 7]),
        ("a * 0 + PERIOD(a)", [60, 60, 60, 60, 60]),
        ("ABS(a - 3)", [1, 0, 1, 2, 3]),
        ("CEIL(a / 3) + FLOOR(a / 3)", [3, 2, 1, 1, 0]),
        ("LOG10(b)", [1, 1, 1, 1, 1]),
        ("METRIC_COUNT(METRICS()) + a * 0", [3, 3, 3, 3, 3]),
        ("FIRST(SORT(METRICS(), SUM, ASC, 1))", [4, 3, 2, 1, 0]),
        ("SLICE(METRICS(), 1, 2)", [10, 10, 10, 10, 10]),
    ],
)
def test_expressions_have_their_values(filled: Running, expression: str, values: list[float]) -> None:
    """Because operators bind as in arithmetic, 0 stands for what one of two series lacks, and functions do what the User Guide says."""
    (found,) = results(filled, expression)
    assert found["Values"] == pytest.approx(values) and found["StatusCode"] == "Complete"


@pytest.mark.parametrize("text", ["a +", "a b", "foo(a)", "SUM()", "unknown", "SUM(a)", "e", "'x' + a", "FILL(a)", "(a", "[a, 1]", "a $ b", "METRICS(1)", "(" * 99])
def test_expressions_that_mean_nothing_are_refused(filled: Running, text: str) -> None:
    """Because an expression that cannot be worked out is the request's mistake, told with the query's id."""
    with pytest.raises(Exception, match=r"ValidationError.*expression 'e'"):
        results(filled, text)


def test_what_is_not_built_says_so(filled: Running) -> None:
    """Because a band that is not computed must not look like one."""
    with pytest.raises(Exception, match=r"NotImplemented.*anomaly detection"):
        results(filled, "ANOMALY_DETECTION_BAND(a, 2)")
    with pytest.raises(Exception, match=r"NotImplemented.*LAST_TIME_RELATIVE"):
        results(filled, "a", Label="${LAST_TIME_RELATIVE}")
    with pytest.raises(Exception, match=r"NotImplemented.*Metrics Insights"):
        results(filled, 'SELECT AVG(Latency) FROM SCHEMA("Shop", Function) GROUP BY Function')


def test_searches_find_metrics(fresh_watch: Running) -> None:
    """Because a graph of all functions of an application is one search."""
    for function in ("shop-orders", "shop-payments", "blog"):
        put(fresh_watch, "Fn", {"MetricName": "Errors", "Value": 1, "Dimensions": [{"Name": "FunctionName", "Value": function}]})
    put(fresh_watch, "Fn", {"MetricName": "Errors", "Value": 9})

    def found(text: str) -> list[str]:
        client = fresh_watch.client("cloudwatch")
        queries = [{"Id": "e", "Expression": f"SEARCH('{text}', 'Sum', 60)", "Label": "${PROP('Dim.FunctionName')}"}]
        answer = client.get_metric_data(MetricDataQueries=queries, StartTime=minute(fresh_watch, 5), EndTime=minute(fresh_watch, -1))
        return sorted(one["Label"] for one in answer["MetricDataResults"])

    assert found("{Fn,FunctionName} MetricName=Errors") == ["blog", "shop-orders", "shop-payments"]
    assert found("{Fn,FunctionName} shop") == ["shop-orders", "shop-payments"]
    assert found('FunctionName=("blog" OR payments)') == ["blog", "shop-payments"]
    assert found("{Fn,FunctionName} NOT FunctionName=shop") == ["blog"]


def test_searches_compare_words() -> None:
    """As the User Guide's examples: single words in any case, words put together as they are written, in their order; exact texts with their signs escaped."""

    def names(text: str, *given: str) -> list[str]:
        search = parse_search(text)
        return [name for name in given if search.finds(Metric("", "", "Mine", name, (("Host", "x"),)))]

    for term in ("count", "Count", "COUNT", "CustomCount", "Count1", "customcount1", "custom-count"):
        assert names(term, "CustomCount1") == ["CustomCount1"], term
    for term in ("couNT", "customcount", "count1", "Count-Custom", '"customcount1"', '"Custom"'):
        assert names(term, "CustomCount1") == [], term
    for term in ("network/errors", "network+errors", "Network_Errors"):
        assert names(term, "Network-Errors-2", "NetworkErrors2", "Network-Io-Errors") == ["Network-Errors-2", "NetworkErrors2"], term
    assert names('{Mine, Host}, "CustomCount1"', "CustomCount1", "Other") == ["CustomCount1"]
    assert names(r'"Europe\\France Traffic\(Network\)"', r"Europe\France Traffic(Network)") == [r"Europe\France Traffic(Network)"]
    for wrong in ("", " ", "x" * 1025):
        with pytest.raises(MathError):
            parse_search(wrong)


def test_labels_are_filled(filled: Running) -> None:
    """Because a legend shows the numbers of its line."""
    (found,) = results(filled, "a * 2", Label="twice: ${MAX} ${MIN} ${AVG} ${LAST} ${DATAPOINT_COUNT}")
    assert found["Label"] == "twice: 8 0 4 0 5"
    queries = [{**query("a", "App", "a", returned=True), "Label": "${PROP('MetricName')} by ${PROP('Stat')}"}]
    answer = filled.client("cloudwatch").get_metric_data(MetricDataQueries=queries, StartTime=minute(filled, 4), EndTime=minute(filled, -1))
    assert answer["MetricDataResults"][0]["Label"] == "a by Sum"


def test_values_come_in_pages(filled: Running) -> None:
    """Because MaxDatapoints bounds an answer, and what is cut says so."""
    client = filled.client("cloudwatch")
    params = {"MetricDataQueries": [query("a", "App", "a", returned=True), query("b", "App", "b", returned=True)], "MaxDatapoints": 3}
    params |= {"StartTime": minute(filled, 4), "EndTime": minute(filled, -1)}
    values: dict[str, list[float]] = {"a": [], "b": []}
    token: dict[str, str] = {}
    pages = 0
    while True:
        answer = client.get_metric_data(**params, **token)
        pages += 1
        for one in answer["MetricDataResults"]:
            values[one["Id"]] += one["Values"]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert values == {"a": [0, 1, 2, 3, 4], "b": [10] * 5} and pages == 4
    refused("InvalidNextToken", client.get_metric_data, **params, NextToken="nonsense")


def test_queries_are_checked(filled: Running) -> None:
    """Because ids are unique, expressions know only ids of the request, and none hangs on itself."""
    client, times = filled.client("cloudwatch"), {"StartTime": minute(filled, 4), "EndTime": minute(filled)}
    one = query("a", "App", "a")
    for queries in ([one, one], [{**one, "Id": "A"}], [{"Id": "x", "Expression": "y"}, {"Id": "y", "Expression": "x"}], [{"Id": "x"}], [{**one, "Expression": "a"}]):
        refused("ValidationError", client.get_metric_data, MetricDataQueries=queries, **times)
    refused("ValidationError", client.get_metric_data, MetricDataQueries=[query("a", "App", "a", stat="Median")], **times)
    refused("ValidationError", client.get_metric_data, MetricDataQueries=[one], StartTime=minute(filled), EndTime=minute(filled) - timedelta(minutes=1))


def arithmetic(depth: int) -> st.SearchStrategy[str]:
    number = st.integers(0, 20).map(str)
    if not depth:
        return number
    inner = arithmetic(depth - 1)
    return number | st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})") | inner.map(lambda text: f"{text} + 1 * 2")


@given(arithmetic(3))
def test_arithmetic_is_pythons(text: str) -> None:
    """Because precedence and parentheses mean what they mean everywhere: Python is the oracle."""

    def value(node: Any) -> float:
        if isinstance(node, Number):
            return node.value
        assert isinstance(node, Operation)
        found = combine(node.operator, value(node.left), value(node.right))
        assert isinstance(found, float)
        return found

    assert value(parse(text)) == eval(text)


@given(st.text(alphabet="ab12.+-*/^()[],'\"<>=! SUMIF", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Because hostile expressions end in an error of their own, never in one of ours."""
    try:
        parse(text)
    except MathError as problem:
        assert str(problem)


def test_what_a_search_finds_is_told_apart_by_its_labels(fresh_watch: Running) -> None:
    """Because dashboards and programs read in Label which function, queue or machine a line is of: by what differs, behind the label that was given."""
    for function, metric in (("a", "Errors"), ("b", "Errors"), ("b", "Calls")):
        put(fresh_watch, "Fn", {"MetricName": metric, "Value": 1, "Dimensions": [{"Name": "FunctionName", "Value": function}, {"Name": "Stage", "Value": "live"}]})

    def labels(text: str, **more: Any) -> list[str]:
        client = fresh_watch.client("cloudwatch")
        queries = [{"Id": "e", "Expression": f"SEARCH('{{Fn,FunctionName,Stage}} {text}', 'Sum', 60)", **more}]
        answer = client.get_metric_data(MetricDataQueries=queries, StartTime=minute(fresh_watch, 5), EndTime=minute(fresh_watch, -1))
        return sorted(one["Label"] for one in answer["MetricDataResults"])

    assert labels("Errors") == ["a", "b"]
    assert labels("") == ["a Errors", "b Calls", "b Errors"]
    assert labels("Calls") == ["Calls"]
    assert labels("Errors", Label="by function") == ["by function a", "by function b"]
    assert labels("Errors", Label="max ${MAX}") == ["max 1", "max 1"]
    assert labels("Calls", Label="calls") == ["calls"]


def test_labels_tell_times_in_the_time_zone_asked_for(fresh_watch: Running) -> None:
    """Because tools send the zone of whoever looks at the graph."""
    at = datetime(2030, 1, 2, 23, 30, tzinfo=UTC)
    fresh_watch.advance(f"{int(at.timestamp()) - fresh_watch.clock.now() // 10**9}s")
    put(fresh_watch, "App", {"MetricName": "z", "Value": 1, "Timestamp": at})
    client = fresh_watch.client("cloudwatch")
    asked = {"MetricDataQueries": [{**query("z", "App", "z", returned=True), "Label": "${LAST_TIME}"}], "StartTime": at, "EndTime": at + timedelta(minutes=1)}
    for offset, shown in (("+0000", "2030-01-02 23:30:00 UTC"), ("+0530", "2030-01-03 05:00:00 +0530"), ("-0300", "2030-01-02 20:30:00 -0300")):
        assert client.get_metric_data(**asked, LabelOptions={"Timezone": offset})["MetricDataResults"][0]["Label"] == shown
    for wrong in ("CET", "0200", "+2500", "+0275"):
        refused("ValidationError", client.get_metric_data, **asked, LabelOptions={"Timezone": wrong})
