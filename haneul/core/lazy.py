"""Libraries that only a few clouds ever use, imported when first used instead of at every start."""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """Stands for the module `name`: `etree = LazyModule("lxml.etree")`. What a module costs, in time and memory, is paid by the first who uses it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)
