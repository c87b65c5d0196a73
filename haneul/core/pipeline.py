"""The way of an API request: bytes → shape → caller → permission → operation → one transaction → shape → bytes."""

from __future__ import annotations

import logging
from typing import Any

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, NotBuilt, SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.service import Service

_FORM = "application/x-www-form-urlencoded"
_log = logging.getLogger("haneul")


class Exchange:
    """One request on its way through the pipeline."""

    __slots__ = ("call", "codec", "identity", "matched", "operation", "output", "params", "request", "request_id", "response", "service")

    def __init__(self, request: HttpRequest, service: Service, codec: Any, request_id: str) -> None:
        self.request = request
        self.service = service
        self.codec = codec
        self.request_id = request_id
        self.matched: Any = None
        self.operation: Any = None
        self.identity: Any = None
        self.params: dict[str, Any] = {}
        self.call: Any = None
        self.output: dict[str, Any] = {}
        self.response: HttpResponse | None = None


class Pipeline:
    """Answers API requests of every service. Each step is a method; `answer` is the list of them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def answer(self, request: HttpRequest, service: Service) -> HttpResponse:
        """The response to one request; never raises for anything a client can send."""
        exchange = Exchange(request, service, self.cloud.codec_for(service.name), self.cloud.ids.uuid())
        try:
            if request.stream is not None and request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM):
                await self.buffer(exchange)  # A form names its operation in its body.
            self.match(exchange)
            if request.stream is not None and not exchange.matched[0].streaming_input:
                await self.buffer(exchange)
            self.authenticate(exchange)
            self.find_operation(exchange)
            self.parse(exchange)
            await self.perform(exchange)
            return self.serialize(exchange)
        except Exception as problem:  # The boundary: whatever happened becomes the service's own error.
            return self.fail(exchange, problem)

    def match(self, exchange: Exchange) -> None:
        """Which operation the method, path, headers or body name."""
        exchange.matched = exchange.codec.match(exchange.request)

    async def buffer(self, exchange: Exchange) -> None:
        """Read the body into memory."""
        request = exchange.request
        limit = exchange.service.quirks.body_bytes_max
        parts, size = [], 0
        assert request.stream is not None
        if (request.stream.length or 0) > limit:
            raise too_large(limit)
        async for part in request.stream:
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
        request.body = b"".join(parts)
        request.stream = None

    def authenticate(self, exchange: Exchange) -> None:
        """Who signed the request. Operations that are public, and services that allow it, take anonymous ones."""
        exchange.identity = self.cloud.authority.authenticate(exchange.request, exchange.service.name)

    def find_operation(self, exchange: Exchange) -> None:
        """The function behind the operation, and the call it will see."""
        name = exchange.matched[0].name
        service = exchange.service
        one = self.cloud.operations.get(f"{service.name}:{name}")
        if one is None:
            raise NotBuilt(f"the operation {service.name}:{name}")
        identity = exchange.identity
        if identity.caller.kind == "anonymous" and not (one.public or service.quirks.allows_anonymous):
            raise self.cloud.authority.missing_credentials(exchange.request, service.name)
        exchange.operation = one
        exchange.call = Call(
            self.cloud, one, identity.caller, identity.region or self.cloud.settings.region, exchange.request_id, http=exchange.request, context=identity.context
        )

    def parse(self, exchange: Exchange) -> None:
        """Bytes become a shape that keeps the model's constraints."""
        exchange.params = exchange.codec.parse(exchange.matched, exchange.request)
        if exchange.service.quirks.validation:
            exchange.codec.validate(exchange.matched[0].name, exchange.params)

    async def perform(self, exchange: Exchange) -> None:
        """Permission, operation, metering."""
        exchange.output = await exchange.call.perform(exchange.params)

    def serialize(self, exchange: Exchange) -> HttpResponse:
        """A shape becomes bytes."""
        response: HttpResponse = exchange.codec.serialize(exchange.matched, exchange.output, exchange.request_id, exchange.request)
        call = exchange.call
        if call.status is not None:
            response.status = call.status
        if call.headers:
            response.headers.update(call.headers)
        return response

    def fail(self, exchange: Exchange, problem: Exception) -> HttpResponse:
        """The service's own words for what went wrong."""
        quirks = exchange.service.quirks
        if isinstance(problem, AccessDenied):
            error = ServiceError(quirks.access_denied, problem.message, quirks.access_denied_status)
        elif isinstance(problem, SerializationError):
            error = ServiceError(quirks.serialization_code, problem.message, 400)
        elif isinstance(problem, ServiceError):
            error = problem
        else:
            _log.exception("request %s to %s failed inside", exchange.request_id, exchange.service.name, exc_info=problem)
            error = ServiceError("InternalFailure", "The request processing has failed because of an unknown error, exception or failure.", 500)
        response: HttpResponse = exchange.codec.error(exchange.matched, error, exchange.request_id, exchange.request)
        if exchange.call is not None and exchange.call.headers:
            response.headers.update(exchange.call.headers)
        return response


def too_large(limit: int) -> ServiceError:
    """A body beyond what the service reads."""
    return ServiceError("RequestEntityTooLargeException", f"Request size exceeded {limit} bytes", 413)
