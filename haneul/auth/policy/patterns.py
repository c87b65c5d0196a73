"""Wildcards and variables of the policy language.

`*` stands for any text and `?` for one character. `${key}` and `${key, 'default'}` stand for a value of the request, `${*}`, `${?}` and `${$}` for the
character itself (IAM User Guide, "IAM policy elements: Variables and tags"). What a variable brings in is text: a `*` in it is no wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_WITH_DEFAULT: Final = re.compile(r"^\s*([^,']+?)\s*,\s*'([^']*)'\s*$")
_ARN_FIELDS: Final = 5


class Wild(Enum):
    """The pieces of a pattern that are not text."""

    MANY = ".*"
    MANY_IN_FIELD = "[^:]*"
    ONE = "."
    ONE_IN_FIELD = "[^:]"


class Variable:
    """A `${key}` that a request fills in."""

    __slots__ = ("default", "key")

    def __init__(self, key: str, default: str | None) -> None:
        self.key = key
        self.default = default


Piece = str | Wild | Variable
Lookup = Callable[[str], str | None]


class UnresolvedVariable(Exception):
    """The request has no single value for a variable, so the statement that uses it does not apply."""


def split_pattern(pattern: str, *, wildcards: bool = True, variables: bool = True, arn: bool = False) -> list[Piece]:
    """Cut a pattern into texts, wildcards and variables.

    With `arn`, a wildcard inside one of the first five fields stays inside it, unless it ends the field ("IAM JSON policy elements: Resource"),
    and variables are understood only after the fifth colon.
    """
    pieces: list[Piece] = []
    fields_end = _fields_end(pattern) if arn else 0
    at = 0
    for found in _VARIABLE.finditer(pattern) if variables else ():
        if found.start() < fields_end:
            continue
        _split_wildcards(pieces, pattern, at, found.start(), wildcards, fields_end)
        pieces.append(_variable(found.group(1)))
        at = found.end()
    _split_wildcards(pieces, pattern, at, len(pattern), wildcards, fields_end)
    return pieces


def _fields_end(pattern: str) -> int:
    """Where the fifth colon of an ARN stands; the pattern's end when it has fewer."""
    at = -1
    for _ in range(_ARN_FIELDS):
        at = pattern.find(":", at + 1)
        if at < 0:
            return len(pattern)
    return at


def _variable(inside: str) -> Piece:
    if inside in ("*", "?", "$"):
        return inside
    with_default = _WITH_DEFAULT.match(inside)
    if with_default is not None:
        return Variable(with_default.group(1).lower(), with_default.group(2))
    return Variable(inside.strip().lower(), None)


def _split_wildcards(pieces: list[Piece], pattern: str, start: int, end: int, wildcards: bool, fields_end: int) -> None:
    text_from = start
    for at in range(start, end) if wildcards else ():
        letter = pattern[at]
        if letter not in "*?":
            continue
        if at > text_from:
            pieces.append(pattern[text_from:at])
        in_field = at < fields_end
        if letter == "?":
            pieces.append(Wild.ONE_IN_FIELD if in_field else Wild.ONE)
        else:
            ends_field = at + 1 == len(pattern) or pattern[at + 1] == ":"
            pieces.append(Wild.MANY_IN_FIELD if in_field and not ends_field else Wild.MANY)
        text_from = at + 1
    if end > text_from:
        pieces.append(pattern[text_from:end])


def to_regex(pieces: Iterable[str | Wild]) -> re.Pattern[str]:
    """Compile pieces so that a hostile pattern such as `*a*a*a*a*b` costs no more than its length times the text's (for ARNs, times its colons).

    The first place where the text behind a star fits is good enough if the next star can reach every place behind it: then both are an atomic group and never
    tried again. A star that stays in its field cannot, so what follows it belongs to the group of the free star before it.
    """
    segments: list[tuple[str, str]] = [("", "")]  # A star (none before the first one) and what follows it.
    for piece in pieces:
        star, step = segments[-1]
        if piece is not Wild.MANY and piece is not Wild.MANY_IN_FIELD:
            segments[-1] = (star, step + (re.escape(piece) if isinstance(piece, str) else str(piece.value)))
        elif not star or step:
            segments.append((str(piece.value), ""))
        elif piece is Wild.MANY:  # Two stars are one, the freer of both.
            segments[-1] = (str(piece.value), "")
    groups = [segments[0][1]] if len(segments) > 1 else [""]
    for star, step in segments[1:-1]:
        if star == Wild.MANY.value:
            groups.append(f"{star}?{step}")
        else:
            groups[-1] += f"(?>{star}?{step})"
    star, step = segments[-1]
    tail = "" if star == Wild.MANY.value or len(groups) == 1 else groups.pop()
    source = groups[0] + "".join([f"(?>{group})" for group in groups[1:]]) + tail
    return re.compile(f"{source}{star}{step}\\Z", re.DOTALL)


class Patterns:
    """A list of patterns without variables, sorted by how fast they can be tried: everything, exact texts, prefixes, the rest."""

    __slots__ = ("everything", "exact", "prefixes", "regexes")

    def __init__(self, patterns: Iterable[list[Piece]]) -> None:
        exact: set[str] = set()
        prefixes: list[str] = []
        regexes: list[re.Pattern[str]] = []
        self.everything = False
        for pieces in patterns:
            plain = [piece for piece in pieces if not isinstance(piece, Variable)]
            if all(isinstance(piece, str) for piece in plain):
                exact.add("".join(piece for piece in plain if isinstance(piece, str)))
            elif plain == [Wild.MANY]:
                self.everything = True
            elif plain[-1] is Wild.MANY and all(isinstance(piece, str) for piece in plain[:-1]):
                prefixes.append("".join(piece for piece in plain if isinstance(piece, str)))
            else:
                regexes.append(to_regex(plain))
        self.exact = frozenset(exact)
        self.prefixes = tuple(prefixes)
        self.regexes = tuple(regexes)

    def match(self, text: str) -> bool:
        """True when one of the patterns fits the whole text."""
        if self.everything or text in self.exact:
            return True
        if self.prefixes and text.startswith(self.prefixes):
            return True
        # The test before any() spares the usual case the cost of building a generator.
        return bool(self.regexes) and any(regex.match(text) is not None for regex in self.regexes)


class Template:
    """One pattern with variables."""

    __slots__ = ("pieces",)

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces

    def fill(self, lookup: Lookup) -> list[str | Wild]:
        """The pattern's pieces with the request's values in place. Raises UnresolvedVariable."""
        filled: list[str | Wild] = []
        for piece in self.pieces:
            if isinstance(piece, Variable):
                value = lookup(piece.key)
                if value is None:
                    value = piece.default
                if value is None:
                    raise UnresolvedVariable(piece.key)
                filled.append(value)
            else:
                filled.append(piece)
        return filled

    def match(self, text: str, lookup: Lookup, *, ignore_case: bool = False) -> bool:
        """True when the pattern, filled in, fits the whole text. Raises UnresolvedVariable."""
        filled = self.fill(lookup)
        if ignore_case:
            filled = [piece.lower() if isinstance(piece, str) else piece for piece in filled]
        wanted = "".join(piece for piece in filled if isinstance(piece, str))
        wilds = [piece for piece in filled if not isinstance(piece, str)]
        if not wilds:
            return text == wanted
        if wilds == [Wild.MANY] and filled[-1] is Wild.MANY:  # By far the most common form, `home/${aws:username}/*`, needs no regex for each user.
            return text.startswith(wanted)
        return to_regex(filled).match(text) is not None


def has_variables(pieces: list[Piece]) -> bool:
    """True when a request is needed to know what the pattern means."""
    return any(isinstance(piece, Variable) for piece in pieces)
