"""Expressions as tokens, and the words for syntax errors."""

from __future__ import annotations

import re
from typing import NamedTuple

from haneul.services.dynamodb.expressions.syntax import ExpressionError

EXPRESSION_BYTES_MAX = 4096

# A number does not begin with a zero: `01` is two tokens, of which the second stands where nothing expects it.
_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<name>#[A-Za-z0-9_]+)|(?P<value>:[A-Za-z0-9_]+)|(?P<number>0|[1-9][0-9]*)"
    r"|(?P<sign><>|<=|>=|[=<>()\[\],.+\-])|(?P<end>\Z)|(?P<strange>.))",
    re.ASCII | re.DOTALL,
)


class Token(NamedTuple):
    """`kind` is word, name, value, number, sign, end or strange, in PartiQL also keyword, quoted or text; `upper` the text in capitals."""

    kind: str
    text: str
    upper: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """All tokens of an expression, the last one of kind `end`. ExpressionError when it is empty or too large."""
    if not text.strip(" \t\r\n"):
        raise ExpressionError("The expression can not be empty;")
    size = len(text.encode())
    if size > EXPRESSION_BYTES_MAX:
        raise ExpressionError(f"Expression size has exceeded the maximum allowed size; expression size: {size}")
    tokens: list[Token] = []
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        assert found is not None and found.lastgroup is not None
        kind = found.lastgroup
        word = found.group(kind)
        tokens.append(Token(kind, word, word.upper() if kind == "word" else word, found.start(kind), found.end(kind)))
        if kind == "end":
            return tokens
        at = found.end()


class Walk:
    """A way along tokens, one at a time; the last one, of kind `end`, is never left behind."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text = text
        self.tokens = tokens
        self.at = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def accept(self, sign: str) -> bool:
        """Take the next token if it is this sign."""
        token = self.tokens[self.at]
        if token.kind == "sign" and token.text == sign:
            self.at += 1
            return True
        return False


class Reader(Walk):
    """Walks over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        super().__init__(text, tokenize(text))

    def accept_word(self, word: str) -> bool:
        """Take the next token if it is this keyword, in any case."""
        token = self.tokens[self.at]
        if token.kind == "word" and token.upper == word:
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise self.error()

    def error(self) -> ExpressionError:
        """The syntax error at the next token: the token, and the text from the one before it to the one behind it."""
        at = self.at
        token = self.tokens[at]
        first = self.tokens[max(at - 1, 0)]
        last = self.tokens[min(at + 1, len(self.tokens) - 1)]
        near = self.text[first.start : last.end].strip(" \t\r\n")
        shown = "<EOF>" if token.kind == "end" else token.text
        return ExpressionError(f'Syntax error; token: "{shown}", near: "{near}"')
