"""The model's constraints, and the words in which AWS's service framework says that they are broken.

`1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3`.
Paths begin with a small letter at each step; elements of lists are `names.1.member`, values of maps `tags.key.member`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from haneul.core.errors import ServiceError
from haneul.core.quirks import Quirks
from haneul.wire.model import ServiceModel, Shape
from haneul.wire.patterns import JavaPattern

Check = Callable[[Any, str, list[str]], None]
Constraint = Callable[[Any], bool]

ERRORS_MAX = 10
_NUMBERS = frozenset({"integer", "long", "float", "double"})
_LENGTHS = frozenset({"string", "blob", "list", "map"})


def validate(shape: Shape, params: dict[str, Any], *, code: str = "ValidationException", opaque: frozenset[str] = frozenset()) -> None:
    """Check values against a shape; ServiceError `code` when a constraint is broken. For a one-off: a `Validator` compiles once."""
    _check(Compiler(opaque).compile(shape), params, code)


class Validator:
    """Checks the inputs of one service's operations."""

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        self._model = model
        self._quirks = quirks
        self._compiler = Compiler(quirks.opaque_shapes, quirks.enum_values)
        self._checks: dict[str, Check | None] = {}

    def validate_operation(self, name: str, params: dict[str, Any]) -> None:
        """Raise the service's validation error when parameters break the model's constraints. Services that check by themselves are left alone."""
        if not self._quirks.validation:
            return
        if name not in self._checks:
            shape = self._model.operations[name].input
            self._checks[name] = self._compiler.compile(shape) if shape is not None else None
        _check(self._checks[name], params, self._quirks.validation_code)


def _check(check: Check | None, params: dict[str, Any], code: str) -> None:
    if check is None:
        return
    errors: list[str] = []
    check(params, "", errors)
    if errors:
        plural = "s" if len(errors) > 1 else ""
        raise ServiceError(code, f"{len(errors)} validation error{plural} detected: {'; '.join(errors[:ERRORS_MAX])}", 400)


class Compiler:
    """Makes, for each shape, the function that reports its broken constraints; None when the shape has none."""

    def __init__(self, opaque: frozenset[str] = frozenset(), enum_values: Mapping[str, frozenset[str]] | None = None) -> None:
        self._opaque = opaque
        self._enum_values = enum_values or {}
        self._compiled: dict[Shape, Check | None] = {}

    def compile(self, shape: Shape) -> Check | None:
        """The check of one shape."""
        if shape in self._compiled:
            return self._compiled[shape]
        if not self._has_constraints(shape):
            self._compiled[shape] = None
            return None
        if shape.type == "structure":
            return self._structure(shape)
        own = self._own(shape)
        made: Check = _scalar(shape, own)
        if shape.type == "list":
            made = self._list(shape, made)
        elif shape.type == "map":
            made = self._map(shape, made)
        self._compiled[shape] = made
        return made

    def _own(self, shape: Shape) -> list[tuple[Constraint, str]]:
        return _own_constraints(shape, self._enum_values.get(shape.name, frozenset()))

    def _has_constraints(self, shape: Shape) -> bool:
        """Whether a shape, or anything that it is made of, can break a constraint. Lists and maps always can: an element may be null."""
        waiting, seen = [shape], {shape}
        while waiting:
            one = waiting.pop()
            if one.name in self._opaque or one.is_document or one.is_event_stream:
                continue
            if one.type in ("list", "map") or one.required or self._own(one):
                return True
            if one.type == "structure":
                found = [member for member in one.members.values() if member not in seen]
                seen.update(found)
                waiting.extend(found)
        return False

    def _structure(self, shape: Shape) -> Check:
        table: list[tuple[str, str, bool, Check | None]] = []

        def check(value: Any, path: str, errors: list[str]) -> None:
            if type(value) is not dict:
                return  # The service checks such values itself (opaque shapes, streams).
            for name, step, required, member in table:
                item = value.get(name)
                if item is None:
                    if required:
                        errors.append(f"Value null at '{path}{step}' failed to satisfy constraint: Member must not be null")
                elif member is not None:
                    member(item, path + step, errors)

        def nested(value: Any, path: str, errors: list[str]) -> None:
            check(value, path + "." if path else "", errors)

        self._compiled[shape] = nested
        required = set(shape.required)
        for name, member in shape.members.items():
            compiled = self.compile(member)
            if compiled is not None or name in required:
                table.append((name, name[:1].lower() + name[1:], name in required, compiled))
        return nested

    def _list(self, shape: Shape, own: Check) -> Check:
        member = shape.member
        constraints = self._own(member) if member.type not in ("list", "structure", "map") else []
        inner = self.compile(member) if not constraints else None

        def check(value: Any, path: str, errors: list[str]) -> None:
            if type(value) is not list:
                return
            own(value, path, errors)
            if constraints and any(item is not None and not all(holds(item) for holds, _ in constraints) for item in value):
                words = ", ".join(text for _, text in constraints)
                errors.append(f"{_value(shape, value)} at '{path}' failed to satisfy constraint: Member must satisfy constraint: [{words}]")
            for number, item in enumerate(value, 1):
                if item is None:
                    errors.append(f"Value null at '{path}.{number}.member' failed to satisfy constraint: Member must not be null")
                elif inner is not None:
                    inner(item, f"{path}.{number}.member", errors)

        return check

    def _map(self, shape: Shape, own: Check) -> Check:
        of_keys = self._own(shape.key)
        of_values = self._own(shape.value) if shape.value.type not in ("list", "structure", "map") else []
        inner = self.compile(shape.value) if not of_values else None

        def check(value: Any, path: str, errors: list[str]) -> None:
            if not isinstance(value, Mapping):
                return
            own(value, path, errors)
            for kind, constraints, items in (("keys", of_keys, value.keys()), ("value", of_values, value.values())):
                if constraints and any(item is not None and not all(holds(item) for holds, _ in constraints) for item in items):
                    words = ", ".join(text for _, text in constraints)
                    errors.append(f"{_value(shape, value)} at '{path}' failed to satisfy constraint: Map {kind} must satisfy constraint: [{words}]")
            for key, item in value.items():
                if item is None:
                    errors.append(f"Value null at '{path}.{key}.member' failed to satisfy constraint: Member must not be null")
                elif inner is not None:
                    inner(item, f"{path}.{key}.member", errors)

        return check


def _scalar(shape: Shape, constraints: list[tuple[Constraint, str]]) -> Check:
    def check(value: Any, path: str, errors: list[str]) -> None:
        for holds, words in constraints:
            if not holds(value):
                errors.append(f"{_value(shape, value)} at '{path}' failed to satisfy constraint: {words}")

    return check


def _own_constraints(shape: Shape, enum_values: frozenset[str]) -> list[tuple[Constraint, str]]:
    """What a shape's own traits demand, with the framework's words for it. `enum_values` are allowed besides those of the model."""
    traits = shape.traits
    found: list[tuple[Constraint, str]] = []
    if shape.type in _NUMBERS:
        if "min" in traits:
            found.append((_at_least(traits["min"]), f"Member must have value greater than or equal to {_plain(traits['min'])}"))
        if "max" in traits:
            found.append((_at_most(traits["max"]), f"Member must have value less than or equal to {_plain(traits['max'])}"))
    elif shape.type in _LENGTHS and not traits.get("streaming"):
        if traits.get("max") is not None:
            found.append((_not_longer(traits["max"]), f"Member must have length less than or equal to {traits['max']}"))
        if traits.get("min"):
            found.append((_not_shorter(traits["min"]), f"Member must have length greater than or equal to {traits['min']}"))
        if shape.type == "string" and "pattern" in traits:
            found.append((JavaPattern(traits["pattern"]).matches, f"Member must satisfy regular expression pattern: {traits['pattern']}"))
        if shape.type == "string" and "enum" in traits:
            found.append((enum_values.union(traits["enum"]).__contains__, f"Member must satisfy enum value set: [{', '.join(traits['enum'])}]"))
    return found


def _at_least(limit: float) -> Constraint:
    return lambda value: bool(value >= limit)


def _at_most(limit: float) -> Constraint:
    return lambda value: bool(value <= limit)


def _not_shorter(limit: int) -> Constraint:
    return lambda value: _length(value) >= limit


def _not_longer(limit: int) -> Constraint:
    return lambda value: _length(value) <= limit


def _length(value: Any) -> int:
    """A stream has no length that could be checked before it is read."""
    return len(value) if hasattr(value, "__len__") else 0


def _plain(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _value(shape: Shape, value: Any) -> str:
    """The value as the message shows it; secrets are not shown."""
    return "Value" if shape.traits.get("sensitive") else f"Value '{rendered(value)}'"


def rendered(value: Any) -> str:
    """A value in the form that Java prints: `[a, b]`, `{k=v}`, `true`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(rendered(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={rendered(item)}" for key, item in value.items()) + "}"
    return str(value)
