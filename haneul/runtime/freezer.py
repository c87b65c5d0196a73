"""Stops an environment's processes while it has nothing to do."""

from __future__ import annotations

import asyncio

from haneul.runtime.drivers.port import Sandbox

_AFTER_SECONDS = 0.005
"""An environment that is invoked again within this time is spared being stopped and continued."""


class Freezer:
    """For one sandbox. The timer is left running while the environment is busy, so that an invocation costs none."""

    def __init__(self) -> None:
        self.frozen = False
        self._loop = asyncio.get_running_loop()
        self._sandbox: Sandbox | None = None
        self._idle = False
        self._idle_since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def idle(self, sandbox: Sandbox) -> None:
        """There is nothing to do from now on."""
        self._sandbox = sandbox
        self._idle = True
        self._idle_since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(_AFTER_SECONDS, self._freeze)

    def busy(self) -> None:
        """There is something to do."""
        self._idle = False
        if self.frozen:
            self.frozen = False
            if self._sandbox is not None:
                self._sandbox.thaw()

    def stop(self) -> None:
        """The sandbox is gone."""
        self._idle = False
        self._sandbox = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _freeze(self) -> None:
        self._timer = None
        if not self._idle or self._sandbox is None:
            return
        left = self._idle_since + _AFTER_SECONDS - self._loop.time()
        if left > 0.0005:
            self._timer = self._loop.call_later(left, self._freeze)
            return
        self.frozen = True
        self._sandbox.freeze()
