"""PartiQL statements as tokens."""

from __future__ import annotations

import re

from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.tokens import Token
from haneul.services.dynamodb.partiql.keywords import KEYWORDS

# Blanks and comments are taken for good, so that no other reading of them is tried.
_TOKEN = re.compile(
    r"(?:\s++|--[^\n]*+|/\*(?>.*?\*/))*+(?!/\*)"
    r"(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>[A-Za-z_$][A-Za-z0-9_$]*)"
    r"|(?P<quoted>\"(?:[^\"]|\"\")*\")"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<sign><<|>>|<>|<=|>=|!=|\|\||[=<>()\[\]{},.:;?*+\-/%])"
    r"|(?P<end>\Z))",
    re.DOTALL,
)
_EXPONENT_MAX = 2**31 - 1


def malformed(detail: str) -> Exception:
    """The statement is not PartiQL."""
    return validation(f"Statement wasn't well formed, can't be processed: {detail}")


def tokenize(statement: str) -> list[Token]:
    """All tokens of a statement, the last one of kind `end`. ValidationException for characters that belong to none."""
    tokens: list[Token] = []
    at = 0
    while True:
        found = _TOKEN.match(statement, at)
        if found is None or found.lastgroup is None:
            raise malformed("")
        kind = found.lastgroup
        text = found.group(kind)
        start, at = found.span(kind)
        upper = text.upper() if kind == "word" else text
        if kind == "word" and upper in KEYWORDS:
            kind = "keyword"
        elif kind == "quoted":
            text, upper = text[1:-1].replace('""', '"'), ""
        elif kind == "text":
            text, upper = text[1:-1].replace("''", "'"), ""
        elif kind == "number":
            _check_exponent(text)
        tokens.append(Token(kind, text, upper, start, at))
        if kind == "end":
            return tokens


def _check_exponent(text: str) -> None:
    """A number whose exponent or scale has more than 32 bits cannot be read at all."""
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return
    decimals = len(mantissa.partition(".")[2])
    if len(exponent) > 12 or abs(int(exponent)) > _EXPONENT_MAX or abs(decimals - int(exponent)) > _EXPONENT_MAX:
        raise malformed("")


def position(statement: str, token: Token) -> str:
    """Where a token stands, as messages say it: `line:column:length`, counted from 1."""
    line = statement.count("\n", 0, token.start) + 1
    column = token.start - (statement.rfind("\n", 0, token.start) + 1) + 1
    return f"{line}:{column}:{token.end - token.start}"
