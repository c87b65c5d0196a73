"""Who is calling, and may they: signatures, sessions and policies brought together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from haneul.auth.policy.binding import bound, shown
from haneul.auth.policy.document import MalformedPolicy, Policy, deny_everything, parse_policy
from haneul.auth.policy.evaluate import AccessRequest, PolicySet, decide, denial_message, narrowed
from haneul.auth.policy.explain import context_keys
from haneul.auth.ports import Credential, IdentityPolicies, IdentitySource
from haneul.auth.root import RootKeys
from haneul.auth.sessions import Sessions
from haneul.auth.signature.problems import SignatureProblem
from haneul.auth.signature.verify import Verifier
from haneul.auth.simulation import foresee, managed_policy_texts, simulate
from haneul.clock import Clock
from haneul.core.caller import ANONYMOUS, Caller, service_caller
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.http import HttpRequest
from haneul.core.identity import Identity
from haneul.core.key_ids import account_of_key
from haneul.core.ports import Delegation, Foresight, ManagedPolicyText, SessionKeys, Simulation, TrustedRole, TrustedSamlProvider

_NOBODY: Final = IdentityPolicies()
_GRANTS_NOTHING: Final = '{"Version": "2012-10-17", "Statement": []}'


class UnknownIdentities:
    """An identity source that knows nobody (a cloud without the iam service)."""

    def credential(self, access_key_id: str) -> Credential | None:
        return None

    def used(self, caller: Caller, service: str, region: str) -> None:
        return None

    def policies(self, caller: Caller) -> IdentityPolicies:
        return _NOBODY

    def managed_policy(self, arn: str) -> str | None:
        return None

    def bound_principal(self, principal: str) -> str | None:
        return principal

    def shown_principal(self, unique_id: str) -> str | None:
        return None

    def role(self, role_arn: str) -> TrustedRole | None:
        return None

    def saml_provider(self, arn: str) -> TrustedSamlProvider | None:
        return None

    def delegation(self, token: str) -> Delegation | None:
        return None

    async def take_one_time_password(self, caller: Caller, serial_number: str, code: str) -> bool:
        return False


class StandardAuthority:
    """The `Authority` of `core/ports.py`.

    `protocols_of` and `signing_name_of` come from the service models: errors are worded by protocol, scopes name the signing name.
    """

    def __init__(
        self,
        clock: Clock,
        root: RootKeys,
        sessions: Sessions,
        *,
        protocols_of: Callable[[str], tuple[str, ...]],
        signing_name_of: Callable[[str], str],
        identities: IdentitySource | None = None,
    ) -> None:
        self._clock = clock
        self._root = root
        self._sessions = sessions
        self._protocols_of = protocols_of
        self._signing_name = lru_cache(maxsize=None)(signing_name_of)
        self.identities: IdentitySource = identities or UnknownIdentities()
        self._verifier = Verifier(clock, self._find_credential)
        self._policy = lru_cache(maxsize=4096)(_parsed)
        self._managed: dict[str, ManagedPolicyText] | None = None

    # ---- who

    def authenticate(self, request: HttpRequest, service: str) -> Identity:
        try:
            found = self._verifier.verify(request, self._signing_name(service))
        except SignatureProblem as problem:
            raise problem.as_error(_spoken(request, self._protocols_of(service))) from None
        if found is None:
            return Identity(ANONYMOUS, "", {})
        signed, credential = found
        caller = credential.caller
        # Of the root user's keys only IAM's have a last use; temporary and development keys do not begin so.
        if caller.kind != "root" or caller.access_key_id.startswith("AKIA"):
            self.identities.used(caller, service, signed.grant.region)
        return Identity(caller, signed.grant.region, signed.context)

    def missing_credentials(self, request: HttpRequest, service: str) -> ServiceError:
        return SignatureProblem("missing").as_error(_spoken(request, self._protocols_of(service)))

    def authenticate_form(self, fields: Mapping[str, str], service: str, remote: str) -> Identity:
        try:
            signed, credential = self._verifier.verify_form(fields, self._signing_name(service), remote)
        except SignatureProblem as problem:
            raise problem.as_error(self._protocols_of(service)[0]) from None
        return Identity(credential.caller, signed.grant.region, signed.context)

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

    def mint_session(
        self,
        caller: Caller,
        duration_seconds: int,
        *,
        policies: tuple[str, ...] = (),
        expires_at: int | None = None,
        token_bytes_min: int = 0,
        issued_at: int | None = None,
    ) -> SessionKeys:
        return self._sessions.mint(caller, duration_seconds, policies, expires_at, token_bytes_min, issued_at)

    def key_owner_account(self, access_key_id: str) -> str | None:
        if access_key_id.startswith("ASIA"):
            return account_of_key(access_key_id)
        found = self._root.credential(access_key_id, "") or self.identities.credential(access_key_id)
        return found.caller.account if found is not None else None

    def role(self, role_arn: str) -> TrustedRole | None:
        return self.identities.role(role_arn)

    def saml_provider(self, arn: str) -> TrustedSamlProvider | None:
        return self.identities.saml_provider(arn)

    def delegation(self, token: str) -> Delegation | None:
        return self.identities.delegation(token)

    async def take_one_time_password(self, caller: Caller, serial_number: str, code: str) -> bool:
        return await self.identities.take_one_time_password(caller, serial_number, code)

    def role_caller(self, role_arn: str, service: str, session_name: str, context: Mapping[str, Any] | None = None) -> Caller:
        role = self.identities.role(role_arn)
        if role is None:
            raise AccessDenied(f"User: {service} is not authorized to perform: sts:AssumeRole on resource: {role_arn}")
        self.authorize(
            service_caller(service),
            "sts:AssumeRole",
            (role_arn,),
            context or {},
            resource_policy=role.trust,
            resource_account=role.account,
            resource_policy_required=True,
            resource_policy_kind="trust",
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
        resource_policy_kind: str = "resource",
    ) -> None:
        owner = resource_account or caller.account
        if caller.kind == "root" and resource_policy is None and owner == caller.account and not resource_policy_required and not caller.scope_policies:
            return
        policies = self._policy_set(caller, owner, self._policy(resource_policy, resource_policy_kind) if resource_policy is not None else None)
        request = AccessRequest(action=action, resources=resources, context=context)
        decision = decide(request, caller, policies, resource_policy_required=resource_policy_required)
        if decision.allowed and caller.scope_policies:
            decision = narrowed(decision, request, caller, [self._policy(text, "session") for text in caller.scope_policies], owner)
        if not decision.allowed:
            raise AccessDenied(denial_message(decision, request, caller))

    def _policy_set(self, caller: Caller, owner: str, resource: Policy | None) -> PolicySet:
        """Whatever bears on a caller's requests for something of the account `owner`."""
        attached = self.identities.policies(caller) if caller.kind in ("user", "role", "federated", "web-identity") else _NOBODY
        texts = caller.session_policies
        return PolicySet(
            identity=attached.identity,
            boundary=attached.boundary,
            session=tuple(self._policy(self._session_document(text), "session") for text in texts) if texts else None,
            resource=resource,
            resource_account=owner,
        )

    def foresee(self, caller: Caller, action: str, resource: str) -> Foresight:
        scopes = [self._policy(text, "session") for text in caller.scope_policies]
        return foresee(caller, action, resource, self._policy_set(caller, caller.account, None), scopes)

    def _session_document(self, text: str) -> str:
        """A session's policy by its text or ARN; a managed policy that is gone grants nothing any more."""
        return (self.identities.managed_policy(text) or _GRANTS_NOTHING) if text.startswith("arn:") else text

    # ---- policies for the iam service and for services that keep policies of their own

    def compile_policy(self, document: str, kind: str, *, current_version_required: bool = False) -> Policy:
        try:
            policy = parse_policy(document, kind, current_version_required=current_version_required)  # type: ignore[arg-type]
        except MalformedPolicy as problem:
            raise ServiceError("MalformedPolicyDocument", problem.message, 400) from None
        return policy

    def bind_principals(self, document: str) -> str:
        try:
            parse_policy(document, "resource")  # What cannot be judged by denies everything, to whoever would mend it, too.
            return bound(document, self.identities.bound_principal)
        except MalformedPolicy as problem:
            raise ServiceError("MalformedPolicyDocument", problem.message, 400) from None

    def show_principals(self, document: str) -> str:
        return shown(document, self.identities.shown_principal)

    def policy(self, document: str, kind: str) -> Policy:
        return self._policy(document, kind)

    def context_keys(self, documents: Sequence[str], kind: str = "identity") -> list[str]:
        found: dict[str, str] = {}
        for document in documents:
            for key in context_keys(self.compile_policy(document, kind)):
                found.setdefault(key.lower(), key)
        return list(found.values())

    def simulate(
        self,
        caller: Caller,
        action: str,
        resource: str,
        context: Mapping[str, Any],
        *,
        identity: Sequence[tuple[str, str]],
        boundary: str | None = None,
        resource_policy: str | None = None,
        resource_account: str = "",
    ) -> Simulation:
        return simulate(
            caller,
            action,
            resource,
            context,
            [(name, self._policy(text, "identity")) for name, text in identity],
            self._policy(boundary, "boundary") if boundary is not None else None,
            self._policy(resource_policy, "resource") if resource_policy is not None else None,
            resource_account,
        )

    def managed_policy(self, arn: str) -> str | None:
        return self.identities.managed_policy(arn)

    def managed_policies(self) -> Mapping[str, ManagedPolicyText]:
        if self._managed is None:
            self._managed = managed_policy_texts()
        return self._managed


def _spoken(request: HttpRequest, protocols: tuple[str, ...]) -> str:
    """Which of the service's protocols a request speaks."""
    if "x-amz-target" in request.headers:
        return "json"
    if "smithy-protocol" in request.headers:
        return "smithy-rpc-v2-cbor"
    return "query" if "query" in protocols else protocols[0]


def _parsed(text: str, kind: Any) -> Policy:
    """A policy that its service has checked before it stored it; should one not parse, everything is denied, not allowed."""
    try:
        return parse_policy(text, kind)
    except MalformedPolicy:
        return deny_everything(kind)
