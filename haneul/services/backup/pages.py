"""Pages of lists: as many as are asked for, and where the next ones begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from haneul.core.call import Call
from haneul.core.paging import make_token, read_token
from haneul.services.backup.errors import invalid_value
from haneul.store.keys import prefix_range
from haneul.store.records import decode

T = TypeVar("T")
PAGE_MAX = 1000


def page(call: Call, request: dict[str, Any], prefix: bytes, kind: type[T], keep: Callable[[T], bool] = lambda one: True) -> tuple[list[T], dict[str, str]]:
    """The records below `prefix` that are kept, at most MaxResults, behind NextToken; and the answer's NextToken, if there are more."""
    limit = request.get("MaxResults", PAGE_MAX)
    start, end = prefix_range(prefix)
    if "NextToken" in request:
        position = read_token(request["NextToken"])
        if position is None or not start <= position < end:
            raise invalid_value("Invalid NextToken")
        start = position + b"\x00"
    found: list[T] = []
    last = b""
    for place, value in call.cloud.store.iterate(start, end):
        one = decode(value, kind)
        if not keep(one):
            continue
        if len(found) == limit:
            return found, {"NextToken": make_token(last)}
        found.append(one)
        last = place
    return found, {}


def within(request: dict[str, Any], at: int, before: str, after: str) -> bool:
    """Whether a time lies within what a request's filters of these names allow."""
    return (before not in request or at < request[before]) and (after not in request or at > request[after])
