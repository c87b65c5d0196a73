"""Lambda authorizers: functions of the API's owner that decide about requests, and the memory of their decisions.

Source: API Gateway Developer Guide, "Use API Gateway Lambda authorizers".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from haneul.core.caller import ANONYMOUS
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied
from haneul.core.ports import Shape
from haneul.services.apigateway.plane.access import conditions
from haneul.services.apigateway.plane.compiled import Authorizer
from haneul.services.apigateway.plane.exchange import Exchange
from haneul.services.apigateway.plane.invoking import FunctionFailed, Invoker
from haneul.services.apigateway.plane.refusals import access_denied, authorizer_failed, authorizer_misconfigured, unauthorized

_REMEMBERED_MAX = 10_000
_TIMEOUT_NS = 29_000_000_000

Place = tuple[str, str, str, tuple[str, ...]]


class Decision(NamedTuple):
    """What an authorizer said, until when it holds (nanoseconds), and how long it took (milliseconds)."""

    policy: str
    context: Shape
    usage_key: str
    until: int


class Deciders:
    """Asks authorizers, and remembers what they said for as long as they allow."""

    def __init__(self, cloud: Cloud, invoker: Invoker) -> None:
        self._cloud = cloud
        self._invoker = invoker
        self._decisions: dict[Place, Decision] = {}

    def forget(self, api_id: str | None = None, stage: str | None = None) -> None:
        """Ask anew from now on (about one stage, or everything)."""
        self._decisions = {place: one for place, one in self._decisions.items() if api_id is not None and place[:2] != (api_id, stage)}

    async def decide(self, exchange: Exchange, authorizer: Authorizer, *, allowed: bool) -> None:
        """Let the request through, or refuse it; the authorizer's context goes with it. `allowed` by the API's resource policy it needs no allow here."""
        values = _identity(exchange, authorizer)
        stage = exchange.stage
        place = (stage.api_id, stage.name, authorizer.id, tuple(values))
        now = self._cloud.clock.now()
        decision = self._decisions.get(place) if authorizer.ttl else None
        if decision is None or decision.until <= now:
            decision = await self._ask(exchange, authorizer, values)
            if authorizer.ttl:
                if len(self._decisions) >= _REMEMBERED_MAX:
                    self._decisions = {key: one for key, one in self._decisions.items() if one.until > now}
                if len(self._decisions) >= _REMEMBERED_MAX:
                    self._decisions.clear()
                self._decisions[place] = decision
        self._apply(exchange, decision, allowed)

    def _apply(self, exchange: Exchange, decision: Decision, allowed: bool) -> None:
        try:
            self._cloud.authority.authorize(
                ANONYMOUS,
                "execute-api:Invoke",
                (exchange.method_arn,),
                conditions(exchange),
                resource_policy=decision.policy,
                resource_account=exchange.stage.home.account,
                resource_policy_required=True,
            )
        except AccessDenied as denied:
            explicit = " with an explicit deny" if "explicit deny" in denied.message else ""
            if explicit or not allowed:
                raise access_denied(f"User is not authorized to access this resource{explicit}") from None
        exchange.authorizer = decision.context
        exchange.usage_key = decision.usage_key

    async def _ask(self, exchange: Exchange, authorizer: Authorizer, values: list[str]) -> Decision:
        stage = exchange.stage
        event: Shape = {"type": authorizer.kind, "methodArn": exchange.method_arn}
        if authorizer.kind == "TOKEN":
            event["authorizationToken"] = values[0]
        else:
            event.update(exchange.event())
        source = f"arn:aws:execute-api:{stage.home.region}:{stage.home.account}:{stage.api_id}/authorizers/{authorizer.id}"
        clock = self._cloud.clock
        began = clock.now()
        try:
            payload = await self._invoker.invoke(authorizer.function, orjson.dumps(event), source, stage.home, _TIMEOUT_NS)
        except FunctionFailed as failed:
            raise (unauthorized() if failed.message == "Unauthorized" else authorizer_failed()) from None
        answer = _parsed(payload)
        latency = (clock.now() - began) // 1_000_000
        context = {name: _text(value) for name, value in (answer.get("context") or {}).items()}
        context.update(principalId=answer["principalId"], integrationLatency=latency)
        return Decision(_as_resource_policy(answer["policyDocument"]), context, answer.get("usageIdentifierKey") or "", clock.now() + authorizer.ttl)


def _identity(exchange: Exchange, authorizer: Authorizer) -> list[str]:
    """The values that tell callers apart. Without them the request is unauthorized and no function is asked."""
    values: list[str] = []
    for source in authorizer.sources:
        kind, _, name = source.rpartition(".")
        value: Any
        if kind == "method.request.header":
            value = exchange.header(name)
        elif kind == "method.request.querystring":
            value = (exchange.query or {}).get(name)
        elif kind == "stageVariables":
            value = (exchange.stage.variables or {}).get(name)
        else:
            value = exchange.context()
            for step in source.removeprefix("context.").split("."):
                value = value.get(step) if isinstance(value, dict) else None
        if not value:
            raise unauthorized()
        values.append(str(value))
    if authorizer.kind == "TOKEN" and authorizer.validation is not None and not authorizer.validation.fullmatch(values[0]):
        raise unauthorized()
    return values


def _parsed(payload: bytes) -> Shape:
    """An authorizer's answer, if it has the form that it must have."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise authorizer_misconfigured() from None
    if not isinstance(answer, dict) or not isinstance(answer.get("principalId"), str) or not isinstance(answer.get("policyDocument"), dict):
        raise authorizer_misconfigured()
    context = answer.get("context")
    if context is not None and (not isinstance(context, dict) or any(isinstance(value, (dict, list)) for value in context.values())):
        raise authorizer_misconfigured()
    return answer


def _as_resource_policy(document: Shape) -> str:
    """An authorizer's policy names nobody, for it is about the caller: as a resource's policy it is about everybody."""
    statements = document.get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        raise authorizer_misconfigured()
    return orjson.dumps({"Version": document.get("Version", "2012-10-17"), "Statement": [{**one, "Principal": "*"} for one in statements]}).decode()


def _text(value: Any) -> Any:
    """Values of an authorizer's context reach the integration as text."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
