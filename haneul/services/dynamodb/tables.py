"""Tables and their indexes: the record in the store, and the compiled form that requests work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from haneul.services.dynamodb.keys import KeySchema
from haneul.services.dynamodb.replication.journal import Journal
from haneul.services.dynamodb.values import Item
from haneul.store.keys import pack

if TYPE_CHECKING:
    from haneul.services.dynamodb.throughput.meters import TableMeters

TABLE_SPACE = "dynamodb-table"
ITEM_SPACE = "dynamodb-item"
INDEX_SPACE = "dynamodb-index"
COUNT_SPACE = "dynamodb-count"
COLLECTION_SPACE = "dynamodb-collection"
EXPIRY_SPACE = "dynamodb-expiry"
STREAM_SPACE = "dynamodb-stream"
CHANGE_SPACE = "dynamodb-change"
TOKEN_SPACE = "dynamodb-token"


class Throughput(msgspec.Struct):
    """Provisioned capacity units; all zero on demand. Times in nanoseconds, 0 for never."""

    read_units: int = 0
    write_units: int = 0
    increased_at: int = 0
    decreased_at: int = 0
    # Decreases on the UTC day of `decreased_at`.
    decreases_today: int = 0
    # Units that an update under way will bring; 0 for none.
    wanted_read: int = 0
    wanted_write: int = 0


class IndexRecord(msgspec.Struct):
    """A secondary index. `id` is internal and never used again, `status` empty for local ones, which live and die with their table."""

    id: str
    name: str
    is_global: bool
    hash_names: list[str]
    range_names: list[str]
    projection: str
    included: list[str] = []
    status: str = ""
    backfilling: bool = False
    throughput: Throughput = msgspec.field(default_factory=Throughput)
    on_demand_read_max: int | None = None
    on_demand_write_max: int | None = None
    warm_read: int | None = None
    warm_write: int | None = None
    warm_wanted_read: int = 0
    warm_wanted_write: int = 0


class StreamSettings(msgspec.Struct):
    """The stream that a table writes to, or wrote to last (`enabled` False)."""

    id: str
    label: str
    view_type: str
    enabled: bool = True


class ReplicationSettings(msgspec.Struct):
    """The global table that a table is a replica in; `protected` from being disassociated from it."""

    group: str
    strong: bool = False
    protected: bool = True


class HistorySettings(msgspec.Struct):
    """Whether a table logs what its items were (`log_id`, empty when it does not), and which past moments point-in-time recovery promises.

    The log is also on while a backup, export or restore reads the table as it was. `recovery_since` in nanoseconds.
    """

    log_id: str = ""
    recovery: bool = False
    recovery_since: int = 0
    recovery_days: int = 0


class RestoreNote(msgspec.Struct):
    """Where a restored table came from. Times in nanoseconds."""

    table_arn: str
    backup_arn: str
    time: int
    in_progress: bool = True


class InsightsRecord(msgspec.Struct):
    """What was asked of Contributor Insights. `changed_at` in nanoseconds."""

    wanted: bool
    mode: str
    changed_at: int


class DestinationRecord(msgspec.Struct):
    """A Kinesis stream that was asked for as a destination. `changed_at` in nanoseconds."""

    precision: str
    changed_at: int


class TableRecord(msgspec.Struct):
    """A table. `id` is internal: a table that is deleted and made again has another one, so that it never sees old rows. Times in nanoseconds."""

    id: str
    table_id: str
    account: str
    region: str
    name: str
    status: str
    created_at: int
    attributes: dict[str, str]
    hash_name: str
    range_name: str | None
    indexes: list[IndexRecord] = []
    on_demand: bool = False
    on_demand_since: int = 0
    billing_mode_given: bool = False
    throughput: Throughput = msgspec.field(default_factory=Throughput)
    on_demand_read_max: int | None = None
    on_demand_write_max: int | None = None
    warm_read: int | None = None
    warm_write: int | None = None
    warm_wanted_read: int = 0
    warm_wanted_write: int = 0
    table_class: str = ""
    table_class_changed_at: int = 0
    # When the mode and the class were changed lately.
    on_demand_switches: list[int] = []
    class_changes: list[int] = []
    deletion_protection: bool = False
    protection_changed_at: int = 0
    stream: StreamSettings | None = None
    expiry_attribute: str = ""
    expiry_status: str = "DISABLED"
    expiry_changed_at: int = 0
    tags: dict[str, str] = {}
    policy: str = ""
    policy_revision: str = ""
    # By the index's name, "" for the table; by the stream's ARN.
    insights: dict[str, InsightsRecord] = {}
    destinations: dict[str, DestinationRecord] = {}
    history: HistorySettings = msgspec.field(default_factory=HistorySettings)
    restore: RestoreNote | None = None
    replication: ReplicationSettings | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{self.name}"

    @property
    def stream_arn(self) -> str:
        """ARN of the latest stream."""
        assert self.stream is not None
        return f"{self.arn}/stream/{self.stream.label}"

    def find_index(self, name: str) -> IndexRecord | None:
        return next((index for index in self.indexes if index.name == name), None)


def table_key(account: str, region: str, name: str) -> bytes:
    """Where a table's record lies."""
    return pack((TABLE_SPACE, account, region, name))


class Index:
    """A secondary index, compiled. Entries are kept as soon as its record is there, served once it is ready."""

    __slots__ = ("filling", "included", "is_global", "key", "name", "prefix", "record", "start_names", "table_key")

    def __init__(self, record: IndexRecord, table: TableRecord, table_schema: KeySchema) -> None:
        types = table.attributes
        self.record = record
        self.name = record.name
        self.is_global = record.is_global
        self.filling = record.status == "CREATING"
        self.key = KeySchema([(name, types[name]) for name in record.hash_names], [(name, types[name]) for name in record.range_names])
        self.table_key = table_schema
        self.prefix = pack((INDEX_SPACE, table.account, table.region, record.id))
        # The attributes that name a place in the index: its own key and the table's.
        self.start_names = tuple(dict.fromkeys((*self.key.names, *table_schema.names)))
        self.included = None if record.projection == "ALL" else frozenset((*self.start_names, *record.included))

    @property
    def readable(self) -> bool:
        return not self.is_global or self.record.status in ("ACTIVE", "UPDATING")

    def row(self, item: Item) -> bytes:
        """Where the entry of an item lies, which must have the index's key."""
        return self.prefix + self.key.suffix(item) + self.table_key.extra_suffix(item)

    def project(self, item: Item) -> Item:
        """What the entry holds of an item."""
        included = self.included
        return item if included is None else {name: value for name, value in item.items() if name in included}


class Table:
    """A table, compiled: what a request needs, without looking anything up twice."""

    __slots__ = (
        "_silent",
        "arn",
        "collections",
        "count_key",
        "count_prefix",
        "expiry_attribute",
        "expiry_prefix",
        "expiry_space",
        "indexes",
        "journal",
        "key",
        "meters",
        "name",
        "plain",
        "prefix",
        "record",
        "serving",
        "stream",
        "stream_prefix",
        "stream_topic",
    )

    def __init__(self, record: TableRecord) -> None:
        types = record.attributes
        self.record = record
        self.name = record.name
        self.arn = record.arn
        self.key = KeySchema([(record.hash_name, types[record.hash_name])], [(record.range_name, types[record.range_name])] if record.range_name else [])
        self.prefix = pack((ITEM_SPACE, record.account, record.region, record.id))
        self.count_prefix = pack((COUNT_SPACE, record.account, record.region, record.id))
        # The number of the process, of which there is one so far.
        self.count_key = self.count_prefix + pack((0,))
        self.expiry_space = pack((EXPIRY_SPACE, record.account, record.region, record.id))
        # Each time that it is switched on, the index of expiry begins anew.
        self.expiry_prefix = self.expiry_space + pack((record.expiry_changed_at,))
        self.indexes = tuple(Index(index, record, self.key) for index in record.indexes if index.status != "DELETING")
        # Sizes of item collections, which only tables with local indexes have.
        local = any(not index.is_global for index in self.indexes)
        self.collections = pack((COLLECTION_SPACE, record.account, record.region, record.id)) if local else None
        self.stream = record.stream if record.stream is not None and record.stream.enabled else None
        self.stream_prefix = pack((CHANGE_SPACE, record.account, record.region, self.stream.id, 0)) if self.stream is not None else None
        self.stream_topic = f"stream:{record.stream_arn}" if self.stream is not None else ""
        self.expiry_attribute = record.expiry_attribute if record.expiry_status in ("ENABLING", "ENABLED") else ""
        # What its throughput is counted with, as soon as somebody reads or writes.
        self.meters: TableMeters | None = None
        self.serving = record.status in ("ACTIVE", "UPDATING")
        self._silent: Table | None = None
        # What other regions must hear of its writes, if it is a replica.
        self.journal = Journal(record, record.replication.group, strong=record.replication.strong) if record.replication is not None else None
        # Nothing hangs on the items but the items themselves: writes need not look into what they replace.
        self.plain = not (self.indexes or self.stream or self.expiry_attribute or self.journal)

    def index(self, name: str) -> Index | None:
        return next((index for index in self.indexes if index.name == name), None)

    @property
    def local_indexes(self) -> tuple[Index, ...]:
        return tuple(index for index in self.indexes if not index.is_global)

    def silent(self) -> Table:
        """The same table, for writes that come from another region and need not be told there."""
        made = self._silent
        if made is None:
            made = self._silent = Table(self.record)
            made.journal = None
            made.plain = not (made.indexes or made.stream or made.expiry_attribute)
        return made
