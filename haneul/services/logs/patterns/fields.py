"""Patterns for space-delimited events: `[ip, user, ..., status_code = 4* || status_code = 5*, bytes > 1000]`."""

from __future__ import annotations

import re

from haneul.services.logs.patterns.base import Pattern, PatternError
from haneul.services.logs.patterns.expressions import Comparison, Condition, ConditionReader, comparisons, holds

_NAME = re.compile(r"\w[\w.-]*")
_ELLIPSIS = "..."


class _Field:
    """One place of the pattern: the name that its value gets and what must be true of it."""

    __slots__ = ("condition", "name")

    def __init__(self, name: str, condition: Condition | None) -> None:
        self.name = name
        self.condition = condition

    def accepts(self, value: str) -> bool:
        return self.condition is None or holds(self.condition, lambda one: one.test(value))


class Fields(Pattern):
    """As many words as the pattern has fields, where `...` stands for any number; each must fulfil its field's condition."""

    def __init__(self, text: str) -> None:
        parts = [part.strip() for part in _split(text)]
        if parts.count(_ELLIPSIS) > 1:
            raise PatternError("Invalid filter pattern")
        self._open = _ELLIPSIS in parts
        at = parts.index(_ELLIPSIS) if self._open else len(parts)
        self._before = [_field(part, number) for number, part in enumerate(parts[:at], 1)]
        self._after = [_field(part, number) for number, part in enumerate(parts[at + 1 :], at + 2)]
        found = [one for field in (*self._before, *self._after) if field.condition is not None for one in comparisons(field.condition)]
        self.regexes = sum(one.regex for one in found)

    def matches(self, message: str) -> bool:
        placed = self._place(message)
        return placed is not None and all(field.accepts(value) for field, value in placed)

    def extract(self, message: str) -> dict[str, str]:
        return {f"${field.name}": value for field, value in self._place(message) or ()}

    def _place(self, message: str) -> list[tuple[_Field, str]] | None:
        words = split_words(message)
        count = len(self._before) + len(self._after)
        if len(words) < count or (len(words) > count and not self._open):
            return None
        return [*zip(self._before, words), *zip(self._after, words[len(words) - len(self._after) :])]


def _field(part: str, number: int) -> _Field:
    if not part:
        return _Field(str(number), None)
    if _NAME.fullmatch(part):
        return _Field(part, None)
    condition = ConditionReader(part, "word").read()
    names = {one.operand for one in comparisons(condition) if isinstance(one, Comparison)}
    if len(names) != 1 or any(one.missing for one in comparisons(condition)):
        raise PatternError("Invalid filter pattern")
    return _Field(names.pop(), condition)


def _split(text: str) -> list[str]:
    """The parts between commas that stand outside of quotation marks and regular expressions."""
    parts, start, closing = [], 0, ""
    for at, character in enumerate(text):
        if closing:
            if character == closing:
                closing = ""
        elif character in '"%':
            closing = character
        elif character == ",":
            parts.append(text[start:at])
            start = at + 1
    if closing:
        raise PatternError("Invalid filter pattern")
    return [*parts, text[start:]]


def split_words(message: str) -> list[str]:
    """The words of a message; what stands in quotation marks or square brackets is one word, without them."""
    words: list[str] = []
    at, end = 0, len(message)
    unclosed: set[str] = set()  # Marks that nothing closes any more: looking again and again would take quadratic time.
    while at < end:
        character = message[at]
        if character.isspace():
            at += 1
            continue
        closing = {'"': '"', "[": "]"}.get(character, "")
        if closing and closing not in unclosed:
            close = message.find(closing, at + 1)
            if close >= 0:
                words.append(message[at + 1 : close])
                at = close + 1
                continue
            unclosed.add(closing)
        stop = at + 1
        while stop < end and not message[stop].isspace():
            stop += 1
        words.append(message[at:stop])
        at = stop
    return words
