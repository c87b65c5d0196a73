"""All expressions of one request, checked and bound in the real service's order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.bind import Binder, Predicate, bind_condition, unused
from haneul.services.dynamodb.expressions.key_condition import KeyConditions, key_conditions
from haneul.services.dynamodb.expressions.parse import parse_condition, parse_projection, parse_update
from haneul.services.dynamodb.expressions.project import Project, check_overlaps, projection
from haneul.services.dynamodb.expressions.syntax import ExpressionError
from haneul.services.dynamodb.expressions.update import BoundUpdate, bind_update
from haneul.services.dynamodb.partiql.statements import parse_statement
from haneul.services.dynamodb.values import EMPTY_NAME, NAME_LENGTH_MAX, NAME_TOO_LARGE, TOO_LARGE_NAME, check, check_map, text_size

T = TypeVar("T")

CACHED_EXPRESSIONS_MAX: Final = 4096
PLACEHOLDER_BYTES_MAX: Final = 255
# Of all names and values of one request together, placeholders included.
SUBSTITUTIONS_BYTES_MAX: Final = 2 * 1024 * 1024
_TOO_LONG: Final = "The expression attribute map contains a key that is too long;"
_NAME_KEY: Final = re.compile(r"#[0-9a-zA-Z_]+", re.ASCII)
_VALUE_KEY: Final = re.compile(r":[0-9a-zA-Z_]+", re.ASCII)
_EXPRESSIONS: Final = ("UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression")
# The member of a request made by PartiQL under which its expressions stand, bound already (an `Expressions`).
BOUND: Final = "bound expressions"
_PARTS: Final = frozenset((BOUND, *_EXPRESSIONS, "ExpressionAttributeNames", "ExpressionAttributeValues"))


class Parsers:
    """The parsers, remembering what they have parsed lately. One for a running service."""

    def __init__(self) -> None:
        self.condition = lru_cache(CACHED_EXPRESSIONS_MAX)(parse_condition)
        self.update = lru_cache(CACHED_EXPRESSIONS_MAX)(parse_update)
        self.projection = lru_cache(CACHED_EXPRESSIONS_MAX)(parse_projection)
        self.statement = lru_cache(CACHED_EXPRESSIONS_MAX)(parse_statement)


class Expressions:
    """What a request's expressions mean. `heads` are the attributes that the filter looks at, `nested` those that expressions look into."""

    __slots__ = (
        "bytes_read",
        "condition",
        "filter",
        "filter_heads",
        "filter_nested",
        "key_conditions",
        "projected",
        "projection",
        "projection_nested",
        "refusal",
        "update",
        "values_size",
    )

    def __init__(self) -> None:
        self.update: BoundUpdate | None = None
        self.condition: Predicate | None = None
        # What a statement says when its condition does not hold, where it is not the usual error.
        self.refusal: ServiceError | None = None
        # Bytes of the values that a statement brings for an item that is there.
        self.values_size = 0
        self.key_conditions: KeyConditions | None = None
        self.filter: Predicate | None = None
        self.filter_heads: set[str] = set()
        self.filter_nested: set[str] = set()
        self.projection: Project | None = None
        # The attributes of which the projection takes anything.
        self.projected: tuple[str, ...] = ()
        self.projection_nested: set[str] = set()
        # What several queries of one statement have read for one page.
        self.bytes_read = 0


NONE: Final = Expressions()


def check_parameters(request: dict[str, Any], expressions: Sequence[str], legacy: Sequence[str]) -> None:
    """Expressions and their older forms do not mix; names and values need an expression. `expressions` and `legacy` are those of the operation."""
    given = [name for name in expressions if name in request]
    if given:
        older = [name for name in legacy if name in request and not (name == "KeyConditions" and "KeyConditionExpression" not in request)]
        if older:
            raise validation(
                "Can not use both expression and non-expression parameters in the same request: "
                f"Non-expression parameters: {{{', '.join(older)}}} Expression parameters: {{{', '.join(given)}}}"
            )
    elif "ExpressionAttributeNames" in request:
        raise validation("ExpressionAttributeNames can only be specified when using expressions")
    if "ExpressionAttributeValues" in request:
        users = [name for name in expressions if name != "ProjectionExpression"]
        if users and not any(name in request for name in users):
            verb = "are" if len(users) > 1 else "is"
            raise validation(f"ExpressionAttributeValues can only be specified when using expressions: {' and '.join(users)} {verb} null")


def bind(parsers: Parsers, request: dict[str, Any]) -> Expressions:
    """Parse and bind every expression of a request."""
    if _PARTS.isdisjoint(request):
        return NONE
    ready = request.get(BOUND)
    if isinstance(ready, Expressions):  # Nothing that comes from outside is one.
        return ready
    names, values = request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues")
    _check_placeholders(names, values)
    binder = Binder(names, values)
    bound = Expressions()
    no_key_condition: str | None = None
    if (text := request.get("UpdateExpression")) is not None:
        bound.update = _introduced("UpdateExpression", lambda: bind_update(parsers.update(text), binder))
    if (text := request.get("ConditionExpression")) is not None:
        bound.condition = _introduced("ConditionExpression", lambda: bind_condition(parsers.condition(text), binder))
    if (text := request.get("KeyConditionExpression")) is not None:
        bound.key_conditions, no_key_condition = _introduced("KeyConditionExpression", lambda: key_conditions(parsers.condition(text), binder))
    if (text := request.get("FilterExpression")) is not None:
        binder.heads, binder.nested = bound.filter_heads, bound.filter_nested
        bound.filter = _introduced("FilterExpression", lambda: bind_condition(parsers.condition(text), binder))
    if (text := request.get("ProjectionExpression")) is not None:
        binder.heads, binder.nested = set(), bound.projection_nested
        _introduced("ProjectionExpression", lambda: _bind_projection(parsers, text, binder, bound))
    problem = unused(binder, names, values)
    if problem is not None:
        raise validation(problem)
    if no_key_condition is not None:
        raise validation(no_key_condition)
    return bound


def _bind_projection(parsers: Parsers, text: str, binder: Binder, bound: Expressions) -> None:
    paths = [binder.path(path) for path in parsers.projection(text)]
    check_overlaps(paths)
    bound.projection = projection(paths)
    bound.projected = tuple(binder.heads)


def _introduced(name: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except ExpressionError as error:
        raise validation(f"Invalid {name}: {error.message}") from None


def _check_placeholders(names: dict[str, str] | None, values: dict[str, Any] | None) -> None:
    names_size = _check_names(names) if names is not None else 0
    values_size = _check_values(values) if values is not None else 0
    if names_size + values_size > SUBSTITUTIONS_BYTES_MAX:
        raise validation("Combined size of ExpressionAttributeNames and ExpressionAttributeValues exceeds max size")


def _check_names(names: dict[str, str]) -> int:
    """Bytes of the names and their placeholders."""
    if not names:
        raise validation("ExpressionAttributeNames must not be empty")
    total = 0
    for key, name in names.items():
        size = text_size(key)
        if size > PLACEHOLDER_BYTES_MAX:
            raise validation(f"ExpressionAttributeNames contains invalid key: {_TOO_LONG} size of key: {size}")
        if not name:
            raise validation(f"ExpressionAttributeNames contains invalid value: {EMPTY_NAME} for key {key}")
        if not _NAME_KEY.fullmatch(key):
            raise validation(f'ExpressionAttributeNames contains invalid key: Syntax error; key: "{key}"')
        name_size = text_size(name)
        if name_size > NAME_LENGTH_MAX:
            raise validation(f"ExpressionAttributeNames contains invalid value: {TOO_LARGE_NAME} for key {key}")
        total += size + name_size
    if total > SUBSTITUTIONS_BYTES_MAX:
        raise validation("ExpressionAttributeNames exceeds max size")
    return total


def _check_values(values: dict[str, Any]) -> int:
    """Bytes of the values and their placeholders."""
    check_map(values)
    if not values:
        raise validation("ExpressionAttributeValues must not be empty")
    total = 0
    for key in values:
        size = text_size(key)
        if size > PLACEHOLDER_BYTES_MAX:
            raise validation(f"ExpressionAttributeValues contains invalid key: {_TOO_LONG}")
        if not _VALUE_KEY.fullmatch(key):
            raise validation(f'ExpressionAttributeValues contains invalid key: Syntax error; key: "{key}"')
        total += size
    for key, value in values.items():
        try:
            total += check(value)
        except ServiceError as error:
            if error.message == NAME_TOO_LARGE:
                raise
            raise validation(f"ExpressionAttributeValues contains invalid value: {error.message} for key {key}") from None
    if total > SUBSTITUTIONS_BYTES_MAX:
        raise validation("ExpressionAttributeValues exceeds max size")
    return total
