"""The parameters from before expressions: Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter, AttributesToGet.

(Developer Guide: "Legacy DynamoDB conditional parameters".)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.expressions import compare
from haneul.services.dynamodb.expressions.bind import Predicate
from haneul.services.dynamodb.expressions.key_condition import KeyCondition, KeyConditions
from haneul.services.dynamodb.expressions.project import Project, projection
from haneul.services.dynamodb.expressions.update import BoundUpdate, Change
from haneul.services.dynamodb.values import Value, check, kind_of, name_size

_ONE = ("EQ", "NE", "LE", "LT", "GE", "GT", "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH")
_ORDERED = frozenset("SNB")
_KINDS = {
    "EQ": frozenset(("S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL")),
    "NE": frozenset(("S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL")),
    "LE": _ORDERED,
    "LT": _ORDERED,
    "GE": _ORDERED,
    "GT": _ORDERED,
    "CONTAINS": frozenset(("S", "N", "B", "BOOL", "NULL", "M", "L")),
    "NOT_CONTAINS": frozenset(("S", "N", "B", "BOOL", "NULL", "M", "L")),
    "BEGINS_WITH": frozenset("SB"),
    "IN": _ORDERED,
    "BETWEEN": _ORDERED,
}

_TYPE_MISMATCH = "Type mismatch for attribute to update"

Values = tuple[Value, ...]
_TESTS: dict[str, Callable[[Value | None, Values], bool]] = {
    "EQ": lambda value, wanted: compare.equal(value, wanted[0]),
    "NE": lambda value, wanted: compare.different(value, wanted[0]),
    "LE": lambda value, wanted: compare.less_or_equal(value, wanted[0]),
    "LT": lambda value, wanted: compare.less(value, wanted[0]),
    "GE": lambda value, wanted: compare.greater_or_equal(value, wanted[0]),
    "GT": lambda value, wanted: compare.greater(value, wanted[0]),
    "CONTAINS": lambda value, wanted: compare.contains(value, wanted[0]),
    "NOT_CONTAINS": lambda value, wanted: not compare.contains(value, wanted[0]),
    "BEGINS_WITH": lambda value, wanted: compare.begins_with(value, wanted[0]),
    "IN": lambda value, wanted: value is not None and value in wanted,
    "BETWEEN": lambda value, wanted: compare.between(value, wanted[0], wanted[1]),
    "NULL": lambda value, wanted: value is None,
    "NOT_NULL": lambda value, wanted: value is not None,
}

Test = tuple[str, str, Values]
"""Attribute, operator, values."""


def _all_or_any(tests: list[Test], operator: str | None) -> Predicate:
    def holds(item: dict[str, Value]) -> bool:
        outcomes = (_TESTS[name](item.get(attribute), wanted) for attribute, name, wanted in tests)
        return any(outcomes) if operator == "OR" else all(outcomes)

    return holds


def _check_count(operator: str, count: int) -> None:
    allowed = count == 1 if operator in _ONE else count == 2 if operator == "BETWEEN" else count > 0 if operator == "IN" else count == 0
    if not allowed:
        raise invalid(f"Invalid number of argument(s) for the {operator} ComparisonOperator")


def _check_values(operator: str, values: Values) -> None:
    if values and any(kind_of(value) != kind_of(values[0]) for value in values):
        raise invalid("AttributeValues inside AttributeValueList must be of same type")
    kinds = _KINDS.get(operator)
    for value in values if kinds is not None else ():
        if kinds is not None and kind_of(value) not in kinds:
            raise invalid(f"ComparisonOperator {operator} is not valid for {kind_of(value)} AttributeValue type")
    if operator == "BETWEEN" and compare.greater(values[0], values[1]):
        raise validation("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")


def conditions(given: dict[str, Any]) -> list[Test]:
    """The tests of a KeyConditions, QueryFilter or ScanFilter."""
    tests: list[Test] = []
    for attribute, condition in given.items():
        name_size(attribute)
        operator = condition["ComparisonOperator"]
        values = tuple(condition.get("AttributeValueList", ()))
        for value in values:
            check(value)
        _check_count(operator, len(values))
        _check_values(operator, values)
        tests.append((attribute, operator, values))
    return tests


def filter_of(given: dict[str, Any] | None, operator: str | None) -> Predicate | None:
    """The predicate of a QueryFilter or ScanFilter."""
    _check_operator(given, operator)
    return _all_or_any(conditions(given), operator) if given else None


def _check_operator(given: dict[str, Any] | None, operator: str | None) -> None:
    if operator is not None and not given:
        raise validation("ConditionalOperator cannot be used without Filter or Expected")
    if operator is not None and given is not None and len(given) < 2:
        raise validation("ConditionalOperator can only be used when Filter or Expected has two or more elements")


def key_conditions_of(given: dict[str, Any]) -> KeyConditions:
    """KeyConditions in the form that key condition expressions have too."""
    return {attribute: KeyCondition(operator, values) for attribute, operator, values in conditions(given)}


def expected_of(given: dict[str, Any] | None, operator: str | None) -> Predicate | None:
    """The predicate of an Expected."""
    _check_operator(given, operator)
    if not given:
        return None
    tests = [_expected(attribute, condition) for attribute, condition in given.items()]
    return _all_or_any(tests, operator)


def _expected(attribute: str, condition: dict[str, Any]) -> Test:
    name_size(attribute)
    where = f"for Attribute: {attribute}"
    operator, exists = condition.get("ComparisonOperator"), condition.get("Exists")
    has_list, has_value = "AttributeValueList" in condition, "Value" in condition
    if has_list and has_value:
        raise invalid(f"Value and AttributeValueList cannot be used together {where}")
    if operator is None:
        return _exists(attribute, condition, where)
    if exists is not None:
        raise invalid(f"Exists and ComparisonOperator cannot be used together {where}")
    if operator not in ("NULL", "NOT_NULL") and not has_list and not has_value:
        raise invalid(f"Value or AttributeValueList must be used with ComparisonOperator: {operator} {where}")
    values = tuple(condition["AttributeValueList"]) if has_list else (condition["Value"],) if has_value else ()
    for value in values:
        check(value)
    _check_count(operator, len(values))
    _check_values(operator, values)
    return attribute, operator, values


def _exists(attribute: str, condition: dict[str, Any], where: str) -> Test:
    exists, value = condition.get("Exists"), condition.get("Value")
    if "AttributeValueList" in condition:
        raise invalid(f"AttributeValueList can only be used with a ComparisonOperator {where}")
    if exists is not False and value is None:
        raise invalid(f"Value must be provided when Exists is {'null' if exists is None else 'true'} {where}")
    if exists is False:
        if value is not None:
            raise invalid(f"Value cannot be used when Exists is false {where}")
        return attribute, "NULL", ()
    assert value is not None
    check(value)
    return attribute, "EQ", (value,)


def attributes_to_get(names: list[str]) -> Project:
    """The projection of an AttributesToGet."""
    seen: set[str] = set()
    for name in names:
        name_size(name)
        if name in seen:
            raise invalid(f"Duplicate value in attribute name: {name}")
        seen.add(name)
    return projection([(name,) for name in names])


def attribute_updates(given: dict[str, Any]) -> BoundUpdate:
    """An AttributeUpdates in the form that update expressions have too; unlike them, it makes no item when it only takes away."""
    changes = []
    for attribute, update in given.items():
        name_size(attribute)
        value, action = update.get("Value"), update.get("Action", "PUT")
        kind = None
        if value is not None:
            check(value)
            kind = kind_of(value)
        if value is None and action != "DELETE":
            raise invalid("Only DELETE action is allowed when no attribute value is specified")
        if kind is not None and action == "DELETE" and kind not in ("SS", "NS", "BS"):
            raise invalid(f"DELETE action with value is not supported for the type {kind}")
        if kind is not None and action == "ADD" and kind not in ("L", "SS", "NS", "BS", "N"):
            raise invalid(f"ADD action is not supported for the type {kind}")
        if value is None:
            changes.append(Change("REMOVE", (attribute,), None, None, None))
        elif action == "PUT":
            changes.append(Change("SET", (attribute,), kind, None, value))
        else:
            changes.append(Change(action, (attribute,), kind if action == "ADD" else None, None, value))
    takes_only = bool(changes) and all(change.action in ("REMOVE", "DELETE") for change in changes)
    return BoundUpdate(changes, set(), _TYPE_MISMATCH, makes_items=not takes_only)

