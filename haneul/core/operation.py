"""Operations: one function each, and what the pipeline must know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from haneul.core.call import Call

Shape = dict[str, Any]
Handler = Callable[["Call", Shape], Awaitable[Shape | None]]
# What may stand under @operation: requests and answers may also have the types of the generated stubs (CONTRIBUTING.md).
TypedHandler = Callable[["Call", Any], Awaitable[Mapping[str, Any] | None]]
ResourceOf = Callable[["Call", Shape], str | tuple[str, ...]]
Report = Callable[["Call", Shape, Shape, int], None]
"""Called with the call, its request and its answer, and how many nanoseconds of the machine's time that took."""
ConditionsOf = Callable[["Call", Shape], Mapping[str, Any]]


class Operation:
    """`service`:`name` as in the model; `action` is the IAM action that allows it, on `resource` (ARNs made from the request; "*" without).

    `conditions` gives the service's own condition keys; those of tags are there by themselves. `tagging` is the action that is needed, too, on the same
    resource when the request brings tags for what it makes. With `authorized_inside` the operation itself asks for its permissions
    (`call.authorize`), because they depend on what it finds. `public` operations need no credentials at all (STS with a web identity).
    """

    __slots__ = ("action", "authorized_inside", "conditions", "handler", "name", "partial", "public", "report", "resource", "service", "tagging")

    def __init__(
        self,
        service: str,
        name: str,
        handler: Handler,
        action: str,
        resource: ResourceOf | None,
        conditions: ConditionsOf | None,
        *,
        authorized_inside: bool = False,
        public: bool = False,
        partial: str = "",
        tagging: str = "",
    ) -> None:
        self.service = service
        self.name = name
        self.handler = handler
        self.action = action
        self.resource = resource
        self.conditions = conditions
        self.authorized_inside = authorized_inside
        self.public = public
        self.partial = partial
        self.tagging = tagging
        self.report: Report | None = None

    def with_report(self, report: Report) -> Operation:
        """The same operation, whose successes are reported."""
        made = Operation(
            self.service,
            self.name,
            self.handler,
            self.action,
            self.resource,
            self.conditions,
            authorized_inside=self.authorized_inside,
            public=self.public,
            partial=self.partial,
            tagging=self.tagging,
        )
        made.report = report
        return made


class Marked:
    """A function that implements operations. It is called like the function itself, which, compiled, could carry no marks of its own."""

    def __init__(self, handler: Handler, operations: tuple[Operation, ...]) -> None:
        self.handler = handler
        self.operations = operations

    def __call__(self, call: Call, request: Shape) -> Awaitable[Shape | None]:
        return self.handler(call, request)


def operation(
    full_name: str,
    *,
    resource: ResourceOf | None = None,
    action: str | None = None,
    conditions: ConditionsOf | None = None,
    tagging: str = "",
    authorized_inside: bool = False,
    public: bool = False,
    partial: str = "",
) -> Callable[[TypedHandler | Marked], Marked]:
    """Make a function the implementation of an operation: `@operation("dynamodb:PutItem", resource=table_arn)`.

    `partial` says, for the coverage page, what the operation does not do yet (and refuses).
    """
    service, _, name = full_name.partition(":")

    def mark(given: TypedHandler | Marked) -> Marked:
        handler, known = (given.handler, given.operations) if isinstance(given, Marked) else (cast(Handler, given), ())
        made = Operation(
            service,
            name,
            handler,
            action or full_name,
            resource,
            conditions,
            authorized_inside=authorized_inside,
            public=public,
            partial=partial,
            tagging=tagging,
        )
        return Marked(handler, (*known, made))

    return mark


def operations_in(module: ModuleType) -> Iterable[Operation]:
    """The operations whose functions `module` defines or imports."""
    for value in vars(module).values():
        if isinstance(value, Marked):
            yield from value.operations
