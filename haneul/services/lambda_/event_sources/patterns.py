"""The pattern language of filter criteria, compiled to closures.

Source: AWS Lambda Developer Guide, "Control which events Lambda sends to your function"; Amazon EventBridge User Guide, "Comparison operators".
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fnmatch import translate
from re import compile as compile_regex
from typing import Any

import orjson

Matches = Callable[[Any], bool]

PATTERN_LENGTH_MAX = 4096
FILTERS_MAX = 5
"""Of one mapping. AWS raises it to ten on request only."""
_ABSENT = object()
_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class BadPattern(Exception):
    """The pattern is not valid."""


def compile_pattern(text: str, data_key: str = "") -> Matches:
    """What tells whether an event fits a pattern (JSON text). Raises BadPattern.

    `data_key` names the member whose format decides too ("Properly filtering Amazon SQS messages"): a pattern for JSON fits no plain text there, and a
    pattern for plain texts fits no JSON.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadPattern("not JSON") from None
    if not isinstance(document, dict):
        raise BadPattern("not an object")
    return _object(document, data_key)


def _object(document: dict[str, Any], data_key: str = "") -> Matches:
    tests: list[tuple[str, Matches]] = []
    alternatives: list[Matches] = []
    for name, wanted in document.items():
        if name == "$or" and isinstance(wanted, list) and len(wanted) > 1 and all(isinstance(one, dict) for one in wanted):
            alternatives = [_object(one, data_key) for one in wanted]
        elif isinstance(wanted, dict):
            tests.append((name, _of_kind(dict, _object(wanted)) if name == data_key else _object(wanted)))
        elif isinstance(wanted, list) and wanted:
            tests.append((name, _of_kind(str, _any(wanted)) if name == data_key else _any(wanted)))
        else:
            raise BadPattern(f"{name} is neither an object nor a list of values")

    def matches(event: Any) -> bool:
        if isinstance(event, list):  # A list fits when one of its elements does.
            return any(matches(one) for one in event)
        if not isinstance(event, dict):
            event = {}
        return all(test(event.get(name, _ABSENT)) for name, test in tests) and (not alternatives or any(one(event) for one in alternatives))

    return matches


def _of_kind(kind: type, test: Matches) -> Matches:
    return lambda value: isinstance(value, kind) and test(value)


def _any(wanted: list[Any]) -> Matches:
    tests = [_value(one) for one in wanted]

    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return any(matches(one) for one in value) if value else any(test(_ABSENT) for test in tests)
        return any(test(value) for test in tests)

    return matches


def _value(wanted: Any) -> Matches:
    if isinstance(wanted, dict):
        if len(wanted) != 1:
            raise BadPattern("a comparison has one operator")
        [(name, argument)] = wanted.items()
        return _comparison(name, argument)
    if isinstance(wanted, list):
        raise BadPattern("a list in a list")
    return _equals(wanted)


def _equals(wanted: Any) -> Matches:
    if wanted is None or isinstance(wanted, bool):
        return lambda value: value is wanted
    if isinstance(wanted, str):
        return lambda value: isinstance(value, str) and value == wanted
    number = Decimal(str(wanted))
    return lambda value: (found := _number(value)) is not None and found == number


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _comparison(name: str, argument: Any) -> Matches:
    if name == "exists" and isinstance(argument, bool):
        return lambda value: (value is not _ABSENT and not isinstance(value, dict)) is argument
    if name == "prefix":
        return _text(argument, str.startswith)
    if name == "suffix":
        return _text(argument, str.endswith)
    if name == "equals-ignore-case" and isinstance(argument, str):
        folded = argument.lower()
        return lambda value: isinstance(value, str) and value.lower() == folded
    if name == "wildcard" and isinstance(argument, str):
        # Only the asterisk is special; what fnmatch holds special besides is taken literally.
        regex = compile_regex(translate(argument.replace("[", "[[]").replace("?", "[?]")))
        return lambda value: isinstance(value, str) and regex.match(value) is not None
    if name == "numeric" and isinstance(argument, list):
        return _numeric(argument)
    if name == "anything-but":
        return _anything_but(argument)
    raise BadPattern(f"unknown comparison {name}")


def _text(argument: Any, method: Callable[[str, str], bool]) -> Matches:
    if isinstance(argument, dict) and isinstance(folded := argument.get("equals-ignore-case"), str) and len(argument) == 1:
        lower = folded.lower()
        return lambda value: isinstance(value, str) and method(value.lower(), lower)
    if not isinstance(argument, str):
        raise BadPattern("a text is wanted")
    return lambda value: isinstance(value, str) and method(value, argument)


def _numeric(argument: list[Any]) -> Matches:
    if len(argument) not in (2, 4):
        raise BadPattern("numeric takes one or two comparisons")
    tests = []
    for operator, limit in zip(argument[::2], argument[1::2], strict=True):
        bound = _number(limit)
        if not isinstance(operator, str) or operator not in _COMPARISONS or bound is None:
            raise BadPattern("numeric takes operators and numbers")
        tests.append((_COMPARISONS[operator], bound))
    return lambda value: (number := _number(value)) is not None and all(compare(number, bound) for compare, bound in tests)


def _anything_but(argument: Any) -> Matches:
    if isinstance(argument, dict):
        if len(argument) != 1:
            raise BadPattern("a comparison has one operator")
        [(name, inner)] = argument.items()
        if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
            raise BadPattern(f"unknown comparison {name}")
        excluded = [_comparison(name, one) for one in (inner if isinstance(inner, list) else [inner])]
    else:
        excluded = [_value(one) for one in (argument if isinstance(argument, list) else [argument])]
    if not excluded:
        raise BadPattern("anything-but takes a value")
    return lambda value: value is not _ABSENT and not any(test(value) for test in excluded)
