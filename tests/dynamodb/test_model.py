"""A table against a dictionary: whatever is done in whatever order, restarts, crashes and time that passes included, both say the same."""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from haneul.clock import MINUTE, Clock
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodbstreams.service import DynamoDbStreams
from haneul.store.layout import STORE
from tests.dynamodb.support import index, make_table, n, s
from tests.store.crashed import copy_as_crashed
from tests.support.running import Running

Key = tuple[str, int]

HASHES = st.sampled_from(["p", "q\0", "ü"])
RANGES = st.integers(-3, 3)
GROUPS = st.sampled_from([None, "g1", "g2"])
COUNTS = st.integers(0, 5)


class TableMachine(RuleBasedStateMachine):
    """The oracle maps (pk, sk) to (g, c): the group that an index is made of, and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="haneul-test-"))
        self.lives = 0
        self.cloud = self.open()
        self.table = make_table(
            self.cloud,
            range_type="N",
            more={"g": "S", "c": "N"},
            GlobalSecondaryIndexes=[index("by-g", "g", "c")],
            LocalSecondaryIndexes=[index("by-c", "pk", "c", "KEYS_ONLY")],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.model: dict[Key, tuple[str | None, int]] = {}
        # The last transaction that was made: with which token, when, its actions, and what they leave.
        self.made: tuple[str, int, list[dict[str, Any]], dict[Key, tuple[str | None, int]]] | None = None
        self.transactions = 0

    def open(self, clock: Clock | None = None) -> Running:
        """A running cloud over the directory of this life."""
        cloud = Running(services=[DynamoDb, DynamoDbStreams], data_dir=self.directory / str(self.lives))
        if clock is not None:
            cloud.clock = clock
        return cloud.start()

    def teardown(self) -> None:
        self.cloud.stop()
        shutil.rmtree(self.directory)

    @property
    def db(self) -> Any:
        return self.cloud.client("dynamodb")

    def key(self, pk: str, sk: int) -> dict[str, Any]:
        return {"pk": s(pk), "sk": n(sk)}

    def item(self, key: Key) -> dict[str, Any]:
        group, count = self.model[key]
        return {**self.key(*key), "c": n(count), **({"g": s(group)} if group else {})}

    @rule(pk=HASHES, sk=RANGES, group=GROUPS, count=COUNTS)
    def put(self, pk: str, sk: int, group: str | None, count: int) -> None:
        old = self.model.get((pk, sk))
        before = self.item((pk, sk)) if old is not None else None
        self.model[pk, sk] = (group, count)
        answer = self.db.put_item(TableName=self.table, Item=self.item((pk, sk)), ReturnValues="ALL_OLD")
        assert answer.get("Attributes") == before

    @rule(pk=HASHES, sk=RANGES, count=COUNTS)
    def put_if_larger(self, pk: str, sk: int, count: int) -> None:
        """A conditional put, which must fail exactly when the condition does not hold."""
        old = self.model.get((pk, sk))
        item = {**self.key(pk, sk), "c": n(count)}
        try:
            self.db.put_item(
                TableName=self.table, Item=item, ConditionExpression="attribute_not_exists(pk) OR c < :c", ExpressionAttributeValues={":c": n(count)}
            )
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            assert old is not None and old[1] >= count
        else:
            assert old is None or old[1] < count
            self.model[pk, sk] = (None, count)

    @rule(pk=HASHES, sk=RANGES, more=st.integers(-2, 2))
    def add(self, pk: str, sk: int, more: int) -> None:
        group, count = self.model.get((pk, sk), (None, 0))
        self.model[pk, sk] = (group, count + more)
        answer = self.db.update_item(
            TableName=self.table, Key=self.key(pk, sk), UpdateExpression="ADD c :m", ExpressionAttributeValues={":m": n(more)}, ReturnValues="ALL_NEW"
        )
        assert answer["Attributes"] == self.item((pk, sk))

    @rule(pk=HASHES, sk=RANGES)
    def delete(self, pk: str, sk: int) -> None:
        self.model.pop((pk, sk), None)
        self.db.delete_item(TableName=self.table, Key=self.key(pk, sk))

    @rule(keys=st.sets(st.tuples(HASHES, RANGES), min_size=1, max_size=4), group=GROUPS, cancel=st.booleans())
    def transact(self, keys: set[Key], group: str | None, cancel: bool) -> None:
        """Several puts, all or none."""
        before = dict(self.model)
        left = dict.fromkeys(keys, (group, 1))
        self.model.update(left)
        actions: list[dict[str, Any]] = [{"Put": {"TableName": self.table, "Item": self.item(key)}} for key in keys]
        if cancel:
            check = {"TableName": self.table, "Key": self.key("never", 0), "ConditionExpression": "attribute_exists(pk)"}
            actions.append({"ConditionCheck": check})
        self.transactions += 1
        token = str(self.transactions)
        try:
            self.db.transact_write_items(TransactItems=actions, ClientRequestToken=token)
        except ClientError:
            assert cancel
            self.model = before
        else:
            assert not cancel
            self.made = (token, self.cloud.clock.now(), actions, left)

    @rule(later=st.sampled_from(["1ms", "9m", "11m"]))
    @precondition(lambda self: self.made is not None)
    def transact_again(self, later: str) -> None:
        """The last transaction once more, after some time: within ten minutes it is not made again, whatever has happened to its items since."""
        assert self.made is not None
        token, at, actions, left = self.made
        self.cloud.advance(later)
        self.db.transact_write_items(TransactItems=actions, ClientRequestToken=token)
        if self.cloud.clock.now() >= at + 10 * MINUTE:
            self.made = (token, self.cloud.clock.now(), actions, left)
            self.model.update(left)

    @rule(keys=st.sets(st.tuples(HASHES, RANGES), min_size=1, max_size=4))
    def batch(self, keys: set[Key]) -> None:
        """Puts of what is not there, deletions of what is."""
        requests: list[dict[str, Any]] = []
        for key in keys:
            if self.model.pop(key, None) is not None:
                requests.append({"DeleteRequest": {"Key": self.key(*key)}})
            else:
                self.model[key] = ("g1", 0)
                requests.append({"PutRequest": {"Item": self.item(key)}})
        self.db.batch_write_item(RequestItems={self.table: requests})

    @rule(pk=HASHES, low=RANGES, high=RANGES, forward=st.booleans(), limit=st.integers(1, 4))
    def query(self, pk: str, low: int, high: int, forward: bool, limit: int) -> None:
        low, high = min(low, high), max(low, high)
        pages = self.db.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :p AND sk BETWEEN :l AND :h",
            ExpressionAttributeValues={":p": s(pk), ":l": n(low), ":h": n(high)},
            ScanIndexForward=forward,
            PaginationConfig={"PageSize": limit},
        )
        found = [item for page in pages for item in page["Items"]]
        wanted = sorted((key for key in self.model if key[0] == pk and low <= key[1] <= high), key=lambda key: key[1], reverse=not forward)
        assert found == [self.item(key) for key in wanted]

    @rule(group=st.sampled_from(["g1", "g2"]), limit=st.integers(1, 3))
    def query_index(self, group: str, limit: int) -> None:
        pages = self.db.get_paginator("query").paginate(
            TableName=self.table,
            IndexName="by-g",
            KeyConditionExpression="g = :g",
            ExpressionAttributeValues={":g": s(group)},
            PaginationConfig={"PageSize": limit},
        )
        found = [item for page in pages for item in page["Items"]]
        assert [Decimal(item["c"]["N"]) for item in found] == sorted(Decimal(item["c"]["N"]) for item in found)
        key = lambda item: (item["pk"]["S"], int(item["sk"]["N"]))  # noqa: E731
        assert sorted(found, key=key) == sorted((self.item(one) for one, (of, _) in self.model.items() if of == group), key=key)

    @rule(crash=st.booleans())
    @precondition(lambda self: len(self.model) > 2)
    def restart(self, crash: bool) -> None:
        """Another process goes on where this one has stopped, or with what this one would leave if it ended just now."""
        if not crash:
            self.cloud.stop()
            self.cloud.start()
            return
        before, old = self.directory / str(self.lives), self.cloud
        self.lives += 1
        copy_as_crashed(before / STORE, self.directory / str(self.lives) / STORE)
        shutil.copy(before / "vault.key", self.directory / str(self.lives))
        self.cloud = self.open(Clock(frozen_at=old.clock.now()))
        old.stop()

    @invariant()
    def everything_is_there(self) -> None:
        """Table, local index and counts agree with the dictionary after each step."""
        key = lambda item: (item["pk"]["S"], int(item["sk"]["N"]))  # noqa: E731
        assert sorted(self.db.scan(TableName=self.table)["Items"], key=key) == sorted(map(self.item, self.model), key=key)
        local = self.db.scan(TableName=self.table, IndexName="by-c")["Items"]
        assert sorted((key(item), int(item["c"]["N"])) for item in local) == sorted((one, count) for one, (_, count) in self.model.items())
        described = self.db.describe_table(TableName=self.table)["Table"]
        assert described["ItemCount"] == len(self.model)
        assert described["GlobalSecondaryIndexes"][0]["ItemCount"] == sum(group is not None for group, _ in self.model.values())
        assert described["LocalSecondaryIndexes"][0]["ItemCount"] == len(self.model)


TableMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
TestTable = TableMachine.TestCase
