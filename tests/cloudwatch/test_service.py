"""Dashboards, the three protocols, permissions, and what is not built."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import boto3
import botocore.session
import cbor2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.cloudwatch.support import minute, put, refused
from tests.support.running import REGION, Running


def test_dashboards_are_kept(watch: Running) -> None:
    """Because a dashboard is a JSON document that comes back as it was put."""
    client = watch.client("cloudwatch")
    body = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "Hello"}}]})
    assert client.put_dashboard(DashboardName="d1", DashboardBody=body)["DashboardValidationMessages"] == []
    client.put_dashboard(DashboardName="e1", DashboardBody=body)
    found = client.get_dashboard(DashboardName="d1")
    assert found["DashboardBody"] == body and found["DashboardArn"] == "arn:aws:cloudwatch::000000000000:dashboard/d1"
    (entry,) = client.list_dashboards(DashboardNamePrefix="d")["DashboardEntries"]
    assert (entry["DashboardName"], entry["Size"]) == ("d1", len(body))
    refused("ResourceNotFound", client.delete_dashboards, DashboardNames=["d1", "none"])
    client.delete_dashboards(DashboardNames=["d1", "e1"])
    assert client.list_dashboards()["DashboardEntries"] == []
    refused("ResourceNotFound", client.get_dashboard, DashboardName="d1")
    refused("InvalidParameterInput", client.put_dashboard, DashboardName="d1", DashboardBody="{")
    refused("InvalidParameterValue", client.put_dashboard, DashboardName="d 1", DashboardBody=body)


def send(running: Running, body: bytes, path: str = "/", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """A signed request, spelled out."""
    request = AWSRequest("POST", running.endpoint + path, data=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    SigV4Auth(Credentials("test", "test"), "monitoring", REGION).add_auth(request)
    plain = urllib.request.Request(request.url, data=body, headers=dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(plain) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def seconds(running: Running) -> int:
    return int(minute(running).timestamp())


def test_cbor_is_spoken(watch: Running) -> None:
    """Because newer SDKs speak Smithy's RPC v2 CBOR to this service."""

    def call(operation: str, params: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        path = f"/service/GraniteServiceVersion20100801/operation/{operation}"
        status, body, headers = send(watch, cbor2.dumps(params), path, content_type="application/cbor", smithy_protocol="rpc-v2-cbor", accept="application/cbor")
        return status, cbor2.loads(body) if body else None, headers

    now = cbor2.CBORTag(1, seconds(watch))
    assert call("PutMetricData", {"Namespace": "Cbor", "MetricData": [{"MetricName": "M", "Value": 2.5, "Timestamp": now}]})[0] == 200
    end = cbor2.CBORTag(1, seconds(watch) + 60)
    params = {"Namespace": "Cbor", "MetricName": "M", "StartTime": now, "EndTime": end, "Period": 60, "Statistics": ["Sum"]}
    status, answer, _ = call("GetMetricStatistics", params)
    assert status == 200 and answer["Datapoints"][0]["Sum"] == 2.5 and answer["Datapoints"][0]["Timestamp"].timestamp() == seconds(watch)
    status, answer, headers = call("GetMetricStatistics", {**params, "Period": 7})
    assert status == 400 and answer["__type"].endswith("InvalidParameterValueException")
    assert headers["x-amzn-query-error"] == "InvalidParameterValue;Sender"


def test_the_query_protocol_is_spoken(watch: Running) -> None:
    """Because older SDKs and scripts send forms and read XML."""

    def call(**params: Any) -> tuple[int, str]:
        body = urllib.parse.urlencode({"Version": "2010-08-01", **params}).encode()
        status, answer, _ = send(watch, body, content_type="application/x-www-form-urlencoded")
        return status, answer.decode()

    datum = {"MetricData.member.1.MetricName": "M", "MetricData.member.1.Value": "3", "MetricData.member.1.Dimensions.member.1.Name": "Host"}
    status, _ = call(Action="PutMetricData", Namespace="Query", **datum, **{"MetricData.member.1.Dimensions.member.1.Value": "a"})
    assert status == 200
    status, answer = call(Action="ListMetrics", Namespace="Query")
    assert status == 200 and "<MetricName>M</MetricName>" in answer and "<Name>Host</Name><Value>a</Value>" in answer
    status, answer = call(Action="PutMetricData", Namespace="Query", **{"MetricData.member.1.MetricName": "M"})
    assert status == 400 and "<Code>InvalidParameterCombination</Code>" in answer


def test_json_is_spoken(watch: Running) -> None:
    """Because the model names JSON 1.0 too, which boto3 prefers."""
    target = "GraniteServiceVersion20100801.PutMetricData"
    body = json.dumps({"Namespace": "Json", "MetricData": [{"MetricName": "M", "Value": 1, "Timestamp": seconds(watch)}]}).encode()
    assert send(watch, body, content_type="application/x-amz-json-1.0", x_amz_target=target)[0] == 200
    assert [one["MetricName"] for one in watch.client("cloudwatch").list_metrics(Namespace="Json")["Metrics"]] == ["M"]


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_boto3_speaks_each_protocol(watch: Running, protocol: str) -> None:
    """Because the SDK chooses among the model's protocols: each gives the same values, times and errors."""
    session = botocore.session.get_session()
    model = session.get_component("data_loader").load_service_model("cloudwatch", "service-2")
    model["metadata"] |= {"protocol": protocol, "protocols": [protocol]}
    loader = session.get_component("data_loader")
    original = loader.load_service_model
    loader.load_service_model = lambda name, kind, *more, **given: model if (name, kind) == ("cloudwatch", "service-2") else original(name, kind, *more, **given)
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.session.Session(botocore_session=session, region_name=REGION, **keys).client("cloudwatch", endpoint_url=watch.endpoint)
    name = protocol.replace("-", "")
    client.put_metric_data(Namespace=name, MetricData=[{"MetricName": "M", "Values": [1.5, 2.0], "Counts": [2, 1], "Timestamp": minute(watch)}])
    queries = [{"Id": "m", "MetricStat": {"Metric": {"Namespace": name, "MetricName": "M"}, "Period": 60, "Stat": "Sum"}}]
    (found,) = client.get_metric_data(MetricDataQueries=queries, StartTime=minute(watch, 1), EndTime=minute(watch, -1))["MetricDataResults"]
    assert found["Values"] == [5.0] and found["Timestamps"] == [minute(watch)]
    refused("InvalidParameterValue", client.put_metric_data, Namespace=name, MetricData=[{"MetricName": "M", "Value": float("inf")}])
    refused("ResourceNotFound", client.set_alarm_state, AlarmName="none", StateValue="OK", StateReason="")


def test_permissions_are_asked_for(watch: Running) -> None:
    """Because only who may put metrics of a namespace puts them, and alarms are resources of their own."""
    iam = watch.client("iam")
    iam.create_user(UserName="reporter")
    key = iam.create_access_key(UserName="reporter")["AccessKey"]
    client = watch.client("cloudwatch", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    data = [{"MetricName": "M", "Value": 1}]
    message = refused("AccessDenied", client.put_metric_data, Namespace="Mine", MetricData=data)
    assert "is not authorized to perform: cloudwatch:PutMetricData" in message
    statements = [
        {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": {"StringEquals": {"cloudwatch:namespace": "Mine"}}},
        {"Effect": "Allow", "Action": "cloudwatch:DeleteAlarms", "Resource": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:mine-*"},
    ]
    iam.put_user_policy(UserName="reporter", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    client.put_metric_data(Namespace="Mine", MetricData=data)
    refused("AccessDenied", client.put_metric_data, Namespace="Yours", MetricData=data)
    client.delete_alarms(AlarmNames=["mine-1"])
    refused("AccessDenied", client.delete_alarms, AlarmNames=["mine-1", "yours"])


def test_what_is_not_built_says_so(watch: Running) -> None:
    """Because an anomaly detector or a stream that does nothing would be worse than none."""
    client = watch.client("cloudwatch")
    refused("NotImplemented", client.list_metric_streams)
    refused("NotImplemented", client.describe_anomaly_detectors)
    refused("NotImplemented", client.describe_insight_rules)
    put(watch, "X", {"MetricName": "M", "Value": 1})
    entity = [{"MetricData": [{"MetricName": "M", "Value": 1}]}]
    refused("NotImplemented", client.put_metric_data, Namespace="X", EntityMetricData=entity)


def test_what_alarms_do_can_be_a_condition(watch: Running) -> None:
    """Because who may make alarms that notify need not be allowed to make some that stop machines, on whatever state."""
    iam = watch.client("iam")
    iam.create_user(UserName="watcher")
    key = iam.create_access_key(UserName="watcher")["AccessKey"]
    client = watch.client("cloudwatch", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    condition = {"ForAllValues:StringLike": {"cloudwatch:AlarmActions": ["arn:aws:sns:*", "arn:aws:ssm:*"]}}
    statement = {"Effect": "Allow", "Action": ["cloudwatch:PutMetricAlarm", "cloudwatch:PutCompositeAlarm"], "Resource": "*", "Condition": condition}
    iam.put_user_policy(UserName="watcher", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}))
    topic, stop = "arn:aws:sns:us-east-1:000000000000:topic", "arn:aws:automate:us-east-1:ec2:stop"
    rule: dict[str, Any] = {"Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0}
    rule |= {"AlarmName": "limited", "ComparisonOperator": "GreaterThanThreshold"}
    client.put_metric_alarm(**rule)
    client.put_metric_alarm(**rule, AlarmActions=[topic])
    refused("AccessDenied", client.put_metric_alarm, **rule, AlarmActions=[stop])
    refused("AccessDenied", client.put_metric_alarm, **rule, AlarmActions=[topic], OKActions=[stop])
    refused("AccessDenied", client.put_composite_alarm, AlarmName="both", AlarmRule="ALARM(limited)", InsufficientDataActions=[stop])
