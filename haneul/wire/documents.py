"""Documents: the tree of objects, lists and scalars that JSON and CBOR bodies are, to and from boto3-style values.

For each shape a closure is compiled once; it checks types, converts what must be converted (blobs, timestamps, renamed members) and touches
nothing else. JSON and CBOR differ only in their scalars (`protocols/json.py`, `protocols/rpc_v2_cbor.py`).

The messages for wrong types are those of the framework that AWS's own services are built on.
"""

from __future__ import annotations

import binascii
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from haneul.core.errors import SerializationError
from haneul.core.raw import Raw
from haneul.wire.model import Shape

Convert = Callable[[Any], Any]

JAVA_NAMES = {
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
_PLAIN: dict[str, type] = {"string": str, "boolean": bool, "float": float, "double": float}


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


class DocumentReader:
    """Compiles, for each shape, the function that turns a decoded document into a value.

    `scalars` gives the reader for each scalar type; `opaque` shapes are passed on unread; `package` is the Java package that error messages name.
    """

    def __init__(self, scalars: Mapping[str, Callable[[Shape], Convert]], opaque: frozenset[str] = frozenset(), package: str = "", *, text_keys: bool = True):
        self._scalars = scalars
        self._opaque = opaque
        self._package = package
        self._text_keys = text_keys
        self._compiled: dict[Shape, Convert] = {}

    def read(self, shape: Shape) -> Convert:
        """The reader of one shape."""
        made = self._compiled.get(shape)
        if made is not None:
            return made
        if shape.name in self._opaque or shape.is_document:
            made = _anything
        elif shape.type == "structure":
            return self.structure(shape)
        elif shape.type == "list":
            made = self._list(shape)
        elif shape.type == "map":
            made = self._map(shape)
        else:
            made = self._scalars[shape.type](shape)
        self._compiled[shape] = made
        return made

    def _kind(self, shape: Shape) -> type | None:
        """The Python type that needs no conversion at all; None when there is none."""
        return None if shape.name in self._opaque else _PLAIN.get(shape.type)

    def structure(self, shape: Shape, body_members: Mapping[str, Shape] | None = None) -> Convert:
        """The reader of a structure, or of those of its members that travel in the body. Unknown members are ignored, as by the real services."""
        table: dict[str, tuple[str, type | None, Convert]] = {}
        find = table.get
        class_name = f"{self._package}.{shape.name}"

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise SerializationError(f"Unrecognized collection type class {class_name}" if isinstance(value, list) else "Unexpected field type")
            result: dict[str, Any] = {}
            for wire_name, item in value.items():
                found = find(wire_name)
                if found is not None and item is not None:
                    name, kind, convert = found
                    result[name] = item if type(item) is kind else convert(item)
            return result

        if body_members is None:
            self._compiled[shape] = read  # Before the members, because a shape may contain itself.
        for name, member in (shape.members if body_members is None else body_members).items():
            table[member.location_name or name] = (name, self._kind(member), self.read(member))
        return read

    def _list(self, shape: Shape) -> Convert:
        convert: Convert | None = None
        kind = self._kind(shape.member)

        def read(value: Any) -> list[Any]:
            nonlocal convert
            if type(value) is not list:
                raise SerializationError("Start of structure or map found where not expected" if isinstance(value, dict) else "Unexpected field type")
            if convert is None:
                convert = self.read(shape.member)
            return [item if type(item) is kind or item is None else convert(item) for item in value]

        return read

    def _map(self, shape: Shape) -> Convert:
        convert: Convert | None = None
        kind = self._kind(shape.value)
        text_keys = self._text_keys

        def read(value: Any) -> dict[str, Any]:
            nonlocal convert
            if type(value) is not dict:
                value_class = JAVA_NAMES.get(shape.value.type)
                value_class = f"java.lang.{value_class}" if value_class else f"{self._package}.{shape.value.name}"
                map_class = f"Unrecognized collection type java.util.Map<java.lang.String, {value_class}>"
                raise SerializationError(map_class if isinstance(value, list) else "Unexpected field type")
            if convert is None:
                convert = self.read(shape.value)
            if not text_keys and any(type(key) is not str for key in value):
                raise SerializationError("Map keys must be strings")
            if convert is _anything:
                return value
            return {key: item if type(item) is kind or item is None else convert(item) for key, item in value.items()}

        return read


class DocumentWriter:
    """Compiles, for each shape, the function that makes a value ready for the encoder; None where the value is ready as it is.

    `scalars` gives the converter for each scalar type that needs one.
    """

    def __init__(self, scalars: Mapping[str, Callable[[Shape], Convert]], opaque: frozenset[str] = frozenset()) -> None:
        self._scalars = scalars
        self._opaque = opaque
        self._compiled: dict[Shape, Convert | None] = {}

    def write(self, shape: Shape) -> Convert | None:
        """The converter of one shape."""
        if shape in self._compiled:
            return self._compiled[shape]
        if not self._needs_work(shape, set()):
            made: Convert | None = None
        elif shape.type == "structure":
            return self.structure(shape)
        elif shape.type == "list":
            made = self._list(shape)
        elif shape.type == "map":
            made = self._map(shape)
        else:
            made = self._scalars[shape.type](shape)
        self._compiled[shape] = made
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
        table: dict[str, tuple[str, Convert | None]] = {}

        def write(value: dict[str, Any]) -> dict[str, Any]:
            result: dict[str, Any] = {}
            for name, item in value.items():
                if item is not None:
                    wire_name, convert = table[name]
                    result[wire_name] = item if convert is None or type(item) is Raw else convert(item)
            return result

        if body_members is None:
            self._compiled[shape] = write
        for name, member in (shape.members if body_members is None else body_members).items():
            table[name] = (member.location_name or name, self.write(member))
        return write

    def _list(self, shape: Shape) -> Convert:
        convert: Convert | None = None

        def write(value: Any) -> list[Any]:
            nonlocal convert
            if convert is None:
                convert = self.write(shape.member)
                assert convert is not None
            return [item if item is None or type(item) is Raw else convert(item) for item in value]

        return write

    def _map(self, shape: Shape) -> Convert:
        convert: Convert | None = None

        def write(value: Mapping[str, Any]) -> dict[str, Any]:
            nonlocal convert
            if convert is None:
                convert = self.write(shape.value)
                assert convert is not None
            return {key: item if type(item) is Raw else convert(item) for key, item in value.items() if item is not None}

        return write


def _anything(value: Any) -> Any:
    return value


def body_members(shape: Shape) -> dict[str, Shape]:
    """The members of a REST structure that travel in its body."""
    return {name: member for name, member in shape.members.items() if member.location is None and not member.is_event_stream}
