"""What the owner of a delegation request, and the administrators of its account, do with it: from AssociateDelegationRequest to SendDelegationToken.

IAM User Guide, "IAM temporary delegation" and "Building your integration" (request states). API Reference of each operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from haneul.core.call import Call
from haneul.core.caller import caller_fields
from haneul.core.operation import Shape
from haneul.services.iam.delegation_notices import enter, new_token, send_token
from haneul.services.iam.delegation_records import (
    ACCEPTED,
    ASSIGNED,
    FINALIZED,
    OWNED,
    PENDING,
    REJECTED,
    UNASSIGNED,
    DelegationRequest,
    find_request,
    known_request,
    owned_rows,
    save_request,
    shown_request,
)
from haneul.services.iam.delegation_templates import statements_of
from haneul.services.iam.entities import directory_of
from haneul.services.iam.errors import access_denied, invalid_input
from haneul.services.iam.pages import page_of_rows
from haneul.services.iam.resources import iam_operation
from haneul.store.keys import unpack
from haneul.store.port import Transaction

_ROOT_SESSION_SECONDS_MAX = 14_400


async def _change(call: Call, request: Shape, states: tuple[str, ...], change: Callable[[Transaction, DelegationRequest], None]) -> None:
    """Change a request that is in one of `states`. The permission to do so was checked before; an owner who came in between is another matter."""

    def work(tx: Transaction) -> None:
        one = known_request(tx, request["DelegationRequestId"])
        if one.owner_account not in ("", call.account):
            raise access_denied(f"User: {call.caller.arn} is not authorized to perform: iam:{call.operation.name} on delegation request {one.id}")
        state = one.state_at(call.now)
        if state not in states:
            raise invalid_input(f"Delegation request {one.id} is in the state {state}. {call.operation.name} needs one that is {' or '.join(states)}.")
        change(tx, one)

    await call.cloud.store.transact(work)


@iam_operation("AssociateDelegationRequest")
async def associate_delegation_request(call: Call, request: Shape) -> Shape:
    """Become the owner of a request that has none."""

    def change(tx: Transaction, one: DelegationRequest) -> None:
        one.owner_account, one.owner_id, one.owner_principal = call.account, call.caller.arn, call.caller.principal_id
        for row in owned_rows(tx, one):
            tx.put(row, b"")
        enter(call.cloud, tx, one, ASSIGNED, call.now)

    await _change(call, request, (UNASSIGNED,), change)
    return {}


@iam_operation("UpdateDelegationRequest")
async def update_delegation_request(call: Call, request: Shape) -> Shape:
    """Forward a request to an administrator, with notes. Notes can be replaced while it waits there."""

    def change(tx: Transaction, one: DelegationRequest) -> None:
        one.notes = request.get("Notes", one.notes)
        if one.state == ASSIGNED:
            enter(call.cloud, tx, one, PENDING, call.now)
        else:
            one.updated_at = call.now
            save_request(tx, one)

    await _change(call, request, (ASSIGNED, PENDING), change)
    return {}


@iam_operation("AcceptDelegationRequest")
async def accept_delegation_request(call: Call, request: Shape) -> Shape:
    """Approve a request: the provider will act as who calls this, as they are now. The root user approves four hours at most."""

    def change(tx: Transaction, one: DelegationRequest) -> None:
        if call.caller.kind == "root" and one.session_seconds > _ROOT_SESSION_SECONDS_MAX:
            raise invalid_input(f"The root user can only accept delegation requests with a duration of at most {_ROOT_SESSION_SECONDS_MAX} seconds.")
        one.approver = caller_fields(replace(call.caller, access_key_id=""))
        enter(call.cloud, tx, one, ACCEPTED, call.now)

    await _change(call, request, (ASSIGNED, PENDING), change)
    return {}


@iam_operation("RejectDelegationRequest")
async def reject_delegation_request(call: Call, request: Shape) -> Shape:
    """Turn a request down for good, also one that was accepted already, as long as its token has not been sent."""

    def change(tx: Transaction, one: DelegationRequest) -> None:
        one.rejection_reason = request.get("Notes")
        enter(call.cloud, tx, one, REJECTED, call.now)

    await _change(call, request, (ASSIGNED, PENDING, ACCEPTED), change)
    return {}


@iam_operation("SendDelegationToken")
async def send_delegation_token(call: Call, request: Shape) -> Shape:
    """Release the trade-in token to the provider. The time of access begins now."""
    token = new_token(call.cloud)

    def change(tx: Transaction, one: DelegationRequest) -> None:
        if one.only_send_by_owner and call.caller.principal_id != one.owner_principal:
            raise access_denied(f"User: {call.caller.arn} is not authorized to perform: iam:SendDelegationToken on delegation request {one.id}, which only its owner may send")
        one.released_at = call.now
        enter(call.cloud, tx, one, FINALIZED, call.now)
        send_token(call.cloud, tx, one, token)

    await _change(call, request, (ACCEPTED,), change)
    return {}


@iam_operation("GetDelegationRequest")
async def get_delegation_request(call: Call, request: Shape) -> Shape:
    """A request, and on demand whether the caller has the permissions that it asks for."""
    one = known_request(call.cloud.store, request["DelegationRequestId"])
    answer: Shape = {"DelegationRequest": shown_request(one, call.now)}
    if request.get("DelegationPermissionCheck"):
        answer |= {"PermissionCheckStatus": "COMPLETE", "PermissionCheckResult": _permission_check(call, one)}
    return answer


def _permission_check(call: Call, one: DelegationRequest) -> str:
    """DENIED when the caller may not do something that is asked for, UNSURE when that depends on what only an actual request knows."""
    result = "ALLOWED"
    for statement in statements_of(one.policy):
        if statement["Effect"] != "Allow":
            continue
        actions, resources = (value if isinstance(value, list) else [value] for value in (statement["Action"], statement.get("Resource", "*")))
        for action in actions:
            for resource in resources:
                found = call.cloud.authority.foresee(call.caller, action, resource)
                if found.missing_keys:
                    result = "UNSURE"
                elif not found.allowed:
                    return "DENIED"
    return result


@iam_operation("ListDelegationRequests")
async def list_delegation_requests(call: Call, request: Shape) -> Shape:
    """The requests that identities of the account own, in the order in which they were made; those of one owner on demand."""
    store = call.cloud.store

    def take(key: bytes, _: bytes) -> Shape | None:
        one = find_request(store, str(unpack(key)[5]))
        return shown_request(one, call.now) if one is not None else None

    found, more = page_of_rows(store, directory_of(call), (OWNED, request.get("OwnerId", "")), request, take)
    # The one list of IAM whose answer writes this member's name so.
    return {"DelegationRequests": found, "isTruncated": more.pop("IsTruncated"), **more}
