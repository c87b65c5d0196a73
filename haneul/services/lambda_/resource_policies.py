"""PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy: a function's resource policy as one document.

It is the same policy that AddPermission and RemovePermission change statement by statement.
"""

from __future__ import annotations

from typing import Any

import orjson

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import invalid, not_found, precondition_failed
from haneul.services.lambda_.functions import policy_text, read, resolve_in
from haneul.services.lambda_.limits import POLICY_BYTES_MAX
from haneul.services.lambda_.names import LATEST, Target, parse_target
from haneul.services.lambda_.records import Policy, policy_key
from haneul.store.port import Transaction
from haneul.store.records import encode


def _target(call: Call, request: Shape) -> Target:
    if ":function:" not in request["ResourceArn"]:
        raise NotBuilt("resource policies of runtimes")
    target = parse_target(request["ResourceArn"], None, call.account, call.region)
    call.account = target.account
    return target


def _resource(call: Call, request: Shape) -> str:
    return _target(call, request).qualified_arn


@operation("lambda:PutResourcePolicy", resource=_resource)
async def put_resource_policy(call: Call, request: Shape) -> Shape:
    """Put a whole policy in place of the one that was there."""
    target = _target(call, request)
    if target.qualifier == LATEST:
        raise invalid("We currently do not support adding policies for $LATEST.")
    statements = _statements(call, request["Policy"], target.qualified_arn)

    def work(tx: Transaction) -> Policy:
        resolve_in(tx, target)
        known = read(tx, policy_key(target), Policy)
        if "RevisionId" in request and request["RevisionId"] != (known.revision_id if known is not None else ""):
            raise precondition_failed()
        policy = Policy(call.cloud.ids.uuid(), statements)
        tx.put(policy_key(target), encode(policy))
        return policy

    return _shown(await call.cloud.store.transact(work))


@operation("lambda:GetResourcePolicy", resource=_resource)
async def get_resource_policy(call: Call, request: Shape) -> Shape:
    target = _target(call, request)
    resolve_in(call.cloud.store, target)
    policy = read(call.cloud.store, policy_key(target), Policy)
    if policy is None:
        raise _missing()
    return _shown(policy)


@operation("lambda:DeleteResourcePolicy", resource=_resource)
async def delete_resource_policy(call: Call, request: Shape) -> Shape:
    target = _target(call, request)

    def work(tx: Transaction) -> None:
        resolve_in(tx, target)
        policy = read(tx, policy_key(target), Policy)
        if policy is None:
            raise _missing()
        if request.get("RevisionId") not in (None, policy.revision_id):
            raise precondition_failed()
        tx.delete(policy_key(target))

    await call.cloud.store.transact(work)
    return {}


def _statements(call: Call, document: str, arn: str) -> dict[str, dict[str, Any]]:
    """The statements of a policy document by their ids; those without one get a number."""
    if len(document.encode()) > POLICY_BYTES_MAX:
        message = f"The final policy size ({len(document.encode())}) is bigger than the limit ({POLICY_BYTES_MAX})."
        raise ServiceError("PolicyLengthExceededException", message, 400, fields={"Type": "User"})
    try:
        call.cloud.authority.compile_policy(document, "resource")
    except ServiceError as error:
        raise invalid(f"The policy is not valid: {error.message}") from None
    given = orjson.loads(document)["Statement"]
    found: dict[str, dict[str, Any]] = {}
    for number, statement in enumerate(given if isinstance(given, list) else [given]):
        resources = statement.get("Resource", arn)
        if any(one != arn for one in (resources if isinstance(resources, list) else [resources])):
            raise invalid(f"The policy's Resource must be {arn}.")
        found[statement.get("Sid") or f"#{number}"] = statement
    return found


def _missing() -> ServiceError:
    return not_found("The resource you requested does not exist.")


def _shown(policy: Policy) -> Shape:
    return {"Policy": policy_text(policy), "RevisionId": policy.revision_id}
