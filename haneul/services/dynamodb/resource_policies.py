"""PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy."""

from __future__ import annotations

import orjson

from haneul.core.actions import names_an_action
from haneul.core.arn import parse_arn
from haneul.core.call import Call, RequestContext
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.actions import TABLE_ACTIONS
from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.public_access import is_public
from haneul.services.dynamodb.resource_tags import change_record, tagged_record
from haneul.services.dynamodb.tables import TableRecord

POLICY_BYTES_MAX = 20 * 1024
_NO_POLICY = "NO_POLICY"


def checked_policy(call: Call, text: str) -> str:
    """A policy that can be judged by, of the size allowed, as it is kept: users and roles by their unique ids."""
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise validation(f"Policy size exceeds the limit of {POLICY_BYTES_MAX} bytes")
    try:
        kept = call.cloud.authority.bind_principals(text)
    except ServiceError as problem:
        raise _invalid(problem.message) from None
    statements = orjson.loads(text)["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if is_public(statement):
            raise validation(
                "Resource-based policy grants unbounded access in one or more elements. Please revise the policy to ensure least-privilege form of access"
            )
        actions = statement.get("Action", statement.get("NotAction"))
        wrong = [f'"{action}"' for action in ([actions] if isinstance(actions, str) else actions) if not names_an_action(action, "dynamodb", TABLE_ACTIONS)]
        if wrong:
            raise _invalid(f"The following action names are invalid: {', '.join(wrong)}")
    return kept


def _invalid(problem: str) -> ServiceError:
    return invalid(f"Invalid policy document: {problem}")


def _authorize(call: Call, arn: str) -> None:
    """The root user of the table's account can always mend a policy, whatever it says."""
    found = parse_arn(arn)
    if found is None or not call.caller.is_root_of(found.account):
        call.authorize(call.operation.action, arn)
    if found is not None and found.service == "dynamodb" and "/stream/" in found.resource:
        raise NotBuilt("policies of streams")


def _check_lockout(call: Call, arn: str, policy: str) -> None:
    """AccessDeniedException for a policy under which the caller could not change it any more. The root user always can."""
    found = parse_arn(arn)
    if found is None or call.caller.is_root_of(found.account):
        return
    context = RequestContext(call, None, arn)
    try:
        call.cloud.authority.authorize(call.caller, call.operation.action, (arn,), context, resource_policy=policy, resource_account=found.account)
    except AccessDenied:
        raise ServiceError("AccessDeniedException", "The new resource policy will not allow you to update the resource policy in the future.", 400) from None


def _policy_not_found(arn: str) -> ServiceError:
    return ServiceError("PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: {arn}", 400)


def _check_revision(record: TableRecord, expected: str | None, arn: str) -> None:
    if expected is None:
        return
    if expected == _NO_POLICY and record.policy:
        raise _policy_not_found(arn)
    if expected != _NO_POLICY and expected != record.policy_revision:
        raise _policy_not_found(arn)


@operation("dynamodb:PutResourcePolicy", authorized_inside=True, partial="tables only, not streams")
async def put_resource_policy(call: Call, request: Shape) -> Shape:
    """Attach a policy to a table; one that shuts the caller out only when that is confirmed. (API Reference: "PutResourcePolicy".)"""
    arn = request["ResourceArn"]
    _authorize(call, arn)
    text = checked_policy(call, request["Policy"])
    if not request.get("ConfirmRemoveSelfResourceAccess"):
        _check_lockout(call, arn, text)
    revision = str(call.now // 1_000_000)

    def change(record: TableRecord) -> None:
        nonlocal revision
        _check_revision(record, request.get("ExpectedRevisionId"), arn)
        if record.policy == text:
            revision = record.policy_revision
            return
        if record.policy_revision == revision:
            revision = str(int(revision) + 1)
        record.policy, record.policy_revision = text, revision

    await change_record(call, arn, change)
    return {"RevisionId": revision}


@operation("dynamodb:GetResourcePolicy", authorized_inside=True, partial="tables only, not streams")
async def get_resource_policy(call: Call, request: Shape) -> Shape:
    """The policy attached to a table. (API Reference: "GetResourcePolicy".)"""
    arn = request["ResourceArn"]
    _authorize(call, arn)
    record = tagged_record(call.cloud.store, call, arn)
    if not record.policy:
        raise _policy_not_found(arn)
    return {"Policy": call.cloud.authority.show_principals(record.policy), "RevisionId": record.policy_revision}


@operation("dynamodb:DeleteResourcePolicy", authorized_inside=True, partial="tables only, not streams")
async def delete_resource_policy(call: Call, request: Shape) -> Shape:
    """Remove the policy of a table; it is no error when there is none. (API Reference: "DeleteResourcePolicy".)"""
    arn = request["ResourceArn"]
    _authorize(call, arn)
    removed = ""

    def change(record: TableRecord) -> None:
        nonlocal removed
        _check_revision(record, request.get("ExpectedRevisionId"), arn)
        removed = record.policy_revision
        record.policy, record.policy_revision = "", ""

    await change_record(call, arn, change)
    return {"RevisionId": removed} if removed else {}
