"""What alarms tell functions and topics. These stand in for the real ones: they only note what they are called with."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.operation import Operation, Shape
from haneul.core.service import Service
from tests.cloudwatch.conftest import SERVICES
from tests.cloudwatch.support import put
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
        put(running, "Acts", {"MetricName": "m", "Value": 9, "Dimensions": [{"Name": "Host", "Value": "x"}]})
        running.advance("1m")
        ((_, invoked),) = running.app.cloud.service(Functions).calls
        ((_, published),) = running.app.cloud.service(Topics).calls
        event, message = json.loads(invoked["Payload"]), json.loads(published["Message"])
        assert invoked["InvocationType"] == "Event" and event["source"] == "aws.cloudwatch" and event["alarmArn"].endswith(":alarm:a")
        assert event["alarmData"]["state"]["value"] == "ALARM" and event["alarmData"]["previousState"]["value"] == "INSUFFICIENT_DATA"
        assert event["alarmData"]["configuration"]["metrics"][0]["metricStat"]["metric"] == {"namespace": "Acts", "name": "m", "dimensions": {"Host": "x"}}
        assert published["Subject"] == 'ALARM: "a" in us-east-1'
        assert (message["AlarmName"], message["NewStateValue"], message["OldStateValue"]) == ("a", "ALARM", "INSUFFICIENT_DATA")
        assert message["Trigger"]["Threshold"] == 5 and message["Trigger"]["Dimensions"] == [{"value": "x", "name": "Host"}]

        def outcomes(name: str) -> list[Any]:
            items = client.describe_alarm_history(AlarmName=name, HistoryItemType="Action", ScanBy="TimestampAscending")["AlarmHistoryItems"]
            return [json.loads(one["HistoryData"])["actionState"] for one in items]

        assert outcomes("a") == ["Succeeded", "Succeeded"] and outcomes("b") == ["Failed", "Failed"]
        running.advance("2m")
        assert len(running.app.cloud.service(Functions).calls) == 1
