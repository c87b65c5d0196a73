"""Update expressions: checked against the request's names and values, then applied to an item."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from typing import Any, Final

import orjson

from haneul.core.errors import ServiceError
from haneul.services.dynamodb import numbers
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.bind import Binder, Getter, Parts, find, path_getter
from haneul.services.dynamodb.expressions.compare import sort_key
from haneul.services.dynamodb.expressions.parse import UPDATE_FUNCTIONS
from haneul.services.dynamodb.expressions.project import check_overlaps
from haneul.services.dynamodb.expressions.syntax import Arithmetic, Clause, ExpressionError, Function, Operand, Path, Reference, Update
from haneul.services.dynamodb.values import Item, Value, kind_of

_NUMBERS: Final = Context(prec=400)
_WHOLE_DIGITS_MAX: Final = 18  # Sums of such whole numbers need no check.
_TYPE_WORDS: Final = {"S": "STRING", "N": "NUMBER", "B": "BINARY", "NULL": "NULL", "BOOL": "BOOLEAN", "L": "LIST", "M": "MAP"}
_SETS: Final = ("SS", "NS", "BS")

_WRONG_OPERAND: Final = "An operand in the update expression has an incorrect data type"
_BAD_PATH: Final = "The document path provided in the update expression is invalid for update"
_MISSING: Final = "The provided expression refers to an attribute that does not exist in the item"
_REMOVED: Final[Value] = {}

Resolve = Callable[[Item], Value]


class Change:
    """One bound clause. `kind` is the new value's type where that is known beforehand."""

    __slots__ = ("action", "kind", "parts", "resolve", "value")

    def __init__(self, action: str, parts: Parts, kind: str | None, resolve: Resolve | None, value: Value | None) -> None:
        self.action = action
        self.parts = parts
        self.kind = kind
        self.resolve = resolve
        self.value = value


class BoundUpdate:
    """A whole update expression, ready to be applied."""

    def __init__(self, changes: list[Change], nested: set[str], mismatch: str = _WRONG_OPERAND, *, makes_items: bool = True) -> None:
        self.changes = changes
        self.mismatch = mismatch
        # Whether there is an item afterwards where there was none.
        self.makes_items = makes_items
        self.paths = [change.parts for change in changes]
        # The attributes that change, whole or within.
        self.heads = {str(parts[0]) for parts in self.paths}
        self.nested = nested

    def kind_of_attribute(self, name: str) -> str | None:
        """The type that a whole attribute will have, if that is known beforehand."""
        for change in self.changes:
            if change.parts == (name,):
                return change.kind
        return None

    def apply(self, item: Item) -> None:
        """Change `item` in place. Values are worked out on the item as it was. ValidationException when a path or an operand does not fit."""
        values = [change.value if change.resolve is None else _own_copy(change.resolve(item)) for change in self.changes]
        lists: list[list[Value]] = []
        appended: list[tuple[list[Value], int, Value]] = []
        for change, value in zip(self.changes, values):
            _apply(item, change, value, lists, appended, self.mismatch)
        # Positions named in an update are those of the list as it was; only now elements fall out and new ones are put behind the end.
        for elements, _, value in sorted(appended, key=lambda one: one[1]):
            elements.append(value)
        for elements in lists:
            elements[:] = [one for one in elements if one is not _REMOVED]


def bind_update(update: Update, binder: Binder) -> BoundUpdate:
    """Check names, values, paths and types, in the order of the real service."""
    if update.repeated_section is not None:
        raise ExpressionError(f'The "{update.repeated_section}" section can only be used once in an update expression;')
    problems = _Problems()
    changes = [_bind_clause(clause, binder, problems) for clause in update.clauses]
    check_overlaps([change.parts for change in changes])
    problems.check()
    nested = {change.parts[0] for change in changes if len(change.parts) > 1}
    return BoundUpdate(changes, nested)  # type: ignore[arg-type]


class _Problems:
    """Mistakes of operand types, which are only raised when nothing more important is wrong. The operators' come before the functions'."""

    def __init__(self) -> None:
        self.operand: ExpressionError | None = None
        self.function: ExpressionError | None = None

    def check(self) -> None:
        problem = self.operand or self.function
        if problem is not None:
            raise problem

    def in_function(self, message: str) -> None:
        if self.function is None:
            self.function = ExpressionError(message)


def _bind_clause(clause: Clause, binder: Binder, problems: _Problems) -> Change:
    parts = binder.path(clause.path)
    if clause.action == "REMOVE":
        return Change("REMOVE", parts, None, None, None)
    assert clause.value is not None
    if clause.action == "SET":
        resolve, kind, _ = _bind_operand(clause.value, binder, problems)
        return Change("SET", parts, kind, resolve, None)
    assert isinstance(clause.value, Reference)
    value = binder.value(clause.value.name)
    kind = kind_of(value)
    if kind not in _SETS and not (clause.action == "ADD" and kind == "N") and problems.operand is None:
        problems.operand = ExpressionError(
            f"Incorrect operand type for operator or function; operator: {clause.action}, operand type: {_TYPE_WORDS[kind]}"
            + (", typeSet: ALLOWED_FOR_ADD_OPERAND" if clause.action == "ADD" else ", typeSet: ALLOWED_FOR_DELETE_OPERAND")
        )
    return Change(clause.action, parts, kind, None, value)


def _bind_operand(operand: Operand, binder: Binder, problems: _Problems) -> tuple[Resolve, str | None, str | None]:
    """The function that works the operand out; its type if known; and its type if it is a plain value."""
    if isinstance(operand, Reference):
        value = binder.value(operand.name)
        return (lambda item: value), kind_of(value), kind_of(value)
    if isinstance(operand, Path):
        return _required(path_getter(binder.path(operand))), None, None
    if isinstance(operand, Arithmetic):
        return _bind_arithmetic(operand, binder, problems)
    return _bind_function(operand, binder, problems)


def _required(get: Getter) -> Resolve:
    def resolve(item: Item) -> Value:
        value = get(item)
        if value is None:
            raise validation(_MISSING)
        return value

    return resolve


def _bind_arithmetic(operand: Arithmetic, binder: Binder, problems: _Problems) -> tuple[Resolve, str | None, str | None]:
    sides = [_bind_operand(one, binder, problems) for one in (operand.left, operand.right)]
    for _, _, plain in sides:
        if plain is not None and plain != "N":
            problems.in_function(f"Incorrect operand type for operator or function; operator or function: {operand.operator}, operand type: {plain}")
    left, right = sides[0][0], sides[1][0]
    negative = operand.operator == "-"

    def resolve(item: Item) -> Value:
        one, other = left(item).get("N"), right(item).get("N")
        if one is None or other is None:
            raise validation(_WRONG_OPERAND)
        return {"N": add_numbers(one, other, negative=negative)}

    return resolve, "N", None


def _bind_function(operand: Function, binder: Binder, problems: _Problems) -> tuple[Resolve, str | None, str | None]:
    name = operand.name
    bound = [_bind_operand(one, binder, problems) for one in operand.arguments]
    if len(bound) != UPDATE_FUNCTIONS[name]:
        problems.in_function(
            f"Incorrect number of operands for operator or function; operator or function: {name}, number of operands: {len(bound)}"
        )
        return bound[0]
    if name == "if_not_exists":
        path = operand.arguments[0]
        if not isinstance(path, Path):
            problems.in_function(f"Operator or function requires a document path; operator or function: {name}")
            return bound[0]
        parts, otherwise = binder.path(path), bound[1][0]

        def first_or_other(item: Item) -> Value:
            found = find(item, parts)
            return found if found is not None else otherwise(item)

        return first_or_other, bound[1][1], None
    for _, _, plain in bound:
        if plain is not None and plain != "L":
            problems.in_function(f"Incorrect operand type for operator or function; operator or function: {name}, operand type: {plain}")
    head, tail = bound[0][0], bound[1][0]

    def joined(item: Item) -> Value:
        one, other = head(item).get("L"), tail(item).get("L")
        if one is None or other is None:
            raise validation(_WRONG_OPERAND)
        return {"L": one + other}

    return joined, "L", None


# ---- applying


def _own_copy(value: Value) -> Value:
    """Lists and maps are copied, because a later clause may change what an earlier one put into another place."""
    return orjson.loads(orjson.dumps(value)) if "M" in value or "L" in value else value


def _apply(
    item: Item, change: Change, value: Value | None, lists: list[list[Value]], appended: list[tuple[list[Value], int, Value]], mismatch: str
) -> None:
    parts = change.parts
    parent = {"M": item} if len(parts) == 1 else find(item, parts[:-1])
    last = parts[-1]
    container: Any = None if parent is None else parent.get("L" if type(last) is int else "M")
    if container is None:
        raise validation(_BAD_PATH)
    if type(last) is int:
        existing = container[last] if last < len(container) else None
    else:
        existing = container.get(last)
    if change.action in ("ADD", "DELETE"):
        assert value is not None
        value = combine(change.action, existing, value, mismatch)
        if value is None and existing is None:
            return
    if value is None:
        if type(last) is str:
            container.pop(last, None)
        elif existing is not None:
            container[last] = _REMOVED
            lists.append(container)
    elif type(last) is int and last >= len(container):
        appended.append((container, last, value))
    else:
        container[last] = value


def combine(action: str, existing: Value | None, value: Value, mismatch: str) -> Value | None:
    """The result of ADD or DELETE on what is there; None when nothing is left."""
    kind = kind_of(value)
    if existing is None:
        return value if action == "ADD" else None
    if kind not in existing:
        raise validation(mismatch)
    if kind == "L":  # Only the older AttributeUpdates let lists be added to.
        return {"L": existing["L"] + value["L"]}
    if kind == "N":
        return {"N": add_numbers(existing["N"], value["N"])}
    if action == "ADD":
        merged = {*existing[kind], *value[kind]}
    else:
        merged = set(existing[kind]) - set(value[kind])
    return {kind: sorted(merged, key=lambda one: sort_key(kind[0], one))} if merged else None


def add_numbers(one: str, other: str, *, negative: bool = False) -> str:
    """Sum or difference of two canonical numbers; ValidationException when it has more than 38 digits or leaves the range."""
    if len(one) <= _WHOLE_DIGITS_MAX and len(other) <= _WHOLE_DIGITS_MAX and "." not in one and "." not in other:
        return str(int(one) - int(other) if negative else int(one) + int(other))
    with localcontext(_NUMBERS):
        total = Decimal(one) - Decimal(other) if negative else Decimal(one) + Decimal(other)
        text = format(total, "f")
    try:
        return numbers.canonical(text)
    except ServiceError as error:
        raise validation(error.message) from None
