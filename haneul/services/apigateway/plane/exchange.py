"""One request to a deployed API, and what functions and authorizers get to see of it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from haneul.clock import MILLISECOND, SECOND, Ids
from haneul.core.caller import Caller
from haneul.core.http import HttpRequest
from haneul.core.ports import Shape
from haneul.services.apigateway.plane.compiled import Method, Stage

_DROPPED: Final = frozenset(
    ["connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate"]
)
# These come to functions in this form, however the client wrote them.
_CAPITALISED: Final = {"authorization": "Authorization", "user-agent": "User-Agent", "host": "Host", "x-forwarded-for": "X-Forwarded-For"}


@lru_cache(maxsize=2048)
def _header_name(raw: bytes) -> str | None:
    """A header's name as functions see it; None for those that are not handed on."""
    name = raw.decode("latin-1")
    lower = name.lower()
    return None if lower in _DROPPED else _CAPITALISED.get(lower, name)


@lru_cache(maxsize=4)
def _request_time(seconds: int) -> str:
    """`09/Apr/2015:12:34:56 +0000`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


class Exchange:
    """A request on its way through the gateway. `path` is what follows the stage, percent-encoded."""

    __slots__ = (
        "api_key",
        "api_key_id",
        "authorizer",
        "body",
        "caller",
        "extended_id",
        "headers",
        "integration_ms",
        "method",
        "multi_headers",
        "multi_query",
        "now",
        "path",
        "path_parameters",
        "query",
        "request",
        "request_id",
        "stage",
        "trace_id",
        "usage_key",
    )

    def __init__(self, request: HttpRequest, stage: Stage, path: str, ids: Ids, now: int) -> None:
        self.request = request
        self.stage = stage
        self.path = path
        self.now = now
        chance = ids.bytes(39).hex()
        self.request_id = f"{chance[:8]}-{chance[8:12]}-4{chance[13:16]}-{'89ab'[int(chance[16], 16) & 3]}{chance[17:20]}-{chance[20:32]}"
        self.extended_id = base64.b64encode(bytes.fromhex(chance[32:54])).decode()
        self.trace_id = request.headers.get("x-amzn-trace-id") or f"Root=1-{now // SECOND:08x}-{chance[54:78]}"
        self.body = request.body
        self.method: Method
        # How long the backend took, once it has been asked.
        self.integration_ms: float | None = None
        self.path_parameters: dict[str, str] = {}
        self.authorizer: Shape | None = None
        self.usage_key = ""
        self.caller: Caller | None = None
        self.api_key = ""
        self.api_key_id = ""
        self._read_headers()
        self._read_query()

    def _read_headers(self) -> None:
        request = self.request
        headers: dict[str, str] = {}
        multi: dict[str, list[str]] = {}
        for raw_name, raw_value in request.raw_headers():
            name = _header_name(raw_name)
            if name is None:
                continue
            value = raw_value.decode("utf-8", "replace")
            headers[name] = value
            if name in multi:
                multi[name].append(value)
            else:
                multi[name] = [value]
        forwarded = headers.get("X-Forwarded-For")
        secure = request.secure
        for name, value in (
            ("X-Amzn-Trace-Id", self.trace_id),
            ("X-Forwarded-For", f"{forwarded}, {request.remote}" if forwarded else request.remote),
            ("X-Forwarded-Port", request.host.rpartition(":")[2] if ":" in request.host else "443" if secure else "80"),
            ("X-Forwarded-Proto", "https" if secure else "http"),
        ):
            headers[name] = value
            multi[name] = [value]
        self.headers = headers
        self.multi_headers = multi

    def _read_query(self) -> None:
        self.query: dict[str, str] | None = None
        self.multi_query: dict[str, list[str]] | None = None
        query = self.request.query
        if not query:
            return
        pairs: Iterable[tuple[str, str]]
        if "%" in query or "+" in query:
            pairs = parse_qsl(query, keep_blank_values=True)
        else:  # Nothing to decode, as in most queries.
            pairs = [(name, value) for name, _, value in [part.partition("=") for part in query.split("&")] if name or value]
        multi: dict[str, list[str]] = {}
        for name, value in pairs:
            if name in multi:
                multi[name].append(value)
            else:
                multi[name] = [value]
        if multi:
            self.multi_query = multi
            self.query = {name: values[-1] for name, values in multi.items()}

    @property
    def routed(self) -> Method | None:
        """The method that answers, None as long as it is not found: a request for none is refused."""
        return getattr(self, "method", None)

    @property
    def method_arn(self) -> str:
        """What permissions to call this method, and the function's permission for it, are about."""
        stage = self.stage
        return f"arn:aws:execute-api:{stage.home.region}:{stage.home.account}:{stage.api_id}/{stage.name}/{self.request.method}{self.path.rstrip('/') or '/'}"

    @property
    def source_arn(self) -> str:
        """Whom an invoked function is told to be invoked by: the resource's path as declared, not as requested."""
        stage = self.stage
        return f"arn:aws:execute-api:{stage.home.region}:{stage.home.account}:{stage.api_id}/{stage.name}/{self.request.method}{_declared(self.method.resource_path)}"

    def context(self) -> Shape:
        """`requestContext` of the event, `$context` of templates."""
        request, stage, caller = self.request, self.stage, self.caller
        method = self.routed
        host = request.host
        identity: Shape = {
            "cognitoIdentityPoolId": None,
            "accountId": None,
            "cognitoIdentityId": None,
            "caller": None,
            "sourceIp": request.remote,
            "principalOrgId": None,
            "accessKey": None,
            "cognitoAuthenticationType": None,
            "cognitoAuthenticationProvider": None,
            "userArn": None,
            "userAgent": request.headers.get("user-agent"),
            "user": None,
        }
        if caller is not None:
            identity.update(accountId=caller.account, caller=caller.principal_id, accessKey=caller.access_key_id, userArn=caller.arn, user=caller.principal_id)
        if self.api_key:
            identity.update(apiKey=self.api_key, apiKeyId=self.api_key_id)
        made: Shape = {
            "resourceId": method.resource_id if method is not None else None,
            "resourcePath": method.resource_path if method is not None else "/",
            "httpMethod": request.method,
            "extendedRequestId": self.extended_id,
            "requestTime": _request_time(self.now // SECOND),
            "path": f"/{stage.name}{self.path}",
            "accountId": stage.home.account,
            "protocol": "HTTP/1.1",
            "stage": stage.name,
            "domainPrefix": stage.api_id,
            "requestTimeEpoch": self.now // MILLISECOND,
            "requestId": self.request_id,
            "identity": identity,
            "domainName": host.rpartition(":")[0] if ":" in host else host,
            "deploymentId": stage.deployment_id,
            "apiId": stage.api_id,
        }
        if self.authorizer is not None:
            made["authorizer"] = self.authorizer
        return made

    def event(self) -> Shape:
        """The event of a Lambda proxy integration, except for its body ("Input format of a Lambda function for proxy integration")."""
        return {
            "resource": self.method.resource_path,
            "path": self.path,
            "httpMethod": self.request.method,
            "headers": self.headers,
            "multiValueHeaders": self.multi_headers,
            "queryStringParameters": self.query,
            "multiValueQueryStringParameters": self.multi_query,
            "pathParameters": self.path_parameters or None,
            "stageVariables": self.stage.variables,
            "requestContext": self.context(),
        }

    def header(self, name: str) -> str | None:
        """A request header's value, whatever the case of its name."""
        return self.request.headers.get(name.lower())


def _declared(path: str) -> str:
    """A resource's path in a source ARN: variables are asterisks."""
    if "{" not in path:
        return path
    return "/".join("*" if step.startswith("{") else step for step in path.split("/"))

