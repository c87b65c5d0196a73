"""Where auth gets keys and policies from (the iam service, put in by `app.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from haneul.auth.policy.document import Policy
from haneul.core.caller import Caller


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret and whom it stands for. `token` and `expires_at` (nanoseconds) only for temporary ones."""

    secret: str
    caller: Caller
    active: bool = True
    token: str = ""
    expires_at: int = 0


@dataclass(frozen=True, slots=True)
class IdentityPolicies:
    """What is attached to a user or role: named policies and the permissions boundary."""

    identity: tuple[tuple[str, Policy], ...] = ()
    boundary: Policy | None = None


@dataclass(frozen=True, slots=True)
class RoleForService:
    """What auth must know of a role to let a service assume it."""

    caller_prefix: str  # arn:aws:sts::ACCOUNT:assumed-role/NAME
    role_id: str
    account: str
    trust: str
    tags: dict[str, str]


class IdentitySource(Protocol):
    """Long-lived keys, attached policies and roles."""

    def credential(self, access_key_id: str) -> Credential | None: ...

    def policies(self, caller: Caller) -> IdentityPolicies:
        """What is attached to the user, or to the role behind the session. Cached by the source."""

    def role(self, role_arn: str) -> RoleForService | None: ...
