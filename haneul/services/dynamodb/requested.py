"""The tables of a request that names several, or names them in statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.arns import plain_name
from haneul.services.dynamodb.expressions.request import Parsers
from haneul.services.dynamodb.partiql.syntax import Exists

Request = Mapping[str, Any]


def _batch(parsers: Parsers, request: Request, result: Request) -> Iterable[str]:
    return _once(request["RequestItems"])


def _transaction(parsers: Parsers, request: Request, result: Request) -> Iterable[str]:
    return _once(part["TableName"] for item in request["TransactItems"] for part in item.values() if part)


def _statement(parsers: Parsers, request: Request, result: Request) -> Iterable[str]:
    return _once(_tables_of(parsers, request["Statement"]))


def _statements(parsers: Parsers, request: Request, result: Request) -> Iterable[str]:
    return _once(name for one in request["TransactStatements"] for name in _tables_of(parsers, one["Statement"]))


def _batch_of_statements(parsers: Parsers, request: Request, result: Request) -> Iterable[str]:
    """Each statement may have failed for itself: the answer tells those that did not."""
    return _once(one["TableName"] for one in result.get("Responses", ()) if "Error" not in one)


def _once(names: Iterable[str]) -> Iterable[str]:
    """Each table once, even if it is named by its name and by its ARN."""
    return {plain_name(name): name for name in names}.values()


def _tables_of(parsers: Parsers, text: str) -> tuple[str, ...]:
    try:
        statement = parsers.statement(text).statement
    except ServiceError:
        return ()
    return ((statement.select if isinstance(statement, Exists) else statement).source.table,)


TABLES_OF: Mapping[str, Callable[[Parsers, Request, Request], Iterable[str]]] = MappingProxyType(
    {
        "BatchGetItem": _batch,
        "BatchWriteItem": _batch,
        "TransactGetItems": _transaction,
        "TransactWriteItems": _transaction,
        "ExecuteStatement": _statement,
        "ExecuteTransaction": _statements,
        "BatchExecuteStatement": _batch_of_statements,
    }
)
"""Names or ARNs of an operation's tables, by its request and its answer (which is empty when it failed)."""
