"""What IAM keeps in the store.

Everything of an account lies below ("iam", ACCOUNT), whatever the region. What hangs on a user, group or role (inline policies, memberships, attachments)
is keyed by its unique id, so that a rename moves one row. Names are unique without regard to case, so keys hold them in lower case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from haneul.services.iam import limits


class Named(msgspec.Struct, kw_only=True):
    """What all named resources share. `created_at` in nanoseconds."""

    name: str
    id: str
    path: str = "/"
    created_at: int
    tags: dict[str, str] = {}


class Entity(Named, kw_only=True):
    """A user, group or role: what policies attach to. `attached` are ARNs in the order of attachment."""

    attached: list[str] = []
    boundary: str = ""


class Password(msgspec.Struct):
    """A login profile: the password's scrypt hash, and those before it as far as the password policy forbids their reuse."""

    salt: bytes
    hash: bytes
    created_at: int
    reset_required: bool
    changed_at: int
    earlier: list[tuple[bytes, bytes]] = []


class User(Entity, kw_only=True):
    """`groups` are group ids, `keys` access key ids, `mfa_devices` serial numbers."""

    groups: list[str] = []
    keys: list[str] = []
    mfa_devices: list[str] = []
    password: Password | None = None


class Group(Entity, kw_only=True):
    """Its members are found in the rows ("member", group id, user id)."""


class Role(Entity, kw_only=True):
    """`trust` is the trust policy's text, `linked_service` the service of a service-linked role."""

    trust: str
    description: str | None = None
    max_session_seconds: int = 3600
    linked_service: str = ""


TEMPLATE_PATH = "/delegation-template/"
"""Managed policies below this path are templates for delegation requests (delegation_templates.py)."""


class ManagedPolicy(Named, kw_only=True):
    """A customer managed policy; its documents are in the rows ("policy-version", id, number)."""

    description: str | None = None
    default_version: int = 1
    newest_version: int = 1
    updated_at: int

    @property
    def is_template(self) -> bool:
        return self.path.startswith(TEMPLATE_PATH)


class PolicyVersion(msgspec.Struct):
    document: str
    created_at: int


class InlinePolicy(msgspec.Struct):
    name: str
    document: str


class InstanceProfile(Named, kw_only=True):
    """`roles` are role ids."""

    roles: list[str] = []


class ServerCertificate(Named, kw_only=True):
    """`body` and `chain` in PEM; `sealed_key` the private key's PEM, sealed; `expires_at` in nanoseconds."""

    body: str
    chain: str
    sealed_key: bytes
    expires_at: int


class SshPublicKey(msgspec.Struct, kw_only=True):
    """`body` is the `ssh-rsa` line, without a comment."""

    id: str
    body: str
    active: bool = True
    created_at: int


class Place(msgspec.Struct):
    """Where the row of an id is: the kind of entity and the lower-case name."""

    space: str
    name: str


class PolicyUse(msgspec.Struct):
    """How many entities a managed policy, AWS's included, is attached to, or bounds."""

    attached: int = 0
    bounding: int = 0


class AccessKey(msgspec.Struct, kw_only=True):
    """A long-term key; `secret` is sealed."""

    account: str
    user_id: str
    secret: bytes
    active: bool
    created_at: int


class LastUse(msgspec.Struct):
    """When and for what a key or role last signed a request; nanoseconds."""

    at: int
    service: str
    region: str


class PasswordPolicy(msgspec.Struct):
    """The account's rules for passwords; ages in days, 0 for none."""

    minimum_length: int = 6
    symbols: bool = False
    numbers: bool = False
    uppercase: bool = False
    lowercase: bool = False
    users_may_change: bool = False
    max_age_days: int = 0
    reuse_prevention: int = 0
    hard_expiry: bool | None = None


class Account(msgspec.Struct):
    """What an account has once. `report_at` is the time of the credential report, 0 without one; `root_keys` the ids of the root user's access keys.

    `issuer` is the URL of the account's issuer of web identity tokens, empty before there was one.
    """

    alias: str = ""
    password_policy: PasswordPolicy | None = None
    token_version: int = 1
    report: str = ""
    report_at: int = 0
    root_keys: list[str] = []
    issuer: str = ""
    issues_tokens: bool = False


class Counts(msgspec.Struct):
    """How many there are of what has a quota."""

    users: int = 0
    groups: int = 0
    roles: int = 0
    policies: int = 0
    policy_versions: int = 0
    instance_profiles: int = 0
    providers: int = 0
    mfa_devices: int = 0
    mfa_devices_in_use: int = 0
    server_certificates: int = 0


class OidcProvider(msgspec.Struct, kw_only=True):
    """`url` without its scheme, as the API shows it; `issuer` with it."""

    url: str
    issuer: str
    client_ids: list[str] = []
    thumbprints: list[str] = []
    created_at: int
    tags: dict[str, str] = {}


class SamlPrivateKey(msgspec.Struct, kw_only=True):
    """A key that opens encrypted assertions; `sealed` is its PEM, sealed."""

    id: str
    sealed: bytes
    created_at: int


class SamlProvider(msgspec.Struct, kw_only=True):
    name: str
    uuid: str
    metadata: str
    created_at: int
    valid_until: int
    encryption_mode: str = "Allowed"
    private_keys: list[SamlPrivateKey] = []
    tags: dict[str, str] = {}


class MfaDevice(msgspec.Struct, kw_only=True):
    """A virtual device; `seed` is sealed, `user_id` empty while nobody has it. `last_step` is the time step of the newest code used."""

    serial_number: str
    seed: bytes
    created_at: int
    user_id: str = ""
    enabled_at: int = 0
    last_step: int = 0
    tags: dict[str, str] = {}


R = TypeVar("R", bound=Named)


@dataclass(frozen=True)
class Kind(Generic[R]):
    """A kind of named resource: its key space (also the word in its ARN), record, id prefix, IAM's words for it, and its quota."""

    space: str
    record: type[R]
    id_prefix: str
    missing: str
    taken: str
    quota: str
    quota_max: int
    counter: str


USER = Kind(
    "user", User, "AIDA", "The user with name {} cannot be found.", "User with name {} already exists.", "UsersPerAccount", limits.USERS_MAX, "users"
)
GROUP = Kind(
    "group", Group, "AGPA", "The group with name {} cannot be found.", "Group with name {} already exists.", "GroupsPerAccount", limits.GROUPS_MAX, "groups"
)
ROLE = Kind(
    "role", Role, "AROA", "The role with name {} cannot be found.", "Role with name {} already exists.", "RolesPerAccount", limits.ROLES_MAX, "roles"
)
POLICY = Kind(
    "policy",
    ManagedPolicy,
    "ANPA",
    "Policy {} was not found.",
    "A policy called {} already exists. Duplicate names are not allowed.",
    "PoliciesPerAccount",
    limits.POLICIES_MAX,
    "policies",
)
INSTANCE_PROFILE = Kind(
    "instance-profile",
    InstanceProfile,
    "AIPA",
    "Instance Profile {} cannot be found.",
    "Instance Profile {} already exists.",
    "InstanceProfilesPerAccount",
    limits.INSTANCE_PROFILES_MAX,
    "instance_profiles",
)
SERVER_CERTIFICATE = Kind(
    "server-certificate",
    ServerCertificate,
    "ASCA",
    "The Server Certificate with name {} cannot be found.",
    "The Server Certificate with name {} already exists.",
    "ServerCertificatesPerAccount",
    limits.SERVER_CERTIFICATES_MAX,
    "server_certificates",
)


def arn_of(account: str, kind: Kind[R], one: R) -> str:
    """The resource's ARN, with its path."""
    return f"arn:aws:iam::{account}:{kind.space}{one.path}{one.name}"
