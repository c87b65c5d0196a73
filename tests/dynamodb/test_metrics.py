"""What tables report to CloudWatch of their requests."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodbstreams.service import DynamoDbStreams
from tests.dynamodb.support import ONE_PARTITION, failure, make_table, n, s
from tests.dynamodb.test_concurrency import call
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
        # Every five minutes, as the Developer Guide says of all metrics that it does not list as reported by the minute.
        assert set(values("ProvisionedReadCapacityUnits", "Average", TableName="tab")) == {7} and set(values("ProvisionedWriteCapacityUnits", "Average", TableName="tab")) == {5}
        before = len(values("ProvisionedReadCapacityUnits", "Average", TableName="tab"))
        running.advance("5m")
        now += timedelta(minutes=5)
        assert len(values("ProvisionedReadCapacityUnits", "Average", TableName="tab")) == before + 1 <= 3


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
        assert total(running, name, "ConditionalCheckFailedRequests") == 4
        assert total(running, name, "TimeToLiveDeletedItemCount") == 2


def test_conflicts_are_counted_by_item() -> None:
    """Each write, and each item of a transaction, that met another transaction is one in the table's TransactionConflict."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        name = make_table(running)
        both = {"TransactItems": [{"Put": {"TableName": name, "Item": {"pk": s(key)}}} for key in "xy"]}

        async def at_once() -> list[Any]:
            calls = (("TransactWriteItems", both), ("TransactWriteItems", both), ("DeleteItem", {"TableName": name, "Key": {"pk": s("x")}}))
            return await asyncio.gather(*[call(running, operation, **parameters) for operation, parameters in calls], return_exceptions=True)

        done, *refused = running.run(at_once())
        assert done == {} and len(refused) == 2
        running.advance("5m")
        assert total(running, name, "TransactionConflict") == 3


def total(running: Running, table: str, metric: str) -> float:
    """The sum of a table's metric over the last ten minutes."""
    now = datetime.fromtimestamp(running.clock.now() // 10**9, UTC)
    found = running.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/DynamoDB", MetricName=metric, Dimensions=[{"Name": "TableName", "Value": table}],
        StartTime=now - timedelta(minutes=10), EndTime=now + timedelta(minutes=1), Period=60, Statistics=["Sum"],
    )["Datapoints"]  # fmt: skip
    return float(sum(one["Sum"] for one in found))


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


def collected(running: Running, metric: str, statistic: str, **dimensions: str) -> list[float]:
    """The values of a metric's minutes, of the last quarter of an hour."""
    now = datetime.fromtimestamp(running.clock.now() // 10**9, UTC)
    found = running.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/DynamoDB", MetricName=metric, Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(minutes=15), EndTime=now + timedelta(minutes=1), Period=60, Statistics=[statistic],
    )["Datapoints"]  # fmt: skip
    return [one[statistic] for one in sorted(found, key=lambda one: one["Timestamp"])]


def test_reads_of_pages_report_how_many_items_they_returned() -> None:
    """By table and operation, what is left after the filter: Query, Scan and the SELECT of ExecuteStatement."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        tables, name = running.client("dynamodb"), make_table(running)
        for number in range(4):
            tables.put_item(TableName=name, Item={"pk": s(str(number)), "v": n(number)})
        filtered = {"FilterExpression": "v >= :v", "ExpressionAttributeValues": {":v": n(2)}}
        assert tables.scan(TableName=name, **filtered)["Count"] == 2
        tables.scan(TableName=name)
        tables.query(TableName=name, KeyConditionExpression="pk = :k", ExpressionAttributeValues={":k": s("1")})
        tables.execute_statement(Statement=f"SELECT * FROM \"{name}\" WHERE pk IN ['1', '2', '9']")
        tables.execute_statement(Statement=f'SELECT * FROM "{name}"')
        assert collected(running, "ReturnedItemCount", "Sum", TableName=name, Operation="Scan") == [6]
        assert collected(running, "ReturnedItemCount", "SampleCount", TableName=name, Operation="Scan") == [2]
        assert collected(running, "ReturnedItemCount", "Sum", TableName=name, Operation="Query") == [1]
        assert collected(running, "ReturnedItemCount", "Sum", TableName=name, Operation="ExecuteStatement") == [6]


def test_batches_transactions_and_statements_report_their_latency_for_each_table() -> None:
    """Because these are operations of the dimension Operation as well, and a table that is used by them alone is in use: what is provisioned is reported."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        tables, (one, other) = running.client("dynamodb"), (make_table(running), make_table(running))
        put = {"PutRequest": {"Item": {"pk": s("a")}}}
        tables.batch_write_item(RequestItems={one: [put], other: [put]})
        tables.batch_get_item(RequestItems={one: {"Keys": [{"pk": s("a")}]}})
        tables.transact_get_items(TransactItems=[{"Get": {"TableName": name, "Key": {"pk": s(key)}}} for name, key in ((one, "a"), (one, "b"), (other, "a"))])
        tables.transact_write_items(TransactItems=[{"Delete": {"TableName": other, "Key": {"pk": s("x")}}}])
        select = f"SELECT * FROM \"{one}\" WHERE pk = 'a'"
        tables.execute_statement(Statement=select)
        tables.execute_transaction(TransactStatements=[{"Statement": select}])
        tables.batch_execute_statement(Statements=[{"Statement": select}, {"Statement": "SELECT * FROM missing WHERE pk = 'a'"}])
        for operation, names in {
            "BatchWriteItem": (one, other), "BatchGetItem": (one,), "TransactGetItems": (one, other), "TransactWriteItems": (other,),
            "ExecuteStatement": (one,), "ExecuteTransaction": (one,), "BatchExecuteStatement": (one,),
        }.items():  # fmt: skip
            for name in (one, other, "missing"):
                assert collected(running, "SuccessfulRequestLatency", "SampleCount", TableName=name, Operation=operation) == [1] * (name in names), operation


def test_readers_of_streams_report_what_they_were_given() -> None:
    """By table, stream and operation: how much a consumer reads is seen here. Reads that find nothing report their latency only."""
    with Running(services=[CloudWatch, DynamoDb, DynamoDbStreams]) as running:
        tables, streams = running.client("dynamodb"), running.client("dynamodbstreams")
        name = make_table(running, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}, **ONE_PARTITION)
        table = tables.describe_table(TableName=name)["Table"]
        for number in range(3):
            tables.put_item(TableName=name, Item={"pk": s(str(number))})
        arn = table["LatestStreamArn"]
        shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        page = streams.get_records(ShardIterator=iterator)
        assert len(page["Records"]) == 3
        streams.get_records(ShardIterator=page["NextShardIterator"])
        of_stream = {"TableName": name, "StreamLabel": table["LatestStreamLabel"], "Operation": "GetRecords"}
        assert collected(running, "ReturnedRecordsCount", "Sum", **of_stream) == [3]
        assert collected(running, "ReturnedRecordsCount", "SampleCount", **of_stream) == [1]
        assert collected(running, "ReturnedBytes", "Sum", **of_stream)[0] > 100
        assert collected(running, "SuccessfulRequestLatency", "SampleCount", **of_stream) == [2]


def test_the_account_reports_its_quotas_and_how_much_of_them_is_provisioned() -> None:
    """Every five minutes while a table is in use; alarms on these warn before the quotas are reached. All tables and indexes count, used or not."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        tables = running.client("dynamodb")
        schema = {"KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}]}
        units = {"ProvisionedThroughput": {"ReadCapacityUnits": 400, "WriteCapacityUnits": 800}}
        index = {"IndexName": "index", "KeySchema": schema["KeySchema"], "Projection": {"ProjectionType": "ALL"}, **units}
        tables.create_table(TableName="one", GlobalSecondaryIndexes=[index], **schema, **units)
        tables.create_table(TableName="two", **schema, ProvisionedThroughput={"ReadCapacityUnits": 4000, "WriteCapacityUnits": 8})
        tables.create_table(TableName="three", **schema, BillingMode="PAY_PER_REQUEST", OnDemandThroughput={"MaxReadRequestUnits": 50})
        running.advance("5s")
        tables.get_item(TableName="one", Key={"k": s("a")})
        tables.get_item(TableName="three", Key={"k": s("a")})
        running.advance("2m")
        for metric, value in {
            "AccountMaxReads": 80_000, "AccountMaxWrites": 80_000, "AccountMaxTableLevelReads": 40_000, "AccountMaxTableLevelWrites": 40_000,
            "AccountProvisionedReadCapacityUtilization": 6, "AccountProvisionedWriteCapacityUtilization": 2.01,
            "MaxProvisionedTableReadCapacityUtilization": 10, "MaxProvisionedTableWriteCapacityUtilization": 2,
        }.items():  # fmt: skip
            assert set(collected(running, metric, "Maximum")) == {value}, metric
        assert set(collected(running, "OnDemandMaxReadRequestUnits", "Maximum", TableName="three")) == {50}
        assert not collected(running, "OnDemandMaxWriteRequestUnits", "Maximum", TableName="three")
        before = len(collected(running, "AccountMaxReads", "Maximum"))
        running.advance("10m")
        assert len(collected(running, "AccountMaxReads", "Maximum")) == before + 2


def test_errors_of_the_service_are_counted_by_table_and_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Because an alarm on SystemErrors is how one hears that requests fail for no fault of one's own; what Haneul has not built is none."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        tables, name = running.client("dynamodb"), make_table(running)
        tables.put_item(TableName=name, Item={"pk": s("a")})

        def broken(*_: Any) -> None:
            raise RuntimeError("the disk is gone")

        service = running.app.cloud.services["dynamodb"]
        monkeypatch.setattr(service.parsers, "projection", broken)
        assert failure(tables.get_item, TableName=name, Key={"pk": s("a")}, ProjectionExpression="a") == ("InternalServerError", "Internal server error")
        monkeypatch.undo()
        assert collected(running, "SystemErrors", "Sum", TableName=name, Operation="GetItem") == [1]
        assert not collected(running, "UserErrors", "Sum")


def test_a_new_index_reports_how_far_it_is() -> None:
    """Because filling an index of a large table takes a while, and one wants to know how long it still will."""
    with Running(services=[CloudWatch, DynamoDb]) as running:
        tables, name = running.client("dynamodb"), make_table(running)
        for start in range(0, 300, 25):
            tables.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": {"pk": s(str(number)), "g": s("x")}}} for number in range(start, start + 25)]})
        index = {"IndexName": "by-g", "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}], "Projection": {"ProjectionType": "KEYS_ONLY"}}
        attributes = [{"AttributeName": one, "AttributeType": "S"} for one in ("pk", "g")]
        tables.update_table(TableName=name, AttributeDefinitions=attributes, GlobalSecondaryIndexUpdates=[{"Create": index}])
        running.advance("2s")
        of_index = {"TableName": name, "GlobalSecondaryIndexName": "by-g"}
        assert 80 < collected(running, "OnlineIndexPercentageProgress", "Minimum", **of_index)[0] < 85
        assert collected(running, "OnlineIndexPercentageProgress", "Maximum", **of_index) == [100]
