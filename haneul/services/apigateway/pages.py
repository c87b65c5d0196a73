"""Pages of lists: `limit` (25, at most 500) and `position`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from haneul.core.paging import make_token, read_token
from haneul.core.ports import Shape
from haneul.services.apigateway.errors import bad_request
from haneul.services.apigateway.records import Home, key
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Reader
from haneul.store.records import decode

LIMIT_DEFAULT = 25
LIMIT_MAX = 500


def limit_of(request: Shape) -> int:
    """How many items a page has."""
    return max(1, min(int(request.get("limit", LIMIT_DEFAULT)), LIMIT_MAX))


def _position(request: Shape) -> str | None:
    if "position" not in request:
        return None
    position = read_token(request["position"])
    if position is None:
        raise bad_request("Invalid position parameter specified")
    return position.decode("utf-8", "replace")


def stored_page(reader: Reader, request: Shape, home: Home, kind: str, *parts: str, fits: Callable[[Shape], bool] | None = None) -> tuple[list[Shape], str | None]:
    """One page of documents by id, read from where it begins, and the token of the next."""
    start, end = prefix_range(key(home, kind, *parts))
    position = _position(request)
    if position is not None:
        start = key(home, kind, *parts, position) + b"\x00"
    limit = limit_of(request)
    items: list[Shape] = []
    last = ""
    for row_key, value in reader.iterate(start, end):
        document = decode(value, dict)
        if fits is not None and not fits(document):
            continue
        if len(items) == limit:
            return items, make_token(last.encode())
        items.append(document)
        last = str(unpack(row_key)[-1])
    return items, None


def listed_page(request: Shape, found: Iterable[Shape]) -> tuple[list[Shape], str | None]:
    """One page of a short list that is made as a whole."""
    position = _position(request)
    if position is not None and not position.isdigit():
        raise bad_request("Invalid position parameter specified")
    start, limit = int(position or 0), limit_of(request)
    page = list(islice(found, start, start + limit + 1))
    return page[:limit], make_token(str(start + limit).encode()) if len(page) > limit else None


def answer(items: list[Shape], token: str | None) -> Shape:
    """The answer of a listing operation."""
    return {"items": items, "position": token} if token is not None else {"items": items}
