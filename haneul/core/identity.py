"""The outcome of authentication."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haneul.core.caller import Caller


class Identity:
    """Who signed a request, for which region (empty for an anonymous one), and the condition keys that the signature brings."""

    __slots__ = ("caller", "context", "region")

    def __init__(self, caller: Caller, region: str, context: Mapping[str, Any]) -> None:
        self.caller = caller
        self.region = region
        self.context = context
