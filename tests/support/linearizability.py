"""A checker of histories: is there an order of operations on one item that explains every answer? (Wing and Gong's search, with memory.)"""

from __future__ import annotations

from typing import Any, NamedTuple


class Event(NamedTuple):
    """One operation on one key: `argument` and `result` as `apply` understands them."""

    began: int
    ended: int
    operation: str
    argument: Any
    result: Any


def apply(event: Event, state: int | None) -> tuple[bool, int | None]:
    """Whether the event's answer fits the state of the item (None: not there), and the state after it."""
    operation, argument, result = event.operation, event.argument, event.result
    if operation == "read":
        return result == state, state
    if operation == "put":
        return result == state, argument
    if operation == "add":
        after = (state or 0) + argument
        return result == after, after
    if operation == "delete":
        return result == state, None
    expected, new = argument  # compare and set
    holds = state == expected
    return result == holds, new if holds else state


def linearizable(events: list[Event]) -> bool:
    """Whether some order of the events, which keeps those apart that did not overlap, explains all answers."""
    order = sorted(events)
    seen: set[tuple[int, int | None]] = set()
    pending: list[tuple[int, int | None]] = [((1 << len(order)) - 1, None)]
    while pending:
        left, state = pending.pop()
        if not left:
            return True
        if (left, state) in seen:
            continue
        seen.add((left, state))
        waiting = [event for at, event in enumerate(order) if left >> at & 1]
        first_end = min(event.ended for event in waiting)
        for at, event in enumerate(order):
            if left >> at & 1 and event.began < first_end:
                fits, after = apply(event, state)
                if fits:
                    pending.append((left & ~(1 << at), after))
    return False
