"""Patterns for text without structure: `ERROR "went wrong" ?WARN -DEBUG`."""

from __future__ import annotations

import re

from haneul.services.logs.patterns.base import Pattern, PatternError

_TERM = re.compile(r'(?P<mark>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))(?=\s|$)')
_WORD = re.compile(r"\w+")
_UNESCAPE = re.compile(r"\\(.)")


class Terms(Pattern):
    """Every required term is in the message and no excluded one; with nothing but optional terms (`?a ?b`), one of them is.

    A term is found anywhere in the message, also inside a word, and case counts. Optional terms beside others are ignored, as in the service.
    """

    def __init__(self, required: list[str], optional: list[str], excluded: list[str]) -> None:
        self._required = required
        self._excluded = excluded
        self._optional = optional if not required and not excluded else []

    def matches(self, message: str) -> bool:
        for term in self._required:
            if term not in message:
                return False
        for term in self._excluded:
            if term in message:
                return False
        return not self._optional or any(term in message for term in self._optional)


def parse_terms(text: str) -> Terms:
    """Read a pattern of terms."""
    groups: dict[str, list[str]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _TERM.match(text, at)
        if found is None:
            raise PatternError(f"Invalid character(s) in term '{text[at:].split(maxsplit=1)[0]}'")
        word = found["word"]
        if word is None:
            groups[found["mark"]].append(_UNESCAPE.sub(r"\1", found["phrase"]))
        elif _WORD.fullmatch(word):
            groups[found["mark"]].append(word)
        else:
            raise PatternError(f"Invalid character(s) in term '{found[0]}'")
        at = found.end()
    return Terms(groups[""], groups["?"], groups["-"])
