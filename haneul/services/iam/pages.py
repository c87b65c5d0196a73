"""Pages of lists: MaxItems, Marker and IsTruncated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from haneul.core.operation import Shape
from haneul.core.paging import make_token, read_token
from haneul.services.iam.directory import Directory
from haneul.services.iam.errors import validation_error
from haneul.services.iam.limits import PAGE_ITEMS_DEFAULT
from haneul.store.keys import after
from haneul.store.port import Reader

T = TypeVar("T")


def page_of_rows(reader: Reader, directory: Directory, parts: tuple[str, ...], request: Shape, take: Callable[[bytes, bytes], T | None]) -> tuple[list[T], Shape]:
    """A page of what `take` makes of the rows below `parts` (None skips one), and the members that tell of further pages."""
    limit = request.get("MaxItems", PAGE_ITEMS_DEFAULT)
    prefix = directory.key(*parts)
    start = prefix + marker_position(request)
    found: list[T] = []
    last = b""
    for key, value in reader.iterate(start, after(prefix)):
        one = take(key, value)
        if one is None:
            continue
        if len(found) == limit:
            return found, {"IsTruncated": True, "Marker": make_token(last + b"\x00")}
        found.append(one)
        last = key[len(prefix) :]
    return found, {"IsTruncated": False}


def page_of_list(items: Sequence[T], request: Shape) -> tuple[list[T], Shape]:
    """A page of a list that is in memory."""
    limit = request.get("MaxItems", PAGE_ITEMS_DEFAULT)
    position = marker_position(request)
    if position and not position.isdigit():
        raise validation_error("Invalid Marker.")
    start = int(position or b"0")
    page = list(items[start : start + limit])
    if start + limit < len(items):
        return page, {"IsTruncated": True, "Marker": make_token(b"%d" % (start + limit))}
    return page, {"IsTruncated": False}


def marker_position(request: Shape) -> bytes:
    """Where the request's page begins."""
    marker: Any = request.get("Marker")
    if marker is None:
        return b""
    position = read_token(marker)
    if position is None:
        raise validation_error("Invalid Marker.")
    return position
