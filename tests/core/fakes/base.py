"""A service that does what a test tells it to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.ports import Shape
from haneul.core.service import Service


class Fake(Service):
    """`behave` is what its operations do; `policies` are its resource policies by ARN; `events` what has happened to it."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.behave: Callable[[Call, Shape], Awaitable[Shape | None]] = nothing
        self.policies: dict[str, str] = {}
        self.events: list[str] = []

    async def start(self) -> None:
        self.events.append("start")

    def end_waits(self) -> None:
        self.events.append("end waits")

    async def stop(self) -> None:
        self.events.append("stop")

    def resource_policy(self, call: Call, arn: str) -> str | None:
        return self.policies.get(arn)


async def nothing(call: Call, request: Shape) -> Shape | None:
    return None
