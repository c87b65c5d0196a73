"""Where auth gets keys and policies from (the iam service, put in by `app.py`)."""

from __future__ import annotations

from typing import Protocol

from haneul.core.caller import Caller
from haneul.core.ports import Credential, Delegation, IdentityPolicies, TrustedRole, TrustedSamlProvider

__all__ = ["Credential", "Delegation", "IdentityPolicies", "IdentitySource", "TrustedRole", "TrustedSamlProvider"]


class IdentitySource(Protocol):
    """Long-lived keys, attached policies and roles."""

    def credential(self, access_key_id: str) -> Credential | None: ...

    def used(self, caller: Caller, service: str, region: str) -> None:
        """Take note that a user's key, or a role, has just signed a request."""

    def policies(self, caller: Caller) -> IdentityPolicies:
        """What is attached to the user, or to the role behind the session. Cached by the source."""

    def managed_policy(self, arn: str) -> str | None:
        """The default version's document of a managed policy (a session names its policies by ARN)."""

    def bound_principal(self, principal: str) -> str | None:
        """What a policy keeps for a principal in IAM, given by its ARN or unique id: the unique id; None when there is no such principal."""

    def shown_principal(self, unique_id: str) -> str | None:
        """The ARN of whoever has a unique id; None when nobody has it any more."""

    def role(self, role_arn: str) -> TrustedRole | None: ...

    def saml_provider(self, arn: str) -> TrustedSamlProvider | None: ...

    def delegation(self, token: str) -> Delegation | None: ...

    async def take_one_time_password(self, caller: Caller, serial_number: str, code: str) -> bool:
        """Whether `code` is what the caller's own multi-factor device shows now, and has not been taken before."""
