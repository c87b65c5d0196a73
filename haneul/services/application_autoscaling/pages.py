"""Pages of what Describe operations show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from haneul.core.call import Call
from haneul.core.paging import make_token, read_token
from haneul.core.ports import Shape
from haneul.services.application_autoscaling.errors import invalid, invalid_token
from haneul.services.application_autoscaling.records import Place, page_bounds
from haneul.store.keys import unpack
from haneul.store.records import decode

PAGE = 50
R = TypeVar("R")


def page_limit(request: Shape, most: int = PAGE) -> int:
    """How many records a page has; ValidationException for a number that none can have."""
    limit: int = request.get("MaxResults", most)
    if not 1 <= limit <= most:
        bound = "greater than or equal to 1" if limit < 1 else f"less than or equal to {most}"
        raise invalid(f"1 validation error detected: Value '{limit}' at 'maxResults' failed to satisfy constraint: Member must have value {bound}")
    return limit


def read_page(
    call: Call, request: Shape, space: str, kind: type[R], wanted: Callable[[Place, R], bool], show: Callable[[Place, R], Shape], most: int = PAGE
) -> tuple[list[Shape], Shape]:
    """The records of a space that a request asks for and that are `wanted`, as they are shown; and its `NextToken`, if there are more."""
    limit = page_limit(request, most)
    token = request.get("NextToken")
    position = read_token(token) if token is not None else None
    if token is not None and position is None:
        raise invalid_token()
    shown: list[Shape] = []
    for key, value in call.cloud.store.iterate(*page_bounds(call, request, space, position)):
        place, record = Place(*(str(part) for part in unpack(key)[1:6])), decode(value, kind)
        if not wanted(place, record):
            continue
        if len(shown) == limit:
            return shown, {"NextToken": make_token(key)}
        shown.append(show(place, record))
    return shown, {}
