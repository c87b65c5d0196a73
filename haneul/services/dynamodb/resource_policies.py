"""PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy, for tables (with their indexes) and for streams.

(Developer Guide: "Using resource-based policies for DynamoDB". A stream keeps its policy when it is switched off, and when its table is deleted.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from haneul.clock import MILLISECOND
from haneul.core.actions import names_an_action
from haneul.core.arn import parse_arn
from haneul.core.call import Call, RequestContext
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb.actions import STREAM_ACTIONS, TABLE_ACTIONS
from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.public_access import is_public
from haneul.services.dynamodb.resource_tags import tagged_record
from haneul.services.dynamodb.streams import StreamRecord, stream_key, stream_place
from haneul.services.dynamodb.tables import TableRecord, table_key
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

POLICY_BYTES_MAX = 20 * 1024
_NO_POLICY = "NO_POLICY"

Holder = TableRecord | StreamRecord


def checked_policy(call: Call, text: str, known_actions: Sequence[str] = TABLE_ACTIONS) -> str:
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
        wrong = [f'"{action}"' for action in ([actions] if isinstance(actions, str) else actions) if not names_an_action(action, "dynamodb", known_actions)]
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


def _holder(reader: Reader, call: Call, arn: str) -> tuple[bytes, Holder]:
    """The table or stream that an ARN names, and where its record lies."""
    place = stream_place(arn)
    if place is None:
        record = tagged_record(reader, call, arn)
        return table_key(record.account, record.region, record.name), record
    key = stream_key(*place)
    raw = reader.get(key) if place[1] == call.region else None
    if raw is None:
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found", 400)
    return key, decode(raw, StreamRecord)


async def _change(call: Call, arn: str, change: Callable[[Holder], None]) -> None:
    """Change the record of the table or stream that an ARN names."""

    def work(tx: Transaction) -> None:
        key, record = _holder(tx, call, arn)
        change(record)
        tx.put(key, encode(record))

    await call.cloud.store.transact(work)


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


def _check_revision(record: Holder, expected: str | None, arn: str) -> None:
    if expected is None:
        return
    found = record.policy_revision if record.policy else _NO_POLICY
    if expected != found:
        raise _policy_not_found(arn)


@operation("dynamodb:PutResourcePolicy", authorized_inside=True)
async def put_resource_policy(call: Call, request: Shape) -> Shape:
    """Attach a policy to a table or stream; one that shuts the caller out only when that is confirmed. (API Reference: "PutResourcePolicy".)"""
    arn = request["ResourceArn"]
    _authorize(call, arn)
    text = checked_policy(call, request["Policy"], TABLE_ACTIONS if stream_place(arn) is None else STREAM_ACTIONS)
    if not request.get("ConfirmRemoveSelfResourceAccess"):
        _check_lockout(call, arn, text)
    revision = ""

    def change(record: Holder) -> None:
        nonlocal revision
        _check_revision(record, request.get("ExpectedRevisionId"), arn)
        if record.policy != text:
            # No two policies of a resource have the same one, also where one came, went and another came within a millisecond.
            record.policy, record.policy_revision = text, str(max(call.now // MILLISECOND, int(record.policy_revision or 0) + 1))
        revision = record.policy_revision

    await _change(call, arn, change)
    return {"RevisionId": revision}


@operation("dynamodb:GetResourcePolicy", authorized_inside=True)
async def get_resource_policy(call: Call, request: Shape) -> Shape:
    """The policy attached to a table or stream. (API Reference: "GetResourcePolicy".)"""
    arn = request["ResourceArn"]
    _authorize(call, arn)
    _, record = _holder(call.cloud.store, call, arn)
    if not record.policy:
        raise _policy_not_found(arn)
    return {"Policy": call.cloud.authority.show_principals(record.policy), "RevisionId": record.policy_revision}


@operation("dynamodb:DeleteResourcePolicy", authorized_inside=True)
async def delete_resource_policy(call: Call, request: Shape) -> Shape:
    """Remove the policy of a table or stream; it is no error when there is none. (API Reference: "DeleteResourcePolicy".)"""
    arn = request["ResourceArn"]
    _authorize(call, arn)
    removed = ""

    def change(record: Holder) -> None:
        nonlocal removed
        _check_revision(record, request.get("ExpectedRevisionId"), arn)
        removed = record.policy_revision if record.policy else ""
        record.policy = ""  # The revision stays, so that none comes again.

    await _change(call, arn, change)
    return {"RevisionId": removed} if removed else {}
