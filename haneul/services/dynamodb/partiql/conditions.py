"""Conditions and assignments of statements, as the conditions and updates that every other operation works with.

Attributes become `#` placeholders and constants `:` placeholders, so that no name can be mistaken for anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions import syntax
from haneul.services.dynamodb.expressions.bind import Binder, Predicate, bind_condition
from haneul.services.dynamodb.expressions.parse import CONDITION_FUNCTIONS, UPDATE_FUNCTIONS
from haneul.services.dynamodb.expressions.syntax import ExpressionError
from haneul.services.dynamodb.expressions.update import BoundUpdate, bind_update
from haneul.services.dynamodb.partiql.syntax import Assignment, Invocation, Literal, Operation, Reference, Structure, Term, TypeTest
from haneul.services.dynamodb.partiql.syntax import Sequence as SequenceTerm
from haneul.services.dynamodb.partiql.tokens import position
from haneul.services.dynamodb.partiql.values import Values
from haneul.services.dynamodb.values import Value, kind_of, value_size

IN_VALUES_MAX = 100

_COMPARISONS = frozenset(("=", "<>", "<", "<=", ">", ">="))
_NOT_CONDITION = "WHERE clause must contain an expression that resolves to a boolean"
_TYPES = {
    **dict.fromkeys(("BOOL", "BOOLEAN"), "BOOL"),
    **dict.fromkeys(("STRING", "VARCHAR", "CHAR", "CHARACTER", "SYMBOL"), "S"),
    **dict.fromkeys(("NUMERIC", "DECIMAL", "DEC", "INT", "INT4", "INT8", "INTEGER", "SMALLINT", "BIGINT", "FLOAT", "REAL", "DOUBLE"), "N"),
    **dict.fromkeys(("STRUCT", "TUPLE"), "M"),
    "BLOB": "B",
    "LIST": "L",
    "NULL": "NULL",
}
_BOOLEAN_FUNCTIONS = frozenset(CONDITION_FUNCTIONS) - {"size"}
_SET_FUNCTIONS = {"set_add": "ADD", "set_delete": "DELETE"}


class Translator:
    """Translates the terms of one statement. `binder` then knows the names and values that were met."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self._names: dict[str, str] = {}
        self._constants: dict[str, Value] = {}
        self.binder = Binder(self._names, self._constants)
        # The binder holds empty maps by a copy of its own.
        self.binder.names, self.binder.values = self._names, self._constants

    # ---- operands

    def path(self, term: Reference) -> syntax.Path:
        parts: list[str | int] = []
        for part in term.parts:
            if isinstance(part, str):
                placeholder = f"#{len(self._names)}"
                self._names[placeholder] = part
                parts.append(placeholder)
            else:
                parts.append(part)
        return syntax.Path(tuple(parts))

    def reference(self, value: Value) -> syntax.Reference:
        placeholder = f":{len(self._constants)}"
        self._constants[placeholder] = value
        return syntax.Reference(placeholder)

    def operand(self, term: Term) -> syntax.Operand:
        """An operand of a comparison or function of a condition."""
        if isinstance(term, Reference):
            return self.path(term)
        value = self.values.constant(term)
        if value is not None:
            return self.reference(value)
        if isinstance(term, Invocation):
            if term.name == "size":
                return syntax.Function("size", tuple(self.operand(one) for one in term.arguments))
            raise self.unrecognized(term)
        if isinstance(term, Operation):
            raise validation(f"Unsupported operator in Condition Expression. Operator: {term.operator}")
        raise validation(_NOT_CONDITION)

    def unrecognized(self, term: Invocation) -> Exception:
        return validation(f"Unrecognized function: {term.name} at {position(self.values.text, term.token)}")

    # ---- conditions

    def condition(self, term: Term) -> syntax.Condition:
        if isinstance(term, Operation):
            return self._operation(term)
        if isinstance(term, TypeTest):
            return self._type_test(term)
        if isinstance(term, Invocation):
            if term.name not in _BOOLEAN_FUNCTIONS:
                if term.name == "size":
                    raise validation(_NOT_CONDITION)
                raise self.unrecognized(term)
            return syntax.Function(term.name, tuple(self.operand(one) for one in term.arguments))
        raise validation(_NOT_CONDITION)

    def all_of(self, terms: Sequence[Term]) -> syntax.Condition:
        found: syntax.Condition = _balanced(syntax.And, [self.condition(one) for one in terms])
        return found

    def _operation(self, term: Operation) -> syntax.Condition:
        operator = term.operator
        if operator == "AND":
            return self.all_of(term.operands)
        if operator == "OR":
            found: syntax.Condition = _balanced(syntax.Or, [self.condition(one) for one in term.operands])
            return found
        if operator == "NOT":
            return syntax.Not(self.condition(term.operands[0]))
        if operator in _COMPARISONS:
            return self._comparison(term)
        if operator == "BETWEEN":
            value, low, high = (self.operand(one) for one in term.operands)
            return syntax.Between(value, low, high)
        if operator == "IN":
            return self._membership(term)
        raise validation(f"Unsupported operator in Condition Expression. Operator: {operator}")

    def _comparison(self, term: Operation) -> syntax.Condition:
        left, right = term.operands
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Invocation) and one.name in _BOOLEAN_FUNCTIONS and isinstance(other, Literal) and other.kind == "BOOL":
                found = self.condition(one)
                return found if (other.text == "true") == (term.operator == "=") else syntax.Not(found)
        return syntax.Compare(term.operator, self.operand(left), self.operand(right))

    def _membership(self, term: Operation) -> syntax.Condition:
        value, options = term.operands
        if not isinstance(value, Reference):
            raise validation(_NO_IN)
        wanted = [self.operand(one) for one in in_options(options)]
        if len(wanted) > IN_VALUES_MAX:
            raise ExpressionError(f"The IN operator is provided with too many operands; number of operands: {len(wanted)}")
        return syntax.In(self.path(value), tuple(wanted))

    def _type_test(self, term: TypeTest) -> syntax.Condition:
        operand = self.operand(term.operand)
        if term.type == "MISSING":
            return syntax.Function("attribute_not_exists", (operand,))
        kind = _TYPES.get(term.type)
        if kind is None:
            raise validation(
                f"Unsupported data type for IS operator: {term.type}. "
                "Supported data types are [MISSING, NULL, BOOLEAN, BLOB, STRING, NUMERIC, STRUCT, TUPLE, LIST]"
            )
        return syntax.Function("attribute_type", (operand, self.reference({"S": kind})))

    # ---- assignments

    def clause(self, one: Assignment) -> syntax.Clause:
        """One change of an update."""
        path = self.path(one.path)
        if one.value is None:
            return syntax.Clause("REMOVE", path, None)
        if isinstance(one.value, Invocation) and one.value.name in _SET_FUNCTIONS:
            return syntax.Clause(_SET_FUNCTIONS[one.value.name], path, self._set_argument(one.path, one.value))
        return syntax.Clause("SET", path, self._new_value(one.value))

    def _set_argument(self, target: Reference, call: Invocation) -> syntax.Reference:
        title, text = call.name.upper(), self.values.text
        if len(call.arguments) != 2:
            raise validation(f"{title} must have exactly two arguments at {position(text, call.token)}")
        first, second = call.arguments
        if not isinstance(first, Reference) or first.parts != target.parts:
            raise validation(f"The first argument to {title} must equal the assignment value at {position(text, call.token)}")
        value = self.values.constant(second)
        if value is None or kind_of(value) not in ("SS", "NS", "BS"):
            raise validation(f"The second argument to {title} must be a value with type SET at {position(text, first.token)}")
        return self.reference(value)

    def _new_value(self, term: Term) -> syntax.Operand:
        if isinstance(term, Reference):
            return self.path(term)
        value = self.values.constant(term)
        if value is not None:
            return self.reference(value)
        if isinstance(term, Operation) and term.operator in ("+", "-"):
            left, right = term.operands
            return syntax.Arithmetic(term.operator, self._new_value(left), self._new_value(right))
        if isinstance(term, Operation):
            raise validation(f"Unsupported operator in Update Expression. Operator: {term.operator}")
        if isinstance(term, TypeTest):
            raise validation("IS operator is not supported in update expressions")
        if isinstance(term, Invocation):
            if term.name not in UPDATE_FUNCTIONS:
                raise self.unrecognized(term)
            return syntax.Function(term.name, tuple(self._new_value(one) for one in term.arguments))
        raise validation("Unsupported operation: *")


_NO_IN = (
    "IN operator must have a left hand argument of type Variable Reference and right hand argument of type Seq with at least one member"
)


def in_options(term: Term) -> tuple[Term, ...]:
    """What stands in the list of an IN."""
    if isinstance(term, SequenceTerm) and term.elements:
        return term.elements
    if isinstance(term, (SequenceTerm, Structure, Operation)):
        raise validation(_NO_IN)
    return (term,)


def _balanced(join: Callable[[Any, Any], Any], conditions: list[Any]) -> Any:
    """Conditions joined in a tree that is as low as can be, so that long chains do not nest deeply."""
    while len(conditions) > 1:
        pairs = [join(conditions[at], conditions[at + 1]) for at in range(0, len(conditions) - 1, 2)]
        conditions = pairs + conditions[len(conditions) - len(conditions) % 2 :]
    return conditions[0]


class BoundCondition:
    """A condition as a function of an item, and the attributes that it looks at."""

    __slots__ = ("heads", "holds")

    def __init__(self, holds: Predicate, heads: list[str]) -> None:
        self.holds = holds
        self.heads = heads


def bind_terms(values: Values, terms: Sequence[Term]) -> BoundCondition | None:
    """All the terms together as one condition; None for no terms."""
    if not terms:
        return None
    translator = Translator(values)
    try:
        holds = bind_condition(translator.all_of(terms), translator.binder)
    except ExpressionError as error:
        raise validation(error.message) from None
    heads = translator.binder.heads
    ordered = [name for name in dict.fromkeys(translator.binder.names.values()) if name in heads]
    return BoundCondition(holds, ordered)


def bind_assignments(values: Values, assignments: Sequence[Assignment]) -> tuple[BoundUpdate, int]:
    """The changes of an UPDATE, and the bytes of the values that they bring."""
    translator = Translator(values)
    clauses = tuple(translator.clause(one) for one in assignments)
    try:
        update = bind_update(syntax.Update(clauses, None), translator.binder)
    except ExpressionError as error:
        raise validation(error.message) from None
    return update, sum(map(value_size, translator.binder.values.values()))
