"""Answers of the operations behind a statement, and their ConsumedCapacity together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from haneul.core.call import Call
from haneul.core.operation import Handler

Shape = dict[str, Any]


async def perform(handler: Handler, call: Call, request: Shape) -> Shape:
    """The answer of another operation's function, whose permission was decided by the statement's own."""
    return await handler(call, request) or {}


def added(parts: Iterable[Shape]) -> list[Shape]:
    """The capacities of operations, added up by table."""
    totals: dict[str, Shape] = {}
    for part in parts:
        known = totals.get(part["TableName"])
        totals[part["TableName"]] = _sum(known, part) if known is not None else part
    return list(totals.values())


def _sum(one: Shape, other: Shape) -> Shape:
    made = dict(one)
    for name, value in other.items():
        if isinstance(value, dict):
            made[name] = _sum(made.get(name, {}), value)
        elif isinstance(value, float):
            made[name] = made.get(name, 0.0) + value
        else:
            made[name] = value
    return made
