"""Delegation requests in the store.

A request belongs to two accounts, the product provider's that made it and its owner's, so its record lies outside of both, below
("iam-delegation", "request", ID). Beside it lie the provider's workflow ids, the hashes of trade-in tokens, and the permissions boundaries that
providers gave with a request. An account's list of what its identities own is in the account's directory.
"""

from __future__ import annotations

from typing import Any

import msgspec

from haneul.clock import DAY
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.errors import no_such_entity
from haneul.store.keys import pack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

UNASSIGNED, ASSIGNED, PENDING, ACCEPTED, FINALIZED, REJECTED, EXPIRED = (
    "UNASSIGNED",
    "ASSIGNED",
    "PENDING_APPROVAL",
    "ACCEPTED",
    "FINALIZED",
    "REJECTED",
    "EXPIRED",
)
# How long a request stays in a state. AWS does not say how long it keeps those that have expired.
STAY = {UNASSIGNED: 1 * DAY, EXPIRED: 30 * DAY} | dict.fromkeys((ASSIGNED, PENDING, ACCEPTED, FINALIZED, REJECTED), 7 * DAY)

OWNED = "delegation"
"""Where an account's directory lists requests: (OWNED, owner's ARN, time of creation, id), and with an empty ARN all of the account."""

_SPACE = "iam-delegation"
_PARTNER = "arn:aws:iam::partner:policy/"


class DelegationRequest(msgspec.Struct, kw_only=True):
    """Times in nanoseconds. `policy` is the rendered template, `owner_principal` the owner's unique id, `approver` a caller's fields, `token` the SHA-256 of
    the trade-in token.
    """

    id: str
    requestor: str
    requestor_name: str
    workflow_id: str
    description: str
    message: str | None
    template_arn: str
    parameters: list[dict[str, Any]]
    policy: str
    boundaries: list[str]
    redirect_url: str | None
    channel: str
    session_seconds: int
    only_send_by_owner: bool
    state: str = UNASSIGNED
    created_at: int
    updated_at: int
    expires_at: int
    owner_account: str = ""
    owner_id: str = ""
    owner_principal: str = ""
    approver: dict[str, Any] | None = None
    notes: str | None = None
    rejection_reason: str | None = None
    released_at: int = 0
    token: bytes = b""

    def state_at(self, now: int) -> str:
        """The state, whether or not the timer that ends it has been heard."""
        return EXPIRED if now >= self.expires_at else self.state


class PartnerBoundary(msgspec.Struct, kw_only=True):
    """A permissions boundary of a product provider: the same for all customers, and never changed."""

    account: str
    document: str
    created_at: int


def request_row(request_id: str) -> bytes:
    return pack((_SPACE, "request", request_id))


def workflow_row(requestor: str, workflow_id: str) -> bytes:
    return pack((_SPACE, "workflow", requestor, workflow_id))


def token_row(token_hash: bytes) -> bytes:
    return pack((_SPACE, "token", token_hash))


def boundary_row(arn: str) -> bytes:
    return pack((_SPACE, "boundary", arn))


def find_request(reader: Reader, request_id: str) -> DelegationRequest | None:
    row = reader.get(request_row(request_id))
    return decode(row, DelegationRequest) if row is not None else None


def known_request(reader: Reader, request_id: str) -> DelegationRequest:
    """The request of an id; NoSuchEntity without one."""
    found = find_request(reader, request_id)
    if found is None:
        raise no_such_entity(f"Delegation request {request_id} cannot be found.")
    return found


def save_request(tx: Transaction, one: DelegationRequest) -> None:
    tx.put(request_row(one.id), encode(one))


def owned_rows(tx: Transaction, one: DelegationRequest) -> list[bytes]:
    """The rows that list a request to its owner, and to those who may see all of the account."""
    directory = Directory(tx, one.owner_account)
    return [directory.key(OWNED, owner, one.created_at, one.id) for owner in ("", one.owner_id)] if one.owner_id else []


def remove_request(tx: Transaction, one: DelegationRequest) -> None:
    for row in (*owned_rows(tx, one), request_row(one.id), workflow_row(one.requestor, one.workflow_id)):
        tx.delete(row)
    if one.token:
        tx.delete(token_row(one.token))


def is_partner_arn(arn: str) -> bool:
    """Whether an ARN is in the name space of product providers' boundaries."""
    return arn.startswith(_PARTNER)


def own_arn(arn: str, account: str) -> str:
    """The provider's own policy behind such an ARN."""
    return f"arn:aws:iam::{account}:policy/{arn.removeprefix(_PARTNER)}"


def partner_boundary(reader: Reader, arn: str) -> PartnerBoundary | None:
    row = reader.get(boundary_row(arn)) if is_partner_arn(arn) else None
    return decode(row, PartnerBoundary) if row is not None else None


def shown_request(one: DelegationRequest, now: int) -> Shape:
    """A request as the API shows it."""
    shape: Shape = {
        "DelegationRequestId": one.id,
        "OwnerAccountId": one.owner_account or None,
        "Description": one.description,
        "RequestMessage": one.message,
        "Permissions": {"PolicyTemplateArn": one.template_arn} | ({"Parameters": one.parameters} if one.parameters else {}),
        "PermissionPolicy": one.policy,
        "RolePermissionRestrictionArns": one.boundaries or None,
        "OwnerId": one.owner_id or None,
        "ApproverId": one.approver["arn"] if one.approver is not None else None,
        "State": one.state_at(now),
        "ExpirationTime": one.expires_at,
        "RequestorId": one.requestor,
        "RequestorName": one.requestor_name or None,
        "CreateDate": one.created_at,
        "SessionDuration": one.session_seconds,
        "RedirectUrl": one.redirect_url,
        "Notes": one.notes,
        "RejectionReason": one.rejection_reason,
        "OnlySendByOwner": one.only_send_by_owner,
        "UpdatedTime": one.updated_at,
    }
    return {name: value for name, value in shape.items() if value is not None}
