"""What expressions are made of, after parsing and before names and values are filled in.

(Developer Guide: "Using expressions in DynamoDB".)
"""

from __future__ import annotations

from typing import NamedTuple

INDEX_MAX = 2**32 - 2


class ExpressionError(Exception):
    """What is wrong with an expression, in the service's words, without the introduction that names the expression."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def list_index(digits: str, largest: int = INDEX_MAX) -> int:
    """The number in the brackets of a path, however many digits it has. Raises ExpressionError when it is larger than the language allows."""
    number = digits.lstrip("0") or "0"
    if len(number) > len(str(largest)) or int(number) > largest:
        raise ExpressionError(f"List index is not within the allowable range; index: [{digits}]")
    return int(number)


class Path(NamedTuple):
    """A document path: attribute names, `#placeholders` and list positions."""

    parts: tuple[str | int, ...]


class Reference(NamedTuple):
    """A `:placeholder` of a value."""

    name: str


class Function(NamedTuple):
    name: str
    arguments: tuple[Operand, ...]


class Compare(NamedTuple):
    operator: str
    left: Operand
    right: Operand


class Between(NamedTuple):
    operand: Operand
    low: Operand
    high: Operand


class In(NamedTuple):
    operand: Operand
    options: tuple[Operand, ...]


class And(NamedTuple):
    left: Condition
    right: Condition


class Or(NamedTuple):
    left: Condition
    right: Condition


class Not(NamedTuple):
    inner: Condition


class Arithmetic(NamedTuple):
    """`left + right` or `left - right` in a SET clause."""

    operator: str
    left: Operand
    right: Operand


class Clause(NamedTuple):
    """One change of an update expression: SET path = value, REMOVE path, ADD path value, DELETE path value."""

    action: str
    path: Path
    value: Operand | None


class Update(NamedTuple):
    clauses: tuple[Clause, ...]
    # The first mistake that the text alone shows; others may come before it once names and values are known.
    repeated_section: str | None


Operand = Path | Reference | Function | Arithmetic
Condition = Compare | Between | In | And | Or | Not | Function
