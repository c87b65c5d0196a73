"""Requests to function URLs: who may, the event of payload format 2.0, and the response made of what the function returns.

Source: AWS Lambda Developer Guide, "Invoking Lambda function URLs" and "Control access to Lambda function URLs".
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson

from haneul.clock import SECOND
from haneul.core.caller import ANONYMOUS, Caller
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.runtime.port import RuntimeUnavailable
from haneul.services.lambda_.functions import Functions, Resolution, read
from haneul.services.lambda_.invoker import Invoker
from haneul.services.lambda_.limits import PAYLOAD_BYTES_MAX
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import UrlConfig, url_index_key, url_key
from haneul.services.lambda_.traces import HEADER
from haneul.services.lambda_.url_responses import Refused, bad_gateway, make_response, streamed_response
from haneul.store.records import decode

_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded")
_NOT_FORWARDED = frozenset(("connection", "transfer-encoding", "keep-alive"))


class _Site(NamedTuple):
    """A function URL that exists."""

    found: Resolution
    config: UrlConfig
    url_id: str


class UrlGateway:
    """Answers requests to function URLs."""

    def __init__(self, cloud: Cloud, functions: Functions, invoker: Invoker) -> None:
        self._cloud = cloud
        self._functions = functions
        self._invoker = invoker

    async def answer(self, request: HttpRequest, url_id: str) -> HttpResponse:
        """The response to one request."""
        request_id = self._cloud.ids.uuid()
        trace = ""
        try:
            site = self._find(url_id)
            if request.method == "OPTIONS" and site.config.cors and "access-control-request-method" in request.headers:
                return HttpResponse(200, _cors_headers(site.config, request, preflight=True))
            caller = self._permit(site, request)
            body = await _read_body(request)
            trace = self._invoker.decided_trace(site.found, request.headers.get(HEADER, ""))
            event = make_event(request, body, site, caller, request_id, self._cloud.clock.now())
            event["headers"].setdefault(HEADER, trace.partition(";")[0])  # The trace that begins here; what came says more.
            response = await self._invoke(site, event, request_id, trace)
        except Refused as early:
            response = early.response
            site_config = None
        else:
            site_config = site.config
        response.headers["x-amzn-RequestId"] = request_id
        if trace:
            response.headers["X-Amzn-Trace-Id"] = trace
        if site_config is not None and site_config.cors:
            response.headers.update(_cors_headers(site_config, request, preflight=False))
        return response

    def _find(self, url_id: str) -> _Site:
        place = self._cloud.store.get(url_index_key(url_id))
        if place is None:
            raise Refused(404, "The function URL does not exist.")
        target = Target(*decode(place, list))
        config = read(self._cloud.store, url_key(target), UrlConfig)
        if config is None:
            raise Refused(404, "The function URL does not exist.")
        try:
            return _Site(self._functions.choose(target), config, url_id)
        except ServiceError:
            raise Refused(404, "The function URL does not exist.") from None

    def _permit(self, site: _Site, request: HttpRequest) -> Caller:
        """With IAM the signature's owner must be allowed, without it everybody must be (by the function's policy): to use the URL, and to invoke the function
        by way of it (both since October 2025, "Control access to Lambda function URLs")."""
        target = site.found.target
        caller = ANONYMOUS
        origin = {"aws:SourceIp": request.remote}
        wanted: tuple[tuple[str, dict[str, Any]], ...] = (
            ("lambda:InvokeFunctionUrl", {"lambda:FunctionUrlAuthType": site.config.auth_type, **origin}),
            ("lambda:InvokeFunction", {"lambda:InvokedViaFunctionUrl": "true", **origin}),
        )
        authority = self._cloud.authority
        try:
            if site.config.auth_type == "AWS_IAM":
                caller = authority.authenticate(request, "lambda").caller
                if caller.kind == "anonymous":
                    raise Refused(403, "Forbidden", "AccessDeniedException")
            for action, context in wanted:
                authority.authorize(
                    caller,
                    action,
                    (target.qualified_arn,),
                    context,
                    resource_policy=self._functions.policy(target),
                    resource_account=target.account,
                    resource_policy_required=site.config.auth_type == "NONE",
                )
        except (AccessDenied, ServiceError):
            message = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
            raise Refused(403, message, "AccessDeniedException") from None
        return caller

    async def _invoke(self, site: _Site, event: dict[str, Any], request_id: str, trace: str) -> HttpResponse:
        payload = orjson.dumps(event)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise Refused(413, "Request Entity Too Large")
        try:
            if site.config.invoke_mode == "RESPONSE_STREAM":
                answer = await self._invoker.open_stream(site.found, payload, request_id, trace_id=trace)
                return await streamed_response(answer)
            invoked = await self._invoker.run(site.found, payload, request_id, trace_id=trace)
        except ServiceError as error:
            if error.status == 429:
                raise Refused(429, error.message, error.code) from None
            raise bad_gateway() from None
        except RuntimeUnavailable:
            raise bad_gateway() from None
        if invoked.failed:
            raise bad_gateway()
        return make_response(invoked.outcome.payload)


async def _read_body(request: HttpRequest) -> bytes:
    if request.stream is None:
        return request.body
    parts, size = [], 0
    async for part in request.stream:
        size += len(part)
        if size > PAYLOAD_BYTES_MAX:
            raise Refused(413, "Request Entity Too Large")
        parts.append(part)
    return b"".join(parts)


def make_event(request: HttpRequest, body: bytes, site: _Site, caller: Caller, request_id: str, now: int) -> dict[str, Any]:
    """The event of payload format 2.0."""
    headers = {name: value for name, value in request.headers.items() if name not in _NOT_FORWARDED and name != "cookie"}
    headers["x-forwarded-for"] = request.remote
    headers["x-forwarded-proto"] = "https" if request.secure else "http"
    headers["x-forwarded-port"] = request.host.rpartition(":")[2] if ":" in request.host else ("443" if request.secure else "80")
    path = request.path or "/"  # As it was sent: function URLs decode no paths, HTTP APIs do.
    account = site.found.target.account
    context: dict[str, Any] = {
        "accountId": account if caller.kind == "anonymous" else caller.account,
        "apiId": site.url_id,
        "domainName": request.host.partition(":")[0],
        "domainPrefix": site.url_id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.remote,
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": datetime.fromtimestamp(now // SECOND, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": now // 1_000_000,
    }
    if caller.kind == "anonymous":
        context["accountId"] = "anonymous"
    else:
        iam = {
            "accessKey": caller.access_key_id,
            "accountId": caller.account,
            "callerId": caller.principal_id,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": caller.arn,
            "userId": caller.principal_id,
        }
        context["authorizer"] = {"iam": iam}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if "cookie" in request.headers:
        event["cookies"] = [one.strip() for one in request.headers["cookie"].split(";") if one.strip()]
    if request.query:
        joined: dict[str, str] = {}
        for name, value in parse_qsl(request.query, keep_blank_values=True):
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        event["queryStringParameters"] = joined
    if body:
        text = _as_text(body, request.headers.get("content-type", ""))
        event["isBase64Encoded"] = text is None
        event["body"] = b64encode(body).decode() if text is None else text
    return event


def _as_text(body: bytes, content_type: str) -> str | None:
    """The body of a textual type; None for others, which travel in base64."""
    kind = content_type.partition(";")[0].strip().lower()
    if not (kind.startswith(_TEXT_TYPES) or kind.endswith(("+json", "+xml"))):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _cors_headers(config: UrlConfig, request: HttpRequest, *, preflight: bool) -> dict[str, str]:
    """The headers that let a browser in, if its origin is one of those that the URL names."""
    cors: dict[str, Any] = config.cors or {}
    origin = request.headers.get("origin")
    allowed: list[str] = cors.get("AllowOrigins", [])
    if origin is None or not ("*" in allowed or origin in allowed):
        return {}
    headers = {"access-control-allow-origin": "*" if "*" in allowed and not cors.get("AllowCredentials") else origin, "vary": "Origin"}
    if cors.get("AllowCredentials"):
        headers["access-control-allow-credentials"] = "true"
    if cors.get("ExposeHeaders"):
        headers["access-control-expose-headers"] = ",".join(cors["ExposeHeaders"])
    if preflight:
        headers["access-control-allow-methods"] = ",".join(cors.get("AllowMethods", []))
        if cors.get("AllowHeaders"):
            headers["access-control-allow-headers"] = ",".join(cors["AllowHeaders"])
        if cors.get("MaxAge"):
            headers["access-control-max-age"] = str(cors["MaxAge"])
    return headers
