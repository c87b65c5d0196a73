"""AddPermission, RemovePermission, GetPolicy: resource policies of functions, one for each qualifier."""

from __future__ import annotations

import re
from typing import Any

import orjson

from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.absent import ABSENT
from haneul.services.lambda_.errors import conflict, invalid, not_found, precondition_failed
from haneul.services.lambda_.functions import policy_text, read, resolve_in
from haneul.services.lambda_.limits import POLICY_BYTES_MAX
from haneul.services.lambda_.names import LATEST, qualified_resource, target_of
from haneul.services.lambda_.records import Policy, policy_key
from haneul.store.port import Transaction
from haneul.store.records import encode

_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")
_ACTION = re.compile(r"(lambda:[*]|lambda:[a-zA-Z]+|[*])")
_ENTITY = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):(?P<kind>user|role)/(?:.*/)?(?P<name>[^/]+)")
_WRONG_PRINCIPAL = "The provided principal was invalid. Please check the principal and try again."
_PERMISSION_ONLY = ("InvokeFunctionUrl", "InvokeAsync", "EnableReplication", "DisableReplication")
"""Actions that no operation is named after ("Actions, resources, and condition keys for AWS Lambda")."""
_PRINCIPAL_ARN = re.compile(r"arn:aws[a-z-]*:(iam|sts)::\d{12}:.+")


def statement_of(request: Shape, resource: str, actions: str) -> dict[str, Any]:
    """The policy statement that the members of an AddPermission request describe."""
    conditions: dict[str, dict[str, Any]] = {}
    if "SourceAccount" in request:
        conditions.setdefault("StringEquals", {})["AWS:SourceAccount"] = request["SourceAccount"]
    if "EventSourceToken" in request:
        conditions.setdefault("StringEquals", {})["lambda:EventSourceToken"] = request["EventSourceToken"]
    if "FunctionUrlAuthType" in request:
        conditions.setdefault("StringEquals", {})["lambda:FunctionUrlAuthType"] = request["FunctionUrlAuthType"]
    if "PrincipalOrgID" in request:
        conditions.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = request["PrincipalOrgID"]
    if request.get("InvokedViaFunctionUrl") is not None:
        conditions.setdefault("Bool", {})["lambda:InvokedViaFunctionUrl"] = "true" if request["InvokedViaFunctionUrl"] else "false"
    if "SourceArn" in request:
        conditions.setdefault("ArnLike", {})["AWS:SourceArn"] = request["SourceArn"]
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(request["Principal"]),
        "Action": actions,
        "Resource": resource,
    }
    if conditions:
        statement["Condition"] = conditions
    return statement


def _principal(principal: str) -> Any:
    if principal == "*":
        return "*"
    if _SERVICE.fullmatch(principal):
        return {"Service": principal}
    if _ACCOUNT.fullmatch(principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if _PRINCIPAL_ARN.fullmatch(principal):
        return {"AWS": principal}
    raise invalid(_WRONG_PRINCIPAL)


def _check_action(call: Call, action: str) -> None:
    """An action must be one of Lambda's, or stand for all of them."""
    if _ACTION.fullmatch(action) is None:
        message = f"1 validation error detected: Value '{action}' at 'action' failed to satisfy constraint: Member must satisfy regular expression pattern: {_ACTION.pattern}"
        raise ServiceError("ValidationException", message, 400)
    known = {one.action for one in call.cloud.operations.values() if one.service == "lambda"} | {f"lambda:{name}" for name in (*ABSENT, *_PERMISSION_ONLY)}
    if action not in ("*", "lambda:*") and action.lower() not in {one.lower() for one in known}:
        raise invalid("The provided action was invalid. Please check the action and try again.")


async def _check_principal(call: Call, principal: str, account: str) -> None:
    """A user or role of the function's own account must be there; whether those of other accounts are is not ours to tell."""
    found = _ENTITY.fullmatch(principal)
    if found is None or found["account"] != account or "iam" not in call.cloud.services:
        return
    if found["kind"] == "role":
        exists = call.cloud.authority.role(principal) is not None
    else:
        owner = Caller(kind="root", account=account, arn=f"arn:aws:iam::{account}:root", principal_id=account)
        try:
            user = await call.invoke("iam:GetUser", {"UserName": found["name"]}, caller=owner, account=account)
            exists = user["User"]["Arn"] == principal
        except ServiceError:
            exists = False
    if not exists:
        raise invalid(_WRONG_PRINCIPAL)


@operation("lambda:AddPermission", resource=qualified_resource, conditions=lambda call, request: {"lambda:Principal": request["Principal"]})
async def add_permission(call: Call, request: Shape) -> Shape:
    """Allow somebody, or a service for its resource, to use a function. AWS Lambda API Reference, AddPermission."""
    target = target_of(call, request)
    if target.qualifier == LATEST:
        raise invalid("We currently do not support adding policies for $LATEST.")
    if request.get("FunctionUrlAuthType") and request["Action"] != "lambda:InvokeFunctionUrl":
        raise invalid("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action")
    if request.get("InvokedViaFunctionUrl") and request["Action"] != "lambda:InvokeFunction":
        raise invalid("InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action")
    _check_action(call, request["Action"])
    statement = statement_of(request, target.qualified_arn, request["Action"])
    await _check_principal(call, request["Principal"], target.account)

    def work(tx: Transaction) -> None:
        resolve_in(tx, target)
        policy = read(tx, policy_key(target), Policy) or Policy("")
        if request.get("RevisionId") not in (None, policy.revision_id):
            raise precondition_failed()
        if statement["Sid"] in policy.statements:
            raise conflict(f"The statement id ({statement['Sid']}) provided already exists. Please provide a new statement id, or remove the existing statement.")
        policy.statements[statement["Sid"]] = statement
        policy.revision_id = call.cloud.ids.uuid()
        size = len(policy_text(policy))
        if size > POLICY_BYTES_MAX:
            message = f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES_MAX})."
            raise ServiceError("PolicyLengthExceededException", message, 400, fields={"Type": "User"})
        tx.put(policy_key(target), encode(policy))

    await call.cloud.store.transact(work)
    return {"Statement": orjson.dumps(statement).decode()}


def take_statement(tx: Transaction, call: Call, request: Shape, key: bytes, policy: Policy) -> None:
    """Take the request's statement out of the policy at `key`, of a function or a layer; a policy without statements goes."""
    if request.get("RevisionId") not in (None, policy.revision_id):
        raise precondition_failed()
    if policy.statements.pop(request["StatementId"], None) is None:
        raise not_found(f"Statement {request['StatementId']} is not found in resource policy.")
    policy.revision_id = call.cloud.ids.uuid()
    if policy.statements:
        tx.put(key, encode(policy))
    else:
        tx.delete(key)


@operation("lambda:RemovePermission", resource=qualified_resource)
async def remove_permission(call: Call, request: Shape) -> Shape:
    """Take a statement out of a function's policy."""
    target = target_of(call, request)

    def work(tx: Transaction) -> None:
        resolve_in(tx, target)
        policy = read(tx, policy_key(target), Policy)
        if policy is None:
            raise not_found(f"No policy is associated with the given resource: {target.qualified_arn}")
        take_statement(tx, call, request, policy_key(target), policy)

    await call.cloud.store.transact(work)
    return {}


@operation("lambda:GetPolicy", resource=qualified_resource)
async def get_policy(call: Call, request: Shape) -> Shape:
    """The policy at a function or qualifier, as JSON."""
    target = target_of(call, request)
    resolve_in(call.cloud.store, target)
    policy = read(call.cloud.store, policy_key(target), Policy)
    if policy is None:
        raise not_found("The resource you requested does not exist.")
    return {"Policy": policy_text(policy), "RevisionId": policy.revision_id}
