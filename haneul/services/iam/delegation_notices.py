"""What a product provider is told of its delegation requests, through an SNS topic of its own, and the times at which requests expire.

IAM User Guide, "Building your integration": "Configuring notifications", "Exchange tokens". Notices are promised in the transaction that changes the request. Until
the topic has it, the trade-in token lies sealed in the outbox; the store keeps its hash.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.arn import parse_arn
from haneul.core.call import Call, call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.iam.delegation_records import EXPIRED, STAY, DelegationRequest, find_request, remove_request, save_request, token_row
from haneul.services.iam.errors import invalid_input
from haneul.store.port import Transaction

NOTICE = "iam:delegation-notice"
EXPIRY = "iam:delegation-expiry"

_PRINCIPAL = "iam.amazonaws.com"
_PURPOSE = "delegation-token"
_TOKEN_BYTES = 48
# Regions that every account has: topics in those that are to be opted into are not taken.
_REGIONS = {
    "us": ("east-1", "east-2", "west-1", "west-2"),
    "ca": ("central-1",),
    "sa": ("east-1",),
    "eu": ("central-1", "north-1", "west-1", "west-2", "west-3"),
    "ap": ("northeast-1", "northeast-2", "northeast-3", "south-1", "southeast-1", "southeast-2"),
}
_log = logging.getLogger("haneul")


def check_channel(call: Call, arn: str) -> None:
    """InvalidInput unless a notification channel is a topic of the provider's account, in a region that is not opted into."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "sns" or not parsed.resource or ":" in parsed.resource:
        raise invalid_input(f"The notification channel {arn} is not the ARN of an SNS topic.")
    if parsed.account != call.account:
        raise invalid_input(f"The notification channel {arn} must be in the requesting account.")
    continent, _, place = parsed.region.partition("-")
    if place not in _REGIONS.get(continent, ()):
        raise invalid_input(f"The notification channel {arn} must be in a Region that is enabled by default.")


def enter(cloud: Cloud, tx: Transaction, one: DelegationRequest, state: str, now: int, *, told: bool = True) -> None:
    """Let a request reach a state: it is saved, expires anew, and its provider is told."""
    one.state, one.updated_at = state, now
    if state != EXPIRED:
        one.expires_at = now + STAY[state]
    save_request(tx, one)
    cloud.outbox.put(tx, EXPIRY, {"id": one.id}, due=now + STAY[state], key=one.id)
    if told:
        _promise(cloud, tx, one, {"Type": "StateChange"})


def send_token(cloud: Cloud, tx: Transaction, one: DelegationRequest, token: str) -> None:
    """Promise the provider its trade-in token, of which only the hash is kept."""
    one.token = token_hash(token)
    save_request(tx, one)
    tx.put(token_row(one.token), one.id.encode())
    sealed = cloud.vault.seal(token.encode(), _PURPOSE)
    _promise(cloud, tx, one, {"Type": "ExchangeToken", "ExpiresAt": _iso(one.released_at + one.session_seconds * SECOND)}, sealed)


def new_token(cloud: Cloud) -> str:
    return base64.urlsafe_b64encode(cloud.ids.bytes(_TOKEN_BYTES)).decode()


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _promise(cloud: Cloud, tx: Transaction, one: DelegationRequest, fields: Shape, sealed: bytes = b"") -> None:
    message: dict[str, Any] = {"RequestId": one.id, "RequestorWorkflowId": one.workflow_id, "State": one.state, "UpdatedAt": _iso(one.updated_at)} | fields
    if one.owner_account:
        message["OwnerAccountId"] = one.owner_account
    cloud.outbox.put(tx, NOTICE, {"topic": one.channel, "message": message, "token": sealed}, lane=f"iam:delegation/{one.id}")


def _iso(nanoseconds: int) -> str:
    """`2025-01-15T10:30:00.123Z`."""
    seconds, rest = divmod(nanoseconds, SECOND)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1_000_000:03d}Z"


class DelegationNotices:
    """Carries out what requests left in the outbox."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        cloud.outbox.handle(NOTICE, self._tell)
        cloud.outbox.handle(EXPIRY, self._expire)

    async def _tell(self, payload: Shape) -> None:
        """Publish a notice. One that the topic does not take is lost, as on AWS; one that it cannot take now is tried again."""
        topic, message = payload["topic"], payload["message"]
        parsed = parse_arn(topic)
        assert parsed is not None
        if payload["token"]:
            token = self._cloud.vault.unseal(payload["token"], _PURPOSE)
            assert token is not None
            message["ExchangeToken"] = token.decode()
        params = {"TopicArn": topic, "Message": orjson.dumps(message).decode()}
        try:
            await call_as(self._cloud, "sns:Publish", params, principal=_PRINCIPAL, region=parsed.region, account=parsed.account)
        except (AccessDenied, ServiceError) as problem:
            if isinstance(problem, ServiceError) and problem.status == 500:
                raise
            _log.warning("a notice of delegation request %s was not taken by %s: %s", message["RequestId"], topic, problem)

    async def _expire(self, payload: Shape) -> None:
        await self._cloud.store.transact(partial(_expired, self._cloud, payload["id"]))


def _expired(cloud: Cloud, request_id: str, tx: Transaction) -> None:
    """A state's time is over: the request expires, and one that has expired is forgotten."""
    one, now = find_request(tx, request_id), cloud.clock.now()
    if one is None:
        return
    if one.state == EXPIRED:
        remove_request(tx, one)
    elif now >= one.expires_at:
        enter(cloud, tx, one, EXPIRED, now)
