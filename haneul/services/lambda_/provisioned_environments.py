"""Environments that are kept ready for versions and aliases: provisioned concurrency.

What is wanted lies in the store; the environments are this process's own, made again after a restart. They are held apart from the pool's others:
an invocation takes one of them if one is free, and spills over to the others if not. Source: AWS Lambda Developer Guide, "Configuring provisioned
concurrency for a function".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from haneul.clock import HOUR, SECOND
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.runtime.pool import MOMENT_SECONDS
from haneul.services.lambda_.environments import Environments, Lease
from haneul.services.lambda_.errors import is_machine_full
from haneul.services.lambda_.functions import Functions, Resolution, read
from haneul.services.lambda_.meters import Meters
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.rates import Rates
from haneul.services.lambda_.records import PROVISIONED_SPACE, Provisioned, provisioned_key
from haneul.store.keys import pack, prefix_range, unpack

_LIFETIME = 2 * HOUR
_MADE_AT_ONCE = 8
_FULL_PAUSE = 5 * SECOND


@dataclass(eq=False, slots=True)
class _Fleet:
    """The environments of one version below one qualifier."""

    name: str
    found: Resolution
    wanted: int
    free: list[tuple[Lease, int]] = field(default_factory=list)
    lingering: list[Lease] = field(default_factory=list)
    """Those of the busy ones that have answered."""
    busy: dict[int, int] = field(default_factory=dict)
    status: str = "IN_PROGRESS"
    reason: str = ""
    filling: bool = False
    gone: bool = False

    @property
    def allocated(self) -> int:
        return len(self.free) + len(self.busy)


class ProvisionedState(NamedTuple):
    """What GetProvisionedConcurrencyConfig shows; `status` is IN_PROGRESS, READY or FAILED."""

    allocated: int
    status: str
    reason: str


class ProvisionedEnvironments:
    """Keeps fleets as large as they are wanted. Ages of environments are the clock's times at which they were made."""

    def __init__(self, cloud: Cloud, functions: Functions, environments: Environments, meters: Meters, rates: Rates) -> None:
        self._cloud = cloud
        self._functions = functions
        self._environments = environments
        self._meters = meters
        self._rates = rates
        self._fleets: dict[str, _Fleet] = {}
        self._of_target: dict[Target, list[_Fleet]] = {}
        self._unwatch: list[Callable[[], None]] = []

    def start(self) -> None:
        """Make what is wanted, now and whenever it changes."""
        watch = self._cloud.store.watch
        self._unwatch = [watch(pack((PROVISIONED_SPACE,)), self._changed), watch(pack(("lambda",)), self._alias_changed)]
        self._changed([key for key, _ in self._cloud.store.range(*prefix_range(pack((PROVISIONED_SPACE,))))])

    def stop(self) -> None:
        """Make no more. The environments end with all others."""
        for unwatch in self._unwatch:
            unwatch()
        self._unwatch = []
        for fleet in self._fleets.values():
            fleet.gone = True
        self._fleets.clear()
        self._of_target.clear()

    # ---- for invocations

    @property
    def any(self) -> bool:
        """Whether environments are kept for anything at all."""
        return bool(self._fleets)

    async def lease(self, found: Resolution) -> Lease | None:
        """A free environment for an invocation; None without one."""
        fleet = self._fleets.get(_name(found))
        if fleet is None:
            return None
        if not fleet.free and fleet.lingering:  # Whoever calls again at once need not spill over.
            await fleet.lingering[-1].environment.free_within(MOMENT_SECONDS)
            await asyncio.sleep(0)  # It is taken back in the loop's next round after that.
        meters, now = self._meters.of_target(found.target), self._cloud.clock.now()
        while fleet.free and not self._rates.spills(fleet.name, fleet.wanted):
            lease, made_at = fleet.free.pop()
            if now - made_at > _LIFETIME or not lease.environment.alive:  # Its credentials will not last, or it is gone.
                self._cloud.clock.run(self._retire(lease, fleet), "replace a provisioned environment")
                continue
            fleet.busy[id(lease)] = made_at
            meters.add("ProvisionedConcurrencyInvocations")
            meters.add("ProvisionedConcurrentExecutions", len(fleet.busy))
            meters.add("ProvisionedConcurrencyUtilization", len(fleet.busy) / max(1, fleet.allocated))
            return lease
        meters.add("ProvisionedConcurrencySpilloverInvocations")
        return None

    def take_back(self, lease: Lease) -> bool:
        """Whether an environment belongs to a fleet, which then has it back after its invocation."""
        if not lease.fleet:
            return False
        fleet = self._fleets.get(lease.fleet)
        if fleet is not None and lease.environment.lingers and lease.environment.alive:  # It has answered, but is not free yet.
            fleet.lingering.append(lease)
            lease.environment.when_free(lambda: self._lingered(fleet, lease))
            return True
        made_at = fleet.busy.pop(id(lease), 0) if fleet is not None else 0
        if fleet is not None and lease.environment.alive and fleet.allocated < fleet.wanted:
            fleet.free.append((lease, made_at))
        else:
            self._cloud.clock.run(self._retire(lease, fleet), "end a provisioned environment")
        return True

    def _lingered(self, fleet: _Fleet, lease: Lease) -> None:
        fleet.lingering.remove(lease)
        self.take_back(lease)

    async def _retire(self, lease: Lease, fleet: _Fleet | None) -> None:
        await lease.environment.destroy()
        await self._environments.release(lease)
        if fleet is not None and not fleet.gone:
            await self._fill(fleet)

    def state(self, target: Target) -> ProvisionedState:
        """How far the environments of a qualifier are made."""
        fleets = self._of_target.get(target, [])
        allocated = sum(fleet.allocated for fleet in fleets)
        for status in ("FAILED", "IN_PROGRESS"):
            for fleet in fleets:
                if fleet.status == status:
                    return ProvisionedState(allocated, status, fleet.reason)
        return ProvisionedState(allocated, "READY" if fleets else "IN_PROGRESS", "")

    # ---- making and unmaking

    def _alias_changed(self, keys: Sequence[bytes]) -> None:
        """An alias that environments are kept for leads elsewhere now."""
        if not self._of_target:
            return
        for key in keys:
            parts = unpack(key)
            if len(parts) > 5 and parts[3] == "alias":
                target = Target(str(parts[1]), str(parts[2]), str(parts[4]), str(parts[5]))
                if target in self._of_target:
                    self._plan(target)

    def _changed(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            account, region, name, qualifier = (str(part) for part in unpack(key)[1:5])
            self._plan(Target(account, region, name, qualifier))

    def _plan(self, target: Target) -> None:
        """Bring the fleets of a qualifier to what the store says."""
        config = read(self._cloud.store, provisioned_key(target), Provisioned)
        wanted = self._shares(target, config.requested) if config is not None else {}
        kept: list[_Fleet] = []
        for fleet in self._of_target.pop(target, []):
            if fleet.name not in wanted:
                fleet.gone = True
                del self._fleets[fleet.name]
                self._shrink(fleet, 0)
        for name, (found, count) in wanted.items():
            fleet = self._fleets.get(name) or _Fleet(name, found, count)
            fleet.wanted, fleet.status, fleet.reason = count, "IN_PROGRESS", ""
            self._fleets[name] = fleet
            kept.append(fleet)
            self._shrink(fleet, count)
            self._cloud.clock.run(self._fill(fleet), "provisioned concurrency")
        if kept:
            self._of_target[target] = kept

    def _shares(self, target: Target, requested: int) -> dict[str, tuple[Resolution, int]]:
        """How many environments each version gets; an alias with weights gives the other version its part."""
        try:
            found = self._functions.resolve(target)
        except ServiceError:
            return {}
        shares: dict[str, tuple[Resolution, int]] = {}
        left = requested
        for number, weight in (found.alias.weights if found.alias is not None else {}).items():
            other = self._functions.resolve(target._replace(qualifier=number))
            part = min(left, round(requested * weight))
            if part:
                one = Resolution(target, other.function, other.version, found.alias)
                shares[_name(one)] = (one, part)
                left -= part
        if left:
            shares[_name(found)] = (found, left)
        return shares

    def _shrink(self, fleet: _Fleet, count: int) -> None:
        while fleet.free and fleet.allocated > count:
            lease, _ = fleet.free.pop()
            self._cloud.clock.run(self._retire(lease, None), "end a provisioned environment")

    async def _fill(self, fleet: _Fleet) -> None:
        if fleet.filling:
            return
        fleet.filling = True
        try:
            while not fleet.gone and fleet.allocated < fleet.wanted:
                missing = min(_MADE_AT_ONCE, fleet.wanted - fleet.allocated)
                made = await asyncio.gather(*(self._make(fleet) for _ in range(missing)))
                if None in made:  # Others are being started, or run: what is wanted stays wanted.
                    self._cloud.clock.call_later(_FULL_PAUSE, lambda: self._fill_later(fleet))
                    return
                if not all(made):
                    fleet.status = "FAILED"
                    return
            fleet.status = "READY"
        finally:
            fleet.filling = False

    def _fill_later(self, fleet: _Fleet) -> None:
        if not fleet.gone:
            self._cloud.clock.run(self._fill(fleet), "provisioned concurrency")

    async def _make(self, fleet: _Fleet) -> bool | None:
        """One environment more, initialised; whether that went well, None when the machine is full."""
        try:
            lease = await self._environments.acquire(fleet.found, fleet.name)
        except (ServiceError, AccessDenied) as error:
            if is_machine_full(error):
                return None
            fleet.reason = error.message
            return False
        if not await lease.environment.prepared():
            fleet.reason = "FUNCTION_ERROR_INIT_FAILURE"
            await self._retire(lease, None)
            return False
        if fleet.gone or fleet.allocated >= fleet.wanted:
            await self._retire(lease, None)
        else:
            fleet.free.append((lease, self._cloud.clock.now()))
        return True


def _name(found: Resolution) -> str:
    return f"{found.target.qualified_arn} {found.version.number}"
