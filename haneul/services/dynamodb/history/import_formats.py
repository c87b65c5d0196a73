"""Reading items from objects: decompressed and split piece by piece, so that neither a large object nor a small one that swells fills the memory.

(Developer Guide: "DynamoDB import formats".) Runs in threads: nothing here touches the cloud.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any

import orjson
import zstandard

from haneul.services.dynamodb.history.ion_process import IonProcess
from haneul.services.dynamodb.values import Item

# What Ion's binary form begins with.
_BINARY_MARK = b"\xe0\x01\x00\xea"
# A line longer than this holds no item (an item has at most 400 KB, in JSON at most some times as much).
LINE_BYTES_MAX = 4 << 20
_BUFFER_BYTES = 64 << 10

Parsed = Item | ValueError
# What reading an object may end in that breaks off, or is not of the compression and format that it should be.
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, zstandard.ZstdError, csv.Error)


class Malformed(ValueError):
    """What no item can be made of. It counts as one error, and the rest of its object is left out."""


class Layout:
    """How objects are to be read: `kinds` are the types of key attributes, which CSV has no types for; `headers` are those given in the request."""

    def __init__(self, form: str, delimiter: str, headers: list[str], kinds: dict[str, str]) -> None:
        self.form = form
        self.delimiter = delimiter
        self.headers = headers
        self.kinds = kinds
        self.ion = IonProcess()


class Unpacked(io.RawIOBase):
    """The content of one object, decompressed as it is read; `size` bytes of it are read so far."""

    def __init__(self, file: IO[bytes], compression: str) -> None:
        self._source: Any = file
        if compression == "GZIP":
            self._source = gzip.GzipFile(fileobj=file)
        elif compression == "ZSTD":
            self._source = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._source.readinto(buffer)
        self.size += count
        return count


def items_in(content: Unpacked, layout: Layout) -> Iterator[Parsed]:
    """The items of one object, or what is wrong with one, in their order; nothing behind what is Malformed.

    (Developer Guide: "Import format quotas and validation".)
    """
    try:
        for parsed in _parsed(io.BufferedReader(content, _BUFFER_BYTES), layout):
            yield parsed
            if isinstance(parsed, Malformed):
                return
    except _UNREADABLE as problem:
        yield Malformed(str(problem) or type(problem).__name__)


def _parsed(source: io.BufferedReader, layout: Layout) -> Iterator[Parsed]:
    if layout.form == "CSV":
        yield from _rows(source, layout)
    elif layout.form == "ION":
        if source.peek(len(_BINARY_MARK)).startswith(_BINARY_MARK):
            raise Malformed("Ion is read in its text form only")
        yield from layout.ion.read(source)
    else:
        for line in _lines(source):
            yield line if isinstance(line, Malformed) else _json_item(line)


def take(items: Iterator[Parsed], count: int) -> list[Parsed]:
    """The next items."""
    return list(islice(items, count))


def _lines(source: IO[bytes]) -> Iterator[bytes | Malformed]:
    while line := source.readline(LINE_BYTES_MAX):
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            yield Malformed("a line is too long")
            return
        elif line.strip():
            yield line


def _json_item(line: bytes) -> Item:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Malformed("Unexpected token") from None
    if not isinstance(value, dict) or not isinstance(value.get("Item"), dict):
        raise Malformed("Expected 'Item' top level container")
    return value["Item"]  # type: ignore[no-any-return]


def _rows(source: IO[bytes], layout: Layout) -> Iterator[Parsed]:
    """The items of a CSV object, without the attributes whose columns are empty.

    (Developer Guide: "Amazon S3 import formats for DynamoDB": "Importing heterogeneous item types", "Escaping double quotes".)
    """
    lines = _TextLines(io.TextIOWrapper(source, encoding="utf-8-sig", newline=""))
    csv.field_size_limit(LINE_BYTES_MAX)  # The library's own limit of 128 KB is less than what an item may hold.
    rows = csv.reader(lines, delimiter=layout.delimiter)
    headers = layout.headers or next(rows, [])
    while True:
        lines.read = []
        row = next(rows, None)
        if row is None:
            return
        if not row:
            continue
        if len(row) != len(headers):
            yield ValueError(f"a row has {len(row)} values for {len(headers)} headers")
        elif not lines.well_quoted(layout.delimiter):
            yield ValueError("a row has a double quote that is not escaped")
        else:
            yield {name: {layout.kinds.get(name, "S"): value} for name, value in zip(headers, row) if value}


class _TextLines:
    """The lines of a CSV object for the library's reader, which is generous with quotes; `read` are those of the row that it read last."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text
        self.read: list[str] = []

    def __iter__(self) -> _TextLines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(LINE_BYTES_MAX)
        if not line:
            raise StopIteration
        if len(line) == LINE_BYTES_MAX and not line.endswith(("\n", "\r")):
            raise Malformed("a line is too long")
        self.read.append(line)
        return line

    def well_quoted(self, delimiter: str) -> bool:
        """Whether double quotes stand only round whole values, and twice within them."""
        row = "".join(self.read)
        if '"' not in row:
            return True
        value = rf'(?:"(?:[^"]++|"")*+"|[^"{re.escape(delimiter)}]*+)'
        return re.fullmatch(rf"{value}(?:{re.escape(delimiter)}{value})*+[\r\n]*", row) is not None
