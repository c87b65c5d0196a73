"""What PartiQL statements are made of, after parsing and before parameters are filled in."""

from __future__ import annotations

from typing import NamedTuple

from haneul.services.dynamodb.expressions.tokens import Token


class Literal(NamedTuple):
    """A text, number, true, false, null or missing: `kind` S, N, BOOL, NULL or MISSING."""

    kind: str
    text: str
    token: Token


class Parameter(NamedTuple):
    """The `?` of a number, counted from 0."""

    number: int
    token: Token


class Sequence(NamedTuple):
    """`[…]` (kind L), `<<…>>` (kind BAG) or `(…)` (kind ROW)."""

    kind: str
    elements: tuple[Term, ...]
    token: Token


class Structure(NamedTuple):
    """`{'name': value, …}`."""

    members: tuple[tuple[Term, Term], ...]
    token: Token


class Reference(NamedTuple):
    """A document path."""

    parts: tuple[str | int, ...]
    token: Token


class Invocation(NamedTuple):
    """A function call; the name in small letters."""

    name: str
    arguments: tuple[Term, ...]
    token: Token


class Operation(NamedTuple):
    """`operator`: OR, AND, NOT, a comparison, arithmetic, IN, BETWEEN or LIKE, with its operands. `NOT IN` and such are a NOT around it."""

    operator: str
    operands: tuple[Term, ...]
    token: Token


class TypeTest(NamedTuple):
    """`operand IS type`."""

    operand: Term
    type: str
    token: Token


class Star(NamedTuple):
    """The `*` of a function's arguments."""

    token: Token


Term = Literal | Parameter | Sequence | Structure | Reference | Invocation | Operation | TypeTest | Star


class Source(NamedTuple):
    """A table, or one of its indexes."""

    table: str
    index_name: str | None


class OrderTerm(NamedTuple):
    term: Term
    descending: bool


class Select(NamedTuple):
    """`columns` None: all attributes."""

    columns: tuple[Term, ...] | None
    source: Source
    where: Term | None
    order: tuple[OrderTerm, ...]


class Insert(NamedTuple):
    source: Source
    item: Term


class Assignment(NamedTuple):
    """`SET path = value`, or `REMOVE path` where the value is None."""

    path: Reference
    value: Term | None


class Change(NamedTuple):
    """An UPDATE. `returning`: `ALL OLD` and such, without the star."""

    source: Source
    assignments: tuple[Assignment, ...]
    where: Term | None
    returning: str | None


class Delete(NamedTuple):
    source: Source
    where: Term | None
    returning: str | None


class Exists(NamedTuple):
    """A condition of a transaction."""

    select: Select


Statement = Select | Insert | Change | Delete | Exists


class Parsed(NamedTuple):
    """A statement, its text and how many parameters it has."""

    statement: Statement
    text: str
    parameters: int
