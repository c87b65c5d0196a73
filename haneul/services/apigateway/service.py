"""API Gateway: REST APIs, their control plane and the requests to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.services.apigateway.plane.gateway import Gateway
from haneul.services.apigateway.quirks import QUIRKS
from haneul.services.apigateway.records import SPACE, home_of
from haneul.services.apigateway.tags import inherited_tags
from haneul.store.keys import pack


class ApiGateway(Service):
    """APIs are documents that clients build and patch; deployments are copies of them; stages serve deployments."""

    name = "apigateway"
    quirks: ClassVar[Quirks] = QUIRKS

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.gateway = Gateway(cloud)
        self._unwatch: Callable[[], None] | None = None

    async def start(self) -> None:
        self.gateway.forget()
        self.gateway.deciders.forget()
        self.gateway.keys.counters.forget()
        self._unwatch = self.cloud.store.watch(pack((SPACE,)), self._changed)

    async def stop(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        await self.gateway.keys.counters.flush()

    def _changed(self, keys: Sequence[bytes]) -> None:
        """Deployments and settings change seldom, so everything remembered is forgotten together."""
        self.gateway.forget()

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        return inherited_tags(self.cloud.store, home_of(call), arn)

    async def serve(self, request: HttpRequest, label: str) -> HttpResponse:
        return await self.gateway.serve(request, label)
