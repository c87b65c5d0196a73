"""The model's constraints, and the words in which AWS's service framework says that they are broken.

`1 validation error detected: Value 'x' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3`.
Paths begin with a small letter at each step; elements of lists are `names.1.member`, values of maps `tags.key.member`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from haneul.core.errors import ServiceError
from haneul.core.quirks import Quirks
from haneul.wire.model import ServiceModel, Shape
from haneul.wire.patterns import JavaPattern

ERRORS_MAX: Final = 10
_NUMBERS: Final = frozenset({"integer", "long", "float", "double"})
_LENGTHS: Final = frozenset({"string", "blob", "list", "map"})


def validate(shape: Shape, params: dict[str, Any], *, code: str = "ValidationException", opaque: frozenset[str] = frozenset()) -> None:
    """Check values against a shape; ServiceError `code` when a constraint is broken. For a one-off: a `Validator` compiles once."""
    _check(Compiler(opaque).compile(shape), params, code)


class Check:
    """Reports the broken constraints of one shape; made once for each shape that has any."""

    __slots__ = ()

    def run(self, value: Any, path: str, errors: list[str]) -> None:
        raise NotImplementedError


class Validator:
    """Checks the inputs of one service's operations."""

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        self._model = model
        self._quirks = quirks
        self._compiler = Compiler(quirks.opaque_shapes | quirks.unchecked_shapes, quirks.enum_values, quirks.enum_order, quirks.member_order)
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
    check.run(params, "", errors)
    if errors:
        plural = "s" if len(errors) > 1 else ""
        raise ServiceError(code, f"{len(errors)} validation error{plural} detected: {'; '.join(errors[:ERRORS_MAX])}", 400)


class Compiler:
    """Makes, for each shape, what reports its broken constraints; None when the shape has none."""

    def __init__(
        self,
        opaque: frozenset[str] = frozenset(),
        enum_values: Mapping[str, frozenset[str]] | None = None,
        enum_order: Mapping[str, tuple[str, ...]] | None = None,
        member_order: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._opaque = opaque
        self._enum_values = enum_values or {}
        self._enum_order = enum_order or {}
        self._member_order = member_order or {}
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
        made: Check
        if shape.type == "list":
            made = self._list(shape)
        elif shape.type == "map":
            made = self._map(shape)
        else:
            made = _Scalar(shape, self._own(shape))
        self._compiled[shape] = made
        return made

    def _own(self, shape: Shape) -> list[Constraint]:
        if shape.name in self._opaque:
            return []
        return _own_constraints(shape, self._enum_values.get(shape.name, frozenset()), self._enum_order.get(shape.name, ()))

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
        made = self._compiled[shape] = _Structure()
        required = set(shape.required)
        for name in self._member_order.get(shape.name) or shape.members:
            compiled = self.compile(shape.members[name]) if f"{shape.name}${name}" not in self._opaque else None
            if compiled is not None or name in required:
                made.members.append(_Member(name, name[:1].lower() + name[1:], name in required, compiled))
        return made

    def _list(self, shape: Shape, *, within_map: bool = False) -> Check:
        """`within_map`: what the list itself breaks is reported for the map whose value it is."""
        member = shape.member
        constraints = self._own(member) if member.type not in ("list", "structure", "map") else []
        return _List(shape, [] if within_map else self._own(shape), constraints, self.compile(member) if not constraints else None)

    def _map(self, shape: Shape) -> Check:
        inner = shape.value
        of_values = self._own(inner) if inner.type not in ("structure", "map") else []
        if of_values:
            check = self._list(inner, within_map=True) if inner.type == "list" else None
        else:
            check = self.compile(inner)
        return _Map(shape, self._own(shape), self._own(shape.key), of_values, check)


class _Member(NamedTuple):
    """A member of a structure: its name, its step in paths, whether it must be there, and its check."""

    name: str
    step: str
    required: bool
    check: Check | None


class _Structure(Check):
    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: list[_Member] = []

    def run(self, value: Any, path: str, errors: list[str]) -> None:
        if type(value) is not dict:
            return  # The service checks such values itself (opaque shapes, streams).
        for member in self.members:
            item = value.get(member.name)
            if item is None:
                if member.required:
                    errors.append(f"Value null at '{_below(path, member.step)}' failed to satisfy constraint: Member must not be null")
            elif member.check is not None:
                member.check.run(item, _below(path, member.step), errors)


def _below(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step


class _Scalar(Check):
    __slots__ = ("_constraints", "_shape")

    def __init__(self, shape: Shape, constraints: list[Constraint]) -> None:
        self._shape = shape
        self._constraints = constraints

    def run(self, value: Any, path: str, errors: list[str]) -> None:
        for constraint in self._constraints:
            if not constraint.holds(value):
                errors.append(f"{_value(self._shape, value)} at '{path}' failed to satisfy constraint: {constraint.words}")


class _List(_Scalar):
    __slots__ = ("_inner", "_of_members")

    def __init__(self, shape: Shape, own: list[Constraint], of_members: list[Constraint], inner: Check | None) -> None:
        super().__init__(shape, own)
        self._of_members = of_members
        self._inner = inner

    def run(self, value: Any, path: str, errors: list[str]) -> None:
        if type(value) is not list:
            return
        super().run(value, path, errors)
        if self._of_members and not all([_all_hold(self._of_members, item) for item in value]):
            errors.append(f"{_value(self._shape, value)} at '{path}' failed to satisfy constraint: Member must satisfy constraint: [{_words(self._of_members)}]")
        for number, item in enumerate(value, 1):
            if item is None:
                errors.append(f"Value null at '{path}.{number}.member' failed to satisfy constraint: Member must not be null")
            elif self._inner is not None:
                self._inner.run(item, f"{path}.{number}.member", errors)


class _Map(_Scalar):
    __slots__ = ("_inner", "_of_keys", "_of_values")

    def __init__(self, shape: Shape, own: list[Constraint], of_keys: list[Constraint], of_values: list[Constraint], inner: Check | None) -> None:
        super().__init__(shape, own)
        self._of_keys = of_keys
        self._of_values = of_values
        self._inner = inner

    def run(self, value: Any, path: str, errors: list[str]) -> None:
        if not isinstance(value, Mapping):
            return
        super().run(value, path, errors)
        if self._of_keys and not all([_all_hold(self._of_keys, key) for key in value]):
            self._report("keys", value, path, self._of_keys, errors)
        if self._of_values and not all([_all_hold(self._of_values, item) for item in value.values()]):
            self._report("value", value, path, self._of_values, errors)
        for key, item in value.items():
            if item is None:
                errors.append(f"Value null at '{path}.{key}.member' failed to satisfy constraint: Member must not be null")
            elif self._inner is not None:
                self._inner.run(item, f"{path}.{key}.member", errors)

    def _report(self, kind: str, value: Any, path: str, constraints: list[Constraint], errors: list[str]) -> None:
        errors.append(f"{_value(self._shape, value)} at '{path}' failed to satisfy constraint: Map {kind} must satisfy constraint: [{_words(constraints)}]")


def _all_hold(constraints: list[Constraint], item: Any) -> bool:
    if item is not None:
        for constraint in constraints:
            if not constraint.holds(item):
                return False
    return True


def _words(constraints: list[Constraint]) -> str:
    return ", ".join([constraint.words for constraint in constraints])


class Constraint:
    """One thing that a shape's own traits demand; `words` are the framework's for it."""

    __slots__ = ("words",)

    def __init__(self, words: str) -> None:
        self.words = words

    def holds(self, value: Any) -> bool:
        raise NotImplementedError


class _AtLeast(Constraint):
    __slots__ = ("_limit",)

    def __init__(self, limit: Any) -> None:
        super().__init__(f"Member must have value greater than or equal to {_plain(limit)}")
        self._limit = limit

    def holds(self, value: Any) -> bool:
        return bool(value >= self._limit)


class _AtMost(Constraint):
    __slots__ = ("_limit",)

    def __init__(self, limit: Any) -> None:
        super().__init__(f"Member must have value less than or equal to {_plain(limit)}")
        self._limit = limit

    def holds(self, value: Any) -> bool:
        return bool(value <= self._limit)


class _NotLonger(Constraint):
    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        super().__init__(f"Member must have length less than or equal to {limit}")
        self._limit = limit

    def holds(self, value: Any) -> bool:
        return _length(value) <= self._limit


class _NotShorter(Constraint):
    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        super().__init__(f"Member must have length greater than or equal to {limit}")
        self._limit = limit

    def holds(self, value: Any) -> bool:
        return _length(value) >= self._limit


class _Fits(Constraint):
    __slots__ = ("_pattern",)

    def __init__(self, pattern: str) -> None:
        super().__init__(f"Member must satisfy regular expression pattern: {pattern}")
        self._pattern = JavaPattern(pattern)

    def holds(self, value: Any) -> bool:
        return self._pattern.matches(value)


class _OneOf(Constraint):
    __slots__ = ("_values",)

    def __init__(self, values: list[str], more: frozenset[str], order: tuple[str, ...]) -> None:
        super().__init__(f"Member must satisfy enum value set: [{', '.join(order or values)}]")
        self._values = more.union(values)

    def holds(self, value: Any) -> bool:
        return value in self._values


def _own_constraints(shape: Shape, enum_values: frozenset[str], enum_order: tuple[str, ...]) -> list[Constraint]:
    """What a shape's own traits demand. `enum_values` are allowed besides those of the model, which the message lists in its order, or in `enum_order`."""
    traits = shape.traits
    found: list[Constraint] = []
    if shape.type in _NUMBERS:
        if "min" in traits:
            found.append(_AtLeast(traits["min"]))
        if "max" in traits:
            found.append(_AtMost(traits["max"]))
    elif shape.type in _LENGTHS and not traits.get("streaming"):
        if traits.get("max") is not None:
            found.append(_NotLonger(traits["max"]))
        if traits.get("min"):
            found.append(_NotShorter(traits["min"]))
        if shape.type == "string" and "pattern" in traits:
            found.append(_Fits(traits["pattern"]))
        if shape.type == "string" and "enum" in traits:
            found.append(_OneOf(traits["enum"], enum_values, enum_order))
    return found


def _length(value: Any) -> int:
    """A stream has no length that could be checked before it is read."""
    if isinstance(value, str):
        return len(value)
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
