"""A cloud for tests: a real server on a free port, in a thread of its own, with a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Coroutine
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import boto3
import uvloop
from botocore.config import Config

from haneul.app import App
from haneul.clock import Clock, Ids
from haneul.clock.durations import parse_duration
from haneul.core.cloud import Settings

T = TypeVar("T")

ACCOUNT = "000000000000"
REGION = "us-east-1"


@lru_cache
def _models() -> Any:
    """The service models that clients are made from."""
    return boto3.session.Session()._session.get_component("data_loader")


class Running:
    """One running cloud and clients for it.

    The clock starts at the machine's time and stands still; `advance("35d")` moves it. Use as a context manager, or `start` and `stop`;
    `stop` and `start` again keep the data directory (a restart).
    """

    def __init__(self, *, data_dir: Path | None = None, seed: int = 1, frozen: bool = True, services: list[type] | None = None, **settings: Any) -> None:
        self._temporary = None if data_dir else tempfile.TemporaryDirectory(prefix="haneul-test-")
        self.data_dir = data_dir or Path(self._temporary.name)  # type: ignore[union-attr]
        self._services = services
        self._settings = settings
        self.clock = Clock(frozen_at=Clock.machine_now()) if frozen else Clock()
        self._seed = seed
        self._clients: dict[tuple[Any, ...], Any] = {}

    def start(self) -> Running:
        # Timers belong to one run: a restart gets a new clock that stands where the old one stood.
        self.clock = Clock(frozen_at=self.clock.now()) if self.clock.frozen else Clock()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self._open())
        return self

    async def _open(self) -> None:
        settings = Settings(data_dir=self.data_dir, **self._settings)
        self.app = await App.open(settings, clock=self.clock, ids=Ids(self._seed), services=self._services)
        self.port = await self.app.listen(port=0)
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self.run(self.app.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Running:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    # ---- for tests

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        """Run a coroutine on the cloud's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def advance(self, duration: str) -> None:
        """Let time pass: everything due happens before this returns."""
        self.run(self.app.cloud.clock.advance(parse_duration(duration)))

    def settle(self) -> None:
        """Let all background work that can be done now be done."""
        self.run(self.app.cloud.clock.settle())

    def client(self, service: str, *, region: str = REGION, key: str = "test", secret: str = "test", token: str | None = None, **config: Any) -> Any:
        """A boto3 client; root of the default account unless keys are given. No retries, so that every error is seen."""
        name = (service, region, key, secret, token, tuple(sorted((k, repr(v)) for k, v in config.items())))
        if name not in self._clients:
            session = boto3.session.Session(aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token, region_name=region)
            # Reading a service's model is most of what a client costs, and every session would do it again.
            session._session.register_component("data_loader", _models())
            options = Config(retries={"total_max_attempts": 1, "mode": "standard"}, **config)
            self._clients[name] = session.client(service, endpoint_url=self.endpoint, config=options)
        return self._clients[name]
