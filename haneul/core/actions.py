"""Names of actions as resources' policies write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text.lower()).replace(r"\*", ".*").replace(r"\?", ".") + r"\Z")


def names_an_action(text: str, service: str, names: Iterable[str]) -> bool:
    """Whether an entry of an Action element, which may have wildcards and any case, means at least one of the service's actions."""
    if text == "*":
        return True
    prefix, colon, name = text.partition(":")
    if not colon or _pattern(prefix).match(service) is None:
        return False
    wanted = _pattern(name)
    return any(wanted.match(one.lower()) for one in names)
