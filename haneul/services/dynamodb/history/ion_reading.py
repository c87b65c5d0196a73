"""A program that reads Amazon Ion's text form for the server (`ion_process.py` is the server's side).

The library's parser in C is some hundred times as fast as the one in Python, but ends its process over some texts that are no Ion: so the process is one of its own.

It writes lines. A JSON object is an item; `?N` asks for up to N bytes of the document, which come as four bytes of length (big-endian) and that many bytes, none at its end;
`.` says that the document is read, and `!…` what is wrong with it. Then it asks for the next document.
"""

from __future__ import annotations

import io
import os
import resource
import sys
from base64 import b64encode
from decimal import Decimal
from typing import IO, Any

import orjson
from amazon.ion import simpleion
from amazon.ion.core import IonType
from amazon.ion.exceptions import IonException
from amazon.ion.simple_types import IonPyNull

from haneul.services.dynamodb.history.ion import SETS
from haneul.services.dynamodb.numbers import EXPONENT_MAX, EXPONENT_MIN
from haneul.services.dynamodb.values import Item, Value

_MEMORY_BYTES_MAX = 1 << 30
_PIECE_BYTES = 64 << 10
_KINDS_OF_SETS = {mark: kind for kind, mark in SETS.items()}


def main() -> None:
    """Read one document after the other, until the standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES_MAX, _MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        _read_document(sys.stdin.buffer, sys.stdout.buffer)


def _read_document(source: IO[bytes], out: IO[bytes]) -> None:
    document = _Document(source, out)
    end = "."
    try:
        for value in simpleion.load(io.BufferedReader(document, _PIECE_BYTES), single_value=False, parse_eagerly=False):
            out.write(orjson.dumps(item_of(value)) + b"\n")
    except (IonException, UnicodeError, RecursionError, MemoryError) as problem:
        end = f"!not valid Amazon Ion: {problem}"
    except ValueError as problem:
        end = f"!{problem}"
    while not document.ended:
        document.readinto(bytearray(_PIECE_BYTES))
    out.write(" ".join(end.split()).encode() + b"\n")
    out.flush()


class _Document(io.RawIOBase):
    """The document that the server sends in pieces."""

    def __init__(self, source: IO[bytes], out: IO[bytes]) -> None:
        self._source = source
        self._out = out
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.ended:
            return 0
        self._out.write(b"?%d\n" % len(buffer))
        self._out.flush()
        length = int.from_bytes(self._source.read(4), "big")
        piece = self._source.read(length)
        if len(piece) < length:
            os._exit(1)
        buffer[:length] = piece
        self.ended = not length
        return length


def item_of(value: Any) -> Item:
    """The item of a document's value: `{Item: {…}}`. ValueError for anything else."""
    if _kind(value) is not IonType.STRUCT or "Item" not in value:
        raise ValueError("Expected 'Item' top level container")
    item = value["Item"]
    if _kind(item) is not IonType.STRUCT:
        raise ValueError("Item is no struct")
    return _members(item)


def _kind(value: Any) -> IonType | None:
    """The type of a value. A null of any type (`null.list`) is nothing but null."""
    if value is None or isinstance(value, IonPyNull):
        return IonType.NULL
    return getattr(value, "ion_type", None)


def _members(struct: Any) -> Item:
    if None in struct:
        raise ValueError("a symbol has no known text")
    return {str(name): _value(inner) for name, inner in struct.items()}


def _value(value: Any) -> Value:
    kind = _kind(value)
    if kind is IonType.NULL:
        return {"NULL": True}
    if kind is IonType.STRING or kind is IonType.SYMBOL:
        text = value if kind is IonType.STRING else value.text
        if text is None:
            raise ValueError("a symbol has no known text")
        return {"S": str(text)}
    if kind is IonType.BOOL:
        return {"BOOL": bool(value)}
    if kind is IonType.INT or kind is IonType.DECIMAL:
        return {"N": _number(value)}
    if kind is IonType.BLOB or kind is IonType.CLOB:
        return {"B": b64encode(bytes(value)).decode()}
    if kind is IonType.STRUCT:
        return {"M": _members(value)}
    if kind is IonType.LIST:
        marks = [str(one.text) for one in value.ion_annotations]
        inner = [_value(one) for one in value]
        for mark in marks:
            if mark in _KINDS_OF_SETS:
                wanted = _KINDS_OF_SETS[mark]
                if any(wanted[0] not in one for one in inner):
                    raise ValueError(f"a set {mark} has an element of another type")
                return {wanted: [one[wanted[0]] for one in inner]}
        return {"L": inner}
    raise ValueError(f"an Ion value of type {getattr(kind, 'name', kind)} is no attribute value")


def _number(value: Any) -> str:
    """The text of a number: a plain one, unless its exponent is out of range anyway and would only make it long."""
    if value.ion_type is IonType.INT:
        return str(int(value))
    number = Decimal(value)
    return format(number, "f") if EXPONENT_MIN <= number.adjusted() <= EXPONENT_MAX else str(number)


if __name__ == "__main__":
    main()
