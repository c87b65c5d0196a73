"""Put-, Update-, Get-, Delete- and ListFunctionEventInvokeConfig(s): how asynchronous invocations are treated."""

from __future__ import annotations

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.destinations import SERVICES, Sending, check_destination, check_may_send
from haneul.services.lambda_.errors import invalid, not_found
from haneul.services.lambda_.functions import Resolution, read, resolve_in
from haneul.services.lambda_.names import LATEST, Target, function_resource, qualified_resource, target_of
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.records import InvokeConfig, invoke_config_key
from haneul.services.lambda_.service import Lambda
from haneul.store.keys import pack, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode


@operation("lambda:PutFunctionEventInvokeConfig", resource=qualified_resource, partial="no destinations in EventBridge")
async def put_event_invoke_config(call: Call, request: Shape) -> Shape:
    """Set all; what a request leaves out returns to its default."""
    return await _write(call, request, keep=False)


@operation("lambda:UpdateFunctionEventInvokeConfig", resource=qualified_resource, partial="no destinations in EventBridge")
async def update_event_invoke_config(call: Call, request: Shape) -> Shape:
    """Change what a request names; the rest stays."""
    return await _write(call, request, keep=True)


async def _write(call: Call, request: Shape, *, keep: bool) -> Shape:
    target = target_of(call, request)
    if all(request.get(name) is None for name in ("DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")):
        raise invalid("You must specify at least one of error handling or destination setting.")
    found = call.service(Lambda).functions.resolve(target)
    destinations = request.get("DestinationConfig")
    success = _destination(call, found, destinations, "OnSuccess")
    failure = _destination(call, found, destinations, "OnFailure")

    def work(tx: Transaction) -> InvokeConfig:
        resolve_in(tx, target)
        known = read(tx, invoke_config_key(target), InvokeConfig)
        if keep and known is None:
            raise _missing(target)
        config = known if keep and known is not None else InvokeConfig(0)
        config.retries = request.get("MaximumRetryAttempts", config.retries)
        config.age_seconds = request.get("MaximumEventAgeInSeconds", config.age_seconds)
        if destinations is not None:
            config.on_success, config.on_failure = success, failure
        config.last_modified = call.now
        tx.put(invoke_config_key(target), encode(config))
        return config

    return _shown(target, await call.cloud.store.transact(work))


def _destination(call: Call, found: Resolution, destinations: Shape | None, name: str) -> str | None:
    arn: str = ((destinations or {}).get(name) or {}).get("Destination", "")
    if not arn:
        return None
    parsed = parse_arn(arn)
    if parsed is None or parsed.service not in SERVICES:
        raise invalid(f"The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination={arn})) is invalid.")
    check_destination(call, arn)
    if parsed.service == "s3" and name == "OnSuccess":
        raise invalid("S3 buckets are supported as on-failure destinations only.")
    if parsed.service == "lambda" and parsed.resource == f"function:{found.target.name}":
        raise invalid("You can't specify the function as a destination for itself.")

    def refusal(sending: Sending) -> str:
        return f"The function's execution role does not have permissions to call {sending.action} on {arn}"

    check_may_send(call, found.version.role, found.target.name, arn, refusal)
    return arn


@operation("lambda:GetFunctionEventInvokeConfig", resource=qualified_resource)
async def get_event_invoke_config(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)
    found = read(call.cloud.store, invoke_config_key(target), InvokeConfig)
    if found is None:
        raise _missing(target)
    return _shown(target, found)


@operation("lambda:DeleteFunctionEventInvokeConfig", resource=qualified_resource)
async def delete_event_invoke_config(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)

    def work(tx: Transaction) -> None:
        if tx.get(invoke_config_key(target)) is None:
            raise _missing(target)
        tx.delete(invoke_config_key(target))

    await call.cloud.store.transact(work)
    return {}


@operation("lambda:ListFunctionEventInvokeConfigs", resource=function_resource)
async def list_event_invoke_configs(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)._replace(qualifier=None)
    resolve_in(call.cloud.store, target)

    def show(key: bytes, value: bytes) -> Shape:
        return _shown(target._replace(qualifier=str(unpack(key)[5])), decode(value, InvokeConfig))

    return page(call.cloud.store, pack((*target.space, "invoke-config", target.name)), request, "FunctionEventInvokeConfigs", show)


def _missing(target: Target) -> Exception:
    return not_found(f"The function {target.arn}:{target.qualifier or LATEST} doesn't have an EventInvokeConfig")


def _shown(target: Target, config: InvokeConfig) -> Shape:
    out: Shape = {
        "LastModified": config.last_modified,
        "FunctionArn": f"{target.arn}:{target.qualifier or LATEST}",
        "DestinationConfig": {
            "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
            "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
        },
    }
    if config.retries is not None:
        out["MaximumRetryAttempts"] = config.retries
    if config.age_seconds is not None:
        out["MaximumEventAgeInSeconds"] = config.age_seconds
    return out
