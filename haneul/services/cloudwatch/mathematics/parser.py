"""Expressions as trees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z_]\w*)|('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(==|!=|<=|>=|&&|\|\||[-+*/^<>()\[\],]))")
_DEPTH_MAX = 50
# Operators from the weakest to the strongest binding, except the power, which binds from the right.
_LEVELS = (("OR",), ("AND",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/"))
_SAME = {"||": "OR", "&&": "AND"}


class MathError(Exception):
    """An expression that cannot be understood, or not be worked out."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text, an argument of SEARCH or METRICS."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of another query of the request, or a keyword such as REPEAT."""

    value: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands and what stands between them; a minus sign alone is 0 minus its operand."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Function:
    """A function's name, in capitals, and its arguments."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """`[m1, m2]`."""

    members: tuple[Node, ...]


Node = Number | Text | Name | Operation | Function | Array


@lru_cache(maxsize=1024)
def parse(text: str) -> Node:
    """The tree of an expression; MathError for a text that is none."""
    parser = _Parser(text)
    tree = parser.level(0)
    parser.expect_end()
    return tree


def names_in(node: Node) -> set[str]:
    """Every name that an expression refers to."""
    if isinstance(node, Name):
        return {node.value}
    if isinstance(node, Operation):
        return names_in(node.left) | names_in(node.right)
    if isinstance(node, Function | Array):
        return set().union(*(names_in(one) for one in (node.arguments if isinstance(node, Function) else node.members)))
    return set()


def functions_in(node: Node) -> set[str]:
    """Every function that an expression calls."""
    if isinstance(node, Operation):
        return functions_in(node.left) | functions_in(node.right)
    if isinstance(node, Array):
        return set().union(*(functions_in(one) for one in node.members))
    if isinstance(node, Function):
        return {node.name}.union(*(functions_in(one) for one in node.arguments))
    return set()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        self._depth = 0
        at, text = 0, text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise MathError(f"Unexpected character at position {at + 1}")
            number, name, quoted, symbol = found.groups()
            if number is not None:
                self._tokens.append(("number", number))
            elif name is not None:
                self._tokens.append(("symbol", name) if name in ("AND", "OR") else ("name", name))
            elif quoted is not None:
                self._tokens.append(("text", re.sub(r"\\(.)", r"\1", quoted[1:-1])))
            else:
                self._tokens.append(("symbol", _SAME.get(symbol, symbol)))
            at = found.end()

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, symbol: str) -> bool:
        if self._peek() == ("symbol", symbol):
            self._at += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            raise MathError(f"Expected '{symbol}'")

    def expect_end(self) -> None:
        if self._at != len(self._tokens):
            raise MathError(f"Unexpected '{self._peek()[1]}'")

    def level(self, number: int) -> Node:
        if number == len(_LEVELS):
            return self._signed()
        left = self.level(number + 1)
        while self._peek()[0] == "symbol" and self._peek()[1] in _LEVELS[number]:
            operator = self._peek()[1]
            self._at += 1
            left = Operation(operator, left, self.level(number + 1))
        return left

    def _signed(self) -> Node:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise MathError("The expression is nested too deeply")
        try:
            if self._take("-"):
                return Operation("-", Number(0.0), self._signed())
            base = self._primary()
            return Operation("^", base, self._signed()) if self._take("^") else base
        finally:
            self._depth -= 1

    def _primary(self) -> Node:
        kind, value = self._peek()
        if kind == "end":
            raise MathError("The expression ends too early")
        self._at += 1
        if kind == "number":
            return Number(float(value))
        if kind == "text":
            return Text(value)
        if kind == "name":
            return Function(value.upper(), self._list(")")) if self._take("(") else Name(value)
        if value == "(":
            inner = self.level(0)
            self._expect(")")
            return inner
        if value == "[":
            return Array(self._list("]"))
        raise MathError(f"Unexpected '{value}'")

    def _list(self, end: str) -> tuple[Node, ...]:
        members: list[Node] = []
        if self._take(end):
            return ()
        while True:
            members.append(self.level(0))
            if self._take(end):
                return tuple(members)
            self._expect(",")
