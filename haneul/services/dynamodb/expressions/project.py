"""Projections: the parts of an item that paths name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from haneul.services.dynamodb.expressions.bind import Parts, show_path
from haneul.services.dynamodb.expressions.syntax import ExpressionError
from haneul.services.dynamodb.values import Item, Value

Project = Callable[[Item], Item]
# A tree of paths: None where a path ends, otherwise what is wanted below.
_Tree = dict[Any, Any]


def check_overlaps(paths: Sequence[Parts]) -> None:
    """ExpressionError when one path leads through another, or both take the same thing for a list and a map."""
    conflict: ExpressionError | None = None
    for number, later in enumerate(paths):
        for earlier in paths[:number]:
            problem = _clash(earlier, later)
            if problem == "overlap":
                raise ExpressionError(_words("overlap", earlier, later))
            if problem == "conflict" and conflict is None:
                conflict = ExpressionError(_words("conflict", earlier, later))
    if conflict is not None:
        raise conflict


def _clash(one: Parts, other: Parts) -> str | None:
    for left, right in zip(one, other):
        if type(left) is not type(right):
            return "conflict"
        if left != right:
            return None
    return "overlap"


def _words(kind: str, one: Parts, other: Parts) -> str:
    return (
        f"Two document paths {kind} with each other; must remove or rewrite one of these paths; path one: {show_path(one)}, path two: {show_path(other)}"
    )


def projection(paths: Sequence[Parts]) -> Project:
    """The function that takes the parts of an item at `paths`, which do not overlap."""
    if all(len(path) == 1 for path in paths):
        names: list[str] = [path[0] for path in paths]  # type: ignore[misc]
        return lambda item: {name: item[name] for name in names if name in item}
    tree: _Tree = {}
    for path in paths:
        level = tree
        for part in path[:-1]:
            level = level.setdefault(part, {})
        level[path[-1]] = None
    return lambda item: _members(item, tree)


def _members(members: dict[str, Value], tree: _Tree) -> dict[str, Value]:
    taken = {}
    for name, below in tree.items():
        value = members.get(name)
        if value is not None:
            part = value if below is None else _part(value, below)
            if part is not None:
                taken[name] = part
    return taken


def _part(value: Value, tree: _Tree) -> Value | None:
    """The wanted part of a list or map; None when nothing of it is there."""
    if "M" in value:
        members = _members(value["M"], {key: below for key, below in tree.items() if type(key) is str})
        return {"M": members} if members else None
    elements = value.get("L")
    if elements is None:
        return None
    taken = []
    for position in sorted(key for key in tree if type(key) is int):
        if position < len(elements):
            below = tree[position]
            part = elements[position] if below is None else _part(elements[position], below)
            if part is not None:
                taken.append(part)
    return {"L": taken} if taken else None
