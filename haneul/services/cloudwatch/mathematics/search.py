"""Search expressions: which metrics `{AWS/Lambda,FunctionName} MetricName="Errors" my-app` means (CloudWatch User Guide, "CloudWatch search expression syntax")."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache, partial

from haneul.services.cloudwatch.mathematics.parser import MathError
from haneul.services.cloudwatch.metrics import Metric

# A comma may follow the schema.
_SCHEMA = re.compile(r"\s*\{([^}]*)\}\s*,?")
_TERM = re.compile(r'\s*(\(|\)|=|"(?:[^"\\]|\\.)*"|[^\s()="]+)')
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_RUN = re.compile(r"[A-Za-z0-9]+")
_ESCAPED = re.compile(r"\\(.)")
_SIZE_MAX = 1024

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
    if len(text) > _SIZE_MAX:
        raise MathError(f"SEARCH takes an expression of at most {_SIZE_MAX} characters")
    namespace, dimensions, at = None, None, 0
    schema = _SCHEMA.match(text)
    if schema is None and not text.strip():
        raise MathError("SEARCH needs a metric schema or a search term")
    if schema is not None:
        parts = [part.strip().strip('"') for part in schema[1].split(",")]
        namespace, dimensions, at = parts[0], frozenset(parts[1:]), schema.end()
    return Search(namespace, dimensions, _Terms(text[at:]).whole())


def words(text: str) -> list[str]:
    """The words that a partial match compares: split at changes of case, digits and signs."""
    found: list[str] = _WORD.findall(text)
    return found


def _plain(text: str) -> str:
    """A whole text as one word: in small letters, without signs."""
    return "".join(_RUN.findall(text)).lower()


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


def _wanted_words(text: str) -> list[Callable[[str], bool]]:
    """What the words that follow each other in a name must be: `CustomCount` is both words just so, `count` and `custom-count` are in any case."""
    tests: list[Callable[[str], bool]] = []
    for run in _RUN.findall(text):
        parts = words(run)
        if len(parts) == 1:
            tests.append(partial(_same_word, parts[0].lower()))
        else:
            tests += [partial(operator.eq, part) for part in parts]
    return tests


def _same_word(small: str, word: str) -> bool:
    return word.lower() == small


def _matcher(key: str | None, token: str) -> Test:
    exact = token.startswith('"')
    wanted = _ESCAPED.sub(r"\1", token[1:-1]) if exact else token
    tokens = _wanted_words(wanted)
    plain = _plain(wanted)

    def fits(text: str) -> bool:
        if exact:
            return text == wanted
        if not tokens:
            return False
        have = words(text)
        starts = range(len(have) - len(tokens) + 1)
        return plain == _plain(text) or any(all(test(have[at + number]) for number, test in enumerate(tokens)) for at in starts)

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
