"""Patch operations (`op`, `path`, `value`) on documents: which paths a document has is a list of rules.

Source: API Gateway API Reference, "Patch operations".
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from haneul.core.ports import Shape
from haneul.services.apigateway.errors import bad_request

REPLACE = frozenset({"replace"})
REPLACE_REMOVE = frozenset({"replace", "remove"})
ALL = frozenset({"add", "replace", "remove"})


@dataclass(frozen=True)
class Rule:
    """One path that may be patched. A step in braces stands for any text: a map's key, or (kind `set`) one of a list's values.

    `kind` says what the value is: `text`, `boolean`, `integer`, `number`, `set`.
    """

    path: str
    kind: str = "text"
    operations: frozenset[str] = REPLACE
    steps: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.path.split("/")[1:]))

    def matches(self, steps: Sequence[str]) -> bool:
        return len(steps) == len(self.steps) and all(rule == step or rule.startswith("{") for rule, step in zip(self.steps, steps))


def split_path(path: str) -> list[str]:
    """The steps of a JSON pointer (RFC 6901)."""
    if not path.startswith("/"):
        raise bad_request(f"Invalid patch path {path}")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def convert(kind: str, text: str | None, path: str) -> Any:
    """A patch operation's value, which always comes as text."""
    if kind == "boolean":
        return (text or "").lower() == "true"
    if kind == "text" or kind == "set":
        return text or ""
    try:
        return int(text or "") if kind == "integer" else float(text or "")
    except ValueError:
        raise bad_request(f"Invalid value specified for patch path {path}") from None


def patched(document: Shape, operations: Iterable[Shape], rules: Sequence[Rule]) -> Shape:
    """The document with all operations applied, or BadRequestException and no change."""
    changed = copy.deepcopy(document)
    for operation in operations:
        op, path = operation.get("op", ""), operation.get("path", "")
        steps = split_path(path)
        rule = next((rule for rule in rules if rule.matches(steps)), None)
        if rule is None or op not in rule.operations:
            raise _refusal(op, path, rules)
        _apply(changed, op, steps, rule, operation.get("value"), path)
    return changed


def _refusal(op: str, path: str, rules: Sequence[Rule]) -> Exception:
    possible = [rule.path for rule in rules if op in rule.operations]
    if not possible:
        return bad_request(f"Invalid patch path  '{path}' specified for op '{op}'. Please choose supported operations")
    return bad_request(f"Invalid patch path  '{path}' specified for op '{op}'. Must be one of: [{', '.join(sorted(possible))}]")


def _apply(document: Shape, op: str, steps: list[str], rule: Rule, text: str | None, path: str) -> None:
    *parents, last = steps
    if rule.kind == "set":
        _apply_to_set(document, op, parents, last, text)
        return
    place: Any = document
    for step in parents:
        place = place.setdefault(step, {})
    if op == "remove":
        if last not in place:
            raise bad_request(f"Invalid patch path {path}")
        del place[last]
    else:
        place[last] = convert(rule.kind, text, path)


def _apply_to_set(document: Shape, op: str, parents: list[str], member: str, text: str | None) -> None:
    *outer, name = parents
    place: Any = document
    for step in outer:
        place = place.setdefault(step, {})
    values: list[str] = [value for value in place.get(name, []) if value != member or op == "add"]
    if op == "add" and member not in values:
        values.append(member)
    elif op == "replace" and text and text not in values:
        values.append(text)
    place[name] = values
