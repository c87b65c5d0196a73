"""Tuples as bytes that sort the way the tuples do.

A key is a tuple of `str`, `bytes` and `int`; its encoding keeps the order of the tuples (strings by their UTF-8 bytes), and the
encoding of a tuple is a prefix of the encoding of every longer tuple that begins with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Part = str | bytes | int

_BYTES: Final = 0x01
_TEXT: Final = 0x02
_ZERO: Final = 0x14  # Integers take 0x0c … 0x1c: the distance from here is the number of bytes, its sign the sign.
_MAX_INT_BYTES: Final = 8


def pack(parts: Iterable[Part]) -> bytes:
    """Encode a tuple."""
    out = bytearray()
    for part in parts:
        if isinstance(part, str):
            out.append(_TEXT)
            raw = part.encode("utf-8", "surrogatepass")
            out += raw.replace(b"\x00", b"\x00\xff") if 0 in raw else raw
            out.append(0)
        elif isinstance(part, bytes):
            out.append(_BYTES)
            out += part.replace(b"\x00", b"\x00\xff") if 0 in part else part
            out.append(0)
        else:
            _pack_int(out, part)
    return bytes(out)


def _pack_int(out: bytearray, number: int) -> None:
    length = (abs(number).bit_length() + 7) // 8
    if length > _MAX_INT_BYTES:
        raise ValueError("an integer in a key has at most 64 bits")
    if number >= 0:
        out.append(_ZERO + length)
        out += number.to_bytes(length, "big")
    else:
        out.append(_ZERO - length)
        out += (number + (1 << (8 * length)) - 1).to_bytes(length, "big")


def unpack(key: bytes) -> tuple[Part, ...]:
    """Decode what `pack` made."""
    parts: list[Part] = []
    at, end = 0, len(key)
    while at < end:
        kind = key[at]
        at += 1
        if kind in (_BYTES, _TEXT):
            start = at
            while True:
                at = key.index(b"\x00", at)
                if at + 1 < end and key[at + 1] == 0xFF:
                    at += 2
                    continue
                break
            raw = key[start:at].replace(b"\x00\xff", b"\x00")
            at += 1
            parts.append(raw.decode("utf-8", "surrogatepass") if kind == _TEXT else raw)
        else:
            length = abs(kind - _ZERO)
            number = int.from_bytes(key[at : at + length], "big")
            parts.append(number if kind >= _ZERO else number - (1 << (8 * length)) + 1)
            at += length
    return tuple(parts)


def after(prefix: bytes) -> bytes:
    """The first key behind all keys that begin with `prefix`: the end of its range."""
    trimmed = prefix.rstrip(b"\xff")
    if not trimmed:
        raise ValueError("nothing sorts behind this prefix")
    return trimmed[:-1] + bytes((trimmed[-1] + 1,))


def prefix_range(prefix: bytes) -> tuple[bytes, bytes]:
    """Start (inclusive) and end (exclusive) of all keys that begin with `prefix`."""
    return prefix, after(prefix)
