"""Who makes a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CallerKind = Literal["root", "user", "role", "federated", "web-identity", "service", "anonymous"]
# Fields that are tuples; what was kept by earlier releases may lack the newest.
_SEVERAL = ("session_policies", "scope_policies", "transitive_tags")


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal behind a request, as the IAM User Guide's "AWS JSON policy elements: Principal" tells principals apart.

    - `kind`: `role` is any session of a role (AssumeRole, web identity, SAML); `federated` a session of GetFederationToken; `web-identity` the
      holder of an identity provider's token who is not yet a session (only trust policies know it); `service` an AWS service acting for itself.
    - `account`: 12 digits; empty for `service`, `anonymous` and `web-identity`.
    - `arn`: `arn:aws:iam::ACCOUNT:root`, `…:user/PATH/NAME`, `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, `…:federated-user/NAME`.
    - `principal_id`: the account id (root), `AIDA…`, `AROA…:SESSION`, `ACCOUNT:NAME` (federated); what `aws:userid` shows.
    - `role_arn`: the IAM ARN, path included, of the identity behind a session: the role, or the user (or root) who asked for a federation token;
      `identity_id` is the unique id of that user.
    - `service`: the service principal, `lambda.amazonaws.com`. `federated_provider`: `accounts.google.com`, or the provider's ARN.
    - `tags`: the principal's tags with the session's laid over them. `token_issued_at_ns` and `token_expires_at_ns`:
      None for long-term keys.
    - `mfa`: whether the session began with a multi-factor code; `mfa_at_ns` when that was given.
    - `canonical_id`: the account's canonical user id, where a service (S3) knows it.
    - `session_policies`: JSON texts, or ARNs of managed policies, passed when the session began. `scope_policies`: JSON texts that narrow it down further, each
      by itself (GetScopedCredentials, temporary delegation). `delegate` is the account of the product provider that the caller let act for it
      (GetDelegatedAccessToken), empty while it acts itself. `transitive_tags`: keys of the session tags that go on
      to every role that the session assumes. `session_keys`: condition keys that every request of the session has (`saml:sub`), names in lower case.
    """

    kind: CallerKind
    account: str
    arn: str
    principal_id: str
    role_arn: str = ""
    identity_id: str = ""
    access_key_id: str = ""
    service: str = ""
    federated_provider: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    session_name: str = ""
    source_identity: str = ""
    token_issued_at_ns: int | None = None
    token_expires_at_ns: int | None = None
    mfa: bool = False
    mfa_at_ns: int | None = None
    canonical_id: str = ""
    session_policies: tuple[str, ...] = ()
    scope_policies: tuple[str, ...] = ()
    delegate: str = ""
    transitive_tags: tuple[str, ...] = ()
    session_keys: Mapping[str, str] = field(default_factory=dict)

    def is_root_of(self, account: str) -> bool:
        """Whether this is the root user of the account, with all that root may do: a session that was scoped down has not."""
        return self.kind == "root" and self.account == account and not self.scope_policies


def caller_fields(caller: Caller) -> dict[str, Any]:
    """A caller as plain data, for a token or a record."""
    fields: dict[str, Any] = {name: getattr(caller, name) for name in Caller.__dataclass_fields__}
    return fields | {"tags": dict(caller.tags), "session_keys": dict(caller.session_keys)}


def caller_of(fields: Mapping[str, Any]) -> Caller:
    """The caller that `caller_fields` made plain data of."""
    return Caller(**(dict(fields) | {name: tuple(fields.get(name, ())) for name in _SEVERAL}))


ANONYMOUS = Caller(kind="anonymous", account="", arn="", principal_id="anonymous")


def service_caller(service: str) -> Caller:
    """An AWS service acting for itself, such as `s3.amazonaws.com` delivering a notification."""
    return Caller(kind="service", account="", arn="", principal_id="", service=service)
