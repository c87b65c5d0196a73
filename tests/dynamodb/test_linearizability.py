"""Single items under many hands are linearizable: each operation takes effect at one moment between its call and its answer.

Clients act at the same time on a few keys and note when each call began and ended; a checker (Wing and Gong's search, with memory) then looks for an
order of the operations that explains every answer.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import pytest

from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from tests.dynamodb.support import make_table, n, s
from tests.support.linearizability import Event, linearizable
from tests.support.running import Running

ROOT = Caller(kind="root", account="000000000000", arn="arn:aws:iam::000000000000:root", principal_id="000000000000")
CLIENTS, STEPS, KEYS = 8, 12, 2


class History:
    """What clients did to each key, with a counter as the clock."""

    def __init__(self, cloud: Running, table: str) -> None:
        self.cloud, self.table = cloud, table
        self.events: dict[str, list[Event]] = {}
        self.moments = itertools.count()

    async def perform(self, operation: str, key: str, argument: Any) -> None:
        began = next(self.moments)
        result = await self._call(operation, {"pk": s(key)}, argument)
        self.events.setdefault(key, []).append(Event(began, next(self.moments), operation, argument, result))

    async def invoke(self, name: str, **parameters: Any) -> dict[str, Any]:
        return await self.cloud.app.cloud.invoke(f"dynamodb:{name}", {"TableName": self.table, **parameters}, caller=ROOT, region="us-east-1")

    async def _call(self, operation: str, key: dict[str, Any], argument: Any) -> Any:
        if operation == "read":
            return number(await self.invoke("GetItem", Key=key, ConsistentRead=True), "Item")
        if operation == "put":
            return number(await self.invoke("PutItem", Item={**key, "v": n(argument)}, ReturnValues="ALL_OLD"), "Attributes")
        if operation == "delete":
            return number(await self.invoke("DeleteItem", Key=key, ReturnValues="ALL_OLD"), "Attributes")
        if operation == "add":
            values = {":v": n(argument)}
            return number(
                await self.invoke("UpdateItem", Key=key, UpdateExpression="ADD v :v", ExpressionAttributeValues=values, ReturnValues="ALL_NEW"), "Attributes"
            )
        expected, new = argument
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if expected is not None:
            condition = {"ConditionExpression": "v = :e", "ExpressionAttributeValues": {":e": n(expected)}}
        try:
            await self.invoke("PutItem", Item={**key, "v": n(new)}, **condition)
        except ServiceError as error:
            assert error.code == "ConditionalCheckFailedException"
            return False
        return True


def number(answer: dict[str, Any], member: str) -> int | None:
    return int(answer[member]["v"]["N"]) if answer.get(member) else None


async def client(history: History, seed: int) -> None:
    """One client: a few operations, one after the other, chosen by its seed."""
    choose = random.Random(seed)
    for _ in range(STEPS):
        operation = choose.choice(["read", "read", "put", "add", "delete", "cas", "cas"])
        argument: Any = choose.randrange(1, 4)
        if operation == "cas":
            argument = (choose.choice([None, 1, 2, 3]), choose.randrange(1, 4))
        await history.perform(operation, f"k{choose.randrange(KEYS)}", argument)


@pytest.mark.parametrize("seed", range(6))
def test_histories_of_single_items(cloud: Running, seed: int) -> None:
    """Reads, puts, counters, deletes and compare-and-set by eight clients at once."""
    history = History(cloud, make_table(cloud))

    async def all_clients() -> None:
        await asyncio.gather(*[client(history, seed * CLIENTS + at) for at in range(CLIENTS)])

    cloud.run(all_clients())
    overlapping = 0
    for events in history.events.values():
        assert linearizable(events)
        overlapping += sum(one.began < other.began < one.ended for one, other in itertools.permutations(events, 2))
    assert overlapping > 50  # Otherwise nothing happened at the same time, and the test says nothing.


def test_the_checker_finds_what_is_wrong() -> None:
    """A lost update, a read of the past and a read of what never was are no linearizable histories."""
    one = Event(0, 1, "put", 1, None)
    assert linearizable([one, Event(2, 3, "read", None, 1)])
    assert not linearizable([one, Event(2, 3, "read", None, None)])
    assert not linearizable([one, Event(2, 3, "read", None, 2)])
    assert linearizable([Event(0, 9, "put", 1, None), Event(1, 2, "read", None, None), Event(3, 4, "read", None, 1)])
    assert not linearizable([Event(0, 9, "put", 1, None), Event(1, 2, "read", None, 1), Event(3, 4, "read", None, None)])
    assert not linearizable([Event(0, 5, "add", 1, 1), Event(1, 6, "add", 1, 1)])
