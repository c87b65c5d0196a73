"""Which permission a statement needs, and DynamoDB's condition keys for it.

(Developer Guide: "IAM security policies with PartiQL for DynamoDB".)
"""

from __future__ import annotations

from typing import Any

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.access import partition_conditions
from haneul.services.dynamodb.arns import Conditions, named_table_arn
from haneul.services.dynamodb.keys import describe_key
from haneul.services.dynamodb.partiql.plan import conjuncts, key_condition, plan_select
from haneul.services.dynamodb.partiql.syntax import (
    Change,
    Delete,
    Exists,
    Insert,
    Invocation,
    Literal,
    Operation,
    Reference,
    Select,
    Statement,
    Structure,
    Term,
    TypeTest,
)
from haneul.services.dynamodb.partiql.syntax import Sequence as SequenceTerm
from haneul.services.dynamodb.partiql.values import Values
from haneul.services.dynamodb.partiql.writes import RETURNED
from haneul.services.dynamodb.reading import Source
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table

_ACTIONS = {Select: "PartiQLSelect", Exists: "PartiQLSelect", Insert: "PartiQLInsert", Change: "PartiQLUpdate", Delete: "PartiQLDelete"}


def authorize(call: Call, statement: Statement, values: Values, enclosing: str = "") -> None:
    """AccessDenied unless the caller may carry out the statement on its table or index."""
    inner = statement.select if isinstance(statement, Exists) else statement
    source = inner.source
    arn = named_table_arn(call, source.table)
    if source.index_name is not None:
        arn = f"{arn}/index/{source.index_name}"
    conditions = Conditions(lambda: _make(call, inner, values, enclosing))
    call.authorize(f"dynamodb:{_ACTIONS[type(statement)]}", arn, conditions)


def _make(call: Call, statement: Select | Insert | Change | Delete, values: Values, enclosing: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if enclosing:
        made["dynamodb:EnclosingOperation"] = enclosing
    attributes = set(_attributes(statement))
    if attributes:
        made["dynamodb:Attributes"] = sorted(attributes)
    if isinstance(statement, Change | Delete):
        made["dynamodb:ReturnValues"] = RETURNED[statement.returning] if statement.returning is not None else "NONE"
    if isinstance(statement, Select):
        made["dynamodb:Select"] = "ALL_ATTRIBUTES" if statement.columns is None else "SPECIFIC_ATTRIBUTES"
    service = call.service(DynamoDb)
    try:
        table = service.stored_table(*service.place(call, statement.source.table))
        leading = _leading_keys(statement, table, values, made) if table is not None else []
    except ServiceError:
        return made  # The operation itself says what is wrong with it.
    made.update(partition_conditions([leading]))
    return made


def _leading_keys(statement: Select | Insert | Change | Delete, table: Table, values: Values, made: dict[str, Any]) -> list[str]:
    name = table.key.names[0]
    if isinstance(statement, Insert):
        item = values.item(statement.item)
        return [describe_key(item[name])] if name in item else []
    if isinstance(statement, Select):
        index = table.index(statement.source.index_name) if statement.source.index_name is not None else None
        source = Source(table, index)
        reads = plan_select(statement, source, values).reads
        made["dynamodb:FullTableScan"] = "true" if reads is None else "false"
        return [describe_key(read[source.key.names[0]].values[0]) for read in reads or ()]
    found = [key_condition(term, values) for term in conjuncts(statement.where)]
    return [describe_key(one.values[0]) for one in found if one is not None and one.name == name and one.operator == "EQ"]


def _attributes(statement: Select | Insert | Change | Delete) -> list[str]:
    """The top-level attributes that a statement names."""
    terms: list[Term | None] = []
    if isinstance(statement, Insert):
        if isinstance(statement.item, Structure):
            return [name.text for name, _ in statement.item.members if isinstance(name, Literal)]
        return []
    terms.append(statement.where)
    if isinstance(statement, Select):
        terms.extend(statement.columns or ())
    elif isinstance(statement, Change):
        for one in statement.assignments:
            terms.extend((one.path, one.value))
    return [name for term in terms if term is not None for name in _heads(term)]


def _heads(term: Term) -> list[str]:
    if isinstance(term, Reference):
        return [str(term.parts[0])]
    if isinstance(term, Operation):
        return [name for one in term.operands for name in _heads(one)]
    if isinstance(term, Invocation):
        return [name for one in term.arguments for name in _heads(one)]
    if isinstance(term, SequenceTerm):
        return [name for one in term.elements for name in _heads(one)]
    if isinstance(term, TypeTest):
        return _heads(term.operand)
    return []
