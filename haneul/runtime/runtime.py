"""Where functions run: makes execution environments. See `haneul.runtime.pool` for who keeps them warm."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic_ns as real_monotonic_ns
from time import time_ns as real_wall_ns

from haneul.clock import Ids
from haneul.runtime import configuration
from haneul.runtime.drivers.namespaces import NamespaceDriver
from haneul.runtime.drivers.port import Driver, Plan
from haneul.runtime.environment import Environment
from haneul.runtime.inside.jail import RUNTIME_API_PORT
from haneul.runtime.interpreters import Kind, discover, image_kind
from haneul.runtime.port import INIT_TIMEOUT_NS, AdoptListener, Credentials, FunctionSpec, OnEvent, OnLog, RuntimeUnavailable, SnapshotFailed
from haneul.runtime.surroundings import Surroundings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stats:
    """Counts since the start, and what there is now."""

    environments: int
    memory_mb: int
    created: int
    ended: int
    driver: str
    isolated: bool


class Runtime:
    """Makes environments through a driver.

    `directory` is Haneul's own, for sandbox files (nothing in it outlives the process). `adopt_listener` is given the socket that listens
    where the cloud is expected inside each sandbox. `node_modules_dir` is shown as /var/runtime/node_modules. The two time sources are real
    ones, since functions run in real time.
    """

    def __init__(
        self,
        directory: str,
        *,
        adopt_listener: AdoptListener | None = None,
        node_modules_dir: str | None = None,
        driver: Driver | None = None,
        monotonic_ns: Callable[[], int] = real_monotonic_ns,
        wall_ns: Callable[[], int] = real_wall_ns,
        init_timeout_ns: int = INIT_TIMEOUT_NS,
    ) -> None:
        self._directory = os.path.abspath(directory)
        self._kinds: dict[str, Kind] = {}
        self._node_modules_dir = node_modules_dir
        self.driver = driver if driver is not None else NamespaceDriver(self._directory)
        self._environments: set[Environment] = set()
        self._created = 0
        self._ended = 0
        ids = Ids()
        self._surroundings = Surroundings(self.driver, monotonic_ns, wall_ns, adopt_listener, self._remember, self._forget, init_timeout_ns, ids.uuid)

    async def start(self) -> None:
        """Start the driver and the zygote of the server's own Python. Raises RuntimeUnavailable when this machine cannot hold a sandbox."""
        self._kinds = discover(node_modules_dir=self._node_modules_dir)
        await self.driver.start()
        if not self.driver.isolated:
            _log.warning("FUNCTIONS RUN WITHOUT ISOLATION on this machine: they can read and change whatever this user can.")
        self.driver.prepare(self._kinds[f"python{sys.version_info[0]}.{sys.version_info[1]}"])

    async def stop(self) -> None:
        """Destroy all environments and end every process of the sandbox."""
        await asyncio.gather(*(environment.destroy() for environment in list(self._environments)))
        await self.driver.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def available_runtimes(self) -> list[str]:
        """The AWS names of the runtimes that this machine has, such as `python3.11`."""
        return sorted(self._kinds)

    @property
    def stats(self) -> Stats:
        memory_mb = sum(environment.memory_mb for environment in self._environments)
        return Stats(len(self._environments), memory_mb, self._created, self._ended, self.driver.name, self.driver.isolated)

    async def create(self, spec: FunctionSpec, credentials: Credentials, log_stream_name: str, on_log: OnLog | None = None, on_event: OnEvent | None = None) -> Environment:
        """Make an environment for `spec`; its Init phase runs while this returns. Raises RuntimeUnavailable."""
        environment = Environment(*self._plan(spec, credentials, log_stream_name), spec, self._surroundings, on_log, on_event)
        await environment.launch()
        return environment

    async def snapshot(self, spec: FunctionSpec, credentials: Credentials, log_stream_name: str, on_log: OnLog | None = None, on_event: OnEvent | None = None) -> Environment:
        """Make an environment that is never invoked: others are forked off it once it is `prepared`. Raises RuntimeUnavailable."""
        kind, plan = self._plan(spec, credentials, log_stream_name)
        in_place = not kind.channel or any(os.path.isdir(f"{layer}/extensions") for layer in plan.layer_dirs)
        if (kind.channel and (kind.family != "python" or plan.configuration["argv"])) or not self.driver.snapshots:
            raise RuntimeUnavailable("SnapStart is there for Python functions that need no interpreter of their own, in sandboxes of the kind namespaces.")
        plan = replace(plan, snapshot=not in_place, configuration={**plan.configuration, "snapshot": True})
        environment = Environment(kind, plan, spec, self._surroundings, on_log, on_event)
        environment.restores_in_place = in_place
        await environment.launch()
        return environment

    async def restore(
        self, origin: Environment, spec: FunctionSpec, credentials: Credentials, log_stream_name: str, on_log: OnLog | None = None, on_event: OnEvent | None = None
    ) -> Environment:
        """Make an environment by forking `origin`; its hooks have run when this returns. A process with threads (an internal extension's, say), or with
        external extensions, cannot be forked whole, nor one that speaks over the Runtime API: then the environment is initialised as `origin` was. Raises SnapshotFailed when a hook fails, and RuntimeUnavailable, also when
        `origin` is gone."""
        kind, plan = self._plan(spec, credentials, log_stream_name)
        with origin.restoring() as sandbox:
            if origin.restores_in_place:
                plan = replace(plan, restored=True, configuration={**plan.configuration, "restored": True})
            else:
                plan = replace(plan, restored=True, origin=sandbox)
            environment = Environment(kind, plan, spec, self._surroundings, on_log, on_event)
            await environment.launch()
            prepared = await environment.prepared()
        if not prepared:
            await environment.destroy()
            raise SnapshotFailed(environment.init_failure)
        return environment

    def _plan(self, spec: FunctionSpec, credentials: Credentials, log_stream_name: str) -> tuple[Kind, Plan]:
        kind = self._kinds.get(spec.runtime) if spec.image is None else image_kind()
        if kind is None:
            raise RuntimeUnavailable(f"The runtime {spec.runtime} is not installed on this machine; there are: {', '.join(self.available_runtimes())}.")
        settings = configuration.build(
            kind, spec, credentials, log_stream_name, f"127.0.0.1:{RUNTIME_API_PORT}", f"http://127.0.0.1:{spec.endpoint_port}"
        )
        image_dirs = spec.image.layer_dirs if spec.image is not None else ()
        return kind, Plan(
            kind, spec.code_dir, spec.layer_dirs, spec.memory_mb, spec.ephemeral_storage_mb, spec.endpoint_port, settings, image_dirs
        )

    def _remember(self, environment: Environment) -> None:
        self._environments.add(environment)
        self._created += 1

    def _forget(self, environment: Environment) -> None:
        self._environments.discard(environment)
        self._ended += 1
