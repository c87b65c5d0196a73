"""Everything that lies under the services, and the way from one service to another."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from haneul.clock import Clock, Ids
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.operation import Operation
from haneul.core.ports import Authority, Codec, Links, Outbox, Signals, Usage
from haneul.core.service import Service
from haneul.metering.metrics import Metrics
from haneul.store.blobs import Blobs
from haneul.store.port import Store, StoreError
from haneul.store.vault import Vault

S = TypeVar("S", bound=Service)


class AdoptListener(Protocol):
    """Serves the cloud's API, or `handler`, on a socket (one inside a function's sandbox, for instance); returns what ends it."""

    async def __call__(self, sock: socket.socket, remote: str, handler: Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]] | None = None, /) -> Callable[[], None]: ...


@dataclass
class Settings:
    """What `haneul start` was told. `root_keys` are (key id, secret, account); `sandbox` is what functions are held in (docs/runtime.md),
    `function_network` what they reach besides this cloud: `outbound` or `none`; `workers` how many processes answer requests."""

    data_dir: Path
    account: str = "000000000000"
    region: str = "us-east-1"
    host: str = "127.0.0.1"
    port: int = 4566
    root_keys: tuple[tuple[str, str, str], ...] = ()
    dev_keys: bool = True
    capacity_unlimited: bool = False
    sandbox: str = "auto"
    function_network: str = "outbound"
    workers: int = 1
    extra: dict[str, Any] = field(default_factory=dict)


class Cloud:
    """One running cloud. Wired together in `app.py`, nowhere else."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        ids: Ids,
        store: Store,
        blobs: Blobs,
        vault: Vault,
        usage: Usage,
        outbox: Outbox,
        signals: Signals,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.ids = ids
        self.store = store
        self.blobs = blobs
        self.vault = vault
        self.usage = usage
        self.metrics = Metrics(clock)
        self.outbox = outbox
        self.signals = signals
        self.authority: Authority
        self.codec_for: Callable[[str], Codec]
        self.adopt_listener: AdoptListener
        self.links: Links
        self.services: dict[str, Service] = {}
        self.operations: dict[str, Operation] = {}
        self._by_type: dict[type[Service], Service] = {}

    def add_service(self, service: Service) -> None:
        self.services[service.name] = service
        self._by_type[type(service)] = service
        for name, one in service.operations().items():
            self.operations[f"{service.name}:{name}"] = one

    def service(self, kind: type[S]) -> S:
        """The running instance of a service class."""
        return self._by_type[kind]  # type: ignore[return-value]

    async def invoke(
        self,
        full_name: str,
        params: dict[str, Any],
        *,
        caller: Caller,
        region: str,
        account: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Perform a public operation in-process: same validation, permission, metering; no HTTP, no signature. Raises ServiceError; what a
        full disk keeps from being done is the service's own failure, as it is for callers outside."""
        one = self.operations.get(full_name)
        if one is None:
            raise NotBuilt(f"the operation {full_name}")
        call = Call(self, one, caller, region, self.ids.uuid(), account=account, context=context)
        self.codec_for(one.service).validate(one.name, params)
        try:
            return await call.perform(params)
        except StoreError as error:
            raise ServiceError(self.services[one.service].quirks.internal_error, str(error), 500) from error
