"""Create-, Get-, Update-, Delete- and ListFunctionUrlConfig(s)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import conflict, function_not_found, invalid, not_found
from haneul.services.lambda_.functions import read, resolve_in
from haneul.services.lambda_.names import LATEST, Target, function_resource, qualified_resource, target_of
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.records import UrlConfig, alias_key, function_key, url_index_key, url_key
from haneul.services.lambda_.times import iso_time
from haneul.store.keys import pack, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_METHODS = frozenset(("GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"))


def _conditions(call: Call, request: Shape) -> Mapping[str, Any]:
    return {"lambda:FunctionUrlAuthType": request["AuthType"]} if "AuthType" in request else {}


@operation("lambda:CreateFunctionUrlConfig", resource=qualified_resource, conditions=_conditions)
async def create_function_url_config(call: Call, request: Shape) -> Shape:
    """Give a function, or one of its aliases, a URL. AWS Lambda API Reference, CreateFunctionUrlConfig."""
    target = target_of(call, request)
    _check(request)

    def work(tx: Transaction) -> UrlConfig:
        _check_target(tx, target)
        if tx.get(url_key(target)) is not None:
            raise conflict(f"Failed to create function url config for [functionArn = {target.qualified_arn}]. Error message:  FunctionUrlConfig exists for this Lambda function")
        config = UrlConfig(call.cloud.ids.text(32, _ID_ALPHABET), request["AuthType"], call.now, call.now, request.get("Cors"), request.get("InvokeMode", "BUFFERED"))
        tx.put(url_key(target), encode(config))
        tx.put(url_index_key(config.url_id), encode([*target[:3], target.qualifier]))
        return config

    return _shown(call, target, await call.cloud.store.transact(work), modified=False)


@operation("lambda:GetFunctionUrlConfig", resource=qualified_resource)
async def get_function_url_config(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)
    config = read(call.cloud.store, url_key(target), UrlConfig)
    if config is None:
        raise _missing()
    return _shown(call, target, config)


@operation("lambda:UpdateFunctionUrlConfig", resource=qualified_resource, conditions=_conditions)
async def update_function_url_config(call: Call, request: Shape) -> Shape:
    """Change what a request names; the rest stays."""
    target = target_of(call, request)
    _check(request)

    def work(tx: Transaction) -> UrlConfig:
        config = read(tx, url_key(target), UrlConfig)
        if config is None:
            raise _missing()
        config.auth_type = request.get("AuthType", config.auth_type)
        config.invoke_mode = request.get("InvokeMode", config.invoke_mode)
        if "Cors" in request:
            config.cors = request["Cors"] or None
        config.last_modified = call.now
        tx.put(url_key(target), encode(config))
        return config

    return _shown(call, target, await call.cloud.store.transact(work))


@operation("lambda:DeleteFunctionUrlConfig", resource=qualified_resource)
async def delete_function_url_config(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)

    def work(tx: Transaction) -> None:
        config = read(tx, url_key(target), UrlConfig)
        if config is None:
            raise _missing()
        tx.delete(url_key(target))
        tx.delete(url_index_key(config.url_id))

    await call.cloud.store.transact(work)
    return {}


@operation("lambda:ListFunctionUrlConfigs", resource=function_resource)
async def list_function_url_configs(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)._replace(qualifier=None)
    resolve_in(call.cloud.store, target)

    def show(key: bytes, value: bytes) -> Shape:
        return _shown(call, target._replace(qualifier=str(unpack(key)[5]) or None), decode(value, UrlConfig))

    return page(call.cloud.store, pack((*target.space, "url", target.name)), request, "FunctionUrlConfigs", show)


def _check(request: Shape) -> None:
    for method in (request.get("Cors") or {}).get("AllowMethods", []):
        if method not in _METHODS:
            raise invalid(f"Value '{method}' at 'cors.allowMethods' failed to satisfy constraint: Member must satisfy enum value set: [{', '.join(sorted(_METHODS))}]")


def _check_target(tx: Transaction, target: Target) -> None:
    if target.qualifier == LATEST or (target.qualifier or "").isdigit():
        raise invalid("Function URLs can be made for $LATEST (without a qualifier) and for aliases.")
    if tx.get(function_key(target)) is None or (target.qualifier and tx.get(alias_key(target, target.qualifier)) is None):
        raise function_not_found(target.qualified_arn)


def _missing() -> Exception:
    return not_found("The resource you requested does not exist.")


def url_of(call: Call, target: Target, url_id: str) -> str:
    """The URL as it works here: names below localhost lead to this machine in browsers and most resolvers."""
    scheme = "https" if call.http is not None and call.http.secure else "http"
    return f"{scheme}://{url_id}.lambda-url.{target.region}.localhost:{call.cloud.settings.port}/"


def _shown(call: Call, target: Target, config: UrlConfig, *, modified: bool = True) -> Shape:
    out: Shape = {
        "FunctionUrl": url_of(call, target, config.url_id),
        "FunctionArn": target.qualified_arn,
        "AuthType": config.auth_type,
        "CreationTime": iso_time(config.created_at),
        "InvokeMode": config.invoke_mode,
    }
    if config.cors:
        out["Cors"] = config.cors
    if modified:
        out["LastModifiedTime"] = iso_time(config.last_modified)
    return out
