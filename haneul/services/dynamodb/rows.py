"""Items as rows of the store: one version byte, the item's size in bytes (four bytes), and its canonical JSON.

The JSON goes into answers as it stands; the size is what capacity and page limits are counted with, so that neither needs the item to be parsed.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

import orjson

from haneul.services.dynamodb.values import Item

_VERSION: Final = 1
_HEAD: Final = Struct(">BI")
_BODY_AT: Final = 5


def encode_row(size: int, body: bytes) -> bytes:
    """A row of an item of `size` bytes (as the service counts), whose JSON is `body`."""
    return _HEAD.pack(_VERSION, size) + body


def row_size(row: bytes) -> int:
    """The item's size in bytes."""
    return (row[1] << 24) + (row[2] << 16) + (row[3] << 8) + row[4]  # Byte by byte: compiled, the cheapest way there is.


def total_size(rows: list[bytes]) -> int:
    """The items' sizes together."""
    return sum(row_size(row) for row in rows)


def row_body(row: bytes) -> bytes:
    """The item's JSON."""
    if row[0] != _VERSION:
        raise ValueError(f"an item of version {row[0]} cannot be read here")
    return row[_BODY_AT:]


def splice(body: bytes) -> Any:
    """JSON that goes into an answer as it stands."""
    return orjson.Fragment(body)


def row_item(row: bytes) -> Item:
    """The item, parsed afresh."""
    return orjson.loads(row_body(row))  # type: ignore[no-any-return]
