"""The rules of composite alarms: `ALARM("a") AND NOT (OK(b) OR FALSE)`, `AT_LEAST(60%, NOT OK, (a, b, c))`.

(CloudWatch API Reference: PutCompositeAlarm, "AlarmRule"; CloudWatch User Guide: "Composite alarms".)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from haneul.services.cloudwatch.alarms import STATES

_TOKEN = re.compile(r"""\s*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s()"']+))""")
# What AT_LEAST wants before it lists alarms: a number or percentage of them, and a state.
_THRESHOLD = re.compile(r"(\d{1,3})(%?)\s*,\s*(NOT\s+)?(OK|ALARM|INSUFFICIENT_DATA)\s*,\Z")
_ELEMENTS_MAX = 500
_DEPTH_MAX = 50

States = Mapping[str, str]


class RuleError(Exception):
    """A rule that cannot be understood."""


class AlarmRule(NamedTuple):
    """A compiled rule: whether it holds, given the alarms' states by name, and the names it looks at."""

    holds: Callable[[States], bool]
    names: frozenset[str]


@lru_cache(maxsize=512)
def parse_rule(text: str) -> AlarmRule:
    """Compile a rule; RuleError for a text that is none."""
    parser = _Parser(text)
    holds = parser.either()
    parser.finish()
    return AlarmRule(holds, frozenset(parser.names))


class _Parser:
    def __init__(self, text: str) -> None:
        self.names: list[str] = []
        self._tokens: list[tuple[str, bool]] = []
        self._at = self._depth = self._elements = 0
        at, text = 0, text.strip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise RuleError(f"unexpected character at {at}")
            opening, closing, double, single, word = found.groups()
            quoted = double if double is not None else single
            self._tokens.append((re.sub(r"\\(.)", r"\1", quoted), True) if quoted is not None else (opening or closing or word, False))
            at = found.end()

    def _peek(self) -> str:
        if self._at < len(self._tokens):
            token, quoted = self._tokens[self._at]
            return "" if quoted else token
        return ""

    def _expect(self, token: str) -> None:
        if self._peek() != token:
            raise RuleError(f"expected {token}")
        self._at += 1

    def finish(self) -> None:
        if self._at != len(self._tokens):
            raise RuleError(f"unexpected {self._tokens[self._at][0]}")

    def either(self) -> Callable[[States], bool]:
        tests = [self._every()]
        while self._peek() == "OR":
            self._at += 1
            tests.append(self._every())
        return tests[0] if len(tests) == 1 else lambda states: any(test(states) for test in tests)

    def _every(self) -> Callable[[States], bool]:
        tests = [self._one()]
        while self._peek() == "AND":
            self._at += 1
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda states: all(test(states) for test in tests)

    def _one(self) -> Callable[[States], bool]:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise RuleError("nested too deeply")
        token = self._peek()
        self._at += 1
        try:
            if token == "NOT":
                inner = self._one()
                return lambda states: not inner(states)
            if token == "(":
                self._count()
                inner = self.either()
                self._expect(")")
                return inner
            if token.upper() in ("TRUE", "FALSE"):
                self._count()
                return lambda states: token.upper() == "TRUE"
            if token == "AT_LEAST":
                return self._at_least()
            if token in STATES:
                name = self._name()
                return lambda states: states.get(name) == token
            raise RuleError(f"unexpected {token or 'end'}")
        finally:
            self._depth -= 1

    def _name(self) -> str:
        self._expect("(")
        if self._at >= len(self._tokens) or self._peek() in ("(", ")"):
            raise RuleError("an alarm's name is missing")
        name = self._tokens[self._at][0]
        self._at += 1
        self._expect(")")
        return self._noted(name)

    def _at_least(self) -> Callable[[States], bool]:
        """`(2, ALARM, (a, b, c))`: so many of the alarms, or so many hundredths of them, are in a state, or are not."""
        self._expect("(")
        wanted = _THRESHOLD.match(" ".join(self._until("(")))
        if wanted is None:
            raise RuleError("AT_LEAST needs a number or a percentage, a state and alarms in parentheses")
        self._expect("(")
        names = [self._noted(name) for name in self._until(")") if name != ","]
        self._expect(")")
        self._expect(")")
        number, percent, inverted, state = int(wanted[1]), bool(wanted[2]), bool(wanted[3]), wanted[4]
        if not names or not 1 <= number <= (100 if percent else len(names)):
            raise RuleError(f"AT_LEAST cannot be {wanted[1]}{wanted[2]} of {len(names)} alarms")

        def holds(states: States) -> bool:
            count = sum((states.get(name) == state) != inverted for name in names)
            return 100 * count >= number * len(names) if percent else count >= number

        return holds

    def _until(self, end: str) -> list[str]:
        """The tokens before the next `end`; words are taken apart at their commas."""
        found: list[str] = []
        while self._at < len(self._tokens) and self._peek() != end:
            token, quoted = self._tokens[self._at]
            found += [token] if quoted else [part for part in re.split(r"(,)", token) if part]
            self._at += 1
        return found

    def _noted(self, name: str) -> str:
        if name.startswith("arn:"):
            name = name.rpartition(":alarm:")[2]
        self.names.append(name)
        self._count()
        return name

    def _count(self) -> None:
        """Alarms, TRUE, FALSE and pairs of parentheses are elements (User Guide: "Create a composite alarm")."""
        self._elements += 1
        if self._elements > _ELEMENTS_MAX:
            raise RuleError(f"more than {_ELEMENTS_MAX} elements")
