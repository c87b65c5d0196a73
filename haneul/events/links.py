"""Which regions reach one another: all of them, until somebody cuts one off to see what happens then.

All regions of a cloud live in one process, so a network between them cannot fail by itself. What works across regions asks here before it does.
"""

from __future__ import annotations

from collections.abc import Sequence

from haneul.core.ports import LINKS_CHANGED, Signals
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Store, Transaction

_SPACE = "region-cut"


class RegionLinks:
    """The `Links` of `core/ports.py`: cuts, kept in the store so that they outlive a restart. A cut is a region alone (from all others) or a pair of regions."""

    def __init__(self, store: Store, signals: Signals) -> None:
        self._store = store
        self._signals = signals
        self._cuts: frozenset[tuple[str, str]] = frozenset()
        self._load()
        store.watch(pack((_SPACE,)), self._changed)

    def _load(self) -> None:
        rows = self._store.range(*prefix_range(pack((_SPACE,))))
        self._cuts = frozenset((str(one), str(other)) for _, one, other in (unpack(key) for key, _ in rows))

    def _changed(self, _: Sequence[bytes]) -> None:
        self._load()
        self._signals.notify(LINKS_CHANGED)

    @property
    def cuts(self) -> list[tuple[str, str]]:
        """What is cut now: (region, "") for one cut from all others, (region, region) for a pair."""
        return sorted(self._cuts)

    def reach(self, one: str, other: str) -> bool:
        """Whether two regions reach one another."""
        cuts = self._cuts
        return not cuts or one == other or cuts.isdisjoint(((one, ""), (other, ""), _pair(one, other)))

    async def cut(self, region: str, other: str = "") -> None:
        """Cut a region from all others, or from one."""
        await self._store.transact(lambda tx: tx.put(pack((_SPACE, *_pair(region, other))), b"\x01"))

    async def heal(self, region: str = "", other: str = "") -> None:
        """Take back what `cut` did; without a region, all of it."""
        wanted = {_pair(region, other)} if region else self._cuts

        def work(tx: Transaction) -> None:
            for pair in wanted:
                tx.delete(pack((_SPACE, *pair)))

        await self._store.transact(work)


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if not other or one < other else (other, one)
