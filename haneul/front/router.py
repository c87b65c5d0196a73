"""Which part of the cloud a request is for, by its host, path, headers and signature scope."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from haneul.core.http import HttpRequest
from haneul.front.hosts import Host, read_host

_QUERY_VERSIONS: Final = {
    "2010-05-08": "iam",
    "2011-06-15": "sts",
    "2012-11-05": "sqs",
    "2010-03-31": "sns",
    "2010-08-01": "cloudwatch",
    "2010-05-15": "cloudformation",
    "2016-11-15": "ec2",
    "2010-12-01": "ses",
    "2014-10-31": "rds",
    "2015-02-02": "elasticache",
    "2015-12-01": "elbv2",
}
_PATHS: Final = (
    (re.compile(r"^/20\d\d-\d\d-\d\d/(?:functions|layers|event-source-mappings|code-signing-configs|account-settings|tags|runtime)"), "lambda"),
    (re.compile(r"^/(?:restapis|apikeys|usageplans|domainnames|vpclinks|account|clientcertificates)(?:/|$)"), "apigateway"),
    (re.compile(r"^/(?:\d{12})/[A-Za-z0-9_-]+(?:\.fifo)?/?$"), "sqs"),
)
_USER_REQUEST: Final = re.compile(r"^/restapis/(?P<api>[a-z0-9]+)/(?P<rest>[^/]+/_user_request_.*)$")
_EXECUTE_API: Final = re.compile(r"^/_aws/execute-api/(?P<api>[a-z0-9]+)(?P<rest>/.*)?$")
_LAMBDA_URL: Final = re.compile(r"^/_aws/lambda-url/(?P<id>[a-z0-9]+)(?P<rest>/.*)?$")
_CERTIFICATE: Final = re.compile(r"^/(SimpleNotificationService-[0-9a-f]{32}\.pem)$")
# Links in notifications of SNS, which say no more than what they do.
_NOTIFICATION_LINK: Final = re.compile(r"^Action=(?:ConfirmSubscription|Unsubscribe)&")
_VERSION: Final = re.compile(r"(?:^|&)Version=([0-9-]+)(?:&|$)")
_CREDENTIAL_QUERY: Final = re.compile(r"X-Amz-Credential=[^&]*?(?:%2F|/)([a-z0-9-]+)(?:%2F|/)aws4_request", re.IGNORECASE)


class Route(NamedTuple):
    """`kind`: "aws" (an API call of `name`), "admin", "api", "function", "website", "issuer", "certificate", "registry" (`account/region`, or empty), or "unknown" (a service that is not here)."""

    kind: str
    name: str
    region: str = ""


@dataclass(frozen=True)
class Endpoint:
    """How a service's requests are recognised."""

    service: str
    signing_name: str
    endpoint_prefix: str
    target_prefix: str


class Router:
    """Routes by what the registered services' models say."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._targets: dict[str, Route] = {}
        self._signing: dict[str, str] = {}
        self._hosts: dict[str, str] = {}
        for one in endpoints:
            if one.target_prefix:
                self._targets[one.target_prefix] = Route("aws", one.service)
            # Where two services share a name (DynamoDB and its streams), the one that is called like it stands for both.
            for table, name in ((self._signing, one.signing_name), (self._hosts, one.endpoint_prefix)):
                if name not in table or one.service == name:
                    table[name] = one.service
        self._services = frozenset(self._signing.values()) | {route.name for route in self._targets.values()}

    def route(self, request: HttpRequest) -> Route:
        """Where the request goes. A virtual-hosted S3 request gets its bucket into the path; an API's path-style prefix is cut off."""
        path = request.path
        if path.startswith("/_"):
            if path.startswith("/_haneul/"):
                return Route("admin", path[9:])
            if found := _EXECUTE_API.match(path):
                request.path = found["rest"] or "/"
                return Route("api", found["api"])
            if found := _LAMBDA_URL.match(path):
                request.path = found["rest"] or "/"
                return Route("function", found["id"])
        target = request.headers.get("x-amz-target")
        if target is not None:
            known = self._targets.get(target.rpartition(".")[0])
            if known is not None:
                return known
        host = read_host(request.host)
        if host.kind in ("api", "function", "website", "issuer"):
            return Route(host.kind, host.name, host.region)
        if host.kind == "registry":
            return Route("registry", f"{host.name}/{host.region}", host.region)
        if path.startswith("/v2") and _is_registry(request, host):
            return Route("registry", "")
        if path.startswith("/restapis/") and (found := _USER_REQUEST.match(path)):
            request.path = "/" + found["rest"].replace("/_user_request_", "", 1)
            return Route("api", found["api"])
        if host.kind != "bucket" and (found := _CERTIFICATE.match(path)):
            return Route("certificate", found[1])
        return self._api_call(request, host)

    def _api_call(self, request: HttpRequest, host: Host) -> Route:
        signed_for = _signed_for(request)
        if host.kind == "bucket" and signed_for in (None, "s3"):
            # The router is the one place that knows of virtual-hosted buckets: behind it every S3 request is path-style.
            request.path = f"/{host.name}{request.path}"
            return Route("aws", "s3", host.region)
        if signed_for is not None:
            service = self._signing.get(signed_for)
            if service is None and signed_for == "execute-api":
                return Route("unknown", "execute-api on this host")
            return Route("aws", service) if service is not None else Route("unknown", signed_for)
        if host.kind == "service":
            service = self._hosts.get(host.name) or (host.name if host.name in self._services else None)
            if service is not None:
                return Route("aws", service, host.region)
        if (target := request.headers.get("x-amz-target")) is not None:
            return Route("unknown", target.rpartition(".")[0])  # Not signed, as Cognito's sign-in is not: nothing else tells whose it is.
        if request.path == "/" and _NOTIFICATION_LINK.match(request.query) and "sns" in self._services:
            return Route("aws", "sns")
        version = _query_version(request)
        if version is not None and version in _QUERY_VERSIONS:
            name = _QUERY_VERSIONS[version]
            return Route("aws", name) if name in self._services else Route("unknown", name)
        for pattern, name in _PATHS:
            if pattern.match(request.path) and name in self._services:
                return Route("aws", name)
        return Route("aws", "s3") if "s3" in self._services else Route("unknown", "s3")


def _is_registry(request: HttpRequest, host: Host) -> bool:
    """Whether a path below /v2/ is the registry's: its clients sign nothing, other services' do, and buckets with a host of their own hold what they like."""
    if request.path[3:4] not in ("", "/") or host.kind == "bucket":
        return False
    return not request.headers.get("authorization", "").startswith("AWS4-") and "X-Amz-" not in request.query


def _signed_for(request: HttpRequest) -> str | None:
    authorization = request.headers.get("authorization")
    if authorization is not None:
        # Key, day, region, service and terminator: no more than this is looked at before the signature is.
        parts = authorization.partition("Credential=")[2].partition(",")[0].rsplit("/", 4)
        return parts[3] if len(parts) == 5 and parts[3] and parts[4].startswith("aws4_request") else None
    if "X-Amz-Credential" in request.query:
        found = _CREDENTIAL_QUERY.search(request.query)
        return found[1] if found else None
    return None


def _query_version(request: HttpRequest) -> str | None:
    text = request.query
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        text = request.body.decode("latin-1")  # All of it: some SDKs put the version behind a SAML assertion.
    found = _VERSION.search(text)
    return found[1] if found is not None else None
