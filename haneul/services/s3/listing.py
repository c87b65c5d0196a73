"""What all listings of a bucket are made of: pages, a cursor that can leap, delimiters, markers and encoding.

With a delimiter, keys that share a common prefix are leapt over with one seek, so a page costs what it shows, not what lies between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from urllib.parse import quote_plus

from haneul.core.ports import Shape
from haneul.services.s3.errors import invalid_argument
from haneul.store.port import Reader, Row

KEYS_MAX = 1000
_FIRST_PAGE = 32
_PAGE_MAX = 512


class Cursor:
    """Rows of a range in order, fetched in pages that grow while it goes straight on and begin small again after a leap."""

    def __init__(self, reader: Reader, start: bytes, end: bytes) -> None:
        self._reader = reader
        self._start = start
        self._end = end
        self._rows: list[Row] = []
        self._at = 0
        self._page = _FIRST_PAGE
        self._done = False

    def next(self) -> Row | None:
        """The next row; None at the end."""
        if self._at == len(self._rows):
            if self._done or self._start >= self._end:
                return None
            self._rows = self._reader.range(self._start, self._end, self._page)
            self._at = 0
            if len(self._rows) < self._page:
                self._done = True
            if not self._rows:
                return None
            self._start = self._rows[-1][0] + b"\x00"
            self._page = min(_PAGE_MAX, self._page * 2)
        row = self._rows[self._at]
        self._at += 1
        return row

    def seek(self, to: bytes) -> None:
        """Go on with the first row at or behind `to`; never backwards."""
        if self._at < len(self._rows) and to <= self._rows[-1][0]:
            self._at = bisect_left(self._rows, to, self._at, key=lambda row: row[0])
            return
        self._at = len(self._rows)
        if to > self._start:
            self._start = to
            self._page = _FIRST_PAGE


def fold(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix that a key is shown under; None when it is shown itself."""
    if not delimiter:
        return None
    at = key.find(delimiter, len(prefix))
    return key[: at + len(delimiter)] if at >= 0 else None


def page_size(asked: int | None, name: str) -> int:
    """How many entries a page may have: at most 1000, whatever is asked for."""
    if asked is None:
        return KEYS_MAX
    if asked < 0:
        message = f"Argument {name} must be an integer between 0 and 2147483647"
        raise invalid_argument(message, name, asked)
    return min(asked, KEYS_MAX)


def encoded(request: Shape) -> Callable[[str], str]:
    """How keys are written: as they are, or percent-encoded for XML's sake."""
    kind = request.get("EncodingType")
    if kind is None:
        return _unchanged
    if kind != "url":
        raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", kind)
    return _url


def _unchanged(text: str) -> str:
    return text


def _url(text: str) -> str:
    return quote_plus(text, safe="/", errors="surrogatepass")
