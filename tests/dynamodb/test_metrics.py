"""What tables report to CloudWatch of their requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodbstreams.service import DynamoDbStreams
from tests.dynamodb.support import failure, make_table, n, s
from tests.support.running import Running


def test_tables_report_latency_consumption_and_what_is_provisioned() -> None:
    """Because these are the metrics that alarms, dashboards and auto scaling look at, under the real service's names and dimensions."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        tables = running.client("dynamodb")
        tables.create_table(
            TableName="tab",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            ProvisionedThroughput={"ReadCapacityUnits": 7, "WriteCapacityUnits": 5},
        )
        running.advance("5s")
        for number in range(3):
            tables.put_item(TableName="tab", Item={"k": {"S": str(number)}})
        tables.get_item(TableName="tab", Key={"k": {"S": "1"}})
        running.advance("3m")
        now = datetime.fromtimestamp(running.clock.now() // 10**9, UTC)

        def values(metric: str, statistic: str, **dimensions: str) -> list[Any]:
            found = running.client("cloudwatch").get_metric_statistics(
                Namespace="AWS/DynamoDB", MetricName=metric, Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
                StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1), Period=60, Statistics=[statistic],
            )["Datapoints"]  # fmt: skip
            return [one[statistic] for one in found]

        assert values("SuccessfulRequestLatency", "SampleCount", TableName="tab", Operation="PutItem") == [3]
        assert values("SuccessfulRequestLatency", "Maximum", TableName="tab", Operation="GetItem")[0] > 0
        assert values("ConsumedWriteCapacityUnits", "Sum", TableName="tab") == [3]
        assert values("ConsumedReadCapacityUnits", "Sum", TableName="tab") == [0.5]
        assert values("ProvisionedReadCapacityUnits", "Average", TableName="tab") == [7, 7, 7]
        assert values("ProvisionedWriteCapacityUnits", "Average", TableName="tab") == [5, 5, 5]


def test_tables_report_conditions_that_failed_and_items_that_expired() -> None:
    """Because alarms on both are common: writes that lose a race, and whether time to live does its work. INSERT has an error of its own, which is not counted."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        tables = running.client("dynamodb")
        name = make_table(running)
        key = {"pk": s("a")}
        tables.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
        for number in range(2):
            tables.put_item(TableName=name, Item={"pk": s(str(number)), "until": n(running.clock.now() // 10**9 + 1)})
        tables.put_item(TableName=name, Item=key)
        failure(tables.put_item, TableName=name, Item=key, ConditionExpression="attribute_not_exists(pk)")
        failure(tables.update_item, TableName=name, Key=key, ConditionExpression="attribute_not_exists(pk)")
        failure(tables.delete_item, TableName=name, Key=key, ConditionExpression="attribute_not_exists(pk)")
        failure(tables.execute_statement, Statement=f"UPDATE \"{name}\" SET v = 1 WHERE pk = 'a' AND v = 2")
        failure(tables.execute_statement, Statement=f"INSERT INTO \"{name}\" VALUE {{'pk': 'a'}}")
        running.advance("5m")
        now = datetime.fromtimestamp(running.clock.now() // 10**9, UTC)

        def total(metric: str) -> float:
            found = running.client("cloudwatch").get_metric_statistics(
                Namespace="AWS/DynamoDB", MetricName=metric, Dimensions=[{"Name": "TableName", "Value": name}],
                StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1), Period=60, Statistics=["Sum"],
            )["Datapoints"]  # fmt: skip
            return float(sum(one["Sum"] for one in found))

        assert total("ConditionalCheckFailedRequests") == 4
        assert total("TimeToLiveDeletedItemCount") == 2


def test_errors_of_users_are_counted() -> None:
    """By account and region: every answer of 400, but those that other metrics count; streams count along."""
    with Running(services=[CloudWatch, DynamoDb, DynamoDbStreams]) as running:
        tables, table = running.client("dynamodb"), make_table(running)
        assert failure(tables.get_item, TableName="missing", Key={"pk": s("a")})[0] == "ResourceNotFoundException"
        assert failure(tables.put_item, TableName=table, Item={})[0] == "ValidationException"
        tables.put_item(TableName=table, Item={"pk": s("a")})
        assert failure(tables.put_item, TableName=table, Item={"pk": s("a")}, ConditionExpression="attribute_not_exists(pk)")[0] == "ConditionalCheckFailedException"
        arn = "arn:aws:dynamodb:us-east-1:000000000000:table/tab/stream/2020-01-01T00:00:00.000"
        assert failure(running.client("dynamodbstreams").describe_stream, StreamArn=arn)[0] == "ResourceNotFoundException"
        now = datetime.fromtimestamp(running.clock.now() // 10**9, UTC)
        times = {"StartTime": now - timedelta(minutes=10), "EndTime": now + timedelta(minutes=1), "Period": 60, "Statistics": ["Sum"]}
        found = running.client("cloudwatch").get_metric_statistics(Namespace="AWS/DynamoDB", MetricName="UserErrors", Dimensions=[], **times)
        assert sum(point["Sum"] for point in found["Datapoints"]) == 3
