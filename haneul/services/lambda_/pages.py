"""Lists, a page at a time. A marker names the place after which the next page begins."""

from __future__ import annotations

from collections.abc import Callable

from haneul.core.operation import Shape
from haneul.core.paging import make_token, read_token
from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.limits import LIST_ITEMS_MAX
from haneul.store.keys import prefix_range
from haneul.store.port import Reader


def start_of(request: Shape, prefix: bytes) -> bytes:
    """The first key of the page that a request's marker asks for."""
    if "Marker" not in request:
        return prefix
    position = read_token(request["Marker"])
    if position is None or not position.startswith(prefix):
        raise invalid("Invalid pagination token.")
    return position + b"\x00"


def page(
    reader: Reader,
    prefix: bytes,
    request: Shape,
    member: str,
    show: Callable[[bytes, bytes], Shape | None],
    *,
    limit_max: int = LIST_ITEMS_MAX,
) -> Shape:
    """The rows below `prefix`, shown: `{member: [...], "NextMarker": …}`. Rows (key and value) that `show` answers None for are passed over."""
    _, end = prefix_range(prefix)
    start = start_of(request, prefix)
    limit = min(request.get("MaxItems", limit_max), limit_max)
    shown: list[Shape] = []
    last = b""
    for key, value in reader.iterate(start, end):
        if len(shown) == limit:
            return {member: shown, "NextMarker": make_token(last)}
        one = show(key, value)
        last = key
        if one is not None:
            shown.append(one)
    return {member: shown}
