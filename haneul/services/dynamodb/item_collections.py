"""Item collections: all items with one partition key of a table with local indexes, and their entries in those, which together have a limit.

Their sizes are kept with each write, so that nothing has to be added up. (Developer Guide: "Item collections in local secondary indexes".)
"""

from __future__ import annotations

from struct import Struct

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.values import Item
from haneul.store.port import Reader, Transaction

COLLECTION_BYTES_MAX = 10 * 1024**3
_SIZE = Struct(">Bq")
_VERSION = 1


def _place(table: Table, item: Item) -> bytes:
    assert table.collections is not None
    return table.collections + table.key.hash_prefix([item[table.key.names[0]]])


def collection_size(reader: Reader, table: Table, item: Item) -> int:
    """Bytes of the collection that an item (or its key) belongs to."""
    known = reader.get(_place(table, item))
    return int(_SIZE.unpack(known)[1]) if known is not None else 0


def grow_collection(tx: Transaction, table: Table, item: Item, size: int) -> None:
    """Add to the size of an item's collection; ItemCollectionSizeLimitExceededException, and nothing done, when it would grow beyond its limit."""
    if not size:
        return
    place = _place(table, item)
    known = tx.get(place)
    total = size + (int(_SIZE.unpack(known)[1]) if known is not None else 0)
    if total > COLLECTION_BYTES_MAX and size > 0:
        raise ServiceError("ItemCollectionSizeLimitExceededException", "Collection size exceeded.", 400)
    if total > 0:
        tx.put(place, _SIZE.pack(_VERSION, total))
    else:
        tx.delete(place)
