"""Patterns for JSON events: `{ $.status >= 500 && ($.path = "/api/*" || $.user NOT EXISTS) }`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from haneul.services.logs.patterns.base import Pattern, PatternError
from haneul.services.logs.patterns.expressions import Comparison, ConditionReader, as_text, comparisons, holds

_STEP = re.compile(r"""\.?\[(?:(?P<every>\*)|(?P<index>\d+)|"(?P<double>[^"]*)"|'(?P<single>[^']*)')\]|\.(?P<name>[\w@:/-]+)""")
_EVERY = object()

Step = Any  # A property's name, an index, or _EVERY.


def _steps(selector: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 1
    while at < len(selector):
        found = _STEP.match(selector, at)
        if found is None:
            raise PatternError("Invalid filter pattern")
        if found["every"]:
            steps.append(_EVERY)
        elif found["index"]:
            steps.append(int(found["index"]))
        else:
            steps.append(next(found[kind] for kind in ("name", "double", "single") if found[kind] is not None))
        at = found.end()
    return tuple(steps)


def _select(document: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """The values that a selector finds: none, one, or with `[*]` several."""
    for at, step in enumerate(steps):
        if step is _EVERY:
            if isinstance(document, list):
                for item in document:
                    yield from _select(item, steps[at + 1 :])
            return
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return
            document = document[step]
        else:
            if not isinstance(document, dict) or step not in document:
                return
            document = document[step]
    yield document


class Document(Pattern):
    """A condition on the properties of a message that is one JSON object."""

    def __init__(self, text: str) -> None:
        self._condition = ConditionReader(text, "selector").read()
        found = comparisons(self._condition)
        self._steps = {one.operand: _steps(one.operand) for one in found}
        self.regexes = sum(one.regex for one in found)

    def matches(self, message: str) -> bool:
        document = _load(message)
        if document is None:
            return False

        def test(one: Comparison) -> bool:
            values = _select(document, self._steps[one.operand])
            if one.missing:
                return next(values, _EVERY) is _EVERY
            return any(one.test(value) for value in values)

        return holds(self._condition, test)

    def extract(self, message: str) -> dict[str, str]:
        document = _load(message)
        extracted: dict[str, str] = {}
        for selector, steps in self._steps.items():
            for value in _select(document, steps):
                extracted[selector] = as_text(value) if not isinstance(value, (dict, list)) else orjson.dumps(value).decode()
                break
        return extracted


def _load(message: str) -> Any:
    """The JSON object or array that a message is; None for any other message."""
    if message.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return orjson.loads(message)
    except orjson.JSONDecodeError:
        return None


def select_text(message: str, selector: str) -> str | None:
    """The value of one selector in a message, as metric filters take theirs (`$.bytes`)."""
    document = _load(message)
    if document is None:
        return None
    value = next(_select(document, _steps(selector)), None)
    return None if value is None else as_text(value)
