"""Many at once: no update is lost, no reader sees half a transaction."""

from __future__ import annotations

import asyncio
from typing import Any

from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from tests.dynamodb.support import index, make_table, n, s
from tests.support.running import Running

ROOT = Caller(kind="root", account="000000000000", arn="arn:aws:iam::000000000000:root", principal_id="000000000000")


async def call(cloud: Running, operation: str, **parameters: Any) -> dict[str, Any]:
    return await cloud.app.cloud.invoke(f"dynamodb:{operation}", parameters, caller=ROOT, region="us-east-1")


def test_conditional_counters_lose_nothing(cloud: Running) -> None:
    """Eight writers, each counting ten times by reading, and writing if nobody else has."""
    table = make_table(cloud)
    key = {"pk": s("counter")}

    async def count() -> int:
        failed = 0
        for _ in range(10):
            while True:
                found = (await call(cloud, "GetItem", TableName=table, Key=dict(key))).get("Item")
                item = {**key, "c": n(int(found["c"]["N"]) + 1 if found else 1)}
                guard: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
                if found:
                    guard = {"ConditionExpression": "c = :c", "ExpressionAttributeValues": {":c": found["c"]}}
                try:
                    await call(cloud, "PutItem", TableName=table, Item=item, **guard)
                    break
                except ServiceError as error:
                    assert error.code == "ConditionalCheckFailedException"
                    failed += 1
        return failed

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*[count() for _ in range(8)])

    assert sum(cloud.run(all_of_them())) > 0
    assert cloud.client("dynamodb").get_item(TableName=table, Key=key)["Item"]["c"] == n(80)


def test_atomic_counters_count(cloud: Running) -> None:
    """ADD needs no condition; each caller sees a number of its own."""
    table = make_table(cloud)

    async def one() -> str:
        answer = await call(
            cloud,
            "UpdateItem",
            TableName=table,
            Key={"pk": s("c")},
            UpdateExpression="ADD c :o",
            ExpressionAttributeValues={":o": n(1)},
            ReturnValues="UPDATED_NEW",
        )
        return str(answer["Attributes"]["c"]["N"])

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*[one() for _ in range(200)])

    assert sorted(map(int, cloud.run(all_of_them()))) == list(range(1, 201))


def test_transfers_keep_the_sum(cloud: Running) -> None:
    """Transactions that move amounts between two items; whoever reads both in one transaction sees the same sum each time."""
    table = make_table(cloud)
    db = cloud.client("dynamodb")
    for name in ("a", "b"):
        db.put_item(TableName=table, Item={"pk": s(name), "v": n(100)})

    async def transfer(amount: int) -> None:
        actions = [
            {
                "Update": {
                    "TableName": table,
                    "Key": {"pk": s(name)},
                    "UpdateExpression": "ADD v :v",
                    "ExpressionAttributeValues": {":v": n(value)},
                }
            }
            for name, value in (("a", amount), ("b", -amount))
        ]
        await until_alone("TransactWriteItems", actions)

    async def look() -> int:
        gets = [{"Get": {"TableName": table, "Key": {"pk": s(name)}}} for name in ("a", "b")]
        answer = await until_alone("TransactGetItems", gets)
        return sum(int(one["Item"]["v"]["N"]) for one in answer["Responses"])

    async def until_alone(operation: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Transactions that meet are cancelled, and whoever made them tries again."""
        while True:
            try:
                return await call(cloud, operation, TransactItems=items)
            except ServiceError as error:
                assert {one["Code"] for one in error.fields["CancellationReasons"]} == {"TransactionConflict"}
            await asyncio.sleep(0)

    async def both() -> list[Any]:
        return await asyncio.gather(*[work for amount in range(50) for work in (transfer(amount), look())])

    assert {sum_ for sum_ in cloud.run(both()) if sum_ is not None} == {200}
    assert [db.get_item(TableName=table, Key={"pk": s(name)})["Item"]["v"] for name in ("a", "b")] == [n(100 + sum(range(50))), n(100 - sum(range(50)))]


def test_scans_while_others_write(cloud: Running) -> None:
    """Four readers with a segment each, while writers make, change and delete items: what stays is seen once, nothing is seen twice, in the table and in an index."""
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    db = cloud.client("dynamodb")
    staying = {f"stays-{number:02}" for number in range(48)}
    for start in range(0, 48, 24):
        puts = [{"PutRequest": {"Item": {"pk": s(name), "g": s(name)}}} for name in sorted(staying)[start : start + 24]]
        db.batch_write_item(RequestItems={table: puts})
    reading = 0

    async def write(lane: int) -> int:
        written = 0
        while reading or not written:
            passing = {"pk": s(f"passes-{lane}-{written % 7}")}
            await call(cloud, "PutItem", TableName=table, Item={**passing, "g": s(f"g{lane}")})
            change = {"Key": {"pk": s(f"stays-{written % 48:02}")}, "UpdateExpression": "ADD v :v", "ExpressionAttributeValues": {":v": n(1)}}
            await call(cloud, "UpdateItem", TableName=table, **change)
            if written % 2:
                await call(cloud, "DeleteItem", TableName=table, Key=passing)
            written += 1
        return written

    async def read(segment: int, **where: Any) -> list[str]:
        nonlocal reading
        reading += 1
        found: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = await call(cloud, "Scan", TableName=table, Segment=segment, TotalSegments=4, Limit=1, **where, **more)
            found += [item["pk"]["S"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                reading -= 1
                return found
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
            await call(cloud, "PutItem", TableName=table, Item={"pk": s(f"reader-{segment}-{len(found)}")})  # The writers' turn.

    async def both() -> tuple[list[list[str]], list[list[str]], list[int]]:
        table_reads = asyncio.gather(*[read(segment) for segment in range(4)])
        index_reads = asyncio.gather(*[read(segment, IndexName="by-g") for segment in range(4)])
        await asyncio.sleep(0)
        return await asyncio.gather(table_reads, index_reads, asyncio.gather(*[write(lane) for lane in range(3)]))

    of_table, of_index, written = cloud.run(both())
    assert sum(written) > 20  # Otherwise nobody wrote meanwhile, and the test says nothing.
    for segments in (of_table, of_index):
        found = [name for segment in segments for name in segment]
        assert sorted(name for name in found if name in staying) == sorted(staying)
        assert len(set(found)) == len(found)
