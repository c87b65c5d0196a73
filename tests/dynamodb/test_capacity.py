"""Capacity as a limit: what is let in, what is throttled, and with which words and reasons."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.cli.start import add
from tests.dynamodb.conftest import SERVICES
from tests.dynamodb.support import failure, index, make_table, n, s
from tests.support.running import Running

ONE = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
PROVISIONED = "ProvisionedThroughputExceededException"
TABLE_EXCEEDED = (
    "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."
)
INDEX_EXCEEDED = (
    "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. "
    "Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API"
)


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def provisioned(cloud: Running, read: int = 1, write: int = 1, **more: Any) -> str:
    return make_table(cloud, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": read, "WriteCapacityUnits": write}, **more)


def kb(kilobytes: int, key: str = "k") -> dict[str, Any]:
    """An item that costs exactly so many write units."""
    return {"pk": s(key), "d": s("x" * (kilobytes * 1024 - 3 - len(key)))}


def throttle(call: Callable[..., Any], **parameters: Any) -> tuple[str, str, list[dict[str, str]]]:
    """Code, message and reasons of the throttling error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer: Any = caught.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer.get("ThrottlingReasons") or answer.get("throttlingReasons")


def arn(table: str) -> str:
    return f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}"


def spend(db: Any, table: str, units: int) -> None:
    """Use up write units with items of 100 KB."""
    while units > 0:
        db.put_item(TableName=table, Item=kb(min(100, units), f"s{units}"))
        units -= 100


def test_writes_end_with_the_burst(cloud: Running, db: Any) -> None:
    """Five minutes of unused throughput are there at once, then what comes every second; the error names table and reason."""
    table = provisioned(cloud)
    spend(db, table, 300)
    code, message, reasons = throttle(db.put_item, TableName=table, Item={"pk": s("a")})
    assert (code, message) == (PROVISIONED, TABLE_EXCEEDED)
    assert reasons == [{"reason": "TableWriteProvisionedThroughputExceeded", "resource": arn(table)}]
    cloud.advance("1s")
    db.put_item(TableName=table, Item={"pk": s("a")})
    assert throttle(db.put_item, TableName=table, Item={"pk": s("a")})[0] == PROVISIONED
    cloud.advance("10s")
    for _ in range(10):
        db.put_item(TableName=table, Item={"pk": s("a")})
    assert throttle(db.update_item, TableName=table, Key={"pk": s("a")})[0] == PROVISIONED
    assert throttle(db.delete_item, TableName=table, Key={"pk": s("nobody")})[0] == PROVISIONED
    assert "Item" in db.get_item(TableName=table, Key={"pk": s("a")})


def test_more_than_five_minutes_are_not_kept(cloud: Running, db: Any) -> None:
    """An hour of rest is worth 300 seconds."""
    table = provisioned(cloud)
    spend(db, table, 300)
    cloud.advance("1h")
    spend(db, table, 300)
    assert throttle(db.put_item, TableName=table, Item={"pk": s("a")})[0] == PROVISIONED


def test_a_large_write_is_paid_for_afterwards(cloud: Running, db: Any) -> None:
    """Who finds something left may take more than there is; the next one waits until it is paid."""
    table = provisioned(cloud)
    spend(db, table, 299)
    db.put_item(TableName=table, Item=kb(20))
    cloud.advance("19s")
    assert throttle(db.put_item, TableName=table, Item={"pk": s("a")})[0] == PROVISIONED
    cloud.advance("1s")
    db.put_item(TableName=table, Item={"pk": s("a")})


def test_reads_count_in_halves(cloud: Running, db: Any) -> None:
    """Eventually consistent reads cost half, transactional ones double, queries and scans by their sum."""
    table = provisioned(cloud)
    db.put_item(TableName=table, Item=kb(100))
    for _ in range(5):
        db.get_item(TableName=table, Key={"pk": s("k")}, ConsistentRead=True)  # 25 each
    for _ in range(8):
        db.get_item(TableName=table, Key={"pk": s("k")})  # 12.5 each
    answer = db.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": {"pk": s("k")}}}], ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"][0]["ReadCapacityUnits"] == 50
    db.scan(TableName=table)
    db.query(TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": s("k")})
    for call, parameters in (
        (db.get_item, {"Key": {"pk": s("k")}}),
        (db.scan, {}),
        (db.query, {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": s("k")}}),
    ):
        code, message, reasons = throttle(call, TableName=table, **parameters)
        assert (code, message, reasons[0]["reason"]) == (PROVISIONED, TABLE_EXCEEDED, "TableReadProvisionedThroughputExceeded")
    db.put_item(TableName=table, Item={"pk": s("writes have their own")})


def test_conditions_that_fail_cost_too(cloud: Running, db: Any) -> None:
    """What is paid is the item that is there, also by an INSERT that finds one; a throttled table does not even look at the condition."""
    table = provisioned(cloud)
    db.put_item(TableName=table, Item=kb(100))
    insert = {"Statement": f"INSERT INTO \"{table}\" VALUE {{'pk': 'k'}}"}
    assert failure(db.put_item, TableName=table, Item={"pk": s("k")}, ConditionExpression="attribute_not_exists(pk)")[0] == "ConditionalCheckFailedException"
    assert failure(db.execute_statement, **insert)[0] == "DuplicateItemException"
    assert failure(db.execute_statement, **insert)[0] == PROVISIONED
    assert failure(db.put_item, TableName=table, Item={"pk": s("k")}, ConditionExpression="attribute_not_exists(pk)")[0] == PROVISIONED


def test_batches_come_back_in_part(cloud: Running, db: Any) -> None:
    """What is throttled is unprocessed, as it came; only when nothing could be done is it an error."""
    table, other, left = provisioned(cloud), make_table(cloud), provisioned(cloud)
    spend(db, table, 298)
    requests = [{"PutRequest": {"Item": {"pk": s(f"b{number}")}}} for number in range(5)]
    answer = db.batch_write_item(RequestItems={table: requests}, ReturnConsumedCapacity="TOTAL")
    assert answer["UnprocessedItems"] == {table: requests[2:]}
    assert answer["ConsumedCapacity"] == [{"TableName": table, "CapacityUnits": 2.0}]
    assert throttle(db.batch_write_item, RequestItems=answer["UnprocessedItems"])[0] == PROVISIONED
    mixed = db.batch_write_item(RequestItems={table: requests[:1], other: requests[:1]})
    assert mixed["UnprocessedItems"] == {table: requests[:1]} and "Item" in db.get_item(TableName=other, Key={"pk": s("b0")})
    keys = [{"pk": s("big")}, {"pk": s("b1")}]
    db.put_item(TableName=left, Item=kb(299, "big"))
    for _ in range(4):
        db.get_item(TableName=left, Key=keys[0], ConsistentRead=True)  # 75 each
    cloud.advance("1s")
    answer = db.batch_get_item(RequestItems={left: {"Keys": keys, "ConsistentRead": True}}, ReturnConsumedCapacity="TOTAL")
    assert answer["UnprocessedKeys"] == {left: {"Keys": keys[1:], "ConsistentRead": True}}
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 75
    assert throttle(db.batch_get_item, RequestItems={left: {"Keys": keys}})[0] == PROVISIONED


def test_a_transaction_is_let_in_as_one_request(cloud: Running, db: Any) -> None:
    """Four megabytes are allowed, also on a new table: what the first actions cost does not turn away the others. The next request pays for it."""
    table = make_table(cloud)
    puts = [{"Put": {"TableName": table, "Item": kb(390, f"k{number}")}} for number in range(10)]
    made = db.transact_write_items(TransactItems=puts, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert made[0]["CapacityUnits"] == 2 * 390 * 10
    assert failure(db.transact_write_items, TransactItems=puts)[0] == "TransactionCanceledException"
    cloud.advance("10m")
    gets = [{"Get": {"TableName": table, "Key": {"pk": s(f"k{number}")}}} for number in range(10)]
    assert len(db.transact_get_items(TransactItems=gets)["Responses"]) == 10


def test_transactions_are_cancelled_with_reasons(cloud: Running, db: Any) -> None:
    """Twice the units; the reason stands at the action that found nothing left, and nothing is written."""
    table, other = provisioned(cloud), make_table(cloud)
    spend(db, table, 300)
    actions = [{"Put": {"TableName": name, "Item": {"pk": s("t")}}} for name in (other, table)]
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=actions)
    answer: Any = caught.value.response
    assert answer["Error"]["Code"] == "TransactionCanceledException"
    assert answer["CancellationReasons"] == [{"Code": "None"}, {"Code": "ProvisionedThroughputExceeded", "Message": TABLE_EXCEEDED}]
    assert "Item" not in db.get_item(TableName=other, Key={"pk": s("t")})
    cloud.advance("2s")
    made = db.transact_write_items(TransactItems=actions, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert [one["WriteCapacityUnits"] for one in made] == [2, 2]
    cloud.advance("1s")
    db.put_item(TableName=table, Item={"pk": s("t")})
    assert throttle(db.put_item, TableName=table, Item={"pk": s("t")})[0] == PROVISIONED


def test_a_full_index_holds_up_its_table(cloud: Running, db: Any) -> None:
    """Back-pressure: only writes that change the index are throttled, and the reason is the index."""
    table = provisioned(
        cloud, 100, 100, more={"g": "S"}, GlobalSecondaryIndexes=[{**index("by-g", "g", projection="KEYS_ONLY"), "ProvisionedThroughput": ONE}]
    )
    for number in range(150):
        db.put_item(TableName=table, Item={"pk": s("k"), "g": s(f"g{number % 2}")})
    # The first cost one unit in the index, each that moved the entry two: one is left.
    db.put_item(TableName=table, Item={"pk": s("last"), "g": s("g0")})
    code, message, reasons = throttle(db.put_item, TableName=table, Item={"pk": s("k"), "g": s("other")})
    assert (code, message) == (PROVISIONED, INDEX_EXCEEDED)
    assert reasons == [{"reason": "IndexWriteProvisionedThroughputExceeded", "resource": f"{arn(table)}/index/by-g"}]
    db.put_item(TableName=table, Item={"pk": s("not in the index")})
    db.put_item(TableName=table, Item={"pk": s("k"), "g": s("g1"), "d": s("not in it either")})
    batch = [{"PutRequest": {"Item": {"pk": s("plain")}}}, {"PutRequest": {"Item": {"pk": s("indexed"), "g": s("g")}}}]
    assert db.batch_write_item(RequestItems={table: batch})["UnprocessedItems"] == {table: batch[1:]}
    assert "Item" not in db.get_item(TableName=table, Key={"pk": s("indexed")})


def test_local_indexes_are_their_tables(cloud: Running, db: Any) -> None:
    """Entries of local indexes are paid by the table."""
    table = make_table(
        cloud,
        range_type="S",
        more={"l": "S"},
        BillingMode="PROVISIONED",
        ProvisionedThroughput=ONE,
        LocalSecondaryIndexes=[index("local", "pk", "l")],
    )
    for number in range(150):
        answer = db.put_item(TableName=table, Item={"pk": s("k"), "sk": s(str(number)), "l": s("l")}, ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 2 and answer["ConsumedCapacity"]["LocalSecondaryIndexes"]["local"]["CapacityUnits"] == 1
    assert throttle(db.put_item, TableName=table, Item={"pk": s("k"), "sk": s("x")})[0] == PROVISIONED


def test_more_throughput_is_there_at_once(cloud: Running, db: Any) -> None:
    """Raised throughput refills from the moment that it is there; what was kept is not multiplied."""
    table = provisioned(cloud)
    spend(db, table, 300)
    db.update_table(TableName=table, ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 100})
    cloud.advance("1s")
    before = 0
    while True:
        try:
            db.put_item(TableName=table, Item={"pk": s("a")})
        except ClientError:
            break
        before += 1
    assert 90 <= before <= 101


# ---- partitions


def test_a_hot_key_is_throttled_within_a_roomy_table(cloud: Running, db: Any) -> None:
    """One partition takes 1,000 writes a second, whatever the table has; other keys go on."""
    table = provisioned(cloud, 5, 20_000)
    for _ in range(10):
        db.put_item(TableName=table, Item=kb(100, "hot"))
    code, message, reasons = throttle(db.put_item, TableName=table, Item={"pk": s("hot")})
    assert (code, message) == (PROVISIONED, TABLE_EXCEEDED)
    assert reasons == [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": arn(table)}]
    # Twenty partitions and one of them hot: hardly any other key is hurt.
    assert sum(_written(db, table, f"cool{number}") for number in range(40)) >= 30
    cloud.advance("1s")
    db.put_item(TableName=table, Item={"pk": s("hot")})


def _written(db: Any, table: str, key: str) -> bool:
    try:
        db.put_item(TableName=table, Item={"pk": s(key)})
    except ClientError:
        return False
    return True


def test_heat_that_lasts_splits_a_partition(fresh_cloud: Running) -> None:
    """Two hot items that share a partition get one each after some minutes; a single item never gets more than one partition."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud, range_type="S", BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 900})

    def second() -> int:
        """What two items of one partition key get in a second."""
        done = 0
        for turn in range(20):
            key = f"i{turn % 2}"
            try:
                db.put_item(TableName=table, Item={"pk": s("p"), "sk": s(key), "d": s("x" * (100 * 1024 - 12))})
                done += 100
            except ClientError as error:
                assert error.response["Error"]["Code"] == PROVISIONED
        fresh_cloud.advance("1s")
        return done

    assert second() == 1000
    for _ in range(6):
        second()
        fresh_cloud.advance("1m")
    assert second() == 2000


def test_on_demand_throttles_with_other_words(cloud: Running, db: Any) -> None:
    """A new table on demand has four partitions' worth; the hot one says ThrottlingException, and a transaction ThrottlingError."""
    table = make_table(cloud)
    for _ in range(10):
        db.put_item(TableName=table, Item=kb(100, "hot"))
    code, message, reasons = throttle(db.put_item, TableName=table, Item={"pk": s("hot")})
    assert code == "ThrottlingException" and message.startswith("Throughput exceeds the current capacity of your table or index. DynamoDB is automatically")
    assert reasons == [{"reason": "TableWriteKeyRangeThroughputExceeded", "resource": arn(table)}]
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": {"pk": s("hot")}}}])
    answer: Any = caught.value.response
    assert answer["CancellationReasons"][0]["Code"] == "ThrottlingError"


def test_maximums_on_demand(cloud: Running, db: Any) -> None:
    """A maximum that was set is kept, second by second, for table and index, reads and writes."""
    table = make_table(
        cloud,
        more={"g": "S"},
        OnDemandThroughput={"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": 10},
        GlobalSecondaryIndexes=[{**index("by-g", "g"), "OnDemandThroughput": {"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": 2}}],
    )
    for number in range(10):
        db.put_item(TableName=table, Item={"pk": s(f"k{number}")})
    code, message, reasons = throttle(db.put_item, TableName=table, Item={"pk": s("k")})
    assert (code, message) == ("ThrottlingException", "Throughput exceeds the maximum OnDemandThroughput configured on table or index")
    assert reasons == [{"reason": "TableWriteMaxOnDemandThroughputExceeded", "resource": arn(table)}]
    for _ in range(10):
        db.get_item(TableName=table, Key={"pk": s("k")})
    assert throttle(db.get_item, TableName=table, Key={"pk": s("k")})[2][0]["reason"] == "TableReadMaxOnDemandThroughputExceeded"
    cloud.advance("1s")
    for number in range(2):
        db.put_item(TableName=table, Item={"pk": s(f"g{number}"), "g": s("g")})
    assert throttle(db.put_item, TableName=table, Item={"pk": s("g"), "g": s("g")})[2][0]["reason"] == "IndexWriteMaxOnDemandThroughputExceeded"
    query: dict[str, Any] = {"TableName": table, "IndexName": "by-g", "KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": s("g")}}
    for _ in range(2):
        db.query(**query)
    assert throttle(db.query, **query)[2] == [{"reason": "IndexReadMaxOnDemandThroughputExceeded", "resource": f"{arn(table)}/index/by-g"}]
    db.update_table(TableName=table, OnDemandThroughput={"MaxWriteRequestUnits": -1})
    cloud.advance("1s")
    for number in range(15):
        db.put_item(TableName=table, Item={"pk": s(f"k{number}")})


def test_unlimited_only_counts() -> None:
    """`haneul start --capacity unlimited` throttles nobody."""
    with Running(services=SERVICES, capacity_unlimited=True) as cloud:
        db = cloud.client("dynamodb")
        table = provisioned(cloud)
        spend(db, table, 1500)
        assert db.put_item(TableName=table, Item={"pk": s("a")}, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]["CapacityUnits"] == 1


def test_a_restart_begins_with_a_full_burst(fresh_cloud: Running) -> None:
    """Buckets live in memory: what was used up is there again."""
    db = fresh_cloud.client("dynamodb")
    table = provisioned(fresh_cloud)
    spend(db, table, 300)
    assert throttle(db.put_item, TableName=table, Item={"pk": s("a")})[0] == PROVISIONED
    fresh_cloud.stop()
    fresh_cloud.start()
    fresh_cloud.client("dynamodb").put_item(TableName=table, Item={"pk": s("a")})


def test_accounts_and_regions_have_their_own(cloud: Running) -> None:
    """The same name elsewhere is another table with another bucket."""
    db, other = cloud.client("dynamodb"), cloud.client("dynamodb", region="eu-west-1")
    for one in (db, other):
        one.create_table(
            TableName="same-name",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            ProvisionedThroughput=ONE,
        )
    cloud.advance("1s")
    spend(db, "same-name", 300)
    assert throttle(db.put_item, TableName="same-name", Item={"pk": s("a")})[0] == PROVISIONED
    other.put_item(TableName="same-name", Item={"pk": s("a")})


def test_expired_items_cost_nothing(fresh_cloud: Running) -> None:
    """Deletions by time to live are the service's own: a table with nothing left is still cleaned."""
    db = fresh_cloud.client("dynamodb")
    table = provisioned(fresh_cloud)
    db.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "t"})
    fresh_cloud.advance("10m")
    now = fresh_cloud.clock.now() // 10**9
    for number in range(30):
        db.put_item(TableName=table, Item={"pk": s(f"t{number}"), "t": n(now + 30)})
    spend(db, table, 270)
    fresh_cloud.advance("2m")
    assert db.scan(TableName=table, Select="COUNT", FilterExpression="attribute_exists(t)")["Count"] == 0
    for _ in range(120):
        db.put_item(TableName=table, Item={"pk": s("a")})
    assert throttle(db.put_item, TableName=table, Item={"pk": s("a")})[0] == PROVISIONED


@pytest.mark.parametrize(("arguments", "unlimited"), [([], False), (["--capacity", "unlimited"], True), (["--capacity", "enforced"], False)])
def test_the_command_line_says_so(monkeypatch: pytest.MonkeyPatch, arguments: list[str], unlimited: bool) -> None:
    """Limits are off only where a user says so."""
    wishes: list[str] = []
    monkeypatch.setattr("haneul.cli.start.os.execve", lambda program, words, environment: wishes.append(words[-1]))
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    options = parser.parse_args(["start", *arguments])
    options.run(options)
    assert json.loads(wishes[0])["capacity_unlimited"] is unlimited


def test_metrics_tell_of_it(fresh_cloud: Running) -> None:
    """Consumption, and events of throttling with their reason, of table and index; throttled requests by operation."""
    gathered: dict[tuple[Any, ...], float] = {}

    async def sink(lines: Any) -> None:
        for line in lines:
            name = (line.series.namespace, line.series.name, *(value for _, value in line.series.dimensions))
            gathered[name] = gathered.get(name, 0) + line.sum

    fresh_cloud.app.cloud.metrics.sink = sink
    db = fresh_cloud.client("dynamodb")
    more: dict[str, Any] = {"more": {"g": "S"}, "GlobalSecondaryIndexes": [{**index("by-g", "g"), "ProvisionedThroughput": ONE}]}
    table = provisioned(fresh_cloud, 2, 400, **more)
    for number in range(3):
        db.put_item(TableName=table, Item={**kb(100, f"k{number}"), "g": s("g")})
    assert throttle(db.put_item, TableName=table, Item={"pk": s("a"), "g": s("g")})[0] == PROVISIONED
    batch = [{"PutRequest": {"Item": {"pk": s(key), "g": s("g")}}} for key in ("a", "b")] + [{"PutRequest": {"Item": {"pk": s("c")}}}]
    assert len(db.batch_write_item(RequestItems={table: batch})["UnprocessedItems"][table]) == 2
    throttle(db.batch_write_item, RequestItems={table: batch[:2]})
    db.get_item(TableName=table, Key={"pk": s("c")})
    insert = f"INSERT INTO \"{table}\" VALUE {{'pk': 'a', 'g': 'g'}}"
    throttle(db.execute_statement, Statement=insert)
    assert db.batch_execute_statement(Statements=[{"Statement": insert}])["Responses"][0]["Error"]["Code"] == "ProvisionedThroughputExceeded"
    inserts = [{"Statement": insert.replace("'a'", f"'{key}'")} for key in "ab"]
    assert failure(db.execute_transaction, TransactStatements=inserts)[0] == "TransactionCanceledException"
    puts = [{"Put": {"TableName": name, "Item": {"pk": s("a"), "g": s("g")}}} for name in (make_table(fresh_cloud), table)]
    assert failure(db.transact_write_items, TransactItems=puts)[0] == "TransactionCanceledException"
    spent = provisioned(fresh_cloud)
    db.put_item(TableName=spent, Item=kb(299))
    for _ in range(4):
        db.get_item(TableName=spent, Key={"pk": s("k")}, ConsistentRead=True)
    gets = [{"Get": {"TableName": name, "Key": {"pk": s(key)}}} for name in (table, spent) for key in "kl"]
    assert failure(db.transact_get_items, TransactItems=gets)[0] == "TransactionCanceledException"
    select = f"SELECT * FROM \"{spent}\" WHERE pk = 'k'"
    assert db.batch_execute_statement(Statements=[{"Statement": select}])["Responses"][0]["Error"]["Code"] == "ProvisionedThroughputExceeded"
    fresh_cloud.advance("1m")
    others = ("SuccessfulRequestLatency", "ProvisionedReadCapacityUnits", "ProvisionedWriteCapacityUnits")
    counted = {name[1:]: value for name, value in gathered.items() if name[0] == "AWS/DynamoDB" and table in name and name[1] not in others}
    assert counted.pop(("ConsumedWriteCapacityUnits", "by-g", table)) == counted.pop(("ConsumedWriteCapacityUnits", table)) - 1
    assert counted == {
        ("ConsumedReadCapacityUnits", table): 0.5,
        ("WriteThrottleEvents", "by-g", table): 10,
        ("WriteProvisionedThroughputThrottleEvents", "by-g", table): 10,
        ("ThrottledRequests", "PutItem", table): 1,
        # Not the batch of which something was written; and transactions once, where they found nothing left.
        ("ThrottledRequests", "BatchWriteItem", table): 1,
        ("ThrottledRequests", "ExecuteStatement", table): 1,
        ("ThrottledRequests", "BatchExecuteStatement", table): 1,
        ("ThrottledRequests", "ExecuteTransaction", table): 1,
        ("ThrottledRequests", "TransactWriteItems", table): 1,
    }
    requests = {name[2]: value for name, value in gathered.items() if name[1] == "ThrottledRequests" and spent in name}
    assert requests == {"TransactGetItems": 1, "BatchExecuteStatement": 1}
    assert ("AWS/DynamoDB", "UserErrors") not in gathered  # What is throttled is no fault of the request, nor of a transaction.
