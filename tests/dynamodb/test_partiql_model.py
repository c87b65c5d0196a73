"""A table against a dictionary once more: PartiQL as the only language, time that passes, items that expire, restarts."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from haneul.clock import SECOND
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodbstreams.service import DynamoDbStreams
from tests.dynamodb.support import make_table, n, s
from tests.support.running import Running

Key = tuple[str, int]

HASHES = st.sampled_from(["p", "it's", "ü"])
RANGES = st.integers(-2, 2)
COUNTS = st.integers(-3, 3)
HOUR_SECONDS = 3600


class StatementMachine(RuleBasedStateMachine):
    """The oracle maps (pk, sk) to a count and the hour in which the item expires (None: never)."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Running(services=[DynamoDb, DynamoDbStreams], capacity_unlimited=True).start()
        self.table = make_table(self.cloud, range_type="N")
        self.db.update_time_to_live(TableName=self.table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
        # Five minutes past an hour: items expire at full hours, and twenty waits are too few to come near one.
        self.cloud.advance(f"{2 * HOUR_SECONDS + 300 - self.now_seconds % HOUR_SECONDS}s")
        self.model: dict[Key, tuple[int, int | None]] = {}

    def teardown(self) -> None:
        self.cloud.stop()

    @property
    def db(self) -> Any:
        return self.cloud.client("dynamodb")

    @property
    def now_seconds(self) -> int:
        return self.cloud.clock.now() // SECOND

    def run(self, statement: str, *parameters: Any, **more: Any) -> Any:
        return self.db.execute_statement(Statement=statement.format(f'"{self.table}"'), **({"Parameters": list(parameters)} if parameters else {}), **more)

    def item(self, key: Key) -> dict[str, Any]:
        count, expires = self.model[key]
        return {"pk": s(key[0]), "sk": n(key[1]), "c": n(count), **({"expires": n(expires)} if expires is not None else {})}

    def expects(self, code: str | None, statement: str, *parameters: Any) -> Any:
        """Run a statement that must end in this error, or in none."""
        try:
            answer = self.run(statement, *parameters)
        except ClientError as error:
            assert error.response["Error"]["Code"] == code
            return None
        assert code is None
        return answer

    @rule(pk=HASHES, sk=RANGES, count=COUNTS, hours=st.none() | st.integers(1, 4))
    def insert(self, pk: str, sk: int, count: int, hours: int | None) -> None:
        """INSERT, which never replaces."""
        there = (pk, sk) in self.model
        expires = None if hours is None else (self.now_seconds // HOUR_SECONDS + hours) * HOUR_SECONDS
        text = "INSERT INTO {0} VALUE {{'pk': ?, 'sk': ?, 'c': ?" + ("}}" if expires is None else f", 'expires': {expires}}}}}")
        self.expects("DuplicateItemException" if there else None, text, s(pk), n(sk), n(count))
        if not there:
            self.model[pk, sk] = (count, expires)

    @rule(pk=HASHES, sk=RANGES, more=COUNTS, least=COUNTS)
    def update(self, pk: str, sk: int, more: int, least: int) -> None:
        """A guarded UPDATE, which never makes an item."""
        old = self.model.get((pk, sk))
        done = old is not None and old[0] >= least
        literal = pk.replace("'", "''")
        answer = self.expects(
            None if done else "ConditionalCheckFailedException",
            f"UPDATE {{0}} SET c = c + ? WHERE pk = '{literal}' AND sk = {sk} AND c >= ? RETURNING ALL NEW *",
            n(more),
            n(least),
        )
        if done and old is not None:
            self.model[pk, sk] = (old[0] + more, old[1])
            assert answer["Items"] == [self.item((pk, sk))]

    @rule(pk=HASHES, sk=RANGES, count=COUNTS)
    def delete(self, pk: str, sk: int, count: int) -> None:
        """A guarded DELETE: no error when nothing is there."""
        old = self.model.get((pk, sk))
        done = old is None or old[0] <= count
        before = [self.item((pk, sk))] if old is not None else []
        answer = self.expects(
            None if done else "ConditionalCheckFailedException", "DELETE FROM {0} WHERE sk = ? AND pk = ? AND c <= ? RETURNING ALL OLD *", n(sk), s(pk), n(count)
        )
        if done:
            assert answer["Items"] == before
            self.model.pop((pk, sk), None)

    @rule(keys=st.sets(st.tuples(HASHES, RANGES), min_size=1, max_size=4), count=COUNTS)
    def transact(self, keys: set[Key], count: int) -> None:
        """Several INSERTs: all, or none because one key is taken."""
        taken = [key for key in keys if key in self.model]
        statements = [
            {"Statement": f"INSERT INTO \"{self.table}\" VALUE {{'pk': ?, 'sk': ?, 'c': ?}}", "Parameters": [s(pk), n(sk), n(count)]} for pk, sk in keys
        ]
        try:
            self.db.execute_transaction(TransactStatements=statements)
        except ClientError as error:
            reasons = [reason["Code"] for reason in error.response["CancellationReasons"]]
            assert reasons == ["DuplicateItem" if key in self.model else "None" for key in keys]
        else:
            assert not taken
            self.model.update({key: (count, None) for key in keys})

    @rule(names=st.lists(HASHES, min_size=1, max_size=3, unique=True), low=RANGES, least=COUNTS, descending=st.booleans(), limit=st.integers(1, 5))
    def select(self, names: list[str], low: int, least: int, descending: bool, limit: int) -> None:
        """Partitions in order, page by page."""
        direction = "DESC" if descending else "ASC"
        text = f"SELECT * FROM {{0}} WHERE pk IN [{', '.join('?' * len(names))}] AND sk >= ? AND c >= ? ORDER BY pk {direction}, sk {direction}"
        found, token = [], {}
        while True:
            page = self.run(text, *map(s, names), n(low), n(least), Limit=limit, **token)
            found.extend(page["Items"])
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        keys = [key for key, (count, _) in self.model.items() if key[0] in names and key[1] >= low and count >= least]
        keys.sort(key=lambda key: (key[0].encode(), key[1]), reverse=descending)
        assert found == [self.item(key) for key in keys]

    @rule(hours=st.integers(1, 3))
    def wait(self, hours: int) -> None:
        """What has expired is gone a few minutes later."""
        self.cloud.advance(f"{hours * 60 + 2}m")
        now = self.now_seconds
        self.model = {key: value for key, value in self.model.items() if value[1] is None or value[1] + 120 > now}

    @rule()
    def restart(self) -> None:
        self.cloud.stop()
        self.cloud.start()

    @invariant()
    def everything_is_there(self) -> None:
        """The table is the dictionary after each step."""
        order = lambda item: (item["pk"]["S"], int(item["sk"]["N"]))  # noqa: E731
        # An item in the two minutes around its end may be there or not.
        now = self.now_seconds
        edge = {key for key, (_, expires) in self.model.items() if expires is not None and expires - 1 <= now}
        found = [item for item in self.run("SELECT * FROM {0}")["Items"] if order(item) not in edge]
        assert sorted(found, key=order) == sorted((self.item(key) for key in self.model if key not in edge), key=order)


StatementMachine.TestCase.settings = settings(max_examples=5, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
TestStatements = StatementMachine.TestCase
