"""PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy, for tables (with their indexes) and for streams.

(Developer Guide: "Using resource-based policies for DynamoDB". A stream keeps its policy when it is switched off, and when its table is deleted.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from haneul.clock import MILLISECOND, SECOND
from haneul.core.actions import names_an_action
from haneul.core.arn import parse_arn
from haneul.core.call import Call, RequestContext
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle, policy_documents
from haneul.services.dynamodb.actions import STREAM_ACTIONS, TABLE_ACTIONS
from haneul.services.dynamodb.arns import table_or_stream
from haneul.services.dynamodb.errors import foreign_owner, invalid, still_in_use, table_not_found, timestamp, validation
from haneul.services.dynamodb.public_access import is_public
from haneul.services.dynamodb.streams import StreamRecord, stream_key, stream_place
from haneul.services.dynamodb.tables import TableRecord, table_key
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

POLICY_BYTES_MAX = 20 * 1024
# A policy may not be changed again before.
POLICY_PAUSE = 15 * SECOND
_NO_POLICY = "NO_POLICY"

Holder = TableRecord | StreamRecord


def checked_policy(call: Call, text: str, known_actions: Sequence[str] = TABLE_ACTIONS) -> str:
    """A policy that can be judged by, of the size allowed, as it is kept: users and roles by their unique ids."""
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise invalid(f"Maximum policy size of {POLICY_BYTES_MAX} bytes exceeded")
    try:
        kept = call.cloud.authority.bind_principals(policy_documents.with_plain_effects(text))
    except ServiceError as problem:
        if problem.message.startswith("Invalid principal in policy:"):
            raise invalid("Invalid principal in policy document.") from None
        raise _invalid(problem.message) from None
    kept = policy_documents.canonical(kept)
    statements = orjson.loads(kept)["Statement"]
    for statement in statements:
        if not (statement.get("Resource") or statement.get("NotResource")):
            raise _invalid("Missing required field Resource")
        actions = statement.get("Action", statement.get("NotAction"))
        wrong = [f'"{action}"' for action in ([actions] if isinstance(actions, str) else actions) if not names_an_action(action, "dynamodb", known_actions)]
        if wrong:
            raise _invalid(f"The following action names are invalid: {', '.join(wrong)}")
        resource = policy_documents.misplaced(statement, of_stream=known_actions is STREAM_ACTIONS)
        if resource is not None:
            raise _invalid(f'The relative-id "{resource.split(":", 5)[-1]}" is invalid for ARN "{resource}"')
    if any(is_public(statement) for statement in statements):
        raise validation(
            "Resource-based policy grants unbounded access in one or more elements. Please revise the policy to ensure least-privilege form of access"
        )
    return kept


def is_policy_pending(holder: Holder, now: int) -> bool:
    """Whether the policy was changed, or removed, only just now."""
    return bool(holder.policy_revision) and now < _changed_at(holder) + lifecycle.TRANSITION


def _changed_at(holder: Holder) -> int:
    """A revision is the millisecond in which the policy was changed, or removed."""
    return int(holder.policy_revision or 0) * MILLISECOND


def _invalid(problem: str) -> ServiceError:
    return invalid(f"Invalid policy document: {problem}")


def _named(call: Call, request: Shape) -> str:
    """The ARN of a request, if it is a table's or stream's of this account and region; ValidationException for others, also for those who may use them."""
    arn = str(request["ResourceArn"])
    found, _ = table_or_stream(arn)
    if found.partition != "aws" or found.region != call.region:
        raise invalid(f"Invalid resource Arn: {arn}")
    if found.account != call.account:
        raise foreign_owner()
    # The root user of the account can always mend a policy, whatever it says.
    if not call.caller.is_root_of(found.account):
        call.authorize(call.operation.action, arn)
    return arn


def _holder(reader: Reader, arn: str) -> tuple[bytes, Holder]:
    """The table or stream that an ARN names, and where its record lies."""
    found, place = parse_arn(arn), stream_place(arn)
    assert found is not None
    name = found.resource.split("/")[1]
    key = table_key(found.account, found.region, name) if place is None else stream_key(*place)
    raw = reader.get(key)
    if raw is None and place is not None:
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: Stream: {place[3]} not found for Table: {name}", 400)
    if raw is None:
        raise table_not_found(name)
    if place is not None:
        return key, decode(raw, StreamRecord)
    record = decode(raw, TableRecord)
    if record.being_restored:
        raise table_not_found(name)
    return key, record


async def _change(call: Call, arn: str, change: Callable[[Holder], None]) -> None:
    """Change the record of the table or stream that an ARN names. A table that is still being made is not there yet."""

    def work(tx: Transaction) -> None:
        key, record = _holder(tx, arn)
        if isinstance(record, TableRecord) and record.status == "CREATING":
            raise table_not_found(record.name)
        change(record)
        tx.put(key, encode(record))

    await call.cloud.store.transact(work)


def _check_lockout(call: Call, arn: str, policy: str) -> None:
    """AccessDeniedException for a policy under which the caller could not change it any more. The root user always can."""
    if call.caller.is_root_of(call.account):
        return
    context = RequestContext(call, None, arn)
    try:
        call.cloud.authority.authorize(call.caller, call.operation.action, (arn,), context, resource_policy=policy, resource_account=call.account)
    except AccessDenied:
        raise ServiceError("AccessDeniedException", "The new resource policy will not allow you to update the resource policy in the future.", 400) from None


def _policy_not_found(why: str) -> ServiceError:
    return ServiceError("PolicyNotFoundException", f"Resource-based policy not found for the provided ResourceArn: {why}", 400)


def _kind_and_name(holder: Holder) -> tuple[str, str]:
    return ("Table", holder.name) if isinstance(holder, TableRecord) else ("Stream", holder.label)


def _check_revision(call: Call, holder: Holder, expected: str | None) -> None:
    """PolicyNotFoundException where another revision is expected than there is; a policy that was removed still has one for a while."""
    if expected is None or expected == (holder.policy_revision if holder.policy else _NO_POLICY):
        return
    kind, name = _kind_and_name(holder)
    found = bool(holder.policy) or _is_resting(call, holder)
    rest = f"the policy associated to target {kind.lower()} {name} did not match" if found else f"{kind.lower()} {name} has no associated policy"
    raise _policy_not_found(f"Requested update for policy with revision id {expected}, but {rest}.")


def _is_resting(call: Call, holder: Holder) -> bool:
    return call.now < _changed_at(holder) + POLICY_PAUSE


def _check_changeable(call: Call, holder: Holder) -> None:
    """What was changed just now is in use, and after that is left alone for a while (Developer Guide: "Resource-based policy considerations")."""
    kind, name = _kind_and_name(holder)
    if isinstance(holder, TableRecord) and holder.status == "DELETING":
        raise still_in_use(f"Table is being deleted: {name}")
    if is_policy_pending(holder, call.now):
        raise still_in_use(f"{kind} is pending previous resource-based policy update: {name}")
    if _is_resting(call, holder):
        raise ServiceError(
            "ThrottlingException",
            f"Resource-based policy for {kind.lower()} {name} modified within the previous {POLICY_PAUSE // MILLISECOND} milliseconds. "
            f"Please try again after {timestamp(_changed_at(holder) + POLICY_PAUSE)}Z.",
            400,
        )


@operation("dynamodb:PutResourcePolicy", authorized_inside=True)
async def put_resource_policy(call: Call, request: Shape) -> Shape:
    """Attach a policy to a table or stream; one that shuts the caller out only when that is confirmed. The same policy again changes nothing.

    Raises PolicyNotFoundException for another revision than the expected one, ResourceInUseException and ThrottlingException after an earlier change.
    (API Reference: "PutResourcePolicy".)
    """
    arn = _named(call, request)
    text = checked_policy(call, request["Policy"], TABLE_ACTIONS if stream_place(arn) is None else STREAM_ACTIONS)
    if not request.get("ConfirmRemoveSelfResourceAccess"):
        _check_lockout(call, arn, text)
    revision = ""

    def change(record: Holder) -> None:
        nonlocal revision
        _check_revision(call, record, request.get("ExpectedRevisionId"))
        if record.policy != text:
            _check_changeable(call, record)
            record.policy, record.policy_revision = text, str(call.now // MILLISECOND)
        revision = record.policy_revision

    await _change(call, arn, change)
    return {"RevisionId": revision}


@operation("dynamodb:GetResourcePolicy", authorized_inside=True)
async def get_resource_policy(call: Call, request: Shape) -> Shape:
    """The policy attached to a table or stream. (API Reference: "GetResourcePolicy".)"""
    arn = _named(call, request)
    _, record = _holder(call.cloud.store, arn)
    if not record.policy:
        raise _policy_not_found(arn)
    return {"Policy": policy_documents.shown(call.cloud.authority.show_principals(record.policy)), "RevisionId": record.policy_revision}


@operation("dynamodb:DeleteResourcePolicy", authorized_inside=True)
async def delete_resource_policy(call: Call, request: Shape) -> Shape:
    """Remove the policy of a table or stream; it is no error when there is none. (API Reference: "DeleteResourcePolicy".)

    What is answered is the revision of what was removed; once more, and for a while, that of the removal.
    """
    arn = _named(call, request)
    removed = ""

    def change(record: Holder) -> None:
        nonlocal removed
        _check_revision(call, record, request.get("ExpectedRevisionId"))
        if record.policy:
            _check_changeable(call, record)
            removed, record.policy, record.policy_revision = record.policy_revision, "", str(call.now // MILLISECOND)
        else:
            removed = record.policy_revision if _is_resting(call, record) else ""

    await _change(call, arn, change)
    return {"RevisionId": removed} if removed else {}
