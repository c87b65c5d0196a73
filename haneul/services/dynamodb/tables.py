"""Tables and their indexes as records in the store. What requests work with is in `table.py`."""

from __future__ import annotations

import msgspec

from haneul.clock import Ids
from haneul.store.keys import pack
from haneul.store.port import Reader
from haneul.store.records import decode

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
    # When the update under way was asked for, 0 for none.
    asked_at: int = 0


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
    """The stream that a table writes to, or wrote to last (`enabled` False). `changing` while the table is UPDATING because of that."""

    id: str
    label: str
    view_type: str
    enabled: bool = True
    changing: bool = False


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


class Encryption(msgspec.Struct):
    """How a table's data is encrypted on the disk beyond what every table is: whether what is written is sealed, and whether clients see it under KMS's key for DynamoDB.
    `wanted` is what a change under way will bring (`KMS` or `DEFAULT`), `changes` the times (nanoseconds) of those within the window that counts them.
    """

    sealed: bool = False
    managed: bool = False
    wanted: str = ""
    changes: list[int] = []


class Tagging(msgspec.Struct):
    """The last change of tags, and which it set. `changed_at` in nanoseconds, 0 for never."""

    changed_at: int = 0
    put: dict[str, str] = {}


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
    # While the mode is being changed, to the one that `on_demand` says.
    switching: bool = False
    throughput: Throughput = msgspec.field(default_factory=Throughput)
    on_demand_read_max: int | None = None
    on_demand_write_max: int | None = None
    warm_read: int | None = None
    warm_write: int | None = None
    warm_wanted_read: int = 0
    warm_wanted_write: int = 0
    table_class: str = ""
    table_class_changed_at: int = 0
    # The class that an update under way will bring; nothing for none.
    class_wanted: str = ""
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
    tagging: Tagging = msgspec.field(default_factory=Tagging)
    policy: str = ""
    policy_revision: str = ""
    # By the index's name, "" for the table; by the stream's ARN.
    insights: dict[str, InsightsRecord] = {}
    destinations: dict[str, DestinationRecord] = {}
    history: HistorySettings = msgspec.field(default_factory=HistorySettings)
    restore: RestoreNote | None = None
    replication: ReplicationSettings | None = None
    encryption: Encryption | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{self.name}"

    @property
    def stream_arn(self) -> str:
        """ARN of the latest stream."""
        assert self.stream is not None
        return f"{self.arn}/stream/{self.stream.label}"

    @property
    def being_restored(self) -> bool:
        """Whether a restore is still filling the table. Until it is done, DescribeTable shows it, and for most other operations it is not there."""
        return self.restore is not None and self.restore.in_progress

    def find_index(self, name: str) -> IndexRecord | None:
        return next((index for index in self.indexes if index.name == name), None)


def new_id(ids: Ids) -> str:
    """An id that no other table, index or stream has, here or in another account or region: 16 hexadecimal digits."""
    return ids.hex(16)


def rows_of(space: str, owner: str) -> bytes:
    """What the keys of all rows begin with that belong to a table, an index or a stream, by its id. Short, for every row has it: place and name stand in the record."""
    return pack((space, int(owner, 16)))


def table_key(account: str, region: str, name: str) -> bytes:
    """Where a table's record lies."""
    return pack((TABLE_SPACE, account, region, name))


def find_record(reader: Reader, account: str, region: str, name: str) -> TableRecord | None:
    """The record of a table; None where there is none, and while a restore is still filling it."""
    raw = reader.get(table_key(account, region, name))
    record = decode(raw, TableRecord) if raw is not None else None
    return record if record is not None and not record.being_restored else None
