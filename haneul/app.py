"""The one place where Haneul's parts are wired together."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from haneul import __version__
from haneul.assembly import Codecs, calm_collector, endpoints, open_authority
from haneul.auth.root import ROOT_KEY, open_root_key
from haneul.clock import Clock, Ids
from haneul.core.cloud import Cloud, Settings
from haneul.core.service import Service
from haneul.events.links import RegionLinks
from haneul.events.outbox import StoredOutbox
from haneul.events.signals import Hub
from haneul.front.admin import Admin
from haneul.front.entrance import Entrance
from haneul.front.router import Router
from haneul.front.server import Server
from haneul.metering.bill import make_bill
from haneul.metering.usage import StoredUsage
from haneul.runtime.drivers.choice import driver_name
from haneul.services.registry import service_classes
from haneul.store.aside import committed_row
from haneul.store.blobs import Blobs, delete_keys
from haneul.store.embedded import EmbeddedStore
from haneul.store.keys import pack, prefix_range
from haneul.store.layout import LAYOUT_KEY, STORE, claim_layout
from haneul.store.port import StoreError
from haneul.store.seals import RowSeals
from haneul.store.shared import SharedMemory
from haneul.store.vault import Vault
from haneul.workers.crew import Crew

_CLOCK_KEY = pack(("clock",))
# Where `scripts/setup` puts the AWS SDK for JavaScript, for Node.js functions.
_NODE_MODULES = os.path.join(sys.prefix, "share", "haneul", "node_modules")
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class App:
    """A whole cloud: its store, its services and its listener. `await App.open(settings)`, then `listen`."""

    cloud: Cloud
    server: Server
    root_key: tuple[str, str]
    _store: EmbeddedStore
    _entrance: Entrance
    _outbox: StoredOutbox
    _usage: StoredUsage
    _crew: Crew | None = None
    _memory: SharedMemory | None = None

    @classmethod
    async def open(
        cls,
        settings: Settings,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        services: Iterable[type[Service]] | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> App:
        """Open the data directory and start the services. Tests give a frozen clock and seeded ids."""
        self = cls()
        clock, ids = clock or Clock(), ids or Ids()
        data = settings.data_dir
        settings.extra.setdefault("node_modules_dir", _NODE_MODULES)
        settings.sandbox = driver_name(settings.sandbox)
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = EmbeddedStore(data / STORE)
        try:
            await claim_layout(store)
        except StoreError:
            await store.close()
            raise
        saved = store.get(_CLOCK_KEY)
        if saved is not None and not clock.frozen:
            clock.set_offset(int(saved))
        vault = Vault.open_or_create(data / "vault.key", Ids())
        store.seals = RowSeals(vault)
        blobs = Blobs(store, data / "blobs", ids, vault)
        await blobs.start()
        self._outbox = StoredOutbox(store, clock, ids)
        self._usage = StoredUsage(store, clock)
        self._store = store
        self.cloud = Cloud(settings, clock=clock, ids=ids, store=store, blobs=blobs, vault=vault, usage=self._usage, outbox=self._outbox, signals=Hub())
        self.cloud.links = RegionLinks(store, self.cloud.signals)
        self._usage.metrics = self.cloud.metrics
        authority, self.root_key = await open_authority(self.cloud)
        self.cloud.codec_for = Codecs(self.cloud).find
        for kind in services if services is not None else service_classes():
            self.cloud.add_service(kind(self.cloud))
        if "iam" in self.cloud.services:
            authority.identities = self.cloud.services["iam"]  # type: ignore[assignment]
        admin = Admin(self.cloud, self.advance, self.reset, on_stop, self.facts, self.bill, self.root_key)
        self._entrance = Entrance(self.cloud, Router(endpoints(self.cloud)), admin)
        self.server = Server(self._entrance.handle, clock)
        self.cloud.adopt_listener = self.server.adopt
        for service in self.cloud.services.values():
            await service.start()
        await self._outbox.start()
        return self

    async def listen(self, host: str | None = None, port: int | None = None, tls: ssl.SSLContext | None = None) -> int:
        """Begin to accept requests; returns the port."""
        settings = self.cloud.settings
        settings.port = await self.server.listen(host or settings.host, settings.port if port is None else port, tls, shared="first" if settings.workers > 1 else "no")
        return settings.port

    async def start_workers(self, tls: dict[str, str] | None = None) -> None:
        """Start the processes beside this one, which is already listening. `tls`: the files of its certificate."""
        memory = SharedMemory()
        memory.set_clock(self.cloud.clock.offset)
        self._store.share(memory)
        self._memory = memory
        self._crew = Crew(self.cloud, memory, self._entrance.handle, self.cloud.settings.workers - 1, tls)
        await self._crew.start()

    def facts(self) -> dict[str, object]:
        """What `haneul status` shows."""
        cloud = self.cloud
        return {
            "version": __version__,
            "account": cloud.settings.account,
            "region": cloud.settings.region,
            "data_dir": str(cloud.settings.data_dir),
            "development_keys": cloud.settings.dev_keys,
            "isolation": cloud.settings.sandbox,
            "function_network": cloud.settings.function_network,
            "services": sorted(cloud.services),
            "connections": len(self.server.connections),
            "workers": cloud.settings.workers,
        }

    async def bill(self, account: str, start: int, end: int) -> dict[str, object]:
        """What an account has used with start <= time < end (nanoseconds), and what it costs (`metering/bill.py`)."""
        services = self.cloud.services.values()
        for service in services:
            await service.settle_usage()
        await self._usage.flush()
        return await make_bill(self._usage, {service.name: service.prices for service in services if service.prices is not None}, account, start, end)

    async def advance(self, duration: int) -> None:
        """Move the clock forward by `duration` nanoseconds, durably."""
        await self.cloud.clock.advance(duration)
        self.server.take_time()
        if self._memory is not None:
            self._memory.set_clock(self.cloud.clock.offset)
        await self._keep_clock()

    async def _keep_clock(self) -> None:
        if offset := self.cloud.clock.offset:
            await self._store.transact(lambda tx: tx.put(_CLOCK_KEY, str(offset).encode()))

    async def reset(self) -> None:
        """Forget every resource of every account; keys of root and the vault stay."""
        for service in self.cloud.services.values():
            await service.stop()
        await self._outbox.stop()
        keep = (ROOT_KEY, _CLOCK_KEY, LAYOUT_KEY)
        start, end = prefix_range(b"\x02")
        while rows := [key for key, _ in self._store.range(start, end, 1000) if key not in keep]:
            await delete_keys(self._store, rows)
        self.cloud.blobs.clear()
        for service in self.cloud.services.values():
            await service.start()
        await self._outbox.start()

    async def close(self) -> None:
        """Finish what is in flight and leave the data directory at rest."""
        for service in self.cloud.services.values():
            service.end_waits()
        self.server.refuse_new()
        if self._crew is not None:
            await self._crew.stop()
        await self.server.stop()
        for service in self.cloud.services.values():
            await service.stop()
        await self._outbox.stop()
        await self._usage.flush()
        await self.cloud.metrics.flush()
        await self._keep_clock()
        await self._store.close()


def root_key_in(data_dir: Path) -> tuple[str, str]:
    """Id and secret of the root key that a data directory was made with, whether a cloud runs on it or not, for whoever may read `vault.key`.

    Raises StoreError, and OSError where the directory's files cannot be read.
    """
    vault = Vault((data_dir / "vault.key").read_bytes(), Ids())
    sealed = committed_row(data_dir / STORE, ROOT_KEY)
    if sealed is None:
        raise StoreError(f"{data_dir} has no root key yet")
    return open_root_key(sealed, vault)


async def serve(
    settings: Settings, ready: Callable[[App, int], None], *, tls: ssl.SSLContext | None = None, tls_files: dict[str, str] | None = None
) -> None:
    """Run a cloud until it is told to stop."""
    stop = asyncio.Event()
    app = await App.open(settings, on_stop=stop.set)
    loop = asyncio.get_running_loop()
    for signal_number in _STOP_SIGNALS:
        loop.add_signal_handler(signal_number, stop.set)
    port = await app.listen(tls=tls)
    if settings.workers > 1:
        await app.start_workers(tls_files)
    calm_collector()
    ready(app, port)
    await stop.wait()
    await app.close()
