"""Where the rows of buckets, objects, uploads and parts lie."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from haneul.store.keys import pack

BUCKETS: Final = pack(("s3-bucket",))
OBJECTS: Final = pack(("s3-object",))

_ZERO_ORDER: Final = 0x14


def bucket_key(name: str) -> bytes:
    return pack(("s3-bucket", name))


def owned_key(account: str, name: str) -> bytes:
    return pack(("s3-owned", account, name))


@lru_cache(maxsize=4096)
def objects_base(bucket_id: str) -> bytes:
    """What all object rows of a bucket begin with."""
    return pack(("s3-object", bucket_id))


@lru_cache(maxsize=4096)
def uploads_base(bucket_id: str) -> bytes:
    """What all upload rows of a bucket begin with."""
    return pack(("s3-upload", bucket_id))


def text_start(base: bytes, text: str) -> bytes:
    """Where the rows whose next key part begins with `text` begin: without the terminator, so it is a prefix of them all."""
    raw = text.encode("utf-8", "surrogatepass")
    return base + b"\x02" + (raw.replace(b"\x00", b"\x00\xff") if 0 in raw else raw)


def behind_key(base: bytes, text: str) -> bytes:
    """Behind every row of exactly this text, and before those of any text that it begins."""
    return text_start(base, text) + b"\x00\xff"


def versions_base(bucket_id: str, key: str) -> bytes:
    """What the rows of one key's versions begin with."""
    return text_start(objects_base(bucket_id), key) + b"\x00"


def object_key(bucket_id: str, key: str, order: int) -> bytes:
    base = versions_base(bucket_id, key)
    return base + bytes((_ZERO_ORDER,)) if order == 0 else base + pack((-order,))


def null_key(bucket_id: str, key: str) -> bytes:
    return pack(("s3-null", bucket_id, key))


def body_key(row: str) -> bytes:
    return pack(("s3-body", row))


def body_place(bucket_id: str, key: str) -> str:
    """What a body in its object's row is bound to."""
    return f"s3-object {bucket_id} {key}"


def row_place(row: str) -> str:
    """What a body in a row of its own is bound to."""
    return f"s3-body {row}"


def upload_key(bucket_id: str, key: str, upload_id: str) -> bytes:
    return text_start(uploads_base(bucket_id), key) + b"\x00" + pack((upload_id,))


def parts_base(upload_id: str) -> bytes:
    return pack(("s3-part", upload_id))


def part_key(upload_id: str, number: int) -> bytes:
    return pack(("s3-part", upload_id, number))


def text_in(row_key: bytes, base: bytes) -> tuple[str, int]:
    """The key part behind `base`, and where the parts behind it begin."""
    start = len(base) + 1
    end = row_key.index(b"\x00", start)
    if end + 1 >= len(row_key) or row_key[end + 1] != 0xFF:
        return row_key[start:end].decode("utf-8", "surrogatepass"), end + 1
    while end + 1 < len(row_key) and row_key[end + 1] == 0xFF:
        end = row_key.index(b"\x00", end + 2)
    return row_key[start:end].replace(b"\x00\xff", b"\x00").decode("utf-8", "surrogatepass"), end + 1
