"""The Condition element: operators, their qualifiers, and what they mean when a key is absent.

IAM User Guide, "IAM JSON policy elements: Condition operators" and "Creating a condition with multiple keys or values".
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from haneul.auth.policy.context import Context
from haneul.auth.policy.patterns import Patterns, Piece, Template, Wild, has_variables, split_pattern, to_regex
from haneul.clock import SECOND

Test = Callable[[str, Context], bool]

_ARN_FIELDS = 6
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?\Z")
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?([Zz]|[+-]\d\d:?\d\d)?)?)?)?\Z",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator applied to one key. `qualifier` is `any`, `all` or empty; `null` is None but for the operator Null: whether the key must be absent."""

    key: str
    test: Test
    negated: bool = False
    qualifier: str = ""
    if_exists: bool = False
    null: frozenset[bool] | None = None
    uses_variables: bool = False

    def holds(self, context: Context) -> bool:
        """True when the request satisfies the condition. Raises UnresolvedVariable, which makes the whole statement fall away."""
        values = context.values(self.key)
        if self.null is not None:
            return (not values) in self.null
        if self.qualifier and values == ("",):
            values = ()  # An empty text is an empty set to ForAllValues and ForAnyValue.
        if not values:
            if self.if_exists or self.qualifier == "all":
                return True
            return self.negated and self.qualifier != "any"
        if self.qualifier == "all":
            return all(self.test(value, context) != self.negated for value in values)
        if self.qualifier == "any":
            return any(self.test(value, context) != self.negated for value in values)
        return any(self.test(value, context) for value in values) != self.negated


# ---- texts


def _string_test(policy_values: Sequence[str], variables: bool, *, wildcards: bool, ignore_case: bool = False) -> tuple[Test, bool]:
    split = [split_pattern(value, wildcards=wildcards, variables=variables) for value in policy_values]
    templates = tuple(Template(pieces) for pieces in split if has_variables(pieces))
    constant = [pieces for pieces in split if not has_variables(pieces)]
    if ignore_case:
        constant = [[piece.lower() if isinstance(piece, str) else piece for piece in pieces] for pieces in constant]
    patterns = Patterns(constant)

    def test(value: str, context: Context) -> bool:
        if ignore_case:
            value = value.lower()
        if patterns.match(value):
            return True
        return any(template.match(value, context.single, ignore_case=ignore_case) for template in templates)

    return test, bool(templates)


def _string_equals(values: Sequence[str], variables: bool) -> tuple[Test, bool]:
    return _string_test(values, variables, wildcards=False)


def _string_equals_ignore_case(values: Sequence[str], variables: bool) -> tuple[Test, bool]:
    return _string_test(values, variables, wildcards=False, ignore_case=True)


def _string_like(values: Sequence[str], variables: bool) -> tuple[Test, bool]:
    return _string_test(values, variables, wildcards=True)


def _arn_like(values: Sequence[str], variables: bool) -> tuple[Test, bool]:
    """Each of the six fields is matched by itself, so that no wildcard reaches across a colon."""
    split = [split_pattern(value, variables=variables) for value in values]
    templates = [Template(pieces) for pieces in split if has_variables(pieces)]
    constant = [_field_regexes(pieces) for pieces in split if not has_variables(pieces)]

    def test(value: str, context: Context) -> bool:
        fields = value.split(":", _ARN_FIELDS - 1)
        if len(fields) != _ARN_FIELDS:
            return False
        if any(_fields_match(regexes, fields) for regexes in constant):
            return True
        return any(_fields_match(_field_regexes(template.fill(context.single)), fields) for template in templates)

    return test, bool(templates)


def _field_regexes(pieces: Sequence[Piece]) -> list[re.Pattern[str]]:
    fields: list[list[str | Wild]] = [[]]
    for piece in pieces:
        if isinstance(piece, str):
            first, *others = piece.split(":", _ARN_FIELDS - len(fields))
            fields[-1].append(first)
            fields.extend([other] for other in others)
        elif isinstance(piece, Wild):
            fields[-1].append(piece)
    if len(fields) < _ARN_FIELDS and fields[-1][-1:] == [Wild.MANY]:  # `*` and `arn:aws:s3:*` leave the other fields open.
        fields.extend([Wild.MANY] for _ in range(_ARN_FIELDS - len(fields)))
    return [to_regex(field) for field in fields]


def _fields_match(regexes: Sequence[re.Pattern[str]], fields: Sequence[str]) -> bool:
    return len(regexes) == len(fields) and all(regex.match(field) is not None for regex, field in zip(regexes, fields))


# ---- numbers, dates, booleans, bytes, addresses


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.match(text) else None


def date_ns(text: str) -> int | None:
    """Nanoseconds since the epoch of an ISO 8601 date (to any precision from the year on) or a count of seconds; None for anything else."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and len(text) != 4:
        return int(text) * SECOND
    found = _DATE.match(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        moment = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        return None
    seconds = timegm(moment.timetuple())
    if zone and zone not in "Zz":
        offset_seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
        seconds += offset_seconds if zone[0] == "-" else -offset_seconds
    return seconds * SECOND + int((fraction or "0").ljust(9, "0"))


def _ordered(parse: Callable[[str], Decimal | int | None], compare: Callable[[Decimal | int, Decimal | int], bool]) -> Callable[..., tuple[Test, bool]]:
    def build(values: Sequence[str], variables: bool) -> tuple[Test, bool]:
        wanted = [parsed for value in values if (parsed := parse(value)) is not None]

        def test(value: str, context: Context) -> bool:
            actual = parse(value)
            return actual is not None and any(compare(actual, one) for one in wanted)

        return test, False

    return build


def _bool(values: Sequence[str], variables: bool) -> tuple[Test, bool]:
    return _string_test(values, variables, wildcards=False, ignore_case=True)


def _binary_equals(values: Sequence[str], variables: bool) -> tuple[Test, bool]:
    wanted = {decoded for value in values if (decoded := _decode(value)) is not None}

    def test(value: str, context: Context) -> bool:
        return _decode(value) in wanted

    return test, False


def _decode(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _ip_address(values: Sequence[str], variables: bool) -> tuple[Test, bool]:
    networks = [network for value in values if (network := _network(value)) is not None]

    def test(value: str, context: Context) -> bool:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address.version == network.version and address in network for network in networks)

    return test, False


def _network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None


# ---- the table


Builder = Callable[[Sequence[str], bool], tuple[Test, bool]]

OPERATORS: Mapping[str, tuple[Builder, bool]] = {
    "StringEquals": (_string_equals, False),
    "StringNotEquals": (_string_equals, True),
    "StringEqualsIgnoreCase": (_string_equals_ignore_case, False),
    "StringNotEqualsIgnoreCase": (_string_equals_ignore_case, True),
    "StringLike": (_string_like, False),
    "StringNotLike": (_string_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "NumericEquals": (_ordered(_number, operator.eq), False),
    "NumericNotEquals": (_ordered(_number, operator.eq), True),
    "NumericLessThan": (_ordered(_number, operator.lt), False),
    "NumericLessThanEquals": (_ordered(_number, operator.le), False),
    "NumericGreaterThan": (_ordered(_number, operator.gt), False),
    "NumericGreaterThanEquals": (_ordered(_number, operator.ge), False),
    "DateEquals": (_ordered(date_ns, operator.eq), False),
    "DateNotEquals": (_ordered(date_ns, operator.eq), True),
    "DateLessThan": (_ordered(date_ns, operator.lt), False),
    "DateLessThanEquals": (_ordered(date_ns, operator.le), False),
    "DateGreaterThan": (_ordered(date_ns, operator.gt), False),
    "DateGreaterThanEquals": (_ordered(date_ns, operator.ge), False),
    "Bool": (_bool, False),
    "BinaryEquals": (_binary_equals, False),
    "IpAddress": (_ip_address, False),
    "NotIpAddress": (_ip_address, True),
}
"""Operator name → what builds its test from the policy's values, and whether the operator asks for the opposite."""

_QUALIFIERS = {"ForAnyValue:": "any", "ForAllValues:": "all"}


@dataclass(frozen=True, slots=True)
class OperatorName:
    """An operator's name taken apart: `ForAnyValue:StringLikeIfExists` is `any`, `StringLike`, True."""

    qualifier: str
    base: str
    if_exists: bool


def operator_name(written: str) -> OperatorName | None:
    """Take an operator's name apart; None when there is no such operator. `Null` knows no IfExists."""
    qualifier = ""
    for prefix, meaning in _QUALIFIERS.items():
        if written.startswith(prefix):
            qualifier, written = meaning, written[len(prefix) :]
    if written == "Null":
        return OperatorName(qualifier, written, False)
    if_exists = written.endswith("IfExists")
    base = written.removesuffix("IfExists")
    return OperatorName(qualifier, base, if_exists) if base in OPERATORS else None


def _never(value: str, context: Context) -> bool:
    return False


def compile_condition(name: OperatorName, key: str, values: Sequence[str], *, variables: bool) -> Condition:
    """Compile one key of one operator; `variables` is False for policies of version 2008-10-17."""
    if name.base == "Null":
        wanted = frozenset(value.lower() == "true" for value in values if value.lower() in ("true", "false"))
        return Condition(key.lower(), _never, null=wanted)
    build, negated = OPERATORS[name.base]
    test, uses_variables = build(values, variables)
    return Condition(key.lower(), test, negated, name.qualifier, name.if_exists, None, uses_variables)
