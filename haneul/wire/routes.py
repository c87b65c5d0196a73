"""Routes of the REST protocols: which operation a method, path and query mean.

The routes of a service form a tree of path segments. At each step a literal segment is preferred to a label, and a label to a greedy one
(`{Key+}`, which takes the rest of the path). Operations that share method and path are told apart by literal query keys (`?acl`,
`?list-type=2`), and then by the query parameters and headers that they require (`uploadId`, `x-amz-copy-source`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from haneul.core.errors import SerializationError
from haneul.wire.forms import pairs
from haneul.wire.model import OperationModel


class Route:
    """One operation's place: the names of its labels, the literal query keys it needs, the parameters and headers it requires."""

    __slots__ = ("greedy", "headers", "labels", "literals", "operation", "parameters", "rank")

    def __init__(self, operation: OperationModel, labels: tuple[str, ...], literals: tuple[tuple[str, str | None], ...]) -> None:
        self.operation = operation
        self.labels = labels
        self.literals = literals
        required = operation.input.required if operation.input is not None else ()
        members = {name: operation.input.members[name] for name in required} if operation.input is not None else {}
        self.parameters = tuple(m.location_name or name for name, m in members.items() if m.location == "querystring")
        # What the query says is meant without its headers, too: the operation will say that one is missing.
        self.headers = () if literals else tuple((m.location_name or name).lower() for name, m in members.items() if m.location == "header")
        # The most demanding route is tried first; of equals the one that is not deprecated, then the first by name.
        self.rank = (-len(literals), -len(self.parameters) - len(self.headers), operation.deprecated, operation.name)

    def asks_for(self, query: Mapping[str, str]) -> bool:
        """Whether the literal query keys are there."""
        return all(key in query and (value is None or query[key] == value) for key, value in self.literals)

    def is_complete(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        """Whether everything that the operation requires is there as well."""
        return all(name in query for name in self.parameters) and all(name in headers for name in self.headers)


class _Node:
    __slots__ = ("any", "greedy", "literal", "plain", "routes")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.greedy: _Node | None = None
        self.routes: dict[str, list[Route]] = {}
        self.plain: dict[str, list[Route]] = {}  # Those of `routes` that ask for nothing in the query.


class NoRoute(Exception):
    """Nothing stands at the path, or nothing for this method (`allowed` then has the methods that are)."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        super().__init__()
        self.allowed = sorted(allowed)


class Router:
    """All routes of one service."""

    def __init__(self, operations: Mapping[str, OperationModel]) -> None:
        self._root = _Node()
        for operation in operations.values():
            self._add(operation)

    def _add(self, operation: OperationModel) -> None:
        path, _, query = operation.request_uri.partition("?")
        node = self._root
        labels: list[str] = []
        for segment in _segments(path.rstrip("/")):
            if segment.startswith("{") and segment.endswith("+}"):
                labels.append(segment[1:-2])
                node.greedy = node = node.greedy or _Node()
            elif segment.startswith("{") and segment.endswith("}"):
                labels.append(segment[1:-1])
                node.any = node = node.any or _Node()
            else:
                node = node.literal.setdefault(segment, _Node())
        literals = tuple((key, value if "=" in part else None) for part in query.split("&") if part for key, _, value in [part.partition("=")])
        routes = node.routes.setdefault(operation.http_method, [])
        routes.append(Route(operation, tuple(labels), literals))
        routes.sort(key=lambda route: route.rank)
        node.plain[operation.http_method] = [route for route in routes if not route.literals and not route.parameters]

    def find(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> tuple[OperationModel, dict[str, str]]:
        """The operation and the decoded labels of its path. NoRoute when there is none; SerializationError when the path is not UTF-8."""
        values: list[str] = []
        parameters: dict[str, Any] = {}
        if query:
            for name, value in pairs(query):
                parameters.setdefault(name, value)
        allowed: set[str] = set()
        route = self._walk(self._root, _segments(path), 0, values, method, parameters, headers, allowed)
        if route is None:
            raise NoRoute(allowed)
        return route.operation, dict(zip(route.labels, values, strict=True))

    def _walk(
        self,
        node: _Node,
        segments: list[str],
        at: int,
        values: list[str],
        method: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        allowed: set[str],
    ) -> Route | None:
        if at == len(segments) or (at == len(segments) - 1 and not segments[at]):  # One slash at the end means nothing.
            return _choose(node, method, query, headers, allowed)
        segment = segments[at]
        rest = (segments, at + 1, values, method, query, headers, allowed)
        literal = node.literal.get(segment)
        if literal is not None and (found := self._walk(literal, *rest)) is not None:
            return found
        if node.any is not None and segment:
            values.append(_decoded(segment))
            if (found := self._walk(node.any, *rest)) is not None:
                return found
            values.pop()
        if node.greedy is not None:
            for end in range(len(segments) - 1, at, -1) if node.greedy.literal else ():  # `{Name+}/policy` before `{Name+}`.
                values.append(_decoded("/".join(segments[at:end])))
                if (found := self._walk(node.greedy, segments, end, values, method, query, headers, allowed)) is not None:
                    return found
                values.pop()
            values.append(_decoded("/".join(segments[at:])))
            if (found := _choose(node.greedy, method, query, headers, allowed)) is not None:
                return found
            values.pop()
        return None


def _segments(path: str) -> list[str]:
    path = path[1:] if path.startswith("/") else path
    return path.split("/") if path else []


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise SerializationError("The request path contains characters that are not valid UTF-8") from None


def _choose(node: _Node, method: str, query: Mapping[str, str], headers: Mapping[str, str], allowed: set[str]) -> Route | None:
    routes = node.routes.get(method)
    if routes is None:
        allowed.update(node.routes)
        return None
    if len(routes) == 1 and not routes[0].literals:
        return routes[0]
    if not query:  # S3 has dozens of operations at one path, and nearly all requests are for the few that need no query.
        for route in node.plain[method]:
            if all(name in headers for name in route.headers):
                return route
    fitting = [route for route in routes if route.asks_for(query)]
    if not fitting:
        return None
    complete = [route for route in fitting if route.is_complete(query, headers)]
    # Something required is missing everywhere: the least demanding of the most literal routes will say what.
    return complete[0] if complete else max((r for r in fitting if r.rank[0] == fitting[0].rank[0]), key=lambda route: route.rank[1])
