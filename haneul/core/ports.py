"""What the core and the services need from the layers beside them, as interfaces. `app.py` puts the real things in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from haneul.clock import Clock
from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.identity import Identity
from haneul.store.port import Transaction

Shape = dict[str, Any]


class Codec(Protocol):
    """Turns one service's HTTP into shapes and back (built by the wire)."""

    def match(self, request: HttpRequest) -> Any: ...

    def parse(self, matched: Any, request: HttpRequest) -> Shape: ...

    def validate(self, operation: str, params: Shape) -> None:
        """Raise the service's validation error when `params` break the model's constraints."""

    def serialize(self, matched: Any, output: Shape, request_id: str, request: HttpRequest) -> HttpResponse: ...

    def error(self, matched: Any, error: ServiceError, request_id: str, request: HttpRequest) -> HttpResponse: ...


class Authority(Protocol):
    """Says who is calling and whether they may (built by auth)."""

    def authenticate(self, request: HttpRequest, service: str) -> Identity:
        """Verify the request's signature (header or presigned). A streamed body is replaced by one that verifies itself while it is read."""

    def missing_credentials(self, request: HttpRequest, service: str) -> ServiceError:
        """What an anonymous caller is told where credentials are needed, in the words of the service and the protocol spoken."""

    def authenticate_form(self, fields: Mapping[str, str], service: str, remote: str) -> Identity:
        """Verify an S3 POST form by its signed `policy` field (names in lower case). `remote` is the client's address: development keys work from this machine only."""

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
        """Temporary credentials that stand for `caller`, limited by session policies. Self-contained: nothing is stored. `issued_at` is when the session
        began, if not now.
        """

    def key_owner_account(self, access_key_id: str) -> str | None:
        """The account that an access key id belongs to; those of temporary credentials carry it."""

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
        """Return when the caller may; raise `AccessDenied` with the service's words when not. `resource_policy_kind` is `trust` for a role's trust policy."""

    def role(self, role_arn: str) -> TrustedRole | None:
        """What a role is and whom it trusts."""

    def saml_provider(self, arn: str) -> TrustedSamlProvider | None:
        """What signs and encrypts the assertions of a SAML identity provider."""

    def delegation(self, token: str) -> Delegation | None:
        """What the trade-in token of a delegation request stands for; None for what is no such token, and when who approved the request is gone."""

    def foresee(self, caller: Caller, action: str, resource: str) -> Foresight:
        """What a caller's own policies say to an action on a resource, of which nothing else is known yet. Either may have wildcards."""

    def role_caller(self, role_arn: str, service: str, session_name: str, context: Mapping[str, Any] | None = None) -> Caller:
        """The session that `service` (`lambda.amazonaws.com`) has after assuming a role; AccessDenied when the role does not trust it or does not exist."""

    async def take_one_time_password(self, caller: Caller, serial_number: str, code: str) -> bool:
        """Whether `code` is what the caller's own multi-factor device shows now, and has not been taken before."""

    def bind_principals(self, document: str) -> str:
        """A policy of a resource or role as it is kept: with the unique ids of users and roles in place of their ARNs.

        Raises `MalformedPolicyDocument` for a policy that cannot be judged by, and for a principal that there is not, in whatever account of this cloud.
        """

    def show_principals(self, document: str) -> str:
        """A kept policy as it is shown: with the ARNs of the users and roles that there still are."""

    def compile_policy(self, document: str, kind: str, *, current_version_required: bool = False) -> Any:
        """Check and compile a policy that somebody wants to keep.

        `kind` is `identity`, `resource`, `trust`, `boundary` or `session`. Raises ServiceError MalformedPolicyDocument with IAM's message, which other
        services reword.
        """

    def policy(self, document: str, kind: str) -> Any:
        """The compiled form of a policy that was checked when it was stored (remembered by its text)."""

    def context_keys(self, documents: Sequence[str], kind: str = "identity") -> list[str]:
        """The condition keys that policies refer to, each once."""

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
        """Decide as `authorize` does, from policies given as (id, JSON text), and say why."""

    def managed_policy(self, arn: str) -> str | None:
        """The default version's document of a managed policy, a customer's or AWS's."""

    def managed_policies(self) -> Mapping[str, ManagedPolicyText]:
        """The policies that AWS manages, by ARN in the order of names."""


@dataclass(frozen=True, slots=True)
class TrustedRole:
    """What auth and STS must know of a role. `caller_prefix` is `arn:aws:sts::ACCOUNT:assumed-role/NAME`."""

    arn: str
    caller_prefix: str
    role_id: str
    account: str
    trust: str
    tags: Mapping[str, str]
    max_session_seconds: int = 3600


@dataclass(frozen=True, slots=True)
class TrustedSamlProvider:
    """What STS must know of a SAML provider. `certificates` are DER, `private_keys` PEM, the newest first; `entity_id` is the issuer's name."""

    arn: str
    account: str
    name: str
    uuid: str
    entity_id: str
    certificates: tuple[bytes, ...]
    private_keys: tuple[bytes, ...]
    encryption_required: bool


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a trade-in token stands for: `approver` acting through the account `requestor`, limited by `policy` (JSON text), from `released_at` to
    `expires_at` (nanoseconds).
    """

    requestor: str
    approver: Caller
    policy: str
    released_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Foresight:
    """Whether policies would allow something, and the condition keys that they asked for in vain."""

    allowed: bool
    missing_keys: tuple[str, ...] = ()


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
    """What is attached to a user or role: compiled policies by name or ARN, and the permissions boundary."""

    identity: tuple[tuple[str, Any], ...] = ()
    boundary: Any = None


@dataclass(frozen=True, slots=True)
class ManagedPolicyText:
    """A policy that AWS manages, in its default version. `created_at` in nanoseconds."""

    arn: str
    name: str
    path: str
    policy_id: str
    description: str
    version_id: str
    document: str
    created_at: int


@dataclass(frozen=True, slots=True)
class SimulatedMatch:
    """A statement that decided: the policy's id, `identity`, `resource` or `boundary`, and where it begins and ends (lines and columns from 1)."""

    policy_id: str
    policy_type: str
    start: tuple[int, int]
    end: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The outcome of a simulated request: `allowed`, `explicitDeny` or `implicitDeny`; `by_type` says the same of each type of policy."""

    decision: str
    matched: tuple[SimulatedMatch, ...]
    missing_keys: tuple[str, ...]
    by_type: Mapping[str, str]
    cross_account: bool


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Temporary credentials; `expires_at` in nanoseconds."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: int


class Outbox(Protocol):
    """Work that must happen after a transaction, surely and at its time (built by events)."""

    def handle(self, kind: str, handler: Callable[[Shape], Awaitable[None]]) -> None:
        """Register what carries out entries of `kind`. When it raises, the entry is tried again later, with growing pauses."""

    def put(self, tx: Transaction, kind: str, payload: Shape, *, due: int = 0, lane: str = "", key: str = "") -> str:
        """Write an entry with the transaction; returns its id.

        `due` is the time (nanoseconds) before which it is not carried out; 0 means at once. Entries of one `lane` are carried out one after
        another, in order. With a `key`, an entry of the same kind and key is replaced (a timer that is set again).
        """

    def cancel(self, tx: Transaction, kind: str, key: str) -> None:
        """Remove the entry that was put with this `key`, if it is still there."""


class Signals(Protocol):
    """Wake-ups inside this process: nothing is lost if nobody listens, and a waiter must look for itself."""

    def notify(self, topic: str) -> None: ...

    def listen(self, topic: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` at each `notify` of `topic`, within it. Returns what ends it. Nothing waits meanwhile, and nothing is missed."""

    async def wait(self, topic: str, clock: Clock, timeout: int) -> bool:
        """Until the next `notify` of `topic`, at most `timeout` nanoseconds of the clock; False on time-out."""


# The topic of `Signals` that is notified when a region was cut off or healed.
LINKS_CHANGED = "region-links"


def shards_topic(stream_arn: str) -> str:
    """The topic that is notified when a stream of a table has other shards than before."""
    return f"stream:{stream_arn}"


def lane_topic(mark: str) -> str:
    """The topic that is notified of new records in a stream's shards whose ids end with `mark`: one follows the other."""
    return f"stream-lane:{mark}"


class Links(Protocol):
    """Which regions reach one another, for what works across regions (built by events)."""

    @property
    def cuts(self) -> list[tuple[str, str]]:
        """What is cut now: (region, "") for a region cut from all others, (region, region) for a pair."""

    def reach(self, one: str, other: str) -> bool:
        """Whether two regions reach one another."""

    async def cut(self, region: str, other: str = "") -> None:
        """Cut a region from all others, or from one."""

    async def heal(self, region: str = "", other: str = "") -> None:
        """Take back what `cut` did; without a region, all of it."""


class Usage(Protocol):
    """Records what was used (built by metering)."""

    def add(self, account: str, region: str, service: str, metric: str, resource: str, value: int = 1) -> None: ...
