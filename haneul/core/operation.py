"""Operations: one function each, and what the pipeline must know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from haneul.core.call import Call

Shape = dict[str, Any]
Handler = Callable[["Call", Shape], Awaitable[Shape | None]]
# What may stand under @operation: requests and answers may also have the types of the generated stubs (CONTRIBUTING.md).
TypedHandler = TypeVar("TypedHandler", bound=Callable[["Call", Any], Awaitable[Mapping[str, Any] | None]])
ResourceOf = Callable[["Call", Shape], str | tuple[str, ...]]
ConditionsOf = Callable[["Call", Shape], Mapping[str, Any]]

_MARK = "__haneul_operation__"


@dataclass(frozen=True, slots=True)
class Operation:
    """`service`:`name` as in the model; `action` is the IAM action that allows it, on `resource` (ARNs made from the request; "*" without).

    `conditions` gives the service's own condition keys. With `authorized_inside` the operation itself asks for its permissions
    (`call.authorize`), because they depend on what it finds. `public` operations need no credentials at all (STS with a web identity).
    """

    service: str
    name: str
    handler: Handler
    action: str
    resource: ResourceOf | None
    conditions: ConditionsOf | None
    authorized_inside: bool
    public: bool
    partial: str


def operation(
    full_name: str,
    *,
    resource: ResourceOf | None = None,
    action: str | None = None,
    conditions: ConditionsOf | None = None,
    authorized_inside: bool = False,
    public: bool = False,
    partial: str = "",
) -> Callable[[TypedHandler], TypedHandler]:
    """Make a function the implementation of an operation: `@operation("dynamodb:PutItem", resource=table_arn)`.

    `partial` says, for the coverage page, what the operation does not do yet (and refuses).
    """
    service, _, name = full_name.partition(":")

    def mark(handler: TypedHandler) -> TypedHandler:
        made = Operation(service, name, cast(Handler, handler), action or full_name, resource, conditions, authorized_inside, public, partial)
        marks: list[Operation] = getattr(handler, _MARK, [])
        setattr(handler, _MARK, [*marks, made])
        return handler

    return mark


def operations_in(module: ModuleType) -> Iterable[Operation]:
    """The operations whose functions are defined in `module`."""
    for value in vars(module).values():
        if getattr(value, "__module__", None) == module.__name__:
            yield from getattr(value, _MARK, ())
