"""Conditions, as JSON patterns and the fields of space-delimited patterns have them: comparisons joined by `&&`, `||` and parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from haneul.services.logs.patterns.base import PatternError
from haneul.services.logs.patterns.regex import LinearRegex

Value = Any
Test = Callable[[Value], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<join>&&|\|\|)
      | (?P<paren>[()])
      | (?P<operator>!=|<=|>=|=|<|>)
      | %(?P<regex>[^%]*)%
      | "(?P<text>(?:[^"\\]|\\.)*)"
      | (?P<selector>\$(?:\.?\[(?:\*|\d+|"[^"]*"|'[^']*')\]|\.[\w@:/-]+)*)
      | (?P<word>[^\s()=!<>&|"%,{}\[\]]+)
    )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_UNESCAPE = re.compile(r"\\(.)")
_DEPTH_MAX = 50


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operand` is the selector or field name as written; `missing` says that the condition holds where there is no such value."""

    operand: str
    test: Test
    missing: bool = False
    regex: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions of which all (`every`) or at least one must hold."""

    every: bool
    parts: tuple[Condition, ...]


Condition = Comparison | Joined


def comparisons(condition: Condition) -> list[Comparison]:
    """All comparisons of a condition, in the order written."""
    if isinstance(condition, Comparison):
        return [condition]
    return [one for part in condition.parts for one in comparisons(part)]


def holds(condition: Condition, test: Callable[[Comparison], bool]) -> bool:
    """Whether a condition is true, where `test` decides the single comparisons."""
    if isinstance(condition, Comparison):
        return test(condition)
    if condition.every:
        return all(holds(part, test) for part in condition.parts)
    return any(holds(part, test) for part in condition.parts)


class ConditionReader:
    """Reads one condition; operands are of the token kind `operand_kind` ("selector" or "word")."""

    def __init__(self, text: str, operand_kind: str) -> None:
        self._operand_kind = operand_kind
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def read(self) -> Condition:
        condition = self._any()
        if self._at != len(self._tokens):
            raise PatternError("Invalid filter pattern")
        return condition

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _take(self, *kinds: str) -> tuple[str, str]:
        token = self._peek()
        if token[0] not in kinds:
            raise PatternError("Invalid filter pattern")
        self._at += 1
        return token

    def _any(self) -> Condition:
        return self._joined("||", self._every)

    def _every(self) -> Condition:
        return self._joined("&&", self._one)

    def _joined(self, sign: str, read: Callable[[], Condition]) -> Condition:
        parts = [read()]
        while self._peek() == ("join", sign):
            self._at += 1
            parts.append(read())
        return parts[0] if len(parts) == 1 else Joined(sign == "&&", tuple(parts))

    def _one(self) -> Condition:
        if self._peek() == ("paren", "("):
            self._at += 1
            self._depth += 1
            if self._depth > _DEPTH_MAX:
                raise PatternError("Invalid filter pattern")
            inner = self._any()
            self._depth -= 1
            if self._take("paren")[1] != ")":
                raise PatternError("Invalid filter pattern")
            return inner
        operand = self._take(self._operand_kind)[1]
        kind, sign = self._take("operator", "word")
        if kind == "word":
            return self._state(operand, sign.upper())
        kind, text = self._take("text", "regex", "word")
        return Comparison(operand, comparison_test(sign, kind, text), regex=kind == "regex")

    def _state(self, operand: str, first: str) -> Comparison:
        words = (first, self._take("word")[1].upper())
        if words == ("NOT", "EXISTS"):
            return Comparison(operand, lambda value: False, missing=True)
        wanted = {"NULL": None, "TRUE": True, "FALSE": False}
        if words[0] != "IS" or words[1] not in wanted:
            raise PatternError("Invalid filter pattern")
        value = wanted[words[1]]
        return Comparison(operand, lambda found: found is value)


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.end() == at:
            raise PatternError("Invalid filter pattern")
        kind = found.lastgroup or ""
        value = found[kind]
        tokens.append((kind, _UNESCAPE.sub(r"\1", value) if kind == "text" else value))
        at = found.end()
    return tokens


def comparison_test(sign: str, kind: str, text: str) -> Test:
    """The test that a comparison makes of a value. Order is for numbers alone; text may hold `*` for any characters."""
    if kind == "regex":
        expression = LinearRegex(text)
        if sign not in ("=", "!="):
            raise PatternError("Invalid filter pattern")
        return _negated(lambda value: expression.search(as_text(value)), sign == "!=")
    number = as_number(text) if kind == "word" else None
    if number is not None:
        return _number_test(sign, number, text)
    if sign not in ("=", "!="):
        raise PatternError("Invalid filter pattern")
    return _negated(wildcard_test(text), sign == "!=")


def _negated(test: Test, negate: bool) -> Test:
    return (lambda value: not test(value)) if negate else test


def _number_test(sign: str, number: int | float, text: str) -> Test:
    def test(value: Value) -> bool:
        found = as_number(value)
        if found is None:
            return sign == "!=" or (sign == "=" and value == text)
        if sign == "=":
            return found == number
        if sign == "!=":
            return found != number
        if sign == "<":
            return found < number
        if sign == "<=":
            return found <= number
        return found > number if sign == ">" else found >= number

    return test


def as_number(value: Value) -> int | float | None:
    """A number, or the number that a text is."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and len(value) <= 300 and _NUMBER.fullmatch(value):
        return int(value) if value.lstrip("+-").isdigit() else float(value)
    return None


def as_text(value: Value) -> str:
    """A JSON value as patterns see it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def wildcard_test(text: str) -> Test:
    """Equality, where `*` stands for any characters. Takes time linear in the value."""
    if "*" not in text:
        return lambda value: as_text(value) == text
    first, *middle, last = text.split("*")
    shortest = len(first) + len(last)

    def test(value: Value) -> bool:
        found = as_text(value)
        if len(found) < shortest or not found.startswith(first) or not found.endswith(last):
            return False
        at, end = len(first), len(found) - len(last)
        for part in middle:
            place = found.find(part, at, end)
            if place < 0:
                return False
            at = place + len(part)
        return True

    return test
