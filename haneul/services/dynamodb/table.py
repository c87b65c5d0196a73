"""Tables and their indexes as requests work with them, made of their records (`tables.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haneul.services.dynamodb.billing.metrics import consumption_metrics
from haneul.services.dynamodb.keys import KeySchema
from haneul.services.dynamodb.replication.journal import Journal
from haneul.services.dynamodb.tables import (
    COLLECTION_SPACE,
    COUNT_SPACE,
    EXPIRY_SPACE,
    INDEX_SPACE,
    ITEM_SPACE,
    IndexRecord,
    TableRecord,
    rows_of,
)
from haneul.services.dynamodb.values import Item
from haneul.store.keys import pack
from haneul.store.port import Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.throughput.meters import TableMeters


class Index:
    """A secondary index, compiled. Entries are kept as soon as its record is there, served once it is ready."""

    __slots__ = ("filling", "included", "is_global", "key", "name", "prefix", "record", "start_names", "table_key")

    def __init__(self, record: IndexRecord, table: TableRecord, table_schema: KeySchema) -> None:
        types = table.attributes
        self.record = record
        self.name = record.name
        self.is_global = record.is_global
        self.filling = record.status == "CREATING" or record.backfilling
        self.key = KeySchema([(name, types[name]) for name in record.hash_names], [(name, types[name]) for name in record.range_names])
        self.table_key = table_schema
        self.prefix = rows_of(INDEX_SPACE, record.id)
        # The attributes that name a place in the index: its own key and the table's.
        self.start_names = tuple(dict.fromkeys((*self.key.names, *table_schema.names)))
        self.included = None if record.projection == "ALL" else frozenset((*self.start_names, *record.included))

    @property
    def readable(self) -> bool:
        return not self.is_global or (self.record.status in ("ACTIVE", "UPDATING") and not self.record.backfilling)

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
        "account",
        "arn",
        "collections",
        "count_key",
        "count_prefix",
        "expiry_attribute",
        "expiry_prefix",
        "expiry_space",
        "id",
        "index_write_metric",
        "indexes",
        "journal",
        "key",
        "meters",
        "name",
        "plain",
        "prefix",
        "read_metric",
        "record",
        "region",
        "sealed_for",
        "serving",
        "stream",
        "write_metric",
    )

    def __init__(self, record: TableRecord) -> None:
        types = record.attributes
        self.record = record
        self.id = record.id
        self.account = record.account
        self.region = record.region
        self.name = record.name
        self.arn = record.arn
        self.key = KeySchema([(record.hash_name, types[record.hash_name])], [(record.range_name, types[record.range_name])] if record.range_name else [])
        self.prefix = rows_of(ITEM_SPACE, record.id)
        self.count_prefix = rows_of(COUNT_SPACE, record.id)
        # The number of the process, of which there is one so far.
        self.count_key = self.count_prefix + pack((0,))
        self.expiry_space = rows_of(EXPIRY_SPACE, record.id)
        # Each time that it is switched on, the index of expiry begins anew.
        self.expiry_prefix = self.expiry_space + pack((record.expiry_changed_at,))
        self.indexes = tuple(Index(index, record, self.key) for index in record.indexes if index.status != "DELETING")
        # Sizes of item collections, which only tables with local indexes have.
        local = any(not index.is_global for index in self.indexes)
        self.collections = rows_of(COLLECTION_SPACE, record.id) if local else None
        self.stream = record.stream if record.stream is not None and record.stream.enabled else None
        self.expiry_attribute = record.expiry_attribute if record.expiry_status in ("ENABLING", "ENABLED") else ""
        # What its reads, its writes and those of its global indexes are counted as in the usage records.
        self.read_metric, self.write_metric, self.index_write_metric = consumption_metrics(
            record.table_class, on_demand=record.on_demand, replica=record.replication is not None
        )
        # What its throughput is counted with, as soon as somebody reads or writes.
        self.meters: TableMeters | None = None
        self.serving = record.status in ("ACTIVE", "UPDATING")
        self._silent: Table | None = None
        # What other regions must hear of its writes, if it is a replica.
        self.journal = Journal(record, record.replication.group, strong=record.replication.strong) if record.replication is not None else None
        # Whose keys its rows are sealed under; nobody's (empty) where they lie in the clear.
        self.sealed_for = record.id.encode() if record.encryption is not None and record.encryption.sealed else b""
        # Nothing hangs on the items but the items themselves: writes need not look into what they replace.
        self.plain = not (self.indexes or self.stream or self.expiry_attribute or self.journal)

    def index(self, name: str) -> Index | None:
        return next((index for index in self.indexes if index.name == name), None)

    @property
    def local_indexes(self) -> tuple[Index, ...]:
        return tuple(index for index in self.indexes if not index.is_global)

    def put(self, tx: Transaction, place: bytes, value: bytes) -> None:
        """Write a row that holds what items hold: one of the table, of an index, of its stream or its log, or of a backup."""
        if self.sealed_for:
            tx.put_sealed(place, value, self.sealed_for)
        else:
            tx.put(place, value)

    def silent(self) -> Table:
        """The same table, for writes that come from another region and need not be told there."""
        made = self._silent
        if made is None:
            made = self._silent = Table(self.record)
            made.journal = None
            made.plain = not (made.indexes or made.stream or made.expiry_attribute)
        return made
