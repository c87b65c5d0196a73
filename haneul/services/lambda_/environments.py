"""Execution environments for functions: the sandbox, the pool that keeps it warm, and what each environment is given.

Nothing of it runs until the first function needs it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from haneul.clock import HOUR, SECOND
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.runtime.drivers.choice import make_driver
from haneul.runtime.environment import Environment
from haneul.runtime.interpreters import discover
from haneul.runtime.pool import Pool, PoolFull
from haneul.runtime.port import Credentials, FunctionSpec, LogOutlet, RuntimeUnavailable, SnapshotFailed
from haneul.runtime.runtime import Runtime
from haneul.services.lambda_.code import CodeStore
from haneul.services.lambda_.configuration import PRINCIPAL
from haneul.services.lambda_.errors import machine_full, throttled
from haneul.services.lambda_.functions import Resolution
from haneul.services.lambda_.images import Images
from haneul.services.lambda_.log_shipper import EnvironmentLog, LogShipper
from haneul.services.lambda_.platform_log import event_line
from haneul.services.lambda_.rates import Rates
from haneul.services.lambda_.records import Version
from haneul.services.lambda_.shapes import open_environment, runtime_version, runtime_version_arn

CREDENTIALS_SECONDS = 12 * HOUR // SECOND
"""Environments are reused for two hours at most (the pool's lifetime), so that none outlives its credentials."""


@dataclass(slots=True)
class Lease:
    """An environment for one invocation, and its log."""

    environment: Environment
    log: EnvironmentLog
    fleet: str = ""
    """The provisioned concurrency that it belongs to, if it does."""
    first_line: str = ""
    """The START line of the invocation under way."""


class Environments:
    """Gives out environments for versions of functions. `folder` is the sandbox's own."""

    def __init__(self, cloud: Cloud, folder: Path, code: CodeStore, logs: LogShipper, rates: Rates) -> None:
        self._cloud = cloud
        self._folder = folder
        self._code = code
        self._shipper = logs
        self._rates = rates
        self._starting = asyncio.Lock()
        self._runtimes: list[str] | None = None
        self._runtime: Runtime | None = None
        self._pool: Pool | None = None
        self._images = Images(cloud, code)
        self._specs: dict[str, FunctionSpec] = {}
        self._logs: dict[str, EnvironmentLog] = {}

    def start(self) -> None:
        """Be ready to begin (again, after a reset)."""
        self._specs.clear()

    async def stop(self) -> None:
        """End every environment and the sandbox."""
        async with self._starting:
            if self._pool is not None:
                await self._pool.stop()
            if self._runtime is not None:
                await self._runtime.stop()
            self._pool = self._runtime = None
            self._logs.clear()

    async def runtimes(self) -> list[str]:
        """The names of the runtimes that this machine has."""
        if self._runtimes is None:
            modules = self._node_modules_dir()
            self._runtimes = sorted(await asyncio.get_running_loop().run_in_executor(None, lambda: discover(node_modules_dir=modules)))
        return self._runtimes

    def _node_modules_dir(self) -> str | None:
        configured = self._cloud.settings.extra.get("node_modules_dir")
        return str(configured) if configured else None

    async def _ready(self) -> Pool:
        if self._pool is not None:
            return self._pool
        async with self._starting:
            if self._pool is None:
                shutil.rmtree(self._folder, ignore_errors=True)
                os.makedirs(self._folder)
                driver = make_driver(self._cloud.settings.sandbox, str(self._folder), outbound=self._cloud.settings.function_network == "outbound")
                runtime = Runtime(str(self._folder), adopt_listener=self._adopt, node_modules_dir=self._node_modules_dir(), driver=driver)
                await runtime.start()
                self._runtime = runtime
                self._pool = Pool(runtime, self._cloud.clock, self._cloud.ids)
        return self._pool

    def _adopt(self, listener: socket.socket, spec: FunctionSpec) -> Callable[[], None]:
        """Serve the cloud's API where the function expects it. Serving begins a moment later; the socket listens already."""
        adopting = asyncio.ensure_future(self._cloud.adopt_listener(listener, "sandbox"))
        return lambda: adopting.add_done_callback(lambda done: done.result()())

    # ---- one environment

    async def acquire(self, found: Resolution, fleet: str = "") -> Lease:
        """An environment for a version, warm if there is one; for a provisioned fleet a new one. Raises what a caller of Invoke is to see."""
        pool = self._pool
        if pool is None:
            try:
                pool = await self._ready()
            except RuntimeUnavailable as error:
                raise ServiceError("ServiceException", str(error), 500) from None
        version = found.version
        spec = self._specs.get(version.revision_id)
        if spec is None:
            spec = await self._make_spec(found)
        if fleet:
            spec = replace(spec, key=f"{spec.key} {fleet}", initialization_type="provisioned-concurrency")
        try:
            environment = await pool.acquire(spec, lambda: self._grow(found, fleet), lambda stream: self._open_log(found, stream))
        except PoolFull:
            raise machine_full() from None
        except SnapshotFailed as error:
            raise ServiceError("SnapStartException", str(error), 400, fields={"Type": "User"}) from None
        except RuntimeUnavailable as error:
            raise ServiceError("InvalidRuntimeException", str(error), 502, fields={"Type": "User"}) from None
        return Lease(environment, self._logs[environment.log_stream_name], fleet)

    async def snapshot(self, found: Resolution) -> None:
        """Initialise a version with SnapStart, of which environments are then copies. ServiceError when that fails."""
        version = found.version
        try:
            pool = await self._ready()
            spec = self._specs.get(version.revision_id) or await self._make_spec(found)
            await pool.snapshot(spec, lambda: self._credentials(version), lambda stream: self._open_log(found, stream))
        except PoolFull:
            raise machine_full() from None
        except RuntimeUnavailable as error:
            raise ServiceError("SnapStartException", str(error), 400, fields={"Type": "User"}) from None

    async def release(self, lease: Lease) -> None:
        """The invocation is over."""
        if self._pool is not None:
            await self._pool.release(lease.environment)
        if not lease.environment.alive:
            self._logs.pop(lease.environment.log_stream_name, None)

    def forget(self, version: Version) -> None:
        """A version is gone or has changed: its environments end."""
        spec = self._specs.pop(version.revision_id, None)
        if spec is not None and self._pool is not None:
            self._cloud.clock.run(self._pool.invalidate(spec.key), "end environments")

    async def _make_spec(self, found: Resolution) -> FunctionSpec:
        version, settings = found.version, self._cloud.settings
        image = await self._images.spec(version, found.version_target.arn) if version.image is not None else None
        code = await self._code.prepare(version.sha256) if image is None else ""
        layers = [await self._code.prepare(layer.sha256) for layer in version.layers]
        target = found.version_target
        spec = FunctionSpec(
            key=f"{target.qualified_arn} {version.revision_id}",
            function_name=version.name,
            function_version=version.qualifier,
            function_arn=target.qualified_arn,
            runtime=version.runtime,
            handler=version.handler,
            code_dir=str(code),
            memory_mb=version.memory_mb,
            timeout_ms=version.timeout_seconds * 1000,
            ephemeral_storage_mb=version.ephemeral_storage_mb,
            layer_dirs=tuple(str(layer) for layer in layers),
            environment=open_environment(self._cloud.vault, version),
            region=target.region,
            account=target.account,
            endpoint_port=settings.port,
            log_group=version.log_group,
            log_format="JSON" if version.log_format == "JSON" else "Text",
            log_level=version.application_log_level,
            image=image,
            initialization_type="snap-start" if version.snap_start and version.number else "on-demand",
            runtime_version=runtime_version(version.runtime),
            runtime_version_arn=runtime_version_arn(target.region, version.runtime),
        )
        if len(self._specs) > 4096:
            self._specs.clear()
        self._specs[version.revision_id] = spec
        return spec

    async def _grow(self, found: Resolution, fleet: str) -> Credentials:
        """What a new environment needs, unless its function grows too fast. What is provisioned grows within the account's concurrency anyway."""
        if not fleet and (reason := self._rates.refuses_growth(found)):
            raise throttled(reason)
        return await self._credentials(found.version)

    async def _credentials(self, version: Version) -> Credentials:
        authority = self._cloud.authority
        try:
            caller = authority.role_caller(version.role, PRINCIPAL, version.name)
        except AccessDenied:
            message = "The role defined for the function cannot be assumed by Lambda."
            raise ServiceError("AccessDeniedException", message, 403, fields={"Type": "User"}) from None
        keys = authority.mint_session(caller, CREDENTIALS_SECONDS)
        return Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)

    def _open_log(self, found: Resolution, stream: str) -> LogOutlet:
        version = found.version
        group = version.log_group or f"/aws/lambda/{version.name}"
        if len(self._logs) > 4096:  # Those of environments that ended while they were idle.
            self._logs = {name: log for name, log in self._logs.items() if log.busy}
        log = self._logs[stream] = EnvironmentLog(self._shipper, version.role, version.name, found.target.region, found.target.account, group, stream)

        def tell(kind: str, record: dict[str, Any]) -> None:
            log.add(event_line(version, kind, record, self._cloud.clock.now()))
            if kind == "platform.initReport" and record["initializationType"] != "on-demand":
                log.flush()  # No invocation waits for this Init phase, whose end would be written with it.

        return LogOutlet(log.take, tell)
