"""Who is calling, and may they: signatures, sessions and policies brought together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from haneul.auth.policy.document import MalformedPolicy, Policy, parse_policy
from haneul.auth.policy.evaluate import AccessRequest, PolicySet, decide, denial_message
from haneul.auth.ports import Credential, IdentityPolicies, IdentitySource
from haneul.auth.root import RootKeys
from haneul.auth.sessions import Sessions
from haneul.auth.signature.problems import SignatureProblem
from haneul.auth.signature.verify import Verifier
from haneul.clock import Clock
from haneul.core.caller import ANONYMOUS, Caller, service_caller
from haneul.core.errors import AccessDenied
from haneul.core.http import HttpRequest
from haneul.core.ports import SessionKeys

_NOBODY = IdentityPolicies()


@dataclass(frozen=True, slots=True)
class Identified:
    """The outcome of authentication."""

    caller: Caller
    region: str
    context: Mapping[str, Any] = field(default_factory=dict)


class UnknownIdentities:
    """An identity source that knows nobody (a cloud without the iam service)."""

    def credential(self, access_key_id: str) -> Credential | None:
        return None

    def policies(self, caller: Caller) -> IdentityPolicies:
        return _NOBODY

    def role(self, role_arn: str) -> None:
        return None


class StandardAuthority:
    """The `Authority` of `core/ports.py`.

    `protocol_of` and `signing_name_of` come from the service models: errors are worded by protocol, scopes name the signing name.
    """

    def __init__(
        self,
        clock: Clock,
        root: RootKeys,
        sessions: Sessions,
        *,
        protocol_of: Callable[[str], str],
        signing_name_of: Callable[[str], str],
        identities: IdentitySource | None = None,
    ) -> None:
        self._clock = clock
        self._root = root
        self._sessions = sessions
        self._protocol_of = protocol_of
        self._signing_name_of = signing_name_of
        self.identities: IdentitySource = identities or UnknownIdentities()
        self._verifier = Verifier(clock, self._find_credential)
        self._policy = lru_cache(maxsize=4096)(_parsed)

    # ---- who

    def authenticate(self, request: HttpRequest, service: str) -> Identified:
        try:
            found = self._verifier.verify(request, self._signing_name_of(service))
        except SignatureProblem as problem:
            wants_json = "x-amz-target" in request.headers
            raise problem.as_error(self._protocol_of(service), wants_json) from None
        if found is None:
            return Identified(ANONYMOUS, "")
        signed, credential = found
        return Identified(credential.caller, signed.region, signed.context)

    def authenticate_form(self, fields: Mapping[str, str], service: str) -> Identified:
        try:
            signed, credential = self._verifier.verify_form(fields, self._signing_name_of(service))
        except SignatureProblem as problem:
            raise problem.as_error(self._protocol_of(service)) from None
        return Identified(credential.caller, signed.region, signed.context)

    def _find_credential(self, access_key_id: str, token: str, remote: str) -> Credential:
        if token:
            found = self._sessions.read(access_key_id, token)
            if found is None:
                raise SignatureProblem("bad-token")
            if found.expires_at <= self._clock.now():
                raise SignatureProblem("expired-token")
            return found
        found = self._root.credential(access_key_id, remote) or self.identities.credential(access_key_id)
        if found is None or not found.active:
            raise SignatureProblem("unknown-key")
        return found

    def mint_session(self, caller: Caller, duration_seconds: int, *, policies: tuple[str, ...] = (), expires_at: int | None = None) -> SessionKeys:
        return self._sessions.mint(caller, duration_seconds, policies, expires_at)

    def key_owner_account(self, access_key_id: str) -> str | None:
        found = self._root.credential(access_key_id, "") or self.identities.credential(access_key_id)
        return found.caller.account if found is not None else None

    def role_caller(self, role_arn: str, service: str, session_name: str, context: Mapping[str, Any] | None = None) -> Caller:
        role = self.identities.role(role_arn)
        if role is None:
            raise AccessDenied(f"User: {service} is not authorized to perform: sts:AssumeRole on resource: {role_arn}")
        self.authorize(
            service_caller(service), "sts:AssumeRole", (role_arn,), context or {}, resource_policy=role.trust, resource_account=role.account, resource_policy_required=True
        )
        return Caller(
            kind="role",
            account=role.account,
            arn=f"{role.caller_prefix}/{session_name}",
            principal_id=f"{role.role_id}:{session_name}",
            role_arn=role_arn,
            session_name=session_name,
            tags=role.tags,
            token_issued_at_ns=self._clock.now(),
        )

    # ---- may they

    def authorize(
        self,
        caller: Caller,
        action: str,
        resources: tuple[str, ...],
        context: Mapping[str, Any],
        *,
        resource_policy: str | None = None,
        resource_account: str | None = None,
        resource_policy_required: bool = False,
    ) -> None:
        owner = resource_account or caller.account
        if caller.kind == "root" and resource_policy is None and owner == caller.account and not resource_policy_required:
            return
        attached = self.identities.policies(caller) if caller.kind in ("user", "role", "federated", "web-identity") else _NOBODY
        texts = caller.session_policies
        policies = PolicySet(
            identity=attached.identity,
            boundary=attached.boundary,
            session=tuple(self._policy(text, "session") for text in texts) if texts else None,
            resource=self._policy(resource_policy, "resource") if resource_policy is not None else None,
            resource_account=owner,
        )
        request = AccessRequest(action=action, resources=resources, context=context)
        decision = decide(request, caller, policies, resource_policy_required=resource_policy_required)
        if not decision.allowed:
            raise AccessDenied(denial_message(decision, request, caller))


def _parsed(text: str, kind: Any) -> Policy:
    """A policy that its service has checked before it stored it; should one not parse, nothing is allowed through it."""
    try:
        return parse_policy(text, kind)
    except MalformedPolicy:
        return parse_policy({"Version": "2012-10-17", "Statement": []}, kind)
