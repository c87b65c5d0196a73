"""Which kind of pattern a text is."""

from __future__ import annotations

from haneul.services.logs.patterns.base import Everything, Pattern, PatternError
from haneul.services.logs.patterns.document import Document
from haneul.services.logs.patterns.fields import Fields
from haneul.services.logs.patterns.regex import LinearRegex
from haneul.services.logs.patterns.terms import parse_terms

__all__ = ["Pattern", "PatternError", "parse_pattern"]

REGEXES_MAX = 2


class _Expression(Pattern):
    """A regular expression by itself."""

    regexes = 1

    def __init__(self, text: str) -> None:
        self._regex = LinearRegex(text)

    def matches(self, message: str) -> bool:
        return self._regex.search(message)


def parse_pattern(text: str) -> Pattern:
    """The compiled pattern; PatternError with the service's words for a text that is none."""
    text = text.strip()
    if not text:
        return Everything()
    first, last = text[0], text[-1]
    pattern: Pattern
    if first == "{":
        if last != "}":
            raise PatternError("Invalid filter pattern")
        pattern = Document(text[1:-1])
    elif first == "[":
        if last != "]":
            raise PatternError("Invalid filter pattern")
        pattern = Fields(text[1:-1])
    elif first == "%" and last == "%" and len(text) > 2:
        pattern = _Expression(text[1:-1])
    else:
        pattern = parse_terms(text)
    if pattern.regexes > REGEXES_MAX:
        raise PatternError("Invalid filter pattern: a filter pattern can have at most 2 regular expressions")
    return pattern
