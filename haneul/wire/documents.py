"""Documents: the tree of objects, lists and scalars that JSON and CBOR bodies are, to and from boto3-style values.

For each shape a small object is made once; it checks types, converts what must be converted (blobs, timestamps, renamed members) and touches
nothing else. JSON and CBOR differ only in their scalars (`protocols/json.py`, `protocols/rpc_v2_cbor.py`).

The messages for wrong types are those of the framework that AWS's own services are built on.
"""

from __future__ import annotations

import binascii
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from haneul.core.errors import SerializationError
from haneul.core.raw import Raw
from haneul.wire.model import Shape

Convert = Callable[[Any], Any]

DEPTH_MAX: Final = 500
"""How deeply a request may nest: far more than any service takes, and far less than a stack holds."""

JAVA_NAMES: Final = {
    "string": "String",
    "character": "Character",
    "boolean": "Boolean",
    "integer": "Integer",
    "long": "Long",
    "float": "Float",
    "double": "Double",
    "timestamp": "Date",
}

# Scalars whose JSON type is already the Python type wanted: they need no call.
_PLAIN: Final[dict[str, type]] = {"string": str, "boolean": bool, "float": float, "double": float}


def token(value: Any) -> str:
    """What the parser calls a scalar that it met."""
    if value is True:
        return "TRUE_VALUE"
    if value is False:
        return "FALSE_VALUE"
    if isinstance(value, str):
        return "STRING_VALUE"
    return "DECIMAL_VALUE" if isinstance(value, float) else "NUMBER_VALUE"


def mismatch(value: Any, wanted: str) -> SerializationError:
    """The error for a value in the place of a scalar (`wanted` as in the model)."""
    if isinstance(value, dict):
        return SerializationError("Start of structure or map found where not expected")
    if wanted == "blob":
        if isinstance(value, list):
            return SerializationError("Unrecognized collection type class java.nio.ByteBuffer")
        return SerializationError("only base-64-encoded strings are convertible to bytes")
    name = JAVA_NAMES.get(wanted, wanted)
    if isinstance(value, list):
        return SerializationError(f"Unrecognized collection type class java.{'util' if name == 'Date' else 'lang'}.{name}")
    if name == "Boolean" and isinstance(value, str):
        return SerializationError("Unexpected token received from parser")
    return SerializationError(f"{token(value)} cannot be converted to {name}")


def decode_base64(value: Any) -> bytes:
    """Strict base64; SerializationError with the reason."""
    if type(value) is not str:
        raise mismatch(value, "blob")
    try:
        decoded = binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        if len(value) % 4:
            raise SerializationError(f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(value)}") from None
        strange = next((c for c in value if not (c.isascii() and (c.isalnum() or c in "+/="))), None)
        if strange is not None:
            raise SerializationError(f"Invalid Base64 character: '{strange}'") from None
        raise SerializationError("Invalid last non-pad Base64 character dectected") from None
    if len(value) % 4:
        raise SerializationError(f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(value)}")
    if value.endswith("=") and b64encode(decoded).decode() != value:
        raise SerializationError("Invalid last non-pad Base64 character dectected")
    return decoded


def integer_reader(shape_type: str, *, truncating: bool) -> Convert:
    """Whole numbers of 32 or 64 bits. A truncating reader drops the fraction of others, as the JSON protocols do."""
    limit = 1 << (31 if shape_type == "integer" else 63)

    def read(value: Any) -> int:
        if type(value) is float and truncating and -limit <= value < limit:
            return int(value)
        if type(value) is not int:
            raise mismatch(value, shape_type)
        if not -limit <= value < limit:
            raise SerializationError(f"NUMBER_VALUE cannot be converted to {JAVA_NAMES[shape_type]}")
        return value

    return read


class Reader:
    """Turns one decoded value into what its shape wants; made once for each shape."""

    __slots__ = ()

    def read(self, value: Any, depth: int = 0) -> Any:
        return value


class _Scalar(Reader):
    __slots__ = ("_convert",)

    def __init__(self, convert: Convert) -> None:
        self._convert = convert

    def read(self, value: Any, depth: int = 0) -> Any:
        return self._convert(value)


class _Member(NamedTuple):
    """A member of a structure: its name, the Python type that needs no conversion, and its reader."""

    name: str
    kind: type | None
    reader: Reader


class _Structure(Reader):
    __slots__ = ("_class_name", "members")

    def __init__(self, class_name: str) -> None:
        self._class_name = class_name
        self.members: dict[str, _Member] = {}

    def read(self, value: Any, depth: int = 0) -> Any:
        if type(value) is not dict:
            raise SerializationError(f"Unrecognized collection type class {self._class_name}" if isinstance(value, list) else "Unexpected field type")
        if depth > DEPTH_MAX:  # Only shapes that contain themselves can come so far: structures, through lists or maps.
            raise SerializationError("The request is nested too deeply")
        members = self.members
        result: dict[str, Any] = {}
        for wire_name, item in value.items():
            found = members.get(wire_name)
            if found is not None and item is not None:
                result[found.name] = item if type(item) is found.kind else found.reader.read(item, depth + 1)
        return result


class _List(Reader):
    __slots__ = ("_kind", "_member", "_owner", "_reader")

    def __init__(self, owner: DocumentReader, member: Shape) -> None:
        self._owner = owner
        self._member = member
        self._kind = owner.kind_of(member)
        self._reader: Reader | None = None

    def read(self, value: Any, depth: int = 0) -> Any:
        if type(value) is not list:
            raise SerializationError("Start of structure or map found where not expected" if isinstance(value, dict) else "Unexpected field type")
        reader = self._reader
        if reader is None:  # Not before: a shape may contain itself.
            reader = self._reader = self._owner.of(self._member)
        kind = self._kind
        return [item if item is None or type(item) is kind else reader.read(item, depth + 1) for item in value]


class _Map(Reader):
    __slots__ = ("_kind", "_owner", "_reader", "_value")

    def __init__(self, owner: DocumentReader, value: Shape) -> None:
        self._owner = owner
        self._value = value
        self._kind = owner.kind_of(value)
        self._reader: Reader | None = None

    def read(self, value: Any, depth: int = 0) -> Any:
        if type(value) is not dict:
            raise SerializationError(self._misplaced() if isinstance(value, list) else "Unexpected field type")
        reader = self._reader
        if reader is None:
            reader = self._reader = self._owner.of(self._value)
        if not self._owner.text_keys and any(type(key) is not str for key in value):
            raise SerializationError("Map keys must be strings")
        if type(reader) is Reader:
            return value
        kind = self._kind
        return {key: item if item is None or type(item) is kind else reader.read(item, depth + 1) for key, item in value.items()}

    def _misplaced(self) -> str:
        value_class = JAVA_NAMES.get(self._value.type)
        value_class = f"java.lang.{value_class}" if value_class else f"{self._owner.package}.{self._value.name}"
        return f"Unrecognized collection type java.util.Map<java.lang.String, {value_class}>"


class DocumentReader:
    """Makes, for each shape, what turns a decoded document into a value.

    `scalars` gives the reader for each scalar type; `opaque` shapes are passed on unread; `package` is the Java package that error messages name.
    """

    def __init__(self, scalars: Mapping[str, Callable[[Shape], Convert]], opaque: frozenset[str] = frozenset(), package: str = "", *, text_keys: bool = True):
        self._scalars = scalars
        self._opaque = opaque
        self.package = package
        self.text_keys = text_keys
        self._made: dict[Shape, Reader] = {}

    def read(self, shape: Shape) -> Convert:
        """The reader of one shape, as a function."""
        return self.of(shape).read

    def of(self, shape: Shape) -> Reader:
        """The reader of one shape."""
        made = self._made.get(shape)
        if made is not None:
            return made
        if shape.name in self._opaque or shape.is_document:
            made = Reader()
        elif shape.type == "structure":
            structure = self._made[shape] = _Structure(f"{self.package}.{shape.name}")  # Before its members, because a shape may contain itself.
            return self._fill(structure, shape.members)
        elif shape.type == "list":
            made = _List(self, shape.member)
        elif shape.type == "map":
            made = _Map(self, shape.value)
        else:
            made = _Scalar(self._scalars[shape.type](shape))
        self._made[shape] = made
        return made

    def kind_of(self, shape: Shape) -> type | None:
        """The Python type that needs no conversion at all; None when there is none."""
        return None if shape.name in self._opaque else _PLAIN.get(shape.type)

    def structure(self, shape: Shape, body_members: Mapping[str, Shape] | None = None) -> Convert:
        """The reader of a structure, or of those of its members that travel in the body. Unknown members are ignored, as by the real services."""
        return self._fill(_Structure(f"{self.package}.{shape.name}"), shape.members if body_members is None else body_members).read

    def _fill(self, structure: _Structure, members: Mapping[str, Shape]) -> _Structure:
        for name, member in members.items():
            structure.members[member.location_name or name] = _Member(name, self.kind_of(member), self.of(member))
        return structure


class Writer:
    """Makes one value ready for the encoder; made once for each shape that needs it."""

    __slots__ = ()

    def write(self, value: Any) -> Any:
        raise NotImplementedError


class _ScalarWriter(Writer):
    __slots__ = ("_convert",)

    def __init__(self, convert: Convert) -> None:
        self._convert = convert

    def write(self, value: Any) -> Any:
        return self._convert(value)


class _StructureWriter(Writer):
    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: dict[str, tuple[str, Writer | None]] = {}

    def write(self, value: Any) -> Any:
        members = self.members
        result: dict[str, Any] = {}
        for name, item in value.items():
            if item is not None:
                wire_name, writer = members[name]
                result[wire_name] = item if writer is None or type(item) is Raw else writer.write(item)
        return result


class _ListWriter(Writer):
    __slots__ = ("_member", "_owner", "_writer")

    def __init__(self, owner: DocumentWriter, member: Shape) -> None:
        self._owner = owner
        self._member = member
        self._writer: Writer | None = None

    def write(self, value: Any) -> Any:
        writer = self._writer
        if writer is None:
            writer = self._writer = self._owner.of(self._member)
            assert writer is not None
        return [item if item is None or type(item) is Raw else writer.write(item) for item in value]


class _MapWriter(Writer):
    __slots__ = ("_owner", "_value", "_writer")

    def __init__(self, owner: DocumentWriter, value: Shape) -> None:
        self._owner = owner
        self._value = value
        self._writer: Writer | None = None

    def write(self, value: Any) -> Any:
        writer = self._writer
        if writer is None:
            writer = self._writer = self._owner.of(self._value)
            assert writer is not None
        return {key: item if type(item) is Raw else writer.write(item) for key, item in value.items() if item is not None}


class DocumentWriter:
    """Makes, for each shape, what makes a value ready for the encoder; None where the value is ready as it is.

    `scalars` gives the converter for each scalar type that needs one.
    """

    def __init__(self, scalars: Mapping[str, Callable[[Shape], Convert]], opaque: frozenset[str] = frozenset()) -> None:
        self._scalars = scalars
        self._opaque = opaque
        self._made: dict[Shape, Writer | None] = {}

    def write(self, shape: Shape) -> Convert | None:
        """The converter of one shape, as a function."""
        made = self.of(shape)
        return made.write if made is not None else None

    def of(self, shape: Shape) -> Writer | None:
        """The converter of one shape."""
        if shape in self._made:
            return self._made[shape]
        made: Writer | None = None
        if self._needs_work(shape, set()):
            if shape.type == "structure":
                structure = self._made[shape] = _StructureWriter()
                return self._fill(structure, shape.members)
            if shape.type == "list":
                made = _ListWriter(self, shape.member)
            elif shape.type == "map":
                made = _MapWriter(self, shape.value)
            else:
                made = _ScalarWriter(self._scalars[shape.type](shape))
        self._made[shape] = made
        return made

    def _needs_work(self, shape: Shape, seen: set[Shape]) -> bool:
        if shape in seen or shape.name in self._opaque or shape.is_document:
            return False
        seen.add(shape)
        if shape.type == "structure":
            return any((m.location_name or name) != name or self._needs_work(m, seen) for name, m in shape.members.items())
        if shape.type == "list":
            return self._needs_work(shape.member, seen)
        if shape.type == "map":
            return self._needs_work(shape.value, seen)
        return shape.type in self._scalars

    def structure(self, shape: Shape, body_members: Mapping[str, Shape] | None = None) -> Convert:
        """The converter of a structure, or of those of its members that travel in the body. Members that are None are left out.

        A member that the model does not know is a mistake of the service: KeyError.
        """
        return self._fill(_StructureWriter(), shape.members if body_members is None else body_members).write

    def _fill(self, structure: _StructureWriter, members: Mapping[str, Shape]) -> _StructureWriter:
        for name, member in members.items():
            structure.members[name] = (member.location_name or name, self.of(member))
        return structure


def body_members(shape: Shape) -> dict[str, Shape]:
    """The members of a REST structure that travel in its body."""
    return {name: member for name, member in shape.members.items() if member.location is None and not member.is_event_stream}
