"""Keys of items as keys of the store.

A row's key is the table's (or index's) prefix, a hash of the partition key (four bytes), the partition key, the sort key, and in an index the keys of the table; each
of these keys is encoded as `store.keys.pack` encodes bytes. So one partition key is one range, sorted; a scan goes by the hash, as in the real service, and a
segment of a parallel scan is a range of hashes.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final
from zlib import crc32

from haneul.core.errors import ServiceError
from haneul.services.dynamodb import numbers
from haneul.services.dynamodb.errors import EmptyKeyValue, invalid, key_mismatch
from haneul.services.dynamodb.values import TYPES, Item, Value, kind_of
from haneul.store.keys import after

HASH_KEY_BYTES_MAX: Final = 2048
RANGE_KEY_BYTES_MAX: Final = 1024
HASH_BYTES: Final = 4
_HASH_MAX: Final = 0xFFFFFFFF
_MIXER: Final = 0x1E3779B1

Attribute = tuple[str, str]
"""Name and type (S, N or B) of an attribute that is part of a key."""


def part(kind: str, inner: str) -> bytes:
    """One key attribute, canonical, as bytes that sort as the service sorts it."""
    if kind == "S":
        return inner.encode()
    return numbers.encode(inner) if kind == "N" else b64decode(inner)


def packed(raw: bytes) -> bytes:
    """A part as it stands in a row's key."""
    return b"\x01" + (raw.replace(b"\x00", b"\x00\xff") if 0 in raw else raw) + b"\x00"


def beyond(place: bytes) -> bytes:
    """The end of the rows whose keys begin with the whole parts that `place` consists of.

    Behind a part stands another part, or nothing; only a longer part goes on with the byte 255, the escape of a zero.
    """
    return place + b"\xff"


def hashed(parts: bytes) -> bytes:
    """Where a partition key lies among all partition keys: its checksum, mixed, since those of similar keys are similar. A digest would take four times as long."""
    checksum = crc32(parts)
    return ((checksum ^ checksum >> 15) * _MIXER & _HASH_MAX).to_bytes(HASH_BYTES, "big")


def _excess(kind: str, inner: str, limit: int) -> int:
    """Bytes of a value of more than `limit`; 0 for a smaller one. Numbers are never too large."""
    size = len(part(kind, inner)) if kind != "N" and len(inner) * 4 > limit else 0
    return size if size > limit else 0


class KeySchema:
    """The key of a table or an index: the attributes that are hashed, and those that sort.

    A table has one of the first and at most one of the second; a global secondary index may have several of both.
    """

    __slots__ = ("_quick", "attributes", "hash_attributes", "names", "range_attributes", "types")

    def __init__(self, hash_attributes: Sequence[Attribute], range_attributes: Sequence[Attribute]) -> None:
        self.hash_attributes = tuple(hash_attributes)
        self.range_attributes = tuple(range_attributes)
        self.attributes = self.hash_attributes + self.range_attributes
        self.names = tuple(name for name, _ in self.attributes)
        self.types = dict(self.attributes)
        limits = [HASH_KEY_BYTES_MAX] * len(self.hash_attributes) + [RANGE_KEY_BYTES_MAX] * len(self.range_attributes)
        self._quick = tuple((name, kind, limit) for (name, kind), limit in zip(self.attributes, limits)) if len(self.hash_attributes) == 1 else ()

    def describe(self) -> list[dict[str, str]]:
        """The `KeySchema` of the API."""
        return [{"AttributeName": name, "KeyType": "HASH"} for name, _ in self.hash_attributes] + [
            {"AttributeName": name, "KeyType": "RANGE"} for name, _ in self.range_attributes
        ]

    def hash_prefix(self, values: Sequence[Value]) -> bytes:
        """The hash and the parts of a whole partition key."""
        parts = b"".join([packed(part(kind, value[kind])) for (_, kind), value in zip(self.hash_attributes, values)])
        return hashed(parts) + parts

    def suffix(self, item: Item) -> bytes:
        """The key of `item` behind the prefix. KeyError when the item lacks a key attribute or has it in another type."""
        parts = b""
        for name, kind in self.hash_attributes:
            parts += packed(part(kind, item[name][kind]))
        suffix = hashed(parts) + parts
        for name, kind in self.range_attributes:
            suffix += packed(part(kind, item[name][kind]))
        return suffix

    def quick_suffix(self, key: Any) -> bytes | None:
        """`suffix` of a key as it came, if everything about it is as usual: the schema's attributes, texts and whole numbers. None leaves it to the rest."""
        if type(key) is not dict or len(key) != len(self._quick):
            return None
        suffix = b""
        for name, kind, limit in self._quick:
            value = key.get(name)
            if type(value) is not dict or len(value) != 1:
                return None
            inner = value.get(kind)
            if type(inner) is not str or not inner:
                return None
            if kind == "S":
                raw = inner.encode()
                if len(raw) > limit:
                    return None
                if 0 in raw:
                    raw = raw.replace(b"\x00", b"\x00\xff")
            elif kind == "N" and inner.isdigit() and inner.isascii() and inner[0] != "0" and len(inner) <= numbers.DIGITS_MAX:
                raw = numbers.encode_whole(inner)
            else:
                return None
            if suffix:
                return suffix + b"\x01" + raw + b"\x00"
            packed_part = b"\x01" + raw + b"\x00"
            suffix = hashed(packed_part) + packed_part
        return suffix

    def extra_suffix(self, item: Item) -> bytes:
        """The key of `item` without the hash: what tells entries of an index with equal index keys apart."""
        return b"".join([packed(part(kind, item[name][kind])) for name, kind in self.attributes])

    def take(self, item: Item) -> Item:
        """The key attributes of an item."""
        return {name: item[name] for name in self.names}

    def has(self, item: Item) -> bool:
        """Whether an item has every key attribute, of its type, with content and not too large: entries of an index are only made of those.

        (Developer Guide: "Detecting and correcting index key violations in DynamoDB".)
        """
        for name, kind in self.attributes:
            value = item.get(name)
            inner = value.get(kind) if value is not None else None
            if inner is None or (kind != "N" and (not inner or (len(inner) * 4 > RANGE_KEY_BYTES_MAX and self.excess(name, inner)))):
                return False
        return True

    def fits(self, item: Item) -> bool:
        """Whether an item has every key attribute, of its type, whatever is in it."""
        for name, kind in self.attributes:
            value = item.get(name)
            if value is None or kind not in value:
                return False
        return True

    def check_key(self, key: Item) -> None:
        """A key given in a request: exactly the schema's attributes, of its types and sizes."""
        if len(key) != len(self.attributes):
            raise key_mismatch()
        for at, (name, kind) in enumerate(self.attributes):
            value = key.get(name)
            if value is None or kind not in value:
                raise key_mismatch()
            self.check_piece(name, kind, value[kind], at < len(self.hash_attributes))

    def check_item(self, item: Item) -> None:
        """The key attributes within a whole item."""
        for at, (name, kind) in enumerate(self.attributes):
            value = item.get(name)
            if value is None:
                raise invalid(f"Missing the key {name} in the item")
            if kind not in value:
                raise invalid(f"Type mismatch for key {name} expected: {kind} actual: {kind_of(value)}")
            self.check_piece(name, kind, value[kind], at < len(self.hash_attributes))

    @staticmethod
    def check_piece(name: str, kind: str, inner: str, is_hash: bool) -> None:
        """One attribute of a key, or what a query compares it with: not empty, and of the size allowed."""
        if kind == "N":
            return
        if not inner:
            raise EmptyKeyValue(kind, after=f" Key: {name}")
        limit = HASH_KEY_BYTES_MAX if is_hash else RANGE_KEY_BYTES_MAX
        if _excess(kind, inner, limit):
            if is_hash:
                raise invalid(f"Size of hashkey has exceeded the maximum size limit of{HASH_KEY_BYTES_MAX} bytes")
            raise invalid(f"Aggregated size of all range keys has exceeded the size limit of {RANGE_KEY_BYTES_MAX} bytes")

    def check_index_values(self, item: Item, index_name: str) -> None:
        """The attributes of an item that a secondary index is made of: absent, or of the index's type and not empty."""
        for at, (name, kind) in enumerate(self.attributes):
            value = item.get(name)
            if value is None:
                continue
            inner = value.get(kind)
            if inner is None:
                raise index_type_mismatch(name, kind, kind_of(value), index_name)
            if kind != "N":
                if not inner:
                    before = "A value specified for a secondary index key is not supported. "
                    raise EmptyKeyValue(kind, before=before, after=f" IndexName: {index_name}, IndexKey: {name}")
                size = self.excess(name, inner)
                if size:
                    limit = HASH_KEY_BYTES_MAX if at < len(self.hash_attributes) else RANGE_KEY_BYTES_MAX
                    raise invalid(f"Size limit exceeded for Index Key {name} Actual Size: {size} bytes Max Size: {limit} bytes IndexName: {index_name}")

    def excess(self, name: str, inner: str) -> int:
        """Bytes of a value that is larger than this attribute of the key may be; 0 for one that is not."""
        at, kind = self.names.index(name), self.types[name]
        return _excess(kind, inner, HASH_KEY_BYTES_MAX if at < len(self.hash_attributes) else RANGE_KEY_BYTES_MAX)


def index_type_mismatch(name: str, expected: str, actual: str, index_name: str) -> Exception:
    """An attribute that an index is made of has another type."""
    return invalid(f"Type mismatch for Index Key {name} Expected: {expected} Actual: {actual} IndexName: {index_name}")


def segment_bounds(prefix: bytes, segment: int, segments: int) -> tuple[bytes, bytes]:
    """The range of rows that one segment of a parallel scan covers."""
    span = 1 << (8 * HASH_BYTES)
    return _hash_edge(prefix, span * segment // segments), _hash_edge(prefix, span * (segment + 1) // segments)


def _hash_edge(prefix: bytes, position: int) -> bytes:
    if position >> (8 * HASH_BYTES):
        return after(prefix)
    return prefix + position.to_bytes(HASH_BYTES, "big")


def describe_key(value: Any) -> str:
    """A key value as access conditions compare it: the text of a string, a number in its plain form, base64 of binary.

    It may come straight from a request: a member that is null, or that no attribute value has, is passed over, as the operation itself will.
    """
    if not isinstance(value, dict):
        return ""
    for kind, inner in value.items():
        if kind not in TYPES or inner is None:
            continue
        if kind == "N" and isinstance(inner, str):
            try:
                return numbers.canonical(inner)
            except ServiceError:
                return inner  # The operation itself says what is wrong with it.
        return str(inner)
    return ""
