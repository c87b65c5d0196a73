"""Terms of a statement as attribute values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haneul.core.errors import ServiceError
from haneul.services.dynamodb import numbers
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.partiql.syntax import Invocation, Literal, Parameter, Parsed, Star, Structure, Term
from haneul.services.dynamodb.partiql.syntax import Sequence as SequenceTerm
from haneul.services.dynamodb.partiql.tokens import position
from haneul.services.dynamodb.values import EMPTY_NAME, Value, check

_BAG = "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"
_COUNT = "Number of parameters in request and statement don't match."


def checked_parameters(parsed: Parsed, given: list[Any] | None) -> list[Value]:
    """The request's parameters, each a value that is right in itself, as many as the statement has."""
    found = given or []
    for one in found:
        _check_exponents(one)
        check(one)
    if len(found) != parsed.parameters:
        raise validation(_COUNT)
    return found


def _check_exponents(value: Any) -> None:
    """Numbers of parameters are read with exponents of 32 bits; others are no numbers."""
    pending = [value]
    while pending:
        one = pending.pop()
        if type(one) is not dict:
            continue
        for kind, inner in one.items():
            if kind in ("N", "NS"):
                for text in inner if isinstance(inner, list) else (inner,):
                    _check_exponent(text)
            elif kind == "M" and isinstance(inner, dict):
                pending.extend(inner.values())
            elif kind == "L" and isinstance(inner, list):
                pending.extend(inner)


def _check_exponent(text: Any) -> None:
    if type(text) is not str or ("e" not in text and "E" not in text):
        return
    exponent = text.lower().partition("e")[2].lstrip("+-0")
    if exponent.isdigit() and (len(exponent) > 10 or int(exponent) >= 2**31):
        raise validation(f"The parameter cannot be converted to a numeric value: {text}")


class Values:
    """Makes attribute values of the terms of one statement."""

    def __init__(self, parsed: Parsed, parameters: Sequence[Value]) -> None:
        self.text = parsed.text
        self.parameters = parameters

    def constant(self, term: Term) -> Value | None:
        """The value of a term that is one; None for paths, calls and operations."""
        if isinstance(term, (Literal, Parameter, SequenceTerm, Structure)):
            return self.make(term)
        return None

    def make(self, term: Term) -> Value:
        """The value of a constant term, canonical and checked as a whole."""
        if isinstance(term, Parameter):
            return self.parameters[term.number]
        value = self._build(term, "root")
        check(value)
        return value

    def _build(self, term: Term, where: str) -> Value:
        if isinstance(term, Parameter):
            return self.parameters[term.number]
        if isinstance(term, Literal):
            return self._literal(term, where)
        if isinstance(term, Structure):
            return self._structure(term, where)
        if isinstance(term, SequenceTerm):
            if term.kind == "BAG":
                return self._bag(term, where)
            return {"L": [self._build(one, f"{where}[{at}]") for at, one in enumerate(term.elements)]}
        return self._refuse(term, where)

    def _refuse(self, term: Term, where: str) -> Value:
        if isinstance(term, Invocation):
            raise validation(f"Unsupported data type: {term.name} under key {where} at {position(self.text, term.token)}")
        if isinstance(term, Star):
            raise validation(f"Unsupported data type: * under key {where}")
        raise validation(f"Unsupported data type: {type(term).__name__.upper()} under key {where}")

    @staticmethod
    def _literal(term: Literal, where: str) -> Value:
        if term.kind == "N":
            try:
                return {"N": numbers.canonical(term.text)}
            except ServiceError as error:
                raise validation(f"{error.message} under {where}") from None
        if term.kind == "BOOL":
            return {"BOOL": term.text == "true"}
        if term.kind == "NULL":
            return {"NULL": True}
        if term.kind == "MISSING":
            raise validation("MISSING must be compared using IS operator")
        return {"S": term.text}

    def item(self, term: Term) -> Value:
        """The members of a new item. Each attribute is a root of its own in messages."""
        if not isinstance(term, Structure):
            raise validation(
                "Unsupported format in item expression. Please use struct format {...} to express item values for insert statement."
            )
        return self._structure(term, None)["M"]  # type: ignore[no-any-return]

    def _structure(self, term: Structure, where: str | None) -> Value:
        members: dict[str, Value] = {}
        for name, value in term.members:
            if not isinstance(name, Literal) or name.kind != "S":
                kind = name.kind if isinstance(name, Literal) else type(name).__name__.upper()
                raise validation(f"Tuple keys must be of type String. Actual type: {kind} under {where or 'root'}")
            if not name.text:
                raise validation(EMPTY_NAME)
            if name.text in members:
                raise validation(f"Duplicate keys in tuple. Key: {name.text} under {where or 'root'}")
            members[name.text] = self._build(value, f"{where}.{name.text}" if where is not None else "root")
        return {"M": members}

    @staticmethod
    def _bag(term: SequenceTerm, where: str) -> Value:
        if not term.elements:
            raise validation("Empty bags are not supported")
        kinds = {one.kind if isinstance(one, Literal) else "" for one in term.elements}
        if kinds != {"S"} and kinds != {"N"}:
            raise validation(_BAG)
        (kind,) = kinds
        texts = [one.text for one in term.elements if isinstance(one, Literal)]
        if kind == "N":
            for text in texts:
                try:
                    numbers.canonical(text)
                except ServiceError as error:
                    raise validation(f"{error.message} under {where}") from None
        return {kind + "S": texts}
