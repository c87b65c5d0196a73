"""Who may call a method: the API's resource policy, IAM, API keys and usage plans.

Source: API Gateway Developer Guide, "How API Gateway resource policies affect authorization workflow", "Control access to a REST API with IAM
permissions" and "Usage plans and API keys for REST APIs".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from haneul.clock import SECOND
from haneul.clock.buckets import Buckets
from haneul.core.caller import ANONYMOUS, Caller
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.apigateway.api_keys import digest
from haneul.services.apigateway.plane.exchange import Exchange
from haneul.services.apigateway.plane.refusals import Refusal, access_denied, forbidden, missing_token, quota_exceeded, throttled
from haneul.services.apigateway.plane.usage import UsageCounters
from haneul.services.apigateway.records import Home, key, load
from haneul.store.keys import prefix_range, unpack
from haneul.store.records import decode

# Requests are signed for "execute-api"; this is the model that carries the name.
_SIGNING_MODEL = "apigatewaymanagementapi"
_INVOKE = "execute-api:Invoke"
_SIGNATURE_PROBLEMS = {
    "ExpiredTokenException": ("EXPIRED_TOKEN", "ExpiredTokenException"),
    "MissingAuthenticationTokenException": ("MISSING_AUTHENTICATION_TOKEN", "MissingAuthenticationTokenException"),
    "IncompleteSignatureException": ("INVALID_SIGNATURE", "IncompleteSignatureException"),
    "UnrecognizedClientException": ("ACCESS_DENIED", "UnrecognizedClientException"),
}


def conditions(exchange: Exchange) -> dict[str, Any]:
    """The condition keys of a request to an API."""
    request, seconds = exchange.request, exchange.now // SECOND
    found: dict[str, Any] = {
        "aws:currenttime": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(seconds),
        "aws:requestedregion": exchange.stage.home.region,
        "aws:sourceip": request.remote,
        "aws:securetransport": "true" if request.secure else "false",
    }
    for name, header in (("aws:useragent", "user-agent"), ("aws:referer", "referer")):
        if header in request.headers:
            found[name] = request.headers[header]
    return found


def _masked(message: str, home: Home) -> str:
    """Denials do not show strangers the account of the API."""
    start = f"arn:aws:execute-api:{home.region}:"
    return message.replace(f"{start}{home.account}:", f"{start}********{home.account[-4:]}:")


def check_policy(cloud: Cloud, exchange: Exchange) -> None:
    """The API's resource policy for callers that are not known by IAM: it must allow them."""
    stage = exchange.stage
    if stage.policy is None:
        return
    try:
        cloud.authority.authorize(
            ANONYMOUS,
            _INVOKE,
            (exchange.method_arn,),
            conditions(exchange),
            resource_policy=stage.policy,
            resource_account=stage.home.account,
            resource_policy_required=True,
        )
    except AccessDenied as denied:
        raise access_denied(_masked(denied.message, stage.home)) from None


def policy_allows(cloud: Cloud, exchange: Exchange) -> bool:
    """Whether the API's resource policy by itself lets in a caller about whom an authorizer decides. What it denies explicitly is refused before the
    authorizer is asked; where it is silent, the authorizer decides alone (the outcome table A of the page on resource policies)."""
    if exchange.stage.policy is None:
        return False
    try:
        check_policy(cloud, exchange)
    except Refusal as refused:
        if "explicit deny" in (refused.message or ""):
            raise
        return False
    return True


def authorize_iam(cloud: Cloud, exchange: Exchange) -> Caller:
    """The caller who signed the request, if IAM and the resource policy let him invoke the method."""
    try:
        identity = cloud.authority.authenticate(exchange.request, _SIGNING_MODEL)
    except ServiceError as error:
        kind, error_type = _SIGNATURE_PROBLEMS.get(error.code, ("INVALID_SIGNATURE", error.code))
        raise Refusal(kind, error.message, error_type, 403) from None
    caller = identity.caller
    if caller.kind == "anonymous":
        raise missing_token()
    stage = exchange.stage
    try:
        cloud.authority.authorize(
            caller, _INVOKE, (exchange.method_arn,), conditions(exchange), resource_policy=stage.policy, resource_account=stage.home.account
        )
    except AccessDenied as denied:
        raise access_denied(_masked(denied.message, stage.home)) from None
    return caller


def no_such_method(cloud: Cloud, exchange: Exchange) -> Refusal:
    """The refusal of a request for no resource or method: first of its Authorization header, where that is none of a signature."""
    if "authorization" in exchange.request.headers:
        try:
            cloud.authority.authenticate(exchange.request, _SIGNING_MODEL)
        except ServiceError as error:
            if error.code == "IncompleteSignatureException":
                return Refusal("MISSING_AUTHENTICATION_TOKEN", error.message, error.code, 403)
    return missing_token()


class KeyRing:
    """API keys and usage plans as requests meet them, remembered until something changes."""

    def __init__(self, cloud: Cloud, buckets: Buckets) -> None:
        self._cloud = cloud
        self._buckets = buckets
        self.counters = UsageCounters(cloud.store, cloud.clock)
        self._found: dict[tuple[str, str, str, str], tuple[str, Shape] | None] = {}

    def forget(self) -> None:
        """Something about keys or plans has changed."""
        self._found.clear()

    def check(self, exchange: Exchange) -> None:
        """Let the request through if its key is on a plan for the stage and within the plan's limits."""
        stage = exchange.stage
        value = exchange.usage_key if stage.api.get("apiKeySource") == "AUTHORIZER" else exchange.header("x-api-key") or ""
        if not value:
            raise forbidden()
        place = (stage.home.account, stage.home.region, f"{stage.api_id}:{stage.name}", digest(value))
        if place in self._found:
            found = self._found[place]
        else:
            found = self._look_up(exchange, digest(value))
            if len(self._found) < 10_000 or found is not None:  # Guessed keys must not fill the memory.
                self._found[place] = found
        if found is None:
            raise forbidden()
        key_id, plan = found
        exchange.api_key, exchange.api_key_id = value, key_id
        self._check_rate(exchange, plan, key_id)
        if not self.counters.take(stage.home, plan, key_id):
            raise quota_exceeded()

    def _look_up(self, exchange: Exchange, hashed: str) -> tuple[str, Shape] | None:
        store, home, stage = self._cloud.store, exchange.stage.home, exchange.stage
        value = store.get(key(home, "key-value", hashed))
        if value is None:
            return None
        key_id = decode(value, str)
        document = load(store, home, "key", key_id)
        if document is None or not document["enabled"]:
            return None
        for row, _ in store.iterate(*prefix_range(key(home, "key-plan", key_id))):
            plan = load(store, home, "plan", str(unpack(row)[-1]))
            if plan is not None and any((one["apiId"], one["stage"]) == (stage.api_id, stage.name) for one in plan["apiStages"]):
                return key_id, plan
        return None

    def _check_rate(self, exchange: Exchange, plan: Shape, key_id: str) -> None:
        stage, method = exchange.stage, exchange.method
        limits = plan.get("throttle")
        name: tuple[object, ...] = (plan["id"], key_id)
        for one in plan["apiStages"]:
            if (one["apiId"], one["stage"]) == (stage.api_id, stage.name):
                own = next((one["throttle"][name] for name in method.limit_names if name in one.get("throttle", {})), None)
                if own is not None:
                    limits, name = own, (plan["id"], key_id, stage.api_id, stage.name, method.limit_names[0])
        if limits and not self._buckets.take(name, float(limits.get("rateLimit", 0.0)), int(limits.get("burstLimit", 0))):
            raise throttled()
