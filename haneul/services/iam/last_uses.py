"""When keys and roles were last used: noted in memory at each request, written to the store now and then."""

from __future__ import annotations

from haneul.clock import MINUTE, Timer
from haneul.core.caller import Caller
from haneul.core.cloud import Cloud
from haneul.services.iam.records import LastUse
from haneul.store.keys import pack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_SPACE = "iam-used"
_FLUSH_EVERY = 1 * MINUTE


class LastUses:
    """Last uses by access key id and by role id. What a crash loses is at most the uses of the last minute."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._noted: dict[str, tuple[int, str, str]] = {}
        self._timer: Timer | None = None

    def note(self, caller: Caller, service: str, region: str) -> None:
        """A request of this caller came in."""
        if caller.kind == "user" or caller.kind == "root":
            name = caller.access_key_id
        elif caller.kind == "role":
            name = caller.principal_id.partition(":")[0]
        else:
            return
        self._enter(name, (self._cloud.clock.now(), service, region))

    def _enter(self, name: str, use: tuple[int, str, str]) -> None:
        self._noted[name] = use
        if self._timer is None:
            self._timer = self._cloud.clock.call_later(_FLUSH_EVERY, self._flush_soon)

    def of(self, name: str) -> LastUse | None:
        """The last use of an access key or role id."""
        noted = self._noted.get(name)
        if noted is not None:
            return LastUse(*noted)
        row = self._cloud.store.get(pack((_SPACE, name)))
        return decode(row, LastUse) if row is not None else None

    def forget(self, name: str) -> None:
        """The key is gone."""
        self._noted.pop(name, None)

    def _flush_soon(self) -> None:
        self._timer = None
        self._cloud.clock.run(self.flush(), name="iam last uses")

    def collect(self) -> dict[str, tuple[int, str, str]] | None:
        """What was noted since the last time, to be noted elsewhere."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        noted, self._noted = self._noted, {}
        return noted or None

    def take_in(self, noted: dict[str, tuple[int, str, str]]) -> None:
        """Note what another process has collected."""
        for name, (at, service, region) in noted.items():
            if at > self._noted.get(name, (0, "", ""))[0]:
                self._enter(name, (at, service, region))

    async def flush(self) -> None:
        """Write down what was noted."""
        noted, self._noted = self._noted, {}

        def work(tx: Transaction) -> None:
            for name, (at, service, region) in noted.items():
                tx.put(pack((_SPACE, name)), encode(LastUse(at, service, region)))

        if noted:
            await self._cloud.store.transact(work)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.flush()
