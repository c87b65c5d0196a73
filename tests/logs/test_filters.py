"""Subscription filters, metric filters, live tail."""

from __future__ import annotations

import base64
import gzip
import json
import threading

import pytest

from haneul.core.errors import ServiceError
from tests.logs.support import error_of, make_stream, now_ms, put

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:sink"


def fake(cloud, name):
    return cloud.app.cloud.services[name]


def allow(cloud, condition=None):
    statement = {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": FUNCTION}
    if condition:
        statement["Condition"] = condition
    fake(cloud, "lambda").policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def received(cloud):
    cloud.settle()
    calls = [call for call in fake(cloud, "lambda").calls if call["InvocationType"] == "Event"]
    return [json.loads(gzip.decompress(base64.b64decode(json.loads(call["Payload"])["awslogs"]["data"]))) for call in calls]


def test_a_subscribed_function_gets_matching_events(fresh_cloud):
    """The payload is the documented one: base64 of gzip of JSON, with the ids that FilterLogEvents shows."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/sub")
    allow(fresh_cloud, {"ArnLike": {"aws:SourceArn": "arn:aws:logs:us-east-1:000000000000:log-group:/sub:*"}})
    logs.put_subscription_filter(logGroupName="/sub", filterName="errors", filterPattern="[level = ERROR, code]", destinationArn=FUNCTION)
    at = now_ms(fresh_cloud)
    put(logs, "/sub", "s", (at, "ERROR 1"), (at, "INFO 2"), (at, "ERROR 3"))
    (document,) = received(fresh_cloud)
    ids = [event["eventId"] for event in logs.filter_log_events(logGroupName="/sub", filterPattern="ERROR")["events"]]
    assert document == {
        "messageType": "DATA_MESSAGE",
        "owner": "000000000000",
        "logGroup": "/sub",
        "logStream": "s",
        "subscriptionFilters": ["errors"],
        "logEvents": [
            {"id": ids[0], "timestamp": at, "message": "ERROR 1", "extractedFields": {"level": "ERROR", "code": "1"}},
            {"id": ids[1], "timestamp": at, "message": "ERROR 3", "extractedFields": {"level": "ERROR", "code": "3"}},
        ],
    }
    (listed,) = logs.describe_subscription_filters(logGroupName="/sub")["subscriptionFilters"]
    assert (listed["filterName"], listed["destinationArn"], listed["distribution"]) == ("errors", FUNCTION, "ByLogStream")
    logs.delete_subscription_filter(logGroupName="/sub", filterName="errors")
    put(logs, "/sub", "s", (at, "ERROR 4"))
    assert len(received(fresh_cloud)) == 1


def test_a_subscription_needs_the_functions_consent(fresh_cloud):
    """Without a resource policy that names logs.amazonaws.com the filter is refused, as with the real service."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/deny")
    code, message = error_of(logs.put_subscription_filter, logGroupName="/deny", filterName="f", filterPattern="", destinationArn=FUNCTION)
    assert (code, message.split(".")[0]) == ("InvalidParameterException", "Could not execute the lambda function")
    stream = "arn:aws:kinesis:us-east-1:000000000000:stream/x"
    assert error_of(logs.put_subscription_filter, logGroupName="/deny", filterName="f", filterPattern="", destinationArn=stream)[0] == "NotImplemented"


def test_at_most_two_subscriptions(fresh_cloud):
    """The service's limit; putting a filter again replaces it."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/two")
    allow(fresh_cloud)
    for name in ("a", "b", "a"):
        logs.put_subscription_filter(logGroupName="/two", filterName=name, filterPattern="", destinationArn=FUNCTION)
    assert error_of(logs.put_subscription_filter, logGroupName="/two", filterName="c", filterPattern="", destinationArn=FUNCTION)[0] == "LimitExceededException"


def test_delivery_is_tried_again_in_order(fresh_cloud):
    """A function that is throttled gets its events later, one batch after the other."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/retry")
    allow(fresh_cloud)
    logs.put_subscription_filter(logGroupName="/retry", filterName="f", filterPattern="", destinationArn=FUNCTION)
    fake(fresh_cloud, "lambda").failures = [ServiceError("TooManyRequestsException", "Rate Exceeded.", 429)]
    put(logs, "/retry", "s", (now_ms(fresh_cloud), "one"))
    assert received(fresh_cloud) == []
    fresh_cloud.advance("10s")
    assert [document["logEvents"][0]["message"] for document in received(fresh_cloud)] == ["one"]


def test_metric_filters_feed_cloudwatch(fresh_cloud):
    """Values come from the pattern's fields; without a match the default value is reported."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/m")
    transformation = {"metricName": "Latency", "metricNamespace": "App", "metricValue": "$.ms", "unit": "Milliseconds", "dimensions": {"Path": "$.path"}}
    logs.put_metric_filter(logGroupName="/m", filterName="latency", filterPattern="{ $.ms > 0 }", metricTransformations=[transformation])
    count = {"metricName": "Errors", "metricNamespace": "App", "metricValue": "1", "defaultValue": 0}
    logs.put_metric_filter(logGroupName="/m", filterName="errors", filterPattern="ERROR", metricTransformations=[count])
    at = now_ms(fresh_cloud)
    put(logs, "/m", "s", (at, '{"ms": 12, "path": "/a"}'), (at, '{"ms": 0}'))
    fresh_cloud.settle()
    (call,) = fake(fresh_cloud, "cloudwatch").calls
    assert call["Namespace"] == "App"
    assert call["MetricData"] == [
        {"MetricName": "Latency", "Value": 12.0, "Unit": "Milliseconds", "Timestamp": at * 1_000_000, "Dimensions": [{"Name": "Path", "Value": "/a"}]},
        {"MetricName": "Errors", "Value": 0.0, "Unit": "None", "Timestamp": at * 1_000_000},
    ]
    assert logs.describe_log_groups(logGroupNamePrefix="/m")["logGroups"][0]["metricFilterCount"] == 2
    found = logs.describe_metric_filters(metricName="Errors", metricNamespace="App")["metricFilters"]
    assert [(one["filterName"], one["logGroupName"]) for one in found] == [("errors", "/m")]
    logs.delete_metric_filter(logGroupName="/m", filterName="errors")
    assert error_of(logs.delete_metric_filter, logGroupName="/m", filterName="errors") == ("ResourceNotFoundException", "The specified metric filter does not exist.")


def test_test_metric_filter(cloud, logs):
    """Numbers count from one, and the values are named as in the pattern."""
    answer = logs.test_metric_filter(filterPattern="[ip, code = 5*]", logEventMessages=["a 200", "b 503"])
    assert answer["matches"] == [{"eventNumber": 2, "eventMessage": "b 503", "extractedValues": {"$ip": "b", "$code": "503"}}]


@pytest.mark.parametrize("pattern", ["", "keep"])
def test_live_tail(fresh_cloud, pattern):
    """A session shows what comes in after its start and ends by itself after three hours."""
    logs = fresh_cloud.client("logs", inject_host_prefix=False)
    make_stream(logs, "/live")
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/live"
    put(logs, "/live", "s", (now_ms(fresh_cloud), "keep: before"))
    stream = iter(logs.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern=pattern)["responseStream"])
    assert next(stream)["sessionStart"]["logGroupIdentifiers"] == [arn]
    put(logs, "/live", "s", (now_ms(fresh_cloud), "keep: first"), (now_ms(fresh_cloud), "drop"))
    results = next(stream)["sessionUpdate"]["sessionResults"]
    assert [one["message"] for one in results] == (["keep: first"] if pattern else ["keep: first", "drop"])
    assert results[0]["logGroupIdentifier"] == "000000000000:/live"
    assert results[0]["logStreamName"] == "s"
    ended = []

    def read_on():
        try:
            for event in stream:
                ended.append(event)
        except Exception as error:  # botocore raises what the stream ends with.
            ended.append(error)

    reader = threading.Thread(target=read_on)
    reader.start()
    fresh_cloud.advance("3h")
    fresh_cloud.advance("5s")
    reader.join(20)
    assert "SessionTimeoutException" in str(ended[-1])


def test_groups_for_infrequent_access_have_no_filters(cloud):
    """They cost less because they lack filters and the live tail ("Log classes")."""
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="/rare", logGroupClass="INFREQUENT_ACCESS")
    allow(cloud)
    metric = [{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}]
    filtered = {"logGroupName": "/rare", "filterName": "f", "filterPattern": ""}
    assert error_of(logs.put_metric_filter, **filtered, metricTransformations=metric)[0] == "InvalidOperationException"
    assert error_of(logs.put_subscription_filter, **filtered, destinationArn=FUNCTION)[0] == "InvalidOperationException"
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/rare"
    tail = cloud.client("logs", inject_host_prefix=False).start_live_tail
    assert error_of(tail, logGroupIdentifiers=[arn])[0] == "InvalidOperationException"
