"""PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy."""

from __future__ import annotations

import orjson

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.arns import resource_arn
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.resource_tags import change_record, tagged_record
from haneul.services.dynamodb.tables import TableRecord

POLICY_BYTES_MAX = 20 * 1024
_NO_POLICY = "NO_POLICY"


def checked_policy(call: Call, text: str) -> str:
    """A policy that is a JSON document of the size allowed, as it is kept: users and roles by their unique ids."""
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise validation(f"Policy size exceeds the limit of {POLICY_BYTES_MAX} bytes")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise validation("The policy is not a valid JSON document") from None
    if not isinstance(document, dict) or "Statement" not in document:
        raise validation("The policy is not a valid policy document")
    try:
        return call.cloud.authority.bind_principals(text)
    except ServiceError as problem:
        raise validation(f"The policy is not a valid policy document: {problem.message}") from None


def _policy_not_found(arn: str) -> ServiceError:
    return ServiceError("PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: {arn}", 400)


def _check_revision(record: TableRecord, expected: str | None, arn: str) -> None:
    if expected is None:
        return
    if expected == _NO_POLICY and record.policy:
        raise _policy_not_found(arn)
    if expected != _NO_POLICY and expected != record.policy_revision:
        raise _policy_not_found(arn)


@operation("dynamodb:PutResourcePolicy", resource=resource_arn)
async def put_resource_policy(call: Call, request: Shape) -> Shape:
    """Attach a policy to a table. (API Reference: "PutResourcePolicy".)"""
    arn, text = request["ResourceArn"], checked_policy(call, request["Policy"])
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


@operation("dynamodb:GetResourcePolicy", resource=resource_arn)
async def get_resource_policy(call: Call, request: Shape) -> Shape:
    """The policy attached to a table. (API Reference: "GetResourcePolicy".)"""
    arn = request["ResourceArn"]
    record = tagged_record(call.cloud.store, call, arn)
    if not record.policy:
        raise _policy_not_found(arn)
    return {"Policy": call.cloud.authority.show_principals(record.policy), "RevisionId": record.policy_revision}


@operation("dynamodb:DeleteResourcePolicy", resource=resource_arn)
async def delete_resource_policy(call: Call, request: Shape) -> Shape:
    """Remove the policy of a table; it is no error when there is none. (API Reference: "DeleteResourcePolicy".)"""
    arn = request["ResourceArn"]
    removed = ""

    def change(record: TableRecord) -> None:
        nonlocal removed
        _check_revision(record, request.get("ExpectedRevisionId"), arn)
        removed = record.policy_revision
        record.policy, record.policy_revision = "", ""

    await change_record(call, arn, change)
    return {"RevisionId": removed} if removed else {}
