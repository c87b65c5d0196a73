"""Recursion and runtime management settings of functions."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import function_not_found, invalid
from haneul.services.lambda_.functions import read, resolve_in
from haneul.services.lambda_.names import LATEST, Target, function_resource, qualified_resource, target_of
from haneul.services.lambda_.records import Function, Version, function_key, version_key
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.shapes import runtime_version_arn
from haneul.store.port import Transaction
from haneul.store.records import encode


@operation("lambda:PutFunctionRecursionConfig", resource=function_resource)
async def put_function_recursion_config(call: Call, request: Shape) -> Shape:
    """Whether a loop that a function is part of is ended (Terminate) or goes on (Allow). AWS Lambda API Reference, PutFunctionRecursionConfig."""
    target = target_of(call, request)._replace(qualifier=None)
    wanted: str = request["RecursiveLoop"]

    def work(tx: Transaction) -> None:
        function = read(tx, function_key(target), Function)
        if function is None:
            raise function_not_found(target.arn)
        function.recursive_loop = wanted
        tx.put(function_key(target), encode(function))

    await call.cloud.store.transact(work)
    return {"RecursiveLoop": wanted}


@operation("lambda:GetFunctionRecursionConfig", resource=function_resource)
async def get_function_recursion_config(call: Call, request: Shape) -> Shape:
    found = call.service(Lambda).functions.resolve(target_of(call, request)._replace(qualifier=None))
    return {"RecursiveLoop": found.function.recursive_loop}


@operation("lambda:PutRuntimeManagementConfig", resource=qualified_resource)
async def put_runtime_management_config(call: Call, request: Shape) -> Shape:
    """When a version moves to a newer build of its runtime. A machine has one build of each, so the only one that can be named is that one.

    AWS Lambda API Reference, PutRuntimeManagementConfig.
    """
    target = target_of(call, request)
    wanted, arn = request["UpdateRuntimeOn"], request.get("RuntimeVersionArn", "")
    if wanted == "Manual" and not arn:
        raise invalid("RuntimeVersionArn is required when UpdateRuntimeOn is set to Manual.")
    if wanted != "Manual" and arn:
        raise invalid("RuntimeVersionArn must be empty when UpdateRuntimeOn is not set to Manual.")

    def work(tx: Transaction) -> Version:
        version = resolve_in(tx, target).version
        if arn and arn != runtime_version_arn(target.region, version.runtime):
            raise invalid(f"The runtime version {arn} is not available for {version.runtime}.")
        version.runtime_updates, version.runtime_version_arn = wanted, arn
        tx.put(version_key(target, version.number), encode(version))
        return version

    return _runtime_management(target, await call.cloud.store.transact(work))


@operation("lambda:GetRuntimeManagementConfig", resource=qualified_resource)
async def get_runtime_management_config(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)
    return _runtime_management(target, call.service(Lambda).functions.resolve(target).version)


def _runtime_management(target: Target, version: Version) -> Shape:
    out = {"UpdateRuntimeOn": version.runtime_updates, "FunctionArn": target._replace(qualifier=target.qualifier or LATEST).qualified_arn}
    if version.runtime_version_arn:
        out["RuntimeVersionArn"] = version.runtime_version_arn
    return out
