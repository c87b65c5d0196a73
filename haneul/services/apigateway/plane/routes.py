"""Which resource a path means: literal steps before variables before greedy ones, as the real gateway chooses."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from haneul.core.ports import Shape


class _Node:
    __slots__ = ("greedy", "greedy_name", "literal", "resource", "variable", "variable_name")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.variable_name = ""
        self.greedy: _Node | None = None
        self.greedy_name = ""
        self.resource: Shape | None = None


class Routes:
    """The resources of one API that have methods."""

    def __init__(self, resources: Iterable[Shape]) -> None:
        self._root = _Node()
        for resource in resources:
            if resource["methods"]:
                self._add(resource)

    def _add(self, resource: Shape) -> None:
        node = self._root
        for step in [part for part in resource["path"].split("/") if part]:
            if step.endswith("+}"):
                node.greedy_name = step[1:-2]
                node.greedy = node = node.greedy or _Node()
            elif step.startswith("{"):
                node.variable_name = step[1:-1]
                node.variable = node = node.variable or _Node()
            else:
                node = node.literal.setdefault(step, _Node())
        node.resource = resource

    def find(self, path: str) -> tuple[Shape, dict[str, str]] | None:
        """The resource that a path (still percent-encoded, without the stage) means, and the values of its variables, decoded."""
        steps = path.strip("/").split("/") if path.strip("/") else []
        values: dict[str, str] = {}
        resource = _walk(self._root, steps, 0, values)
        return None if resource is None else (resource, values)


def _walk(node: _Node, steps: list[str], at: int, values: dict[str, str]) -> Shape | None:
    if at == len(steps):
        return node.resource
    step = steps[at]
    literal = node.literal.get(step) or (node.literal.get(unquote(step)) if "%" in step else None)
    if literal is not None and (found := _walk(literal, steps, at + 1, values)) is not None:
        return found
    if node.variable is not None and step and (found := _walk(node.variable, steps, at + 1, values)) is not None:
        values[node.variable_name] = unquote(step)
        return found
    if node.greedy is not None:
        values[node.greedy_name] = unquote("/".join(steps[at:]))
        return node.greedy.resource
    return None
