"""Forms: the flat `Name.1.Member=value` parameters of the query and EC2 protocols, to boto3-style values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from haneul.core.errors import SerializationError
from haneul.wire import timestamps
from haneul.wire.documents import JAVA_NAMES, decode_base64
from haneul.wire.model import Shape

PARAMETERS_MAX = 100_000
DEPTH_MAX = 64

Read = Callable[["Node"], Any]


class Node:
    """A name of the form: its own value, if one was sent, and the names below it."""

    __slots__ = ("below", "value")

    def __init__(self) -> None:
        self.value: str | None = None
        self.below: dict[str, Node] = {}


def unquote_form(text: str) -> str:
    """A percent-encoded piece of a form or query string; SerializationError when it is not UTF-8."""
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise SerializationError("The request contains characters that are not valid UTF-8") from None


def pairs(text: str) -> list[tuple[str, str]]:
    """The names and values of a form, in order."""
    if not text:
        return []
    parts = text.split("&")
    if len(parts) > PARAMETERS_MAX:
        raise SerializationError("The request contains too many parameters")
    found = []
    for part in parts:
        if part:
            name, _, value = part.partition("=")
            found.append((unquote_form(name), unquote_form(value)))
    return found


def form_tree(parameters: list[tuple[str, str]]) -> Node:
    """The parameters as a tree, split at the dots. Of a name sent twice the first value counts."""
    root = Node()
    for name, value in parameters:
        node = root
        steps = name.split(".")
        if len(steps) > DEPTH_MAX:
            raise SerializationError(f"The parameter {name[:64]}... is nested too deeply")
        for step in steps:
            below = node.below.get(step)
            if below is None:
                below = node.below[step] = Node()
            node = below
        if node.value is None:
            node.value = value
    return root


def malformed(value: str, wanted: str) -> SerializationError:
    """The error for text that is not of the type it should be."""
    return SerializationError(f"{value!r} can not be converted to {JAVA_NAMES.get(wanted, wanted)}")


def read_text(shape: Shape) -> Callable[[str], Any]:
    """The reader of a scalar that stands somewhere as text: in a form, an XML element, a header or a URL."""
    if shape.type == "boolean":
        return _read_boolean
    if shape.type in ("integer", "long"):
        return lambda value: _read_integer(value, shape.type)
    if shape.type in ("float", "double"):
        return _read_float
    if shape.type == "timestamp":
        return _read_timestamp
    if shape.type == "blob":
        return decode_base64
    return str


def _read_boolean(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in ("true", "1"):
        return True
    if lowered in ("false", "0"):
        return False
    raise malformed(value, "boolean")


def _read_integer(value: str, wanted: str) -> int:
    text = value.strip()
    limit = 1 << (31 if wanted == "integer" else 63)
    if not (text.lstrip("+-").isdecimal() and text.isascii() and len(text) <= 20):
        raise malformed(value, wanted)
    try:
        number = int(text)
    except ValueError:
        raise malformed(value, wanted) from None
    if not -limit <= number < limit:
        raise malformed(value, wanted)
    return number


def _read_float(value: str) -> float:
    special = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    text = value.strip()
    if text in special:
        return special[text]
    try:
        number = float(text)
    except ValueError:
        raise malformed(value, "double") from None
    if "_" in text or not math.isfinite(number):
        raise malformed(value, "double")
    return number


def _read_timestamp(value: str) -> int:
    try:
        return timestamps.from_text(value)
    except (ValueError, OverflowError):
        raise malformed(value, "timestamp") from None


class FormReader:
    """Compiles, for each shape, the function that reads it from a form's tree. `ec2`: names are capitalised and lists always flat."""

    def __init__(self, *, ec2: bool = False) -> None:
        self._ec2 = ec2
        self._compiled: dict[Shape, Read] = {}

    def read(self, shape: Shape) -> Read:
        """The reader of one shape."""
        made = self._compiled.get(shape)
        if made is not None:
            return made
        if shape.type == "structure":
            return self._structure(shape)
        if shape.type == "list":
            made = self._list(shape)
        elif shape.type == "map":
            made = self._map(shape)
        else:
            made = _scalar(shape)
        self._compiled[shape] = made
        return made

    def _name(self, shape: Shape, otherwise: str) -> str:
        name: str | None = shape.traits.get("queryName")
        if name is not None:
            return name
        if shape.location_name is None:
            return otherwise
        return shape.location_name[:1].upper() + shape.location_name[1:] if self._ec2 else shape.location_name

    def _member_name(self, shape: Shape, name: str) -> str:
        """The name under which a structure's member is sent: a flattened list goes by the name of its elements."""
        if shape.type == "list" and shape.flattened and not self._ec2:
            element = shape.member.traits.get("queryName") or shape.member.location_name
            if element:
                return str(element)
        return self._name(shape, name)

    def _structure(self, shape: Shape) -> Read:
        table: list[tuple[str, str, Read]] = []

        def read(node: Node) -> dict[str, Any]:
            below = node.below
            return {name: convert(below[wire_name]) for wire_name, name, convert in table if wire_name in below}

        self._compiled[shape] = read
        for name, member in shape.members.items():
            table.append((self._member_name(member, name), name, self.read(member)))
        return read

    def _list(self, shape: Shape) -> Read:
        element = None if shape.flattened or self._ec2 else self._name(shape.member, "member")
        convert: Read | None = None

        def read(node: Node) -> list[Any]:
            nonlocal convert
            if convert is None:
                convert = self.read(shape.member)
            if element is not None and element in node.below:  # Clients that leave `.member` out are understood too.
                node = node.below[element]
            return [convert(below) for _, below in _numbered(node)]

        return read

    def _map(self, shape: Shape) -> Read:
        key_name = shape.key.traits.get("queryName") or shape.key.location_name or "key"
        value_name = shape.value.traits.get("queryName") or shape.value.location_name or "value"
        convert: Read | None = None

        def read(node: Node) -> dict[str, Any]:
            nonlocal convert
            if convert is None:
                convert = self.read(shape.value)
            if not shape.flattened and "entry" in node.below:
                node = node.below["entry"]
            result: dict[str, Any] = {}
            for number, entry in _numbered(node):
                key, value = entry.below.get(key_name), entry.below.get(value_name)
                if key is None or key.value is None:
                    raise SerializationError(f"Map entry {number} has no {key_name}")
                if value is not None:
                    result[key.value] = convert(value)
            return result

        return read


def _numbered(node: Node) -> list[tuple[int, Node]]:
    """What stands under the numbers below a name, in their order."""
    found: list[tuple[int, Node]] = []
    for step, below in node.below.items():
        if not (step.isdecimal() and step.isascii() and len(step) <= 9):
            raise SerializationError(f"Key is not a valid integer: {step[:64]}")
        found.append((int(step), below))
    found.sort(key=lambda one: one[0])
    return found


def _scalar(shape: Shape) -> Read:
    convert = read_text(shape)

    def read(node: Node) -> Any:
        if node.value is None:
            raise SerializationError("Start of structure or map found where not expected")
        return convert(node.value)

    return read
