"""Where statements stand in a policy's text (the Position shapes of the IAM API's simulation)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from json import JSONDecoder

_WHITESPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True, slots=True)
class StatementSpan:
    """A statement's first character and the one after its last; lines and columns count from 1."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int


def statement_spans(source: str) -> tuple[StatementSpan, ...]:
    """The spans of a valid document's statements, in order."""
    if not source:
        return ()
    decoder = JSONDecoder()
    at = _skip(source, source.index("{") + 1)
    while source[at] != "}":
        name, at = decoder.raw_decode(source, at)
        at = _skip(source, _skip(source, at) + 1)  # Past the colon.
        if name == "Statement":
            return _spans(decoder, source, at)
        _, at = decoder.raw_decode(source, at)
        at = _skip(source, at)
        if source[at] == ",":
            at = _skip(source, at + 1)
    return ()


def _spans(decoder: JSONDecoder, source: str, at: int) -> tuple[StatementSpan, ...]:
    if source[at] == "{":
        return (_span(source, at, decoder.raw_decode(source, at)[1]),)
    spans: list[StatementSpan] = []
    at = _skip(source, at + 1)
    while source[at] != "]":
        _, end = decoder.raw_decode(source, at)
        spans.append(_span(source, at, end))
        at = _skip(source, end)
        if source[at] == ",":
            at = _skip(source, at + 1)
    return tuple(spans)


def _skip(source: str, at: int) -> int:
    found = _WHITESPACE.match(source, at)
    return found.end() if found is not None else at


def _span(source: str, start: int, end: int) -> StatementSpan:
    start_line, start_column = _line_and_column(source, start)
    end_line, end_column = _line_and_column(source, end)
    return StatementSpan(start_line, start_column, end_line, end_column)


def _line_and_column(source: str, at: int) -> tuple[int, int]:
    return source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)
