"""A service: its name, its quirks, its operations and what it keeps running."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from mypy_extensions import mypyc_attr

from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.operation import Operation, operations_in
from haneul.core.quirks import Quirks
from haneul.metering.prices import PriceList

if TYPE_CHECKING:
    from haneul.core.call import Call
    from haneul.core.cloud import Cloud
    from haneul.core.errors import ServiceError


@mypyc_attr(allow_interpreted_subclasses=True)
class Service:
    """One AWS service. A subclass lives in `services/X/service.py`; its operations are the `@operation` functions of that package's modules.

    `name` is the botocore model's name. The instance holds what this process caches for the service, never what two requests must agree on.
    """

    name: ClassVar[str]
    quirks: ClassVar[Quirks] = Quirks()
    absent: ClassVar[Mapping[str, str]] = {}
    """Why operations are not built, by name, where there is more to say than that nobody has built them. For the coverage page."""
    shared_reads: ClassVar[frozenset[str]] = frozenset()
    """Operations that a process which only reads performs as well as the one that writes (`haneul start --workers`)."""
    resource_tag_prefix: ClassVar[str] = "aws"
    """Where a service has a condition key for a resource's tags besides `aws:ResourceTag/KEY`, what stands in the place of `aws`."""
    prices: ClassVar[PriceList | None] = None
    """What the service costs, by the metrics of its usage records; None where nobody has priced it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def start(self) -> None:
        """Begin background work (handlers of the outbox are registered here, before any entry is carried out)."""

    def end_waits(self) -> None:
        """The cloud begins to stop: whoever waits long for something to happen (a long poll) is to be answered now. Requests still go on; `stop` follows."""

    async def stop(self) -> None:
        """End background work; nothing may be lost by it."""

    async def settle_usage(self) -> None:
        """Enter what has been used up to now into the usage records: somebody is about to make a bill of them."""

    # ---- in several processes

    async def follow(self) -> None:
        """Begin work in a process that only reads, instead of `start`: the store cannot be written, and what is counted waits for `collect`."""

    def collect(self) -> Any:
        """In a process that only reads: what was counted since the last time, as plain data for the writing process; None for nothing."""
        return None

    def take_in(self, collected: Any) -> Any:
        """In the writing process: what a reading one has collected. The answer goes to its `hear`."""
        return None

    def hear(self, answer: Any) -> None:
        """In a process that only reads: the writing process's answer to what was collected."""

    def resource_policy(self, call: Call, arn: str) -> str | None:
        """The JSON text of the policy attached to a resource, if there is one."""
        return None

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        """The tags of a resource that the service has, for policies that ask for `aws:ResourceTag/KEY`; None for one that has none or is not there."""
        return None

    def resource_account(self, call: Call, arn: str) -> str | None:
        """The account that owns a resource whose ARN does not say so (S3)."""
        return None

    def admit(self, call: Call) -> None:
        """Refuse what the session of a user, of the root user or of a federated user may not call, whatever policies say. Asked before the request is read."""

    def answer(self, request: HttpRequest, pipeline: Callable[[HttpRequest, Service], Awaitable[HttpResponse]]) -> Awaitable[HttpResponse]:
        """Answer a request to this service's API, in time. A service that also takes what its model knows nothing of (S3: browsers' forms and preflights) goes
        before the pipeline here, or adds to its responses.
        """
        return pipeline(request, self)

    def refused(self, call: Call, error: ServiceError) -> None:
        """A call is going to be answered with an error: for services that count them."""

    async def serve(self, request: HttpRequest, label: str) -> HttpResponse:
        """Answer a request that is not an API call of this service (an `execute-api` host, a function URL …).

        `label` is what the host or path names: the API id, the URL id …
        """
        raise NotImplementedError(f"{self.name} has no data plane of its own")

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        """All operations of the service by name."""
        return operations_of(cls)


def operations_of(kind: Any) -> dict[str, Operation]:
    """All operations of the package in which a service's class lies, by name."""
    package = importlib.import_module(kind.__module__.rpartition(".")[0])
    found: dict[str, Operation] = {}
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        for one in operations_in(importlib.import_module(module.name)):
            if found.setdefault(one.name, one) is not one:
                raise RuntimeError(f"{kind.name}:{one.name} is defined twice")
    return found
