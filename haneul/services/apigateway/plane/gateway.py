"""The way of a request to a deployed API: stage → method → permission → limits → validation → integration → response."""

from __future__ import annotations

import gzip
import logging
import zlib
from typing import Final

import orjson

from haneul.clock import Clock
from haneul.clock.buckets import Buckets
from haneul.core.cloud import Cloud
from haneul.core.errors import NotBuilt
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.ports import Shape
from haneul.services.apigateway.plane.access import KeyRing, authorize_iam, check_policy, no_such_method, policy_allows
from haneul.services.apigateway.plane.compiled import Stage, compile_stage
from haneul.services.apigateway.plane.deciders import Deciders
from haneul.services.apigateway.plane.exchange import Exchange
from haneul.services.apigateway.plane.invoking import Invoker
from haneul.services.apigateway.plane.mock import mock_response
from haneul.services.apigateway.plane.proxy import invoke_proxy
from haneul.services.apigateway.plane.refusals import (
    Known,
    Refusal,
    bad_body,
    bad_parameters,
    forbidden,
    refusal_response,
    throttled,
    too_large,
)
from haneul.services.apigateway.plane.schema import SchemaError
from haneul.services.apigateway.records import load, owner_of

PAYLOAD_BYTES_MAX: Final = 10_485_760
_STAGES_REMEMBERED: Final = 1000
_log = logging.getLogger("haneul")


class Gateway:
    """Answers requests to APIs. What it remembers of the store is forgotten when something there changes."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._stages: dict[tuple[str, str], Stage | None] = {}
        self._invoker = Invoker(cloud)
        self._buckets = Buckets(cloud.clock)
        self.keys = KeyRing(cloud, self._buckets)
        self.deciders = Deciders(cloud, self._invoker)

    def forget(self) -> None:
        """Something about the APIs has changed."""
        self._stages.clear()
        self.keys.forget()

    async def serve(self, request: HttpRequest, api_id: str) -> HttpResponse:
        """The response to one request; `request.path` begins with the stage."""
        _, _, rest = request.path.partition("/")
        stage_name, slash, path = rest.partition("/")
        stage = self._stage(api_id, stage_name)
        if stage is None or stage.api.get("disableExecuteApiEndpoint"):
            return self._refuse_unknown()
        cloud = self._cloud
        exchange = Exchange(request, stage, slash + path if slash else "/", cloud.ids, cloud.clock.now())
        started = Clock.machine_now()
        response = await self.answer(exchange)
        self._report(exchange, response.status, _milliseconds_since(started))
        cloud.usage.add(stage.home.account, stage.home.region, "apigateway", "Count", f"{stage.api['name']}/{stage.name}")
        if response.status >= 400:
            cloud.usage.add(stage.home.account, stage.home.region, "apigateway", "5XXError" if response.status >= 500 else "4XXError", f"{stage.api['name']}/{stage.name}")
        return response

    def _report(self, exchange: Exchange, status: int, milliseconds: float) -> None:
        """How long the whole took, and the backend within it; for stages that ask for it, all of one method's metrics, too ("Amazon API Gateway dimensions
        and metrics"). What APIs and stages count comes from the usage."""
        stage, took, method = exchange.stage, exchange.integration_ms, exchange.routed
        account, region, add = stage.home.account, stage.home.region, self._cloud.metrics.add
        api = ("ApiName", stage.api["name"])
        places: list[tuple[tuple[str, str], ...]] = [(api,), (api, ("Stage", stage.name))]
        if method is not None and method.dimensions is not None:
            places.append(method.dimensions)
            add(account, region, "AWS/ApiGateway", "Count", method.dimensions)
            if status >= 400:
                add(account, region, "AWS/ApiGateway", "5XXError" if status >= 500 else "4XXError", method.dimensions)
        for dimensions in places:
            add(account, region, "AWS/ApiGateway", "Latency", dimensions, milliseconds, "Milliseconds")
            if took is not None:
                add(account, region, "AWS/ApiGateway", "IntegrationLatency", dimensions, took, "Milliseconds")

    def _refuse_unknown(self) -> HttpResponse:
        ids = self._cloud.ids
        response = refusal_response(forbidden(), {}, None)
        response.headers["x-amzn-RequestId"] = ids.uuid()
        return response

    def _stage(self, api_id: str, name: str) -> Stage | None:
        place = (api_id, name)
        if place in self._stages:
            return self._stages[place]
        store = self._cloud.store
        home = owner_of(store, api_id)
        document = load(store, home, "stage", api_id, name) if home is not None else None
        snapshot = load(store, home, "snapshot", api_id, document["deploymentId"]) if home is not None and document is not None else None
        stage = compile_stage(home, document, snapshot) if home is not None and document is not None and snapshot is not None else None
        if len(self._stages) >= _STAGES_REMEMBERED:
            self._stages.clear()
        self._stages[place] = stage
        return stage

    async def answer(self, exchange: Exchange) -> HttpResponse:
        """The response to a request whose stage is known."""
        try:
            response = await self._perform(exchange)
        except Refusal as refusal:
            response = self._refused(exchange, refusal)
        except NotBuilt as missing:
            response = HttpResponse(501, {"Content-Type": "application/json", "x-amzn-ErrorType": "NotImplemented"}, orjson.dumps({"message": missing.message}))
        except Exception as problem:  # The boundary: whatever happened inside, the client gets an answer.
            _log.exception("request %s to API %s failed inside", exchange.request_id, exchange.stage.api_id, exc_info=problem)
            response = self._refused(exchange, Refusal("DEFAULT_5XX", "Internal server error", "InternalServerErrorException", 500))
        headers = response.headers
        headers["x-amzn-RequestId"] = exchange.request_id
        headers["x-amz-apigw-id"] = exchange.extended_id
        if "minimumCompressionSize" in exchange.stage.api:
            _compress(exchange, response)
        return response

    def _refused(self, exchange: Exchange, refusal: Refusal) -> HttpResponse:
        stage, own = exchange.stage, exchange.stage.responses
        known = Known(exchange.context(), stage.variables or {}, exchange.request.headers, exchange.query or {}, exchange.path_parameters) if own else None
        return refusal_response(refusal, own, known)

    async def _perform(self, exchange: Exchange) -> HttpResponse:
        """The list of steps."""
        self._route(exchange)
        await self._read_body(exchange)
        await self._authorize(exchange)
        self._limit(exchange)
        self._validate(exchange)
        return await self._integrate(exchange)

    def _route(self, exchange: Exchange) -> None:
        found = exchange.stage.routes.find(exchange.path)
        if found is None:
            raise no_such_method(self._cloud, exchange)
        resource, exchange.path_parameters = found
        method = exchange.stage.method(resource, exchange.request.method)
        if method is None:
            raise no_such_method(self._cloud, exchange)
        exchange.method = method

    async def _read_body(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.stream is not None:
            if (request.stream.length or 0) > PAYLOAD_BYTES_MAX:
                raise too_large(PAYLOAD_BYTES_MAX)
            parts, size = [], 0
            async for part in request.stream:
                size += len(part)
                if size > PAYLOAD_BYTES_MAX:
                    raise too_large(PAYLOAD_BYTES_MAX)
                parts.append(part)
            request.body = exchange.body = b"".join(parts)
            request.stream = None
        if "minimumCompressionSize" in exchange.stage.api and request.headers.get("content-encoding", "").lower() == "gzip":
            exchange.body = _decompressed(exchange.body)

    async def _authorize(self, exchange: Exchange) -> None:
        method = exchange.method
        kind = method.authorization
        if kind == "AWS_IAM":
            exchange.caller = authorize_iam(self._cloud, exchange)
            return
        if kind == "CUSTOM" and method.authorizer is not None:
            await self.deciders.decide(exchange, method.authorizer, allowed=policy_allows(self._cloud, exchange))
            return
        check_policy(self._cloud, exchange)
        if kind != "NONE":
            raise NotBuilt(f"the authorization type {kind} of apigateway")

    def _limit(self, exchange: Exchange) -> None:
        method, stage = exchange.method, exchange.stage
        if method.api_key_required:
            self.keys.check(exchange)
        if method.throttle is not None:
            name = (stage.api_id, stage.name, method.resource_path, method.name)
            if not self._buckets.take(name, *method.throttle):
                raise throttled()

    def _validate(self, exchange: Exchange) -> None:
        method = exchange.method
        if method.required:
            missing = [name for place, name in method.required if not _has_parameter(exchange, place, name)]
            if missing:
                raise bad_parameters(missing)
        if method.schemas:
            _check_body(exchange, method.schemas)

    async def _integrate(self, exchange: Exchange) -> HttpResponse:
        kind = exchange.method.integration["type"]
        if kind == "AWS_PROXY":
            started = Clock.machine_now()
            try:
                return await invoke_proxy(exchange, self._invoker)
            finally:
                exchange.integration_ms = _milliseconds_since(started)
        if kind == "MOCK":
            return mock_response(exchange)
        raise NotBuilt(f"the integration type {kind} of apigateway")


def _milliseconds_since(started: int) -> float:
    """To the hundredth, so that a metric has not too many different values."""
    return (Clock.machine_now() - started) // 10_000 / 100


def _has_parameter(exchange: Exchange, place: str, name: str) -> bool:
    if place == "header" or place == "multivalueheader":
        return bool(exchange.header(name))
    if place == "path":
        return bool(exchange.path_parameters.get(name))
    return bool((exchange.query or {}).get(name))


def _check_body(exchange: Exchange, schemas: Shape) -> None:
    """The body against the model for its content type; a type without a model is not checked."""
    content_type = (exchange.header("content-type") or "application/json").partition(";")[0].strip()
    schema = schemas.get(content_type) or schemas.get("$default")
    if schema is None:
        return
    try:
        value = orjson.loads(exchange.body or b"{}")
    except orjson.JSONDecodeError:
        raise bad_body("[Invalid JSON]") from None
    try:
        schema.check(value)
    except SchemaError as error:
        raise bad_body(f"[{error}]") from None


def _decompressed(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, PAYLOAD_BYTES_MAX)
    except zlib.error:
        raise bad_body("[Invalid gzip data]") from None
    if unpacker.unconsumed_tail:
        raise too_large(PAYLOAD_BYTES_MAX)
    return plain


def _compress(exchange: Exchange, response: HttpResponse) -> None:
    body = response.body
    accepts = exchange.request.headers.get("accept-encoding", "")
    if not isinstance(body, bytes) or len(body) < exchange.stage.api["minimumCompressionSize"] or not body or "gzip" not in accepts:
        return
    if any(name.lower() == "content-encoding" for name in response.headers):
        return
    response.body = gzip.compress(body, 6, mtime=0)
    response.headers["Content-Encoding"] = "gzip"
