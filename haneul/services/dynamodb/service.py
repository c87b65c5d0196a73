"""DynamoDB."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar, TypeVar

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.operation import Operation
from haneul.core.ports import LINKS_CHANGED
from haneul.core.quirks import Quirks
from haneul.core.rates import RequestRates
from haneul.core.service import Service, operations_of
from haneul.metering.prices import PriceList
from haneul.services.dynamodb import encryption, expiry, lifecycle, retention, tokens
from haneul.services.dynamodb.billing.hours import TableHours
from haneul.services.dynamodb.billing.prices import PRICES
from haneul.services.dynamodb.changes import ChangeLog
from haneul.services.dynamodb.errors import not_found, validation
from haneul.services.dynamodb.expressions.request import Parsers
from haneul.services.dynamodb.front import JSON, answer_other
from haneul.services.dynamodb.history import backup_work
from haneul.services.dynamodb.history.handlers import HANDLERS as HISTORY_HANDLERS
from haneul.services.dynamodb.history.log import Logs
from haneul.services.dynamodb.latency import Latencies, measured
from haneul.services.dynamodb.ongoing import Ongoing
from haneul.services.dynamodb.quirks import DYNAMODB
from haneul.services.dynamodb.replication import revival, strong
from haneul.services.dynamodb.replication.journal import LogPositions
from haneul.services.dynamodb.stream_source import StoredStreams
from haneul.services.dynamodb.streams import StreamRecord, stream_key, stream_place
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TABLE_SPACE, TableRecord, table_key
from haneul.services.dynamodb.throughput.enforcement import Capacity
from haneul.services.dynamodb.throughput.reported import ReportedCapacity, take_reported
from haneul.services.dynamodb.values import Item
from haneul.services.dynamodb.writing import read_counts, write_row
from haneul.store.keys import pack, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode

T = TypeVar("T")


class DynamoDb(Service):
    """Tables, items and their streams. Caches compiled tables, which the store's changes drop, and parsed expressions."""

    name = "dynamodb"
    quirks: ClassVar[Quirks] = DYNAMODB
    absent: ClassVar[Mapping[str, str]] = {
        "SearchVectors": "there are no vector indexes",
        **dict.fromkeys(
            ("StartBulkPutItems", "DescribeBulkOperation", "ListBulkOperations", "CancelBulkOperation"),
            "items of S3 come into a new table by ImportTable; into a table that is there, a client writes them",
        ),
    }
    prices: ClassVar[PriceList | None] = PRICES
    shared_reads = frozenset(("BatchGetItem", "GetItem", "Query", "Scan"))

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.parsers = Parsers()
        self.changes = ChangeLog(cloud)
        self.capacity = Capacity(cloud, read_counts)
        self.reported: ReportedCapacity | None = None
        self.ongoing = Ongoing(self.capacity)
        self.latencies = Latencies(cloud, self.stored_table, self.parsers)
        # What the service of the streams' own API reads from.
        self.streams = StoredStreams(cloud, self.changes)
        self.logs = Logs(cloud.clock)
        self.rates = RequestRates(cloud)
        self.log_positions = LogPositions()
        self._tables: dict[tuple[str, str, str], Table] = {}
        self.hours = TableHours(self)
        cloud.store.watch(pack((TABLE_SPACE,)), self._forget)
        for kind, handler in (
            *lifecycle.HANDLERS,
            *HISTORY_HANDLERS,
            *revival.HANDLERS,
            *encryption.HANDLERS,
            (expiry.EXPIRE, expiry.expire),
            (retention.TRIM, retention.trim),
            (tokens.FORGET, tokens.forget),
        ):
            cloud.outbox.handle(kind, partial(handler, self))
        self._unlisten: Callable[[], None] | None = None

    def answer(self, request: HttpRequest, pipeline: Callable[[HttpRequest, Service], Awaitable[HttpResponse]]) -> Awaitable[HttpResponse]:
        """Before the pipeline go requests that are no call of an operation: questions after the endpoint's health, and bodies of other types."""
        if request.headers.get("content-type") == JSON and request.method == "POST":
            return pipeline(request, self)
        return answer_other(self.cloud, request) or pipeline(request, self)

    def refused(self, call: Call, error: ServiceError) -> None:
        if error.status == 500:
            self.latencies.failed(call)
        self.capacity.count_refused(call.account, call.region, error)

    async def start(self) -> None:
        """Whatever replicas wait for, they may be able to go on with now; and hours count from now on."""
        self.hours.start()
        self._unlisten = self.cloud.signals.listen(LINKS_CHANGED, self._links_changed)
        await revival.revive(self)

    async def stop(self) -> None:
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        self.latencies.stop()
        await self.hours.stop()

    async def settle_usage(self) -> None:
        await self.hours.flush()

    async def follow(self) -> None:
        """Reads are charged in the process that writes, which says which tables have so much left that it may happen a moment later."""
        self.capacity = self.reported = ReportedCapacity(self.cloud, read_counts)
        self.latencies.follow()

    def collect(self) -> Any:
        return self.reported.collect() if self.reported is not None else None

    def take_in(self, collected: Any) -> Any:
        return take_reported(self, collected)

    def hear(self, answer: Any) -> None:
        if self.reported is not None:
            self.reported.hear(answer)

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        """The operations; those on items report how long they take."""
        return measured(operations_of(cls).values(), lambda call: call.service(cls).latencies)

    def _links_changed(self) -> None:
        self.cloud.clock.run(revival.revive(self), name="replicas")

    def _forget(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            _, account, region, name = unpack(key)
            place = (str(account), str(region), str(name))
            known = self._tables.pop(place, None)
            # Whoever writes with what was known until now must at once write to the log too, if that was just switched on.
            if known is not None and self.stored_table(*place) is None:
                self.logs.forget(known.record.id)

    # ---- tables

    def stored_table(self, account: str, region: str, name: str) -> Table | None:
        """A table in whatever state, or None."""
        place = (account, region, name)
        found = self._tables.get(place)
        if found is None:
            raw = self.cloud.store.get(table_key(*place))
            if raw is None:
                self.capacity.forget(place)
                return None
            found = self._tables[place] = Table(decode(raw, TableRecord))
            self.logs.follow(found.record)
            self.capacity.follow(found)
        return found

    def ready_table(self, call: Call, name: str) -> Table | None:
        """The table of this name, if it is known to this process and ready."""
        found = self._tables.get((call.account, call.region, name))
        return found if found is not None and found.serving else None

    def table(self, call: Call, name: str) -> Table:
        """The table that a request names by name or ARN, ready for items; ResourceNotFoundException otherwise."""
        found = self._tables.get((call.account, call.region, name))
        if found is None:
            found = self.stored_table(*self.place(call, name))
        if found is None or not found.serving:
            raise not_found()
        return found

    def place(self, call: Call, name: str) -> tuple[str, str, str]:
        """Account, region and name of a table that a request names by name or ARN."""
        if not name.startswith("arn:"):
            check_table_name(name)
            return call.account, call.region, name
        arn = parse_arn(name)
        kind, _, table = arn.resource.partition("/") if arn is not None else ("", "", "")
        if arn is None or arn.service != "dynamodb" or not table or "/" in table:
            raise validation("Invalid TableArn: Invalid ResourceArn provided as input " + name)
        for what, is_right in (("AWS partition", arn.partition == "aws"), ("AWS region", arn.region == call.region), ("resource type", kind == "table")):
            if not is_right:
                raise validation(f"1 validation error detected: Invalid {what} in '{name}'")
        return arn.account, arn.region, table

    def resource_policy(self, call: Call, arn: str) -> str | None:
        """The policy attached to a table, which is that of its indexes, too, or to a stream."""
        place = _table_with_policy(arn)
        if place is not None:
            table = self.stored_table(place[0], place[1], place[2])
            return (table.record.policy or None) if table is not None else None
        stream = stream_place(arn)
        raw = self.cloud.store.get(stream_key(*stream)) if stream is not None else None
        return (decode(raw, StreamRecord).policy or None) if raw is not None else None

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        """The tags of a table, which are those of its indexes, too. Streams and backups have none ("Using attribute-based access control with DynamoDB")."""
        found = parse_arn(arn)
        parts = found.resource.split("/") if found is not None else []
        if found is None or parts[0] != "table" or not (len(parts) == 2 or parts[2:3] == ["index"]):
            return None
        table = self.stored_table(found.account, found.region, parts[1])
        return table.record.tags if table is not None else None

    # ---- items

    async def write(self, work: Callable[[Transaction], T], *tables: Table, operation: str = "") -> T:
        """Carry out a transaction that changes items of `tables`. `operation` names the request that is throttled, if it is one item that it writes."""
        everywhere = [table for table in tables if table.journal is not None and table.journal.strong]
        try:
            return await self.cloud.store.transact(strong.guarded(self, work, everywhere) if everywhere else work)
        except ServiceError as error:
            if error.code == "ConditionalCheckFailedException":
                self.capacity.count(tables[0], "ConditionalCheckFailedRequests")
            elif operation:
                self.capacity.count_throttled(error, tables[0], operation)
            raise

    def put_row(
        self,
        tx: Transaction,
        table: Table,
        row: bytes,
        old_row: bytes | None,
        old: Item | None,
        new_row: bytes | None,
        new: Item | None,
        *,
        by: bytes | None = None,
        cost: int = 1,
    ) -> dict[str, int] | None:
        """Replace a row with everything that hangs on it (see `write_row`)."""
        return write_row(self, tx, table, row, old_row, old, new_row, new, by, cost)

    def leave_table(self, tx: Transaction, record: TableRecord, prefixes: list[bytes]) -> list[bytes]:
        """Of the rows of a table that is being dropped (`prefixes`, the items' first), those that no backup and no reader of its past needs."""
        return backup_work.drop_table(self, tx, record, prefixes)


@lru_cache(maxsize=4096)
def _table_with_policy(arn: str) -> tuple[str, str, str] | None:
    """Account, region and name of the table whose policy holds for a resource; streams have policies of their own."""
    found = parse_arn(arn)
    if found is None or not found.resource.startswith("table/") or "/stream/" in found.resource:
        return None
    name = found.resource.split("/")[1]
    return (found.account, found.region, name) if name != "*" else None


def check_table_name(name: str) -> None:
    """A table's name has 3 to 255 characters, letters, digits, `_`, `-` and `.`."""
    broken: list[str] = []
    if len(name) < 3:
        broken.append("have length greater than or equal to 3")
    if len(name) > 255:
        broken.append("have length less than or equal to 255")
    if not name.isascii() or not name.replace("_", "a").replace("-", "a").replace(".", "a").isalnum():
        broken.append("satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
    if broken:
        errors = [f"Value '{name}' at 'tableName' failed to satisfy constraint: Member must {one}" for one in broken]
        raise validation(f"{len(errors)} validation error{'s' if len(errors) > 1 else ''} detected: {'; '.join(errors)}")
