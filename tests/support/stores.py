"""A store that a test looks into."""

from __future__ import annotations

from typing import Any

from haneul.store.port import StoreError


class Overlaid:
    """A store some of whose methods are the test's own. Put it in place of `cloud.store`: services use what stands there."""

    def __init__(self, store: Any, **methods: Any) -> None:
        self.__dict__.update(methods)
        self.__dict__["store"] = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class FullDisk(Overlaid):
    """A store that takes no transaction while its disk is `full`, as it is at first."""

    full: bool

    def __init__(self, store: Any) -> None:
        super().__init__(store, full=True)

    async def transact(self, work: Any) -> Any:
        if self.full:
            raise StoreError("disk full")
        return await self.store.transact(work)
