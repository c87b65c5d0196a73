"""What auth asks of IAM on every request: keys, attached policies, roles. All of it from memory, until something in IAM changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from haneul.clock import SECOND
from haneul.core.arn import parse_arn
from haneul.core.caller import Caller, caller_of
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.ports import Credential, Delegation, IdentityPolicies, TrustedRole, TrustedSamlProvider
from haneul.services.iam.delegation_notices import token_hash
from haneul.services.iam.delegation_records import find_request, partner_boundary, token_row
from haneul.services.iam.directory import ENTITY_KINDS, SPACE, Directory, accounts
from haneul.services.iam.mfa_records import SEED_PURPOSE, matching_step
from haneul.services.iam.provider_records import saml_arn, saml_provider
from haneul.services.iam.records import GROUP, ROLE, USER, AccessKey, Entity, MfaDevice, User, arn_of
from haneul.services.iam.saml_keys import opened_keys
from haneul.services.iam.saml_metadata import SamlMetadata, read_metadata
from haneul.store.keys import pack
from haneul.store.port import Transaction
from haneul.store.records import decode

KEY_SPACE = "iam-key"
KEY_PURPOSE = "iam-access-key "
_CACHE_SIZE = 20_000
_NOBODY = IdentityPolicies()
_ALLOWS_ALL = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def key_row(access_key_id: str) -> bytes:
    """Where a key stands in the store."""
    return pack((KEY_SPACE, access_key_id))


class Identities:
    """IAM's side of `auth.ports.IdentitySource`, with its caches.

    IAM changes seldom and is asked at each request, so any change empties the caches; a lookup after that costs a few reads of the store.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._credentials: dict[str, Credential] = {}
        self._policies: dict[str, IdentityPolicies] = {}
        self._roles: dict[str, TrustedRole] = {}
        self._arns: dict[str, str] = {}
        self._metadata: dict[str, SamlMetadata] = {}
        self._unwatch: list[Callable[[], None]] = []

    def start(self) -> None:
        """Follow what changes."""
        self._forget(())
        self._unwatch = [self._cloud.store.watch(pack((space,)), self._forget) for space in (SPACE, KEY_SPACE)]

    def stop(self) -> None:
        while self._unwatch:
            self._unwatch.pop()()

    def _forget(self, _: Sequence[bytes]) -> None:
        self._credentials.clear()
        self._policies.clear()
        self._roles.clear()
        self._arns.clear()
        self._metadata.clear()

    # ---- keys

    def credential(self, access_key_id: str) -> Credential | None:
        found = self._credentials.get(access_key_id)
        if found is None:
            found = self._read_credential(access_key_id)
            if found is not None:
                _remember(self._credentials, access_key_id, found)
        return found

    def _read_credential(self, access_key_id: str) -> Credential | None:
        row = self._cloud.store.get(key_row(access_key_id))
        if row is None:
            return None
        key = decode(row, AccessKey)
        secret = self._cloud.vault.unseal(key.secret, KEY_PURPOSE + access_key_id)
        if secret is None:
            return None
        if key.user_id == key.account:  # The root user's id is its account's.
            root = Caller(
                kind="root", account=key.account, arn=f"arn:aws:iam::{key.account}:root", principal_id=key.account, access_key_id=access_key_id
            )
            return Credential(secret.decode(), root, active=key.active)
        user = Directory(self._cloud.store, key.account).by_id(USER, key.user_id)
        if user is None:
            return None
        caller = Caller(
            kind="user", account=key.account, arn=arn_of(key.account, USER, user), principal_id=user.id, access_key_id=access_key_id, tags=user.tags
        )
        return Credential(secret.decode(), caller, active=key.active)

    # ---- policies

    def policies(self, caller: Caller) -> IdentityPolicies:
        if caller.kind == "federated":
            name = caller.role_arn
        else:
            name = caller.principal_id.partition(":")[0]
        found = self._policies.get(name)
        if found is None:
            found = self._read_policies(caller, name)
            _remember(self._policies, name, found)
        return found

    def _read_policies(self, caller: Caller, name: str) -> IdentityPolicies:
        directory = Directory(self._cloud.store, caller.account)
        entity: Entity | None = None
        if caller.kind == "federated":
            if name.endswith(":root"):
                return IdentityPolicies(identity=(("Root", self._cloud.authority.policy(_ALLOWS_ALL, "identity")),))
            entity = directory.by_arn(USER, name)
        elif (found := directory.entity_of(name)) is not None:
            entity = found[1]
        if entity is None:
            return _NOBODY
        boundary = None
        if entity.boundary:
            # A boundary that cannot be read allows nothing.
            boundary = self._cloud.authority.policy(self._document(directory, entity.boundary) or "", "boundary")
        compiled = tuple((policy_id, self._cloud.authority.policy(text, "identity")) for policy_id, text in self.documents_of(directory, entity))
        return IdentityPolicies(identity=compiled, boundary=boundary)

    def documents_of(self, directory: Directory, entity: Entity) -> list[tuple[str, str]]:
        """The identity policies of a user, group or role, those of a user's groups included: (id as simulations show it, JSON text)."""
        found = self._own_documents(directory, entity)
        if isinstance(entity, User):
            for group_id in entity.groups:
                group = directory.by_id(GROUP, group_id)
                if group is not None:
                    found += self._own_documents(directory, group)
        return found

    def _own_documents(self, directory: Directory, entity: Entity) -> list[tuple[str, str]]:
        space = type(entity).__name__.lower()
        found = [(f"{space}_{entity.name}_{one.name}", one.document) for one in directory.inline_policies(entity.id)]
        for arn in entity.attached:
            document = self._document(directory, arn)
            if document is not None:
                found.append((arn.rpartition("/")[2], document))
        return found

    def _document(self, directory: Directory, arn: str) -> str | None:
        managed = self._cloud.authority.managed_policies().get(arn)
        if managed is not None:
            return managed.document
        boundary = partner_boundary(self._cloud.store, arn)
        return boundary.document if boundary is not None else directory.attachable_document(arn)

    def managed_policy(self, arn: str) -> str | None:
        """The default version's document of a managed policy, wherever it is."""
        parsed = parse_arn(arn)
        return self._document(Directory(self._cloud.store, parsed.account), arn) if parsed is not None else None

    # ---- principals of policies

    def bound_principal(self, principal: str) -> str | None:
        """The unique id of a user or role, given by ARN or id (that of a role with a session's name behind it); None for anybody else."""
        parsed = parse_arn(principal)
        if parsed is None:
            return principal if self.shown_principal(principal.partition(":")[0]) is not None else None
        kind = ENTITY_KINDS.get(parsed.resource.partition("/")[0])
        found = Directory(self._cloud.store, parsed.account).by_arn(kind, principal) if kind is not None and kind is not GROUP else None
        return found.id if found is not None else None

    def shown_principal(self, unique_id: str) -> str | None:
        """The ARN of a user or role, in whichever account."""
        found = self._arns.get(unique_id)
        if found is None:
            for account in accounts(self._cloud.store):
                entity = Directory(self._cloud.store, account).entity_of(unique_id)
                if entity is not None:
                    found = arn_of(account, *entity)
                    break
            _remember(self._arns, unique_id, found or "")
        return found or None

    # ---- roles and devices

    def role(self, role_arn: str) -> TrustedRole | None:
        found = self._roles.get(role_arn)
        if found is None:
            parsed = parse_arn(role_arn)
            if parsed is None or parsed.service != "iam":
                return None
            role = Directory(self._cloud.store, parsed.account).by_arn(ROLE, role_arn)
            if role is None:
                return None
            prefix = f"arn:aws:sts::{parsed.account}:assumed-role/{role.name}"
            found = TrustedRole(role_arn, prefix, role.id, parsed.account, role.trust, role.tags, role.max_session_seconds)
            _remember(self._roles, role_arn, found)
        return found

    def saml_provider(self, arn: str) -> TrustedSamlProvider | None:
        """The metadata is remembered, as anybody can ask for its sake; private keys are not to lie about in memory."""
        parsed = parse_arn(arn)
        if parsed is None or not parsed.account:
            return None
        try:
            provider, _ = saml_provider(Directory(self._cloud.store, parsed.account), arn)
            metadata = self._metadata.get(arn) or read_metadata(provider.metadata)
        except ServiceError:
            return None
        _remember(self._metadata, arn, metadata)
        return TrustedSamlProvider(
            saml_arn(parsed.account, provider.name),
            parsed.account,
            provider.name,
            provider.uuid,
            metadata.entity_id,
            metadata.certificates,
            opened_keys(provider, self._cloud.vault),
            provider.encryption_mode == "Required",
        )

    # ---- delegations

    def delegation(self, token: str) -> Delegation | None:
        """What a trade-in token stands for, while who approved its request is there."""
        row = self._cloud.store.get(token_row(token_hash(token)))
        one = find_request(self._cloud.store, row.decode()) if row is not None else None
        if one is None or one.approver is None:
            return None
        approver = caller_of(one.approver)
        if approver.kind != "root" and Directory(self._cloud.store, approver.account).entity_of(approver.principal_id.partition(":")[0]) is None:
            return None
        return Delegation(one.requestor, approver, one.policy, one.released_at, one.released_at + one.session_seconds * SECOND)

    async def take_one_time_password(self, caller: Caller, serial_number: str, code: str) -> bool:
        """Whether the device is the caller's and shows this code, which counts once: after it only later ones do."""

        def work(tx: Transaction) -> bool:
            directory = Directory(tx, caller.account)
            key = directory.key("mfa", serial_number)
            device = directory.get(key, MfaDevice)
            if device is None or not device.user_id or device.user_id != caller.principal_id:
                return False
            seed = self._cloud.vault.unseal(device.seed, SEED_PURPOSE)
            step = matching_step(seed, code, self._cloud.clock.now()) if seed is not None else None
            if step is None or step <= device.last_step:
                return False
            device.last_step = step
            directory.put(key, device)
            return True

        return await self._cloud.store.transact(work)


def _remember(cache: dict[str, Any], name: str, value: Any) -> None:
    if len(cache) >= _CACHE_SIZE:
        cache.clear()
    cache[name] = value
