"""Search expressions: which metrics `{AWS/Lambda,FunctionName} MetricName="Errors" my-app` means (CloudWatch User Guide, "CloudWatch search expression syntax")."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from haneul.services.cloudwatch.mathematics.parser import MathError
from haneul.services.cloudwatch.metrics import Metric

_SCHEMA = re.compile(r"\s*\{([^}]*)\}")
_TERM = re.compile(r'\s*(\(|\)|=|"(?:[^"\\]|\\.)*"|[^\s()="]+)')
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

Test = Callable[[Metric], bool]


class Search:
    """A compiled search: the namespace that it names, if it does, and whether a metric is meant."""

    def __init__(self, namespace: str | None, dimensions: frozenset[str] | None, test: Test) -> None:
        self.namespace = namespace
        self._dimensions = dimensions
        self._test = test

    def finds(self, metric: Metric) -> bool:
        if self.namespace is not None and metric.namespace != self.namespace:
            return False
        if self._dimensions is not None and frozenset(name for name, _ in metric.dimensions) != self._dimensions:
            return False
        return self._test(metric)


@lru_cache(maxsize=256)
def parse_search(text: str) -> Search:
    """Compile a search; MathError for a text that is none."""
    namespace, dimensions, at = None, None, 0
    schema = _SCHEMA.match(text)
    if schema is not None:
        parts = [part.strip().strip('"') for part in schema[1].split(",")]
        namespace, dimensions, at = parts[0], frozenset(parts[1:]), schema.end()
    return Search(namespace, dimensions, _Terms(text[at:]).whole())


def words(text: str) -> list[str]:
    """The words that a partial match compares: split at changes of case, digits and signs."""
    return [word.lower() for word in _WORD.findall(text)]


class _Terms:
    def __init__(self, text: str) -> None:
        self._tokens = _TERM.findall(text)
        self._at = 0

    def whole(self) -> Test:
        if not self._tokens:
            return lambda metric: True
        test = self._either()
        if self._at < len(self._tokens):
            raise MathError(f"Unexpected '{self._tokens[self._at]}' in SEARCH")
        return test

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _either(self, key: str | None = None) -> Test:
        tests = [self._every(key)]
        while self._peek() == "OR":
            self._at += 1
            tests.append(self._every(key))
        return tests[0] if len(tests) == 1 else lambda metric: any(test(metric) for test in tests)

    def _every(self, key: str | None) -> Test:
        tests = [self._term(key)]
        while self._peek() not in ("", ")", "OR"):
            if self._peek() == "AND":
                self._at += 1
            tests.append(self._term(key))
        return tests[0] if len(tests) == 1 else lambda metric: all(test(metric) for test in tests)

    def _term(self, key: str | None) -> Test:
        token = self._peek()
        if token in ("", ")", "=", "AND", "OR"):
            raise MathError("SEARCH ends too early" if not token else f"Unexpected '{token}' in SEARCH")
        self._at += 1
        if token == "NOT":
            inner = self._term(key)
            return lambda metric: not inner(metric)
        if token == "(":
            inner = self._either(key)
            if self._peek() != ")":
                raise MathError("Expected ')' in SEARCH")
            self._at += 1
            return inner
        if key is None and self._peek() == "=":
            self._at += 1
            return self._term(token.strip('"'))
        return _matcher(key, token)


def _matcher(key: str | None, token: str) -> Test:
    exact = token.startswith('"')
    wanted = token[1:-1] if exact else token
    tokens = words(wanted)

    def fits(text: str) -> bool:
        if exact:
            return text == wanted
        have = words(text)
        return text.lower() == wanted.lower() or (bool(tokens) and all(one in have for one in tokens))

    def test(metric: Metric) -> bool:
        return any(fits(text) for text in _texts(metric, key))

    return test


def _texts(metric: Metric, key: str | None) -> list[str]:
    if key is None:
        return [metric.namespace, metric.name, *(text for pair in metric.dimensions for text in pair)]
    if key == "MetricName":
        return [metric.name]
    if key == "Namespace":
        return [metric.namespace]
    return [value for name, value in metric.dimensions if name == key]
