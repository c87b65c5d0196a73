"""Key conditions of a Query: which attribute must stand in which relation to which values."""

from __future__ import annotations

from typing import Final, NamedTuple

from haneul.services.dynamodb.expressions.bind import Binder, bind_condition, check_between
from haneul.services.dynamodb.expressions.syntax import And, Between, Compare, Condition, ExpressionError, Function, In, Not, Operand, Or, Path, Reference
from haneul.services.dynamodb.values import Value

_OPERATORS: Final = {"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_TURNED: Final = {"EQ": "EQ", "LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE"}


class KeyCondition(NamedTuple):
    """`operator` in the words of the older parameters: EQ, LT, LE, GT, GE, BETWEEN, BEGINS_WITH and (to be refused) others."""

    operator: str
    values: tuple[Value, ...]


KeyConditions = dict[str, KeyCondition]
"""By attribute."""


def key_conditions(condition: Condition, binder: Binder) -> tuple[KeyConditions, str | None]:
    """The conditions that a key condition expression consists of, and what is wrong with it as one: that comes after everything else that is wrong with the request."""
    bind_condition(condition, binder)  # All that is wrong with it as a condition comes first.
    found: KeyConditions = {}
    try:
        _gather(condition, binder, found)
    except ExpressionError as error:
        return found, error.message
    return found, None


def _gather(condition: Condition, binder: Binder, found: KeyConditions) -> None:
    if isinstance(condition, And):
        _gather(condition.left, binder, found)
        _gather(condition.right, binder, found)
        return
    if isinstance(condition, (Or, Not, In)):
        raise ExpressionError(f"Invalid operator used in KeyConditionExpression: {type(condition).__name__.upper()}")
    if isinstance(condition, Compare):
        name, one = _compare(condition, binder)
    elif isinstance(condition, Between):
        name, values = _operands("BETWEEN", (condition.operand, condition.low, condition.high), binder)
        check_between(*values)
        one = KeyCondition("BETWEEN", values)
    else:
        if condition.name != "begins_with":
            raise ExpressionError(f"Invalid operator used in KeyConditionExpression: {condition.name}")
        name, values = _operands("begins_with", condition.arguments, binder)
        one = KeyCondition("BEGINS_WITH", values)
    if name in found:
        raise ExpressionError("KeyConditionExpressions must only contain one condition per key")
    found[name] = one


def _compare(condition: Compare, binder: Binder) -> tuple[str, KeyCondition]:
    if condition.operator == "<>":
        raise ExpressionError("Invalid operator used in KeyConditionExpression: <>")
    operator = _OPERATORS[condition.operator]
    for one in (condition.left, condition.right):
        _refuse_function(one)
    if isinstance(condition.left, Path) and isinstance(condition.right, Path):
        raise ExpressionError("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
    if isinstance(condition.left, Path):
        return _attribute(condition.left, binder), KeyCondition(operator, (_value(condition.right, binder),))
    if isinstance(condition.right, Path):
        return _attribute(condition.right, binder), KeyCondition(_TURNED[operator], (_value(condition.left, binder),))
    raise ExpressionError("Invalid condition in KeyConditionExpression: No key attribute specified")


def _operands(operator: str, operands: tuple[Operand, ...], binder: Binder) -> tuple[str, tuple[Value, ...]]:
    """The attribute, which must come first, and the values behind it."""
    for one in operands:
        _refuse_function(one)
    first, *rest = operands
    if not isinstance(first, Path):
        raise ExpressionError(f"Invalid condition in KeyConditionExpression: {operator} operator must have the key attribute as its first operand")
    if any(isinstance(one, Path) for one in rest):
        raise ExpressionError("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
    return _attribute(first, binder), tuple(_value(one, binder) for one in rest)


def _refuse_function(operand: Operand) -> None:
    if isinstance(operand, Function):
        raise ExpressionError("KeyConditionExpressions cannot contain nested operations")


def _attribute(path: Path, binder: Binder) -> str:
    parts = binder.path(path)
    if len(parts) > 1:
        raise ExpressionError("KeyConditionExpressions cannot have conditions on nested attributes")
    return str(parts[0])


def _value(operand: Operand, binder: Binder) -> Value:
    assert isinstance(operand, Reference)
    return binder.value(operand.name)
