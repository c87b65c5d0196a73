"""Conditions with their names and values filled in: functions from an item to yes or no.

Parsing depends on the text alone and is cached; binding happens for each request, checks what depends on names and values, in the order of the real
service (undefined placeholders, number of operands, distinct operands, types; the leftmost condition first), and notes what was used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from haneul.services.dynamodb.expressions import compare
from haneul.services.dynamodb.expressions.parse import CONDITION_FUNCTIONS
from haneul.services.dynamodb.expressions.syntax import (
    And,
    Arithmetic,
    Between,
    Compare,
    Condition,
    ExpressionError,
    Function,
    In,
    Not,
    Operand,
    Or,
    Path,
    Reference,
)
from haneul.services.dynamodb.values import TYPES, Item, Value, in_words, kind_of

Parts = tuple[str | int, ...]
Getter = Callable[[Item], Value | None]
Predicate = Callable[[Item], bool]

_COMPARE: Final[dict[str, Callable[[Value | None, Value | None], bool]]] = {
    "=": compare.equal,
    "<>": compare.different,
    "<": compare.less,
    "<=": compare.less_or_equal,
    ">": compare.greater,
    ">=": compare.greater_or_equal,
}


class Binder:
    """The names and values of one request, which of them were used, and the attributes that its conditions look at."""

    __slots__ = ("heads", "names", "nested", "used_names", "used_values", "values")

    def __init__(self, names: Mapping[str, str] | None, values: Mapping[str, Value] | None) -> None:
        self.names = names or {}
        self.values = values or {}
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self.heads: set[str] = set()
        self.nested: set[str] = set()

    def path(self, path: Path) -> Parts:
        """A path with its placeholders replaced."""
        parts = path.parts
        for part in parts:
            if type(part) is str and part[0] == "#":
                parts = tuple([self._name(part) if type(part) is str and part[0] == "#" else part for part in parts])
                break
        head = parts[0]
        assert isinstance(head, str)
        self.heads.add(head)
        if len(parts) > 1:
            self.nested.add(head)
        return parts

    def _name(self, placeholder: str) -> str:
        found = self.names.get(placeholder)
        if found is None:
            raise ExpressionError(f"An expression attribute name used in the document path is not defined; attribute name: {placeholder}")
        self.used_names.add(placeholder)
        return found

    def value(self, placeholder: str) -> Value:
        found = self.values.get(placeholder)
        if found is None:
            raise ExpressionError(f"An expression attribute value used in expression is not defined; attribute value: {placeholder}")
        self.used_values.add(placeholder)
        return found


class Bound:
    """An operand with its value, path or function resolved. `kind` is its type where that is known before any item is."""

    __slots__ = ("get", "kind", "parts", "value")

    def __init__(self, get: Getter, *, parts: Parts | None = None, value: Value | None = None, kind: str | None = None) -> None:
        self.get = get
        self.parts = parts
        self.value = value
        self.kind = kind


def path_getter(parts: Parts) -> Getter:
    """The function that finds what is at a path."""
    if len(parts) == 1:
        name = parts[0]
        return lambda item: item.get(name)  # type: ignore[arg-type]
    return lambda item: find(item, parts)


def find(item: Item, parts: Parts) -> Value | None:
    """The value at a path of an item, or None."""
    found: Value | None = item.get(parts[0])  # type: ignore[arg-type]
    for part in parts[1:]:
        if found is None:
            return None
        if type(part) is int:
            elements = found.get("L")
            found = elements[part] if elements is not None and part < len(elements) else None
        else:
            members = found.get("M")
            found = members.get(part) if members is not None else None
    return found


def show_path(parts: Parts) -> str:
    """A path as messages show it: `[a, [0], b]`."""
    return f"[{', '.join(f'[{part}]' if isinstance(part, int) else part for part in parts)}]"


def bind_operand(operand: Operand, binder: Binder) -> Bound:
    if isinstance(operand, Path):
        parts = binder.path(operand)
        return Bound(path_getter(parts), parts=parts)
    if isinstance(operand, Reference):
        value = binder.value(operand.name)
        return Bound(lambda item: value, value=value, kind=kind_of(value))
    assert isinstance(operand, Function), Arithmetic
    (argument,) = _bind_arguments(operand, binder)
    if argument.kind in ("N", "BOOL", "NULL"):
        raise _wrong_type("size", argument.kind)
    get = argument.get
    return Bound(lambda item: compare.size(get(item)), kind="N")


def bind_condition(condition: Condition, binder: Binder) -> Predicate:
    """The condition as a function of an item."""
    if isinstance(condition, And):
        left, right = bind_condition(condition.left, binder), bind_condition(condition.right, binder)
        return lambda item: left(item) and right(item)
    if isinstance(condition, Or):
        left, right = bind_condition(condition.left, binder), bind_condition(condition.right, binder)
        return lambda item: left(item) or right(item)
    if isinstance(condition, Not):
        inner = bind_condition(condition.inner, binder)
        return lambda item: not inner(item)
    if isinstance(condition, Compare):
        return _bind_compare(condition, binder)
    if isinstance(condition, Between):
        return _bind_between(condition, binder)
    if isinstance(condition, In):
        operand, *options = [bind_operand(one, binder).get for one in (condition.operand, *condition.options)]
        return lambda item: (value := operand(item)) is not None and any(option(item) == value for option in options)
    return _bind_function(condition, binder)


def _bind_compare(condition: Compare, binder: Binder) -> Predicate:
    left, right = bind_operand(condition.left, binder), bind_operand(condition.right, binder)
    _check_distinct(condition.operator, left, right)
    if condition.operator not in ("=", "<>"):
        for one in (left, right):
            if one.kind is not None and one.kind not in compare.ORDERED:
                raise _wrong_type(condition.operator, one.kind)
    compares, left_of, right_of = _COMPARE[condition.operator], left.get, right.get
    return lambda item: compares(left_of(item), right_of(item))


def _bind_between(condition: Between, binder: Binder) -> Predicate:
    operand, low, high = (bind_operand(one, binder) for one in (condition.operand, condition.low, condition.high))
    for one in (operand, low, high):
        if one.kind is not None and one.kind not in compare.ORDERED:
            raise _wrong_type("BETWEEN", one.kind)
    if low.value is not None and high.value is not None:
        check_between(low.value, high.value)
    value_of, low_of, high_of = operand.get, low.get, high.get
    return lambda item: compare.between(value_of(item), low_of(item), high_of(item))


def check_between(low: Value, high: Value) -> None:
    """Bounds of a BETWEEN that are known beforehand."""
    bounds = f"lower bound operand: AttributeValue: {in_words(low)}, upper bound operand: AttributeValue: {in_words(high)}"
    if kind_of(low) != kind_of(high):
        raise ExpressionError(f"The BETWEEN operator requires same data type for lower and upper bounds; {bounds}")
    if compare.greater(low, high):
        raise ExpressionError(f"The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {bounds}")


def _bind_arguments(function: Function, binder: Binder) -> list[Bound]:
    arguments = [bind_operand(one, binder) for one in function.arguments]
    if len(arguments) != CONDITION_FUNCTIONS[function.name]:
        raise ExpressionError(
            f"Incorrect number of operands for operator or function; operator or function: {function.name}, number of operands: {len(arguments)}"
        )
    return arguments


def _bind_function(function: Function, binder: Binder) -> Predicate:
    arguments = _bind_arguments(function, binder)
    name = function.name
    first = arguments[0]
    if len(arguments) == 2:
        _check_distinct(name, first, arguments[1])
    get = first.get
    if name in ("attribute_exists", "attribute_not_exists"):
        if first.parts is None:
            raise ExpressionError(f"Operator or function requires a document path; operator or function: {name}")
        if name == "attribute_exists":
            return lambda item: get(item) is not None
        return lambda item: get(item) is None
    second = arguments[1]
    if name == "attribute_type":
        return _bind_type(get, second)
    if name == "begins_with":
        for one in arguments:
            if one.kind is not None and one.kind not in ("S", "B"):
                raise _wrong_type(name, one.kind)
    matches = compare.begins_with if name == "begins_with" else compare.contains
    other = second.get
    return lambda item: matches(get(item), other(item))


def _bind_type(get: Getter, wanted: Bound) -> Predicate:
    if wanted.kind != "S" or wanted.value is None:
        raise _wrong_type("attribute_type", wanted.kind or "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
    kind = wanted.value["S"]
    if kind not in TYPES:
        raise ExpressionError(f"Invalid attribute type name found; type: {kind}, valid types: {{B,NULL,SS,BOOL,L,BS,N,NS,S,M}}")
    return lambda item: (value := get(item)) is not None and kind in value


def _check_distinct(operator: str, left: Bound, right: Bound) -> None:
    if left.parts is not None and left.parts == right.parts:
        raise ExpressionError(
            "The first operand must be distinct from the remaining operands for this operator or function; "
            f"operator: {operator}, first operand: {show_path(left.parts)}"
        )


def _wrong_type(operator: str, kind: str) -> ExpressionError:
    return ExpressionError(f"Incorrect operand type for operator or function; operator or function: {operator}, operand type: {kind}")


def unused(binder: Binder, names: Mapping[str, Any] | None, values: Mapping[str, Any] | None) -> str | None:
    """What to say of placeholders that no expression of the request used."""
    for title, given, used in (("Names", names, binder.used_names), ("Values", values, binder.used_values)):
        if given and len(used) < len(given):
            left = ", ".join(key for key in given if key not in used)
            return f"Value provided in ExpressionAttribute{title} unused in expressions: keys: {{{left}}}"
    return None
