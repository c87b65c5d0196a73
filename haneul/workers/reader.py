"""A process that only reads: it answers what it can from the store's file, and passes everything else on to the process that writes."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import Sequence
from typing import Any

from haneul.assembly import Codecs, calm_collector, endpoints, open_authority
from haneul.clock import Clock, Ids
from haneul.core.cloud import Cloud, Settings
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.pipeline import Pipeline
from haneul.core.service import Service
from haneul.events.links import RegionLinks
from haneul.events.outbox import StoredOutbox
from haneul.events.signals import Hub
from haneul.front.body import Unanswerable
from haneul.front.relay import Relay, pause
from haneul.front.server import Server
from haneul.metering.metrics import Gathered
from haneul.services.registry import service_classes
from haneul.store.following import Elsewhere, FollowingStore
from haneul.store.layout import STORE
from haneul.store.log import Gap
from haneul.store.seals import RowSeals
from haneul.store.shared import SharedMemory
from haneul.store.vault import Vault
from haneul.workers.messages import REPORT_PATH, SECRET_HEADER, ReportedUsage, pack, packed_metrics, socket_path, unpack

# Charges are told soon where they limit somebody, else when there is something to tell.
_REPORT_SECONDS_LIMITED = 0.01
_REPORT_SECONDS = 0.05
_FOLLOW_SECONDS = 0.1
_GAP_SECONDS = 0.02
_log = logging.getLogger("haneul")


class Reader:
    """One process that only reads. `open` it, `listen`, and `close` it."""

    def __init__(self, settings: Settings, memory: SharedMemory, secret: str) -> None:
        self._settings = settings
        self._memory = memory
        self._clock = Clock()
        self._clock.set_offset(memory.clock)
        self._vault = Vault.open_or_create(settings.data_dir / "vault.key", Ids())
        self._secret = secret
        self._usage = ReportedUsage()
        self._gathered: list[Gathered] = []
        self._relay = Relay(socket_path(settings.data_dir))
        self._report_seconds = _REPORT_SECONDS if settings.capacity_unlimited else _REPORT_SECONDS_LIMITED
        self._reporting: asyncio.TimerHandle | None = None
        self._following: asyncio.TimerHandle | None = None
        self._renewing = False
        self._store: FollowingStore
        self._cloud: Cloud
        self._pipeline: Pipeline
        self._local: dict[str, Service] = {}
        self._server = Server(self.handle, self._clock)

    async def open(self) -> None:
        """Read what there is."""
        await self._assemble()
        self._keep_following()

    async def listen(self, tls: ssl.SSLContext | None) -> None:
        """Accept requests where the writing process does."""
        await self._server.listen(self._settings.host, self._settings.port, tls, shared="further")

    async def close(self) -> None:
        """Finish what is in flight, and tell what was counted."""
        await self._server.stop()
        for timer in (self._following, self._reporting):
            if timer is not None:
                timer.cancel()
        try:
            await self._report()
        except Unanswerable:
            pass  # Nobody is left to be told.
        self._relay.close()
        await self._store.close()

    async def _assemble(self) -> None:
        """A cloud of services that read, over a store that has nothing in memory yet."""
        settings, clock, signals = self._settings, self._clock, Hub()
        store = await self._open_store()
        nothing: Any = None  # No operation that only reads touches a blob.
        outbox = StoredOutbox(store, clock, Ids())
        cloud = Cloud(settings, clock=clock, ids=Ids(), store=store, blobs=nothing, vault=self._vault, usage=self._usage, outbox=outbox, signals=signals)
        cloud.links = RegionLinks(store, signals)
        cloud.metrics.sink = self._gather
        authority, _ = await open_authority(cloud)
        cloud.codec_for = Codecs(cloud).find
        for kind in service_classes():
            if kind.shared_reads or kind.name == "iam":
                cloud.add_service(kind(cloud))
        authority.identities = cloud.services["iam"]  # type: ignore[assignment]
        for service in cloud.services.values():
            await service.follow()
        prefixes = {endpoint.service: endpoint.target_prefix for endpoint in endpoints(cloud)}
        self._local = {f"{prefixes[service.name]}.{name}": service for service in cloud.services.values() for name in service.shared_reads}
        self._store, self._cloud, self._pipeline = store, cloud, Pipeline(cloud)

    async def _open_store(self) -> FollowingStore:
        while True:
            try:
                store = FollowingStore(self._settings.data_dir / STORE, self._memory)
                store.seals = RowSeals(self._vault)
                return store
            except Gap:  # The log was written over while it was read: what it said is in the file now.
                pass
            await pause(_GAP_SECONDS)

    # ---- requests

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, or pass it on."""
        headers, current = request.headers, self._follow()
        service = self._local.get(headers.get("x-amz-target", ""))
        if service is not None and request.method == "POST" and request.path == "/" and request.stream is None and "origin" not in headers and current:
            if self._reporting is None:
                self._reporting = asyncio.get_running_loop().call_later(self._report_seconds, self._report_soon)
            try:
                return await service.answer(request, self._pipeline.answer)
            except Elsewhere:
                pass
        return await self._relay.forward(request)

    def _follow(self) -> bool:
        """Take in what the writing process has done; False while this process does not know."""
        if self._renewing:
            return False
        try:
            if self._store.follow() and (offset := self._memory.clock) != self._clock.offset:
                self._clock.follow(offset)
                self._server.take_time()
        except Gap:
            self._renewing = True
            self._clock.run(self._renew(), name="renewing what is remembered")
            return False
        return True

    async def _renew(self) -> None:
        """Too much has changed to know what: forget everything. (The old store closes when the last request that reads it has let go.)"""
        try:
            await self._report()
        except Unanswerable as problem:
            _log.warning("what was counted could not be told: %s", problem)
        await self._assemble()
        self._renewing = False

    def _keep_following(self) -> None:
        self._follow()
        self._following = asyncio.get_running_loop().call_later(_FOLLOW_SECONDS, self._keep_following)

    # ---- reports

    async def _gather(self, lines: Sequence[Gathered]) -> None:
        self._gathered.extend(lines)

    def _report_soon(self) -> None:
        self._clock.run(self._report(), name="report")

    async def _report(self) -> None:
        """Tell the writing process what was counted, and hear what it says to that."""
        cloud = self._cloud
        try:
            await cloud.metrics.flush()
            gathered, self._gathered = self._gathered, []
            collected = {name: found for name, service in cloud.services.items() if (found := service.collect()) is not None}
            message: dict[str, Any] = {"usage": self._usage.take(), "metrics": packed_metrics(gathered), "services": collected}
            answers = unpack(await self._relay.send(REPORT_PATH, pack(message), {SECRET_HEADER: self._secret}))
        finally:
            self._reporting = None
        for name, answer in answers.items():
            cloud.services[name].hear(answer)


async def read(settings: Settings, memory: SharedMemory, secret: str, tls: ssl.SSLContext | None) -> None:
    """Run a process that only reads, until it is told to stop or the writing process is gone."""
    reader = Reader(settings, memory, secret)
    await reader.open()
    await reader.listen(tls)
    calm_collector()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    orphaned = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), _heard, loop, orphaned, stop)
    print("ready", flush=True)
    await stop.wait()
    if not orphaned.is_set():
        await reader.close()


def _heard(loop: asyncio.AbstractEventLoop, orphaned: asyncio.Event, stop: asyncio.Event) -> None:
    """Nothing is ever said here any more; that it can be read means that the other end is closed."""
    loop.remove_reader(sys.stdin.fileno())
    orphaned.set()
    stop.set()
