"""One call of one operation: who calls, where, and the ways to everything that an operation may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from haneul.clock import SECOND, Clock
from haneul.core.arn import parse_arn
from haneul.core.caller import Caller, service_caller
from haneul.core.http import HttpRequest
from haneul.core.operation import Operation
from haneul.core.tags import tag_keys_in, tags_in, value_of

if TYPE_CHECKING:
    from haneul.core.cloud import Cloud
    from haneul.core.service import Service

S = TypeVar("S", bound="Service")
Conditions = Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None
_NOTHING: Final[Mapping[str, Any]] = {}
_REQUEST_TAG: Final = "aws:requesttag/"
_RESOURCE_TAG: Final = ":resourcetag/"

TRACE_HEADER: Final = "haneul:TraceHeader"
"""In the context of a call from inside: the X-Ray trace header of what the call is made for, so that chains of events can be followed."""


class Call:
    """One operation being performed.

    `account` is the account whose resources are meant: the caller's, unless a service acts on somebody's behalf. `http` is None for a
    call that came from inside. `request` are the parameters once the call is being performed. An operation may set `status` and add `headers` to its
    HTTP answer.
    """

    __slots__ = ("account", "caller", "cloud", "context", "headers", "http", "operation", "region", "request", "request_id", "status")

    def __init__(
        self,
        cloud: Cloud,
        operation: Operation,
        caller: Caller,
        region: str,
        request_id: str,
        *,
        account: str | None = None,
        http: HttpRequest | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.cloud = cloud
        self.operation = operation
        self.caller = caller
        self.account = account or caller.account
        self.region = region
        self.request_id = request_id
        self.http = http
        self.context = context or _NOTHING
        self.request: Mapping[str, Any] = _NOTHING
        self.status: int | None = None
        self.headers: dict[str, str] = {}

    @property
    def now(self) -> int:
        """The clock's time in nanoseconds."""
        return self.cloud.clock.now()

    def service(self, kind: type[S]) -> S:
        """The running instance of a service class (an operation asks for its own)."""
        return self.cloud.service(kind)

    def arn(self, resource: str, service: str | None = None) -> str:
        """An ARN in this call's account and region."""
        return f"arn:aws:{service or self.operation.service}:{self.region}:{self.account}:{resource}"

    async def perform(self, params: dict[str, Any]) -> dict[str, Any]:
        """Check the permission, run the operation, meter it."""
        one = self.operation
        usage = self.cloud.usage
        self.request = params
        try:
            if not (one.authorized_inside or one.public):
                found = one.resource(self, params) if one.resource is not None else "*"
                conditions = one.conditions
                keys: Conditions = None if conditions is None else lambda: conditions(self, params)
                self.authorize(one.action, found, keys)
                if one.tagging and tags_in(params):
                    self.authorize(one.tagging, found, keys)
            report = one.report
            started = Clock.machine_now() if report is not None else 0
            result = await one.handler(self, params)
            answer = {} if result is None else result
            if report is not None:
                report(self, params, answer, Clock.machine_now() - started)
        except Exception:
            usage.add(self.account, self.region, one.service, "Errors", one.name)
            raise
        usage.add(self.account, self.region, one.service, "Requests", one.name)
        return answer

    def authorize(
        self, action: str, resource: str | tuple[str, ...] = "*", conditions: Conditions = None, *, resource_policy_required: bool = False
    ) -> None:
        """Raise AccessDenied unless the caller may perform `action` on every one of the resources. `conditions` are the service's own
        condition keys, or what makes them, called only when a policy asks."""
        resources = (resource,) if isinstance(resource, str) else resource
        service = self.cloud.services[self.operation.service]
        context = RequestContext(self, conditions)
        for one in resources:
            context.resource = one
            policy = service.resource_policy(self, one)
            owner = service.resource_account(self, one)
            if owner is None and (arn := parse_arn(one)) is not None and arn.account:
                owner = arn.account
            self.cloud.authority.authorize(
                self.caller,
                action,
                (one,),
                context,
                resource_policy=policy,
                resource_account=owner or self.account,
                resource_policy_required=resource_policy_required,
            )

    async def invoke(
        self,
        full_name: str,
        params: dict[str, Any],
        *,
        role: str | None = None,
        principal: str | None = None,
        caller: Caller | None = None,
        session_name: str | None = None,
        source_arn: str | None = None,
        source_account: str | None = None,
        region: str | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """Call another service's public operation, with this call's own permissions or as somebody else.

        `role`: as a role that this service assumes; `principal`: as a service (`s3.amazonaws.com`), which the other side's resource policy must
        allow, with aws:SourceArn and aws:SourceAccount in the context; `caller`: as exactly that caller.
        """
        return await call_as(
            self.cloud,
            full_name,
            params,
            caller=caller or (self.caller if role is None and principal is None else None),
            role=role,
            principal=principal,
            session_name=session_name,
            source_arn=source_arn,
            source_account=source_account,
            region=region or self.region,
            account=account or self.account,
        )


async def call_as(
    cloud: Cloud,
    full_name: str,
    params: dict[str, Any],
    *,
    region: str,
    account: str,
    caller: Caller | None = None,
    role: str | None = None,
    principal: str | None = None,
    session_name: str | None = None,
    source_arn: str | None = None,
    source_account: str | None = None,
    trace_header: str = "",
) -> dict[str, Any]:
    """`Call.invoke` for background work, which has no call of its own. With `role`, `principal` names the service that assumes it."""
    context: dict[str, Any] = {TRACE_HEADER: trace_header} if trace_header else {}
    if source_arn:
        context["aws:SourceArn"] = source_arn
    if source_arn or source_account:
        context["aws:SourceAccount"] = source_account or account
    if role is not None:
        caller = cloud.authority.role_caller(role, principal or "", session_name or "haneul", context)
        account = caller.account
    elif principal is not None:
        caller = service_caller(principal)
    if caller is None:
        raise ValueError("somebody has to be calling: give caller, role or principal")
    return await cloud.invoke(full_name, params, caller=caller, region=region, account=account, context=context)


class RequestContext(Mapping[str, Any]):
    """The condition keys of one request for `resource`, worked out only when a policy asks for one. Keys are compared without regard to case.

    Those of tags are found by name only, and each when it is asked for: the tags of a resource cost a read.
    """

    __slots__ = ("_call", "_extra", "_made", "resource")

    def __init__(self, call: Call, extra: Conditions, resource: str = "") -> None:
        self._call = call
        self._extra = extra
        self._made: dict[str, Any] | None = None
        self.resource = resource

    def _all(self) -> dict[str, Any]:
        if self._made is None:
            call = self._call
            seconds = call.now // SECOND
            made: dict[str, Any] = {
                "aws:currenttime": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "aws:epochtime": str(seconds),
                "aws:requestedregion": call.region,
            }
            if call.http is not None:
                headers = call.http.headers
                made["aws:sourceip"] = call.http.remote
                made["aws:securetransport"] = "true" if call.http.secure else "false"
                if "user-agent" in headers:
                    made["aws:useragent"] = headers["user-agent"]
                if "referer" in headers:
                    made["aws:referer"] = headers["referer"]
            extra = self._extra() if callable(self._extra) else self._extra
            for more in (call.context, extra or _NOTHING):
                for key, value in more.items():
                    made[key.lower()] = value
            self._made = made
        return self._made

    def __getitem__(self, key: str) -> Any:
        name = key.lower()
        found = self._all().get(name)
        if found is None:
            found = self._tag_key(name)
        if found is None:
            raise KeyError(key)
        return found

    def _tag_key(self, name: str) -> Any:
        """The value of a condition key that is about tags; None when the request has no such key."""
        call = self._call
        if name.startswith(_REQUEST_TAG):
            return value_of(tags_in(call.request), name[len(_REQUEST_TAG) :])
        if name == "aws:tagkeys":
            return tag_keys_in(call.request) or None
        prefix, separator, key = name.partition(_RESOURCE_TAG)
        if not separator:
            return None
        services, arn = call.cloud.services, parse_arn(self.resource)
        service = services.get(arn.service if arn is not None else "") or services[call.operation.service]
        if prefix != "aws" and prefix != service.resource_tag_prefix:
            return None
        tags = service.resource_tags(call, self.resource)
        return value_of(tags, key) if tags else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
