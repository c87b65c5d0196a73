"""Records as bytes: MessagePack behind one version byte.

A record is a `msgspec.Struct`. Fields may be added with defaults without a new version; anything else takes a new version
number and an upgrade from the old one.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def encode(record: Any) -> bytes:
    """A record (struct, dict, list or scalar) as bytes."""
    return _VERSION + _encoder.encode(record)


def decode(data: bytes, kind: type[T]) -> T:
    """The record of type `kind` that `encode` made `data` of."""
    if data[:1] != _VERSION:
        raise ValueError(f"a record of version {data[0] if data else 'none'} cannot be read here")
    return _decoder(kind).decode(memoryview(data)[1:])  # type: ignore[no-any-return, arg-type]
