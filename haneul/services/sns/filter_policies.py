"""Filter policies: which messages a subscription wants.

Source: SNS Developer Guide, "Amazon SNS message filtering" and "Filter policy constraints in Amazon SNS"; words of refusals as EventBridge's rule compiler,
which the service uses, has them.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from haneul.services.sns.messages import Attribute, Message

BYTES_MAX = 262_144
KEYS_MAX = 5
COMBINATIONS_MAX = 150
_NUMBER_MAX = Decimal(10**9)
_ACCURACY = Decimal("0.00001")
_OR = "$or"

Test = Callable[[Any], bool]
_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class BadFilter(Exception):
    """A filter policy that cannot be; its text says why."""


class _Absent:
    """Stands for what a message does not have."""


_ABSENT = _Absent()


class FilterPolicy:
    """A compiled policy. `refusal` says whether, and for which of the metrics' reasons, a message is not wanted."""

    def __init__(self, text: str, scope: str) -> None:
        """Raises BadFilter."""
        if len(text.encode()) > BYTES_MAX:
            raise BadFilter("Filter policy is too long")
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise BadFilter("failed to parse JSON.") from None
        if not isinstance(document, dict):
            raise BadFilter("Filter is not an object")
        self._of_body = scope == "MessageBody"
        try:
            self._matches = _object(document, nested=self._of_body)
            branches = list(_branches(document))
            if any(len(branch) > KEYS_MAX for branch in branches):
                raise BadFilter(f"Filter policy can not have more than {KEYS_MAX} keys")
            too_complex = sum(_combinations(branch) for branch in branches) > COMBINATIONS_MAX
        except RecursionError:
            too_complex = True
        if too_complex:
            raise BadFilter("Filter policy is too complex")

    def refusal(self, message: Message, protocol: str) -> str | None:
        """None for a message that is wanted; otherwise the end of the metric's name that counts it."""
        if self._of_body:
            try:
                body = orjson.loads(message.text_for(protocol).encode("utf-8", "surrogatepass"))
            except orjson.JSONDecodeError:
                return "InvalidMessageBody"
            if not isinstance(body, dict):
                return "InvalidMessageBody"
            try:
                return None if self._matches(body) else "MessageBody"
            except RecursionError:  # Arrays within arrays, hundreds of them: a body that nobody can filter by.
                return "InvalidMessageBody"
        values: dict[str, Any] = {}
        invalid = False
        for name, one in message.attributes.items():
            found = _attribute(one)
            if found is _ABSENT:
                invalid = invalid or one.binary is None
            else:
                values[name] = found
        if self._matches(values):
            return None
        if not message.attributes:
            return "NoMessageAttributes"
        return "InvalidAttributes" if invalid else "MessageAttributes"


def _attribute(one: Attribute) -> Any:
    """What is compared of a message attribute; nothing of a binary one, and of an array that is none."""
    if one.binary is not None:
        return _ABSENT
    if one.type == "Number" or one.type.startswith("Number."):
        return Decimal(one.text.strip())
    if one.type == "String.Array":
        try:
            found = orjson.loads(one.text.encode("utf-8", "surrogatepass"))
        except orjson.JSONDecodeError:
            return _ABSENT
        return found if isinstance(found, list) else _ABSENT
    return one.text


# ---- how large a policy is


def _branches(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A policy without `$or`: each of the alternatives that it stands for, whose combinations are added up."""
    plain = {name: wanted for name, wanted in document.items() if name != _OR}
    alternatives = document.get(_OR)
    if not isinstance(alternatives, list):
        yield plain
        return
    for one in alternatives:
        for branch in _branches(one):
            yield {**plain, **branch}


def _combinations(branch: dict[str, Any], depth: int = 1) -> int:
    """The product of the numbers of values, each multiplied by how deep it lies."""
    product = 1
    for name, wanted in branch.items():
        if isinstance(wanted, dict):
            product *= sum(_combinations(one, depth + 1) for one in _branches(wanted))
        elif name != _OR:
            product *= len(wanted) * depth
    return product


# ---- what it matches


def _object(document: dict[str, Any], *, nested: bool) -> Test:
    tests: list[tuple[str, Test]] = []
    alternatives: list[Test] = []
    if not document:
        raise BadFilter("Empty objects are not allowed")
    for name, wanted in document.items():
        if name == _OR:
            alternatives = _alternatives(wanted, nested=nested)
        elif isinstance(wanted, dict):
            if not nested:
                raise BadFilter("Filter policy scope MessageAttributes does not support nested filter policy")
            tests.append((name, _object(wanted, nested=True)))
        elif isinstance(wanted, list):
            tests.append((name, _any(wanted)))
        else:
            raise BadFilter(f'"{name}" must be an object or an array')

    def matches(value: Any) -> bool:
        if isinstance(value, list):  # An array fits when one of its elements does.
            return any(matches(one) for one in value)
        if not isinstance(value, dict):
            value = {}
        return all(test(value.get(name, _ABSENT)) for name, test in tests) and (not alternatives or any(one(value) for one in alternatives))

    return matches


def _alternatives(wanted: Any, *, nested: bool) -> list[Test]:
    if not isinstance(wanted, list):
        raise BadFilter(f"It must be an Array followed with {_OR}.")
    if not all(isinstance(one, dict) for one in wanted):
        raise BadFilter(f"Only JSON object is allowed in array of {_OR} relationship.")
    if len(wanted) < 2:
        raise BadFilter(f"There must have at least 2 Objects in {_OR} relationship.")
    return [_object(one, nested=nested) for one in wanted]


def _any(wanted: list[Any]) -> Test:
    if not wanted:
        raise BadFilter("Empty arrays are not allowed")
    exists = [bool(one["exists"]) for one in wanted if isinstance(one, dict) and isinstance(one.get("exists"), bool) and len(one) == 1]
    tests = [_value(one) for one in wanted]

    def matches(value: Any) -> bool:
        if (value is not _ABSENT) in exists:
            return True
        if value is _ABSENT:
            return False
        return any(test(one) for one in (value if isinstance(value, list) else [value]) for test in tests)

    return matches


def _value(wanted: Any) -> Test:
    if isinstance(wanted, dict):
        if not wanted:
            raise BadFilter("Match expression name not found")
        name, argument = next(iter(wanted.items()))
        test = _operator(name, argument)
        if len(wanted) > 1:
            raise BadFilter("Only one key allowed in match expression")
        return test
    if isinstance(wanted, list):
        raise BadFilter("Match value must be String, number, true, false, or null")
    if wanted is None or isinstance(wanted, bool):
        return lambda value: value is wanted
    if isinstance(wanted, str):
        return lambda value: isinstance(value, str) and value == wanted
    number = _limit(wanted)
    return lambda value: _number(value) == number


def _number(value: Any) -> Decimal | None:
    """A number as it is compared: with five digits behind the point, and nothing beyond a thousand million."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        return number.quantize(_ACCURACY) if abs(number) <= _NUMBER_MAX else None
    except InvalidOperation:
        return None


def _limit(value: int | float) -> Decimal:
    number = _number(value)
    if number is None:
        raise BadFilter("Value must be between -1.0E9 and 1.0E9, inclusive")
    return number


def _operator(name: str, argument: Any) -> Test:
    if name == "exists":
        if not isinstance(argument, bool):
            raise BadFilter("exists match pattern must be either true or false.")
        return lambda value: False  # Is about the key, not about a value: `_any` looks to it.
    if name in ("prefix", "suffix"):
        return _text(name, argument, f"{name} match pattern must be a string")
    if name == "equals-ignore-case":
        if not isinstance(argument, str):
            raise BadFilter("equals-ignore-case match pattern must be a string")
        folded = argument.lower()
        return lambda value: isinstance(value, str) and value.lower() == folded
    if name == "numeric":
        return _numeric(argument)
    if name == "anything-but":
        return _anything_but(argument)
    if name == "cidr":
        return _cidr(argument)
    raise BadFilter(f"Unrecognized match type {name}")


def _text(name: str, argument: Any, complaint: str) -> Test:
    if not isinstance(argument, str):
        raise BadFilter(complaint)
    if name == "prefix":
        return lambda value: isinstance(value, str) and value.startswith(argument)
    return lambda value: isinstance(value, str) and value.endswith(argument)


def _numeric(argument: Any) -> Test:
    if not isinstance(argument, list):
        raise BadFilter("Value of numeric must be an array.")
    if not argument or not isinstance(argument[0], str):
        raise BadFilter(f"Invalid member in numeric match: {argument[0] if argument else ']'}")
    if argument[0] not in _COMPARE:
        raise BadFilter(f"Unrecognized numeric range operator: {argument[0]}")
    tests = [_comparison(argument[:2], "equals" if argument[0] == "=" else argument[0])]
    if len(argument) > 2:
        if argument[0] not in (">", ">=") or len(argument) > 4:
            raise BadFilter("Too many elements in numeric expression" if argument[0] not in (">", ">=") else "Too many terms in numeric range expression")
        if argument[2] not in ("<", "<="):
            raise BadFilter(f"Bad numeric range operator: {argument[2]}" if isinstance(argument[2], str) else f"Bad value in numeric range: {argument[2]}")
        tests.append(_comparison(argument[2:], argument[2]))
        if _limit(argument[1]) >= _limit(argument[3]):
            raise BadFilter("Bottom must be less than top")
    return lambda value: (number := _number(value)) is not None and all(test(number) for test in tests)


def _comparison(pair: list[Any], name: str) -> Callable[[Decimal], bool]:
    if len(pair) < 2 or isinstance(pair[1], bool) or not isinstance(pair[1], (int, float)):
        raise BadFilter(f"Value of {name} must be numeric")
    compare, bound = _COMPARE[pair[0]], _limit(pair[1])
    return lambda number: compare(number, bound)


def _anything_but(argument: Any) -> Test:
    if isinstance(argument, dict):
        name, inner = next(iter(argument.items()), ("", None))
        if name not in ("prefix", "suffix"):
            raise BadFilter(f"Unsupported anything-but pattern: {name}" if name else "Anything-But expression name not found")
        if len(argument) > 1:
            raise BadFilter("Only one key allowed in match expression")
        if inner == "":
            raise BadFilter("Null prefix/suffix not allowed")
        unwanted = [_text(name, inner, "prefix/suffix match pattern must be a string")]
        return lambda value: not any(test(value) for test in unwanted)
    values = argument if isinstance(argument, list) else [argument]
    if any(isinstance(one, (bool, list, dict)) or one is None for one in values):
        one_value = "Value of anything-but must be an array or single string/number value."
        raise BadFilter("Inside anything but list, start|null|boolean is not supported." if isinstance(argument, list) else one_value)
    if len({isinstance(one, str) for one in values}) != 1:
        raise BadFilter("Inside anything but list, either all values are number or string, mixed type is not supported")
    unwanted = [_value(one) for one in values]
    return lambda value: not any(test(value) for test in unwanted)


def _cidr(argument: Any) -> Test:
    if not isinstance(argument, str):
        raise BadFilter("prefix match pattern must be a string")
    try:
        network = ipaddress.ip_network(argument, strict=False)
        if "/" not in argument:
            raise ValueError
    except ValueError:
        raise BadFilter(f"Malformed CIDR, one '/' required in {argument}" if argument.count("/") != 1 else f"Malformed CIDR: {argument}") from None

    def matches(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return matches
