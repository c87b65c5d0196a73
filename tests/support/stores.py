"""A store that a test looks into."""

from __future__ import annotations

from typing import Any


class Overlaid:
    """A store some of whose methods are the test's own. Put it in place of `cloud.store`: services use what stands there."""

    def __init__(self, store: Any, **methods: Any) -> None:
        self.__dict__.update(methods)
        self.__dict__["store"] = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)
