"""The Principal and NotPrincipal elements: whom a resource's policy speaks of, and how directly it names them.

IAM User Guide, "AWS JSON policy elements: Principal", "… NotPrincipal", and the table of resource-based policies and implicit denies in
"Policy evaluation logic".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

from haneul.core.caller import Caller


class Naming(IntEnum):
    """How a policy names the caller. The more directly, the fewer other policies can limit what it grants within one account."""

    NOT = 0
    ACCOUNT = 1
    """The caller's account: its own identity policies must allow the action too."""
    ROLE = 2
    """The identity behind the session: its boundary and the session's policies still limit the grant."""
    DIRECT = 3
    """The caller itself, or everyone: nothing but an explicit deny limits the grant."""


_ACCOUNT: Final = re.compile(r"(?:arn:[a-z-]+:iam::)?(\d{12})(?::root)?\Z")
_KNOWN_FORMS: Final = re.compile(r"\*\Z|\d{12}\Z|arn:[a-z-]+:(?:iam|sts)::(?:\d{12}|cloudfront):(?:root|[a-z-]+/[^*?]+)\Z|A[A-Z]{3}[A-Z0-9]{12,}(?::[\w+=,.@-]+)?\Z")

_SERVICE: Final = re.compile(r"\*\Z|(?:[A-Za-z0-9-]+\.)+[A-Za-z]+\Z")
_FEDERATED: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+\Z|arn:[a-z-]+:iam::\d{12}:(?:saml|oidc)-provider/[^*?]+\Z")

PRINCIPAL_TYPES: Final = ("AWS", "Service", "Federated", "CanonicalUser")


def is_principal(kind: str, value: str) -> bool:
    """True when a value has a form that an entry of a Principal element may have; `kind` is one of PRINCIPAL_TYPES."""
    if kind == "AWS":
        return _KNOWN_FORMS.match(value) is not None
    if kind == "Service":
        return _SERVICE.match(value) is not None
    return value != "" and (value == "*" or "*" not in value)


def is_federated_principal(value: str) -> bool:
    """True when whose word a trust policy takes is a domain (`accounts.google.com`) or an identity provider's ARN."""
    return _FEDERATED.match(value) is not None


class Principals:
    """The compiled entries of one Principal or NotPrincipal element."""

    __slots__ = ("accounts", "canonical", "everyone", "federated", "names", "services")

    def __init__(self, entries: Mapping[str, Sequence[str]]) -> None:
        aws = entries.get("AWS", ())
        self.everyone = "*" in aws
        self.accounts = frozenset(found.group(1) for value in aws if (found := _ACCOUNT.match(value)) is not None)
        self.names = frozenset(aws)
        self.services = frozenset(entries.get("Service", ()))
        self.federated = frozenset(entries.get("Federated", ()))
        self.canonical = frozenset(entries.get("CanonicalUser", ()))

    def naming(self, caller: Caller) -> Naming:
        """How directly the entries name the caller."""
        if caller.kind == "web-identity":  # The holder of a foreign token is nobody in AWS, so not even `*` means them.
            return Naming.DIRECT if caller.federated_provider in self.federated else Naming.NOT
        if self.everyone:
            return Naming.DIRECT
        if caller.kind == "anonymous":
            return Naming.NOT
        if caller.kind == "service":
            return Naming.DIRECT if caller.service in self.services or "*" in self.services else Naming.NOT
        if caller.arn in self.names or caller.principal_id in self.names:
            return Naming.DIRECT
        if caller.role_arn and (caller.role_arn in self.names or (caller.identity_id and caller.identity_id in self.names)):
            return Naming.ROLE
        if caller.kind == "role" and caller.principal_id.partition(":")[0] in self.names:
            return Naming.ROLE
        if caller.account in self.accounts or (caller.canonical_id and caller.canonical_id in self.canonical):
            return Naming.DIRECT if caller.kind == "root" else Naming.ACCOUNT
        return Naming.NOT

    def exempts(self, caller: Caller) -> bool:
        """Whether NotPrincipal with Deny spares the caller: the account must be listed too, as the documentation asks, because it is validated first."""
        naming = self.naming(caller)
        if naming is Naming.NOT or naming is Naming.ACCOUNT:
            return False
        return self.everyone or not caller.account or caller.account in self.accounts
