"""How a SELECT is read: one or several partitions by their keys, or everything.

(Developer Guide: "PartiQL select statements for DynamoDB", "PartiQL operators", IN.)
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from haneul.core.errors import NotBuilt
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.key_condition import KeyCondition, KeyConditions
from haneul.services.dynamodb.keys import KeySchema, part
from haneul.services.dynamodb.partiql.conditions import in_options
from haneul.services.dynamodb.partiql.syntax import Invocation, Operation, OrderTerm, Reference, Select, Term
from haneul.services.dynamodb.partiql.values import Values
from haneul.services.dynamodb.query import bounds_of, check_conditions
from haneul.services.dynamodb.reading import Source
from haneul.services.dynamodb.values import Value

PARTITIONS_MAX = 50

_OPERATORS = {"=": "EQ", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}
_TURNED = {"EQ": "EQ", "LT": "GT", "LE": "GE", "GT": "LT", "GE": "LE"}
_TOO_MANY = "Too many decomposed read operations for a given query."


class Found(NamedTuple):
    """A condition on one attribute that a key may be read by; `operator` as in KeyCondition, or IN."""

    name: str
    operator: str
    values: tuple[Value, ...]


class Plan(NamedTuple):
    """`reads` are the key conditions of one query each, in order; None for a scan. `rest` are the conditions that the keys do not settle."""

    reads: list[KeyConditions] | None
    rest: list[Term]
    backwards: bool


def conjuncts(where: Term | None) -> list[Term]:
    """The conditions that must all hold."""
    if where is None:
        return []
    if isinstance(where, Operation) and where.operator == "AND":
        return [one for operand in where.operands for one in conjuncts(operand)]
    return [where]


def key_condition(term: Term, values: Values) -> Found | None:
    """What a condition says of one top-level attribute, if it is of a kind that keys are read by."""
    if isinstance(term, Invocation) and term.name == "begins_with" and len(term.arguments) == 2:
        return _found(term.arguments[0], "BEGINS_WITH", term.arguments[1:], values)
    if not isinstance(term, Operation):
        return None
    if term.operator in _OPERATORS:
        left, right = term.operands
        operator = _OPERATORS[term.operator]
        return _found(left, operator, (right,), values) or _found(right, _TURNED[operator], (left,), values)
    if term.operator == "BETWEEN":
        return _found(term.operands[0], "BETWEEN", term.operands[1:], values)
    if term.operator == "IN":
        return _found(term.operands[0], "IN", in_options(term.operands[1]), values)
    return None


def _found(attribute: Term, operator: str, others: tuple[Term, ...], values: Values) -> Found | None:
    if not isinstance(attribute, Reference) or len(attribute.parts) != 1:
        return None
    constants = [values.constant(one) for one in others]
    if any(one is None for one in constants):
        return None
    return Found(str(attribute.parts[0]), operator, tuple(one for one in constants if one is not None))


def plan_select(select: Select, source: Source, values: Values) -> Plan:
    """How to read what a SELECT wants of a table or index."""
    where = select.where
    branches = list(where.operands) if isinstance(where, Operation) and where.operator == "OR" else [where]
    if where is None and select.order:
        raise validation("Must have WHERE clause in the statement when using ORDER BY clause.")
    hash_descending, range_descending = _check_order(select.order, source.key)
    planned = [_plan_branch(conjuncts(branch), source.key, values) for branch in branches]
    if any(one is None for one in planned):
        if select.order:
            raise validation("Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.")
        return Plan(None, conjuncts(where), False)
    reads = [read for one in planned if one is not None for read in one.reads or ()]
    rest = planned[0].rest if len(planned) == 1 and planned[0] is not None else conjuncts(where)
    if len(reads) > 1:
        for read in reads:
            check_conditions(source, read, None)
        # Alternatives that negate something about the sort key read their partitions as a whole, and others may lie within them.
        negated = [one is not None and any(_negates(term, source.key) for term in one.rest) for one in planned]
        whole = [read for one, yes in zip(planned, negated) if one is not None and yes for read in one.reads or ()]
        if len(planned) > 1:
            whole = [{name: read[name] for name, _ in source.key.hash_attributes} for read in whole]
        others = [read for one, yes in zip(planned, negated) if one is not None and not yes for read in one.reads or ()]
        reads = _distinct(whole, others, source)
        if len(reads) > PARTITIONS_MAX:
            raise validation(_TOO_MANY)
    if select.order and len(reads) > 1:
        reads = _ordered(reads, source.key, select.order, hash_descending, range_descending)
    return Plan(reads, rest, range_descending)


def _plan_branch(terms: list[Term], schema: KeySchema, values: Values) -> Plan | None:
    """The reads for conditions that must all hold; None when the partition is not given."""
    rest = list(terms)
    hashes: list[list[KeyCondition]] = []
    for name, _ in schema.hash_attributes:
        options = _take_equal(rest, name, values)
        if options is None:
            return None
        hashes.append(options)
    names = [name for name, _ in schema.hash_attributes]
    ranges: list[list[KeyCondition]] = []
    for name, _ in schema.range_attributes:
        options = _take_equal(rest, name, values)
        if options is None:
            bound = _take_bound(rest, name, values)
            if bound is not None:
                ranges.append([bound])
                names.append(name)
            break
        ranges.append(options)
        names.append(name)
    count = 1
    for options in (*hashes, *ranges):
        count *= len(options)
    if count > PARTITIONS_MAX:
        raise validation(_TOO_MANY)
    reads = [dict(zip(names, chosen)) for chosen in itertools.product(*hashes, *ranges)]
    return Plan(reads, rest, False)


def _take_equal(rest: list[Term], name: str, values: Values) -> list[KeyCondition] | None:
    """The equality, or the alternatives of an IN, that is among the conditions for an attribute; it is taken from them."""
    for wanted in ("EQ", "IN"):
        for at, term in enumerate(rest):
            found = key_condition(term, values)
            if found is not None and found.name == name and found.operator == wanted:
                del rest[at]
                distinct: list[Value] = []
                for value in found.values:
                    if value not in distinct:
                        distinct.append(value)
                return [KeyCondition("EQ", (value,)) for value in distinct]
    return None


def _take_bound(rest: list[Term], name: str, values: Values) -> KeyCondition | None:
    for at, term in enumerate(rest):
        found = key_condition(term, values)
        if found is not None and found.name == name and found.operator != "IN":
            del rest[at]
            return KeyCondition(found.operator, found.values)
    return None


def _negates(term: Term, schema: KeySchema) -> bool:
    """Whether a condition says what the sort key is not."""
    if not isinstance(term, Operation) or term.operator not in ("NOT", "<>"):
        return False
    names = {name for name, _ in schema.range_attributes}
    pending: list[Term] = list(term.operands)
    while pending:
        one = pending.pop()
        if isinstance(one, Reference) and one.parts[0] in names:
            return True
        pending.extend(one.operands if isinstance(one, Operation) else one.arguments if isinstance(one, Invocation) else ())
    return False


def _distinct(whole: list[KeyConditions], others: list[KeyConditions], source: Source) -> list[KeyConditions]:
    """Reads of alternatives, without those that read the same partition again. Parts of a partition must not overlap, but with those of `whole`."""
    found: list[KeyConditions] = []
    taken: list[tuple[bytes, bytes, bool | None]] = []
    for at, read in enumerate((*whole, *others)):
        low, high = bounds_of(source, read)
        narrow = len(read) > len(source.key.hash_attributes)
        again = False
        for other_low, other_high, refuses in taken:
            if low < other_high and other_low < high:
                if refuses is not None and (narrow or refuses):
                    raise validation("Overlapping conditions with range keys are not supported in where clause")
                again = True
        if not again:
            taken.append((low, high, None if at < len(whole) else narrow))
            found.append(read)
    return found


def _check_order(order: tuple[OrderTerm, ...], schema: KeySchema) -> tuple[bool, bool]:
    """Whether partitions, and whether items within one, are wanted backwards."""
    hash_names = {name for name, _ in schema.hash_attributes}
    hash_descending = range_descending = False
    for one in order:
        if not isinstance(one.term, Reference):
            raise validation(f"Argument to ORDER BY must be of type VariableReference. Type: {type(one.term).__name__}")
        name = ".".join(map(str, one.term.parts))
        if name not in schema.names:
            raise validation(f"Variable reference {name} in ORDER BY clause must be part of the primary key")
        if name in hash_names:
            hash_descending = one.descending
        else:
            range_descending = one.descending
    return hash_descending, range_descending


def _ordered(
    reads: list[KeyConditions], schema: KeySchema, order: tuple[OrderTerm, ...], hash_descending: bool, range_descending: bool
) -> list[KeyConditions]:
    """Reads of several partitions in the wanted order."""
    (first, kind), *_ = schema.hash_attributes
    several = any(read[name] != reads[0][name] for read in reads for name, _ in schema.hash_attributes)
    names = [one.term.parts[0] for one in order if isinstance(one.term, Reference)]
    if several and first not in names:
        raise validation("Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.")
    if several and names[0] != first:
        raise NotBuilt("ORDER BY with the sort key before the partition key over several partitions")
    for name, range_kind in reversed(schema.range_attributes):
        if all(name in read for read in reads):
            reads = sorted(reads, key=lambda read: part(range_kind, read[name].values[0][range_kind]), reverse=range_descending)
    return sorted(reads, key=lambda read: part(kind, read[first].values[0][kind]), reverse=hash_descending)
