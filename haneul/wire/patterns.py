"""The regular expressions of the service models, which are Java's, as Python's."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_CATEGORY = re.compile(r"\\([pP])(?:\{(?:Is)?(\w+)\}|(\w))")
_POSIX = {
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Upper": "A-Z",
    "Lower": "a-z",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Space": r" \t\n\x0b\f\r",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "ASCII": r"\x00-\x7f",
}


class JavaPattern:
    """A pattern that a whole value must match. The Unicode tables are only built when a value that is not ASCII is first checked."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._ascii = _compile(source, 0x80)
        self._full: re.Pattern[str] | None = self._ascii if _CATEGORY.search(source) is None else None

    @property
    def readable(self) -> bool:
        """Whether Python understands the pattern at all."""
        return self._ascii is not None

    def matches(self, text: str) -> bool:
        """Whether the whole text fits. A pattern that Python cannot read fits everything: the service itself must then check."""
        if text.isascii():
            return self._ascii is None or self._ascii.fullmatch(text) is not None
        if self._ascii is None:
            return True
        if self._full is None:
            self._full = _compile(self.source, sys.maxunicode + 1)
        return self._full is None or self._full.fullmatch(text) is not None


def _compile(source: str, limit: int) -> re.Pattern[str] | None:
    try:
        return re.compile(_translated(source, limit))
    except re.error:
        return None


def _translated(source: str, limit: int) -> str:
    source = _join_surrogates(source).replace(r"[\w-_]", r"[\w\-_]")
    out: list[str] = []
    in_class = False
    at = 0
    while at < len(source):
        found = _CATEGORY.match(source, at)
        if found is not None:
            negated = found[1] == "P"
            ranges = _ranges(found[2] or found[3], limit, negated)
            out.append(ranges if in_class else f"[{ranges}]" if ranges else "(?!)")
            at = found.end()
            continue
        character = source[at]
        if character == "\\":
            pair = source[at : at + 2]
            out.append({r"\z": r"\Z", r"\h": r"[ \t]" if not in_class else r" \t"}.get(pair, pair))
            at += 2
            continue
        if character == "[":
            if in_class:
                out.append("\\[")  # Python takes a bracket inside a class for a mistake to come; Java's unions do not occur in the models.
                at += 1
                continue
            in_class = True
        elif character == "]":
            in_class = False
        out.append(character)
        at += 1
    return "".join(out)


def _join_surrogates(source: str) -> str:
    """Java counts in UTF-16: a class that lists the surrogates (`\\uD800\\uDC00-\\uDBFF\\uDFFF`) means everything beyond the basic plane."""
    source = source.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF").replace(r"\ud800\udc00-\udbff\udfff", r"\U00010000-\U0010FFFF")
    return source.replace("\ud800\udc00-\udbff\udfff", "\U00010000-\U0010ffff")


@cache
def _ranges(category: str, limit: int, negated: bool) -> str:
    """The characters of a Unicode category (or of one of Java's POSIX classes), as the inside of a character class."""
    if category in _POSIX and not negated:
        return _POSIX[category]
    inside = re.compile(f"[{_POSIX[category]}]") if category in _POSIX else None
    out: list[str] = []
    start = -1
    for point in range(limit + 1):
        belongs = False
        if point < limit:
            character = chr(point)
            belongs = (inside.match(character) is not None if inside else unicodedata.category(character).startswith(category)) != negated
        if belongs and start < 0:
            start = point
        elif not belongs and start >= 0:
            out.append(f"\\U{start:08x}" + (f"-\\U{point - 1:08x}" if point - 1 > start else ""))
            start = -1
    return "".join(out)
