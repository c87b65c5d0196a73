"""CreateAlias, GetAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import conflict, function_not_found, invalid, precondition_failed
from haneul.services.lambda_.functions import alias_in, resolve_in
from haneul.services.lambda_.names import LATEST, Target, function_resource, target_of
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.records import Alias, UrlConfig, alias_key, function_key, provisioned_key, url_index_key, version_key
from haneul.store.keys import pack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_KINDS = ("policy", "invoke-config", "url")


@operation("lambda:CreateAlias", resource=function_resource)
async def create_alias(call: Call, request: Shape) -> Shape:
    """Name a version. AWS Lambda API Reference, CreateAlias."""
    target = target_of(call, request)._replace(qualifier=None)
    name = request["Name"]

    def work(tx: Transaction) -> Alias:
        resolve_in(tx, target)
        if tx.get(alias_key(target, name)) is not None:
            raise conflict(f"Alias already exists: {target.arn}:{name}")
        alias = Alias(name, _existing(tx, target, request["FunctionVersion"]), call.cloud.ids.uuid(), request.get("Description", ""))
        alias.weights = _weights(tx, target, alias, request.get("RoutingConfig"))
        tx.put(alias_key(target, name), encode(alias))
        return alias

    return _shown(target, await call.cloud.store.transact(work))


@operation("lambda:GetAlias", resource=function_resource)
async def get_alias(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)
    return _shown(target, alias_in(call.cloud.store, target, request["Name"]))


@operation("lambda:UpdateAlias", resource=function_resource)
async def update_alias(call: Call, request: Shape) -> Shape:
    """Point an alias elsewhere, or change its weights. What a request leaves out stays."""
    target = target_of(call, request)._replace(qualifier=None)

    def work(tx: Transaction) -> Alias:
        alias = alias_in(tx, target, request["Name"])
        if request.get("RevisionId") not in (None, alias.revision_id):
            raise precondition_failed()
        if "FunctionVersion" in request:
            alias.version = _existing(tx, target, request["FunctionVersion"])
        alias.description = request.get("Description", alias.description)
        if "RoutingConfig" in request:
            alias.weights = _weights(tx, target, alias, request["RoutingConfig"])
            if alias.weights and tx.get(provisioned_key(target._replace(qualifier=alias.name))) is not None:
                raise invalid("Invalid alias configuration for Provisioned Concurrency")
        elif "FunctionVersion" in request:  # The weights that stay must still make sense beside it.
            alias.weights = _weights(tx, target, alias, {"AdditionalVersionWeights": alias.weights})
        alias.revision_id = call.cloud.ids.uuid()
        tx.put(alias_key(target, alias.name), encode(alias))
        return alias

    return _shown(target, await call.cloud.store.transact(work))


@operation("lambda:DeleteAlias", resource=function_resource)
async def delete_alias(call: Call, request: Shape) -> Shape:
    """Remove an alias, its policy, URL and settings. One that is not there counts as removed."""
    target = target_of(call, request)._replace(qualifier=None)

    def work(tx: Transaction) -> None:
        if tx.get(function_key(target)) is None:
            raise function_not_found(target.arn)
        tx.delete(alias_key(target, request["Name"]))
        tx.delete(provisioned_key(target._replace(qualifier=request["Name"])))
        for kind in _KINDS:
            key = pack((*target.space, kind, target.name, request["Name"]))
            value = tx.get(key)
            if kind == "url" and value is not None:
                tx.delete(url_index_key(decode(value, UrlConfig).url_id))
            tx.delete(key)

    await call.cloud.store.transact(work)
    return {}


@operation("lambda:ListAliases", resource=function_resource)
async def list_aliases(call: Call, request: Shape) -> Shape:
    """Aliases in the order of their names; FunctionVersion leaves those of one version."""
    target = target_of(call, request)._replace(qualifier=None)
    resolve_in(call.cloud.store, target)

    def show(_: bytes, value: bytes) -> Shape | None:
        alias = decode(value, Alias)
        return _shown(target, alias) if request.get("FunctionVersion") in (None, _qualifier(alias.version)) else None

    return page(call.cloud.store, pack((*target.space, "alias", target.name)), request, "Aliases", show)


def _qualifier(number: int) -> str:
    return str(number) if number else LATEST


def _existing(tx: Transaction, target: Target, qualifier: str) -> int:
    number = 0 if qualifier == LATEST else int(qualifier) if qualifier.isdigit() else -1
    if number < 0 or tx.get(version_key(target, number)) is None:
        raise function_not_found(f"{target.arn}:{qualifier}")
    return number


def _weights(tx: Transaction, target: Target, alias: Alias, routing: Shape | None) -> dict[str, float]:
    weights: dict[str, float] = (routing or {}).get("AdditionalVersionWeights") or {}
    if not weights:
        return {}
    if len(weights) > 1:
        raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    if alias.version == 0 or LATEST in weights:
        raise invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    for qualifier, weight in weights.items():
        if not 0.0 <= weight <= 1.0:
            raise invalid(f"Value '{{{qualifier}={weight}}}' at 'routingConfig.additionalVersionWeights' must be between 0.0 and 1.0")
        if qualifier == str(alias.version):
            raise invalid(f"Invalid function version {qualifier}. Function version {qualifier} is already included in routing configuration.")
        _existing(tx, target, qualifier)
    return dict(weights)


def _shown(target: Target, alias: Alias) -> Shape:
    out: Shape = {
        "AliasArn": f"{target.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": _qualifier(alias.version),
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        out["RoutingConfig"] = {"AdditionalVersionWeights": alias.weights}
    return out
