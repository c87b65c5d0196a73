"""XML bodies, to and from boto3-style values. One compiled closure for each shape.

Documents with a DOCTYPE are refused, so that no entity is ever expanded.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLParser

from haneul.core.errors import SerializationError
from haneul.wire import timestamps
from haneul.wire.forms import read_text
from haneul.wire.model import Shape

Read = Callable[[list[Element]], Any]
Write = Callable[[Any, list[str]], None]

MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\x85\u2028\ufffe\uffff]')
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(text: str) -> str:
    """Text as it stands inside an element or attribute. Characters that XML would change or forbid become character references."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or f"&#x{ord(found[0]):x};", text)


def message_text(text: str) -> str:
    """An error's message, which may quote anything that a client sent, as every client can read it: without what XML has no way to write."""
    return escape(_FORBIDDEN.sub("\ufffd", text))


def parse_xml(body: bytes) -> Element:
    """The root element of a request's body; SerializationError when it is not XML, not UTF-8, or has a DOCTYPE."""
    # A byte order mark would make the parser read UTF-16, where a DOCTYPE could hide from this look; its letters bring zero bytes.
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body or b"\0" in body:
        raise SerializationError(MALFORMED)
    parser = XMLParser(encoding="utf-8")
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError):
        raise SerializationError(MALFORMED) from None
    return root


def local_name(tag: str) -> str:
    """An element's name without its namespace."""
    return tag.rpartition("}")[2]


class XmlReader:
    """Compiles, for each shape, the function that reads it. A function is given all elements of its name, because flattened lists repeat theirs."""

    def __init__(self) -> None:
        self._compiled: dict[Shape, Read] = {}

    def read(self, shape: Shape) -> Read:
        """The reader of one shape."""
        made = self._compiled.get(shape)
        if made is not None:
            return made
        if shape.type == "structure":
            return self.structure(shape)
        if shape.type == "list":
            made = self._list(shape)
        elif shape.type == "map":
            made = self._map(shape)
        else:
            made = _scalar(shape)
        self._compiled[shape] = made
        return made

    def structure(self, shape: Shape, body_members: Mapping[str, Shape] | None = None) -> Read:
        """The reader of a structure, or of those of its members that travel in the body."""
        table: dict[str, tuple[str, Read]] = {}
        attributes: dict[str, tuple[str, Callable[[str], Any]]] = {}

        def read(elements: list[Element]) -> dict[str, Any]:
            element = elements[-1]
            grouped: dict[str, list[Element]] = {}
            for child in element:
                grouped.setdefault(local_name(child.tag), []).append(child)
            result: dict[str, Any] = {}
            for wire_name, children in grouped.items():
                found = table.get(wire_name)
                if found is not None:
                    result[found[0]] = found[1](children)
            for name, text in element.attrib.items() if attributes else ():
                known = attributes.get(local_name(name))
                if known is not None:
                    result[known[0]] = known[1](text)
            return result

        if body_members is None:
            self._compiled[shape] = read
        for name, member in (shape.members if body_members is None else body_members).items():
            if member.traits.get("xmlAttribute"):
                attributes[(member.location_name or name).rpartition(":")[2]] = (name, read_text(member))
            else:
                table[member.location_name or name] = (name, self.read(member))
        return read

    def _list(self, shape: Shape) -> Read:
        element_name = shape.member.location_name or "member"
        convert: Read | None = None

        def read(elements: list[Element]) -> list[Any]:
            nonlocal convert
            if convert is None:
                convert = self.read(shape.member)
            if shape.flattened:
                return [convert([one]) for one in elements]
            children = list(elements[-1])
            if any(local_name(one.tag) != element_name for one in children):
                raise SerializationError(MALFORMED)
            return [convert([one]) for one in children]

        return read

    def _map(self, shape: Shape) -> Read:
        key_name, value_name = shape.key.location_name or "key", shape.value.location_name or "value"
        convert: Read | None = None

        def read(elements: list[Element]) -> dict[str, Any]:
            nonlocal convert
            if convert is None:
                convert = self.read(shape.value)
            result: dict[str, Any] = {}
            for entry in elements if shape.flattened else list(elements[-1]):
                parts = {local_name(one.tag): one for one in entry}
                if key_name not in parts or value_name not in parts:
                    raise SerializationError(MALFORMED)
                result[parts[key_name].text or ""] = convert([parts[value_name]])
            return result

        return read


def _scalar(shape: Shape) -> Read:
    convert = read_text(shape)
    empty_is_text = shape.type in ("string", "blob", "character")

    def read(elements: list[Element]) -> Any:
        element = elements[-1]
        if len(element):
            raise SerializationError(MALFORMED)
        text = element.text or ""
        if not text and not empty_is_text:
            raise SerializationError(MALFORMED)
        return convert(text)

    return read


class XmlWriter:
    """Compiles, for each shape, the function that appends its elements to a list of text pieces.

    `milliseconds`: times always show milliseconds (S3, EC2). `query_names`: the query protocol's own names count (SQS).
    """

    def __init__(self, *, milliseconds: bool = False, query_names: bool = False, ec2: bool = False) -> None:
        self._iso8601 = timestamps.to_iso8601_milliseconds if milliseconds else timestamps.to_iso8601
        self._query_names = query_names
        self._ec2 = ec2
        self._compiled: dict[tuple[Shape, str], Write] = {}

    def name(self, shape: Shape, otherwise: str) -> str:
        """The element name of a shape: the model's, or else the member's own."""
        if self._query_names and "queryName" in shape.traits:
            return str(shape.traits["queryName"])
        return shape.location_name or otherwise

    def member_name(self, shape: Shape, name: str) -> str:
        """The element name of a structure's member: a flattened list's elements may bring their own."""
        if shape.type == "list" and shape.flattened:
            own = self.name(shape.member, "")
            if own:
                return own
        return self.name(shape, name)

    def write(self, shape: Shape, name: str) -> Write:
        """The writer of one shape as an element called `name`."""
        key = (shape, name)
        made = self._compiled.get(key)
        if made is not None:
            return made
        if shape.type == "structure":
            return self._element(shape, name)
        if shape.type == "list":
            made = self._list(shape, name)
        elif shape.type == "map":
            made = self._map(shape, name)
        else:
            made = self._text(shape, name)
        self._compiled[key] = made
        return made

    def _element(self, shape: Shape, name: str) -> Write:
        attributes = [(member.location_name or one, one) for one, member in shape.members.items() if member.traits.get("xmlAttribute")]
        namespace = shape.traits.get("xmlNamespace")
        opening = f"<{name}{namespace_attribute(namespace)}"
        closing = f"</{name}>"
        content: Write | None = None

        def write(value: dict[str, Any], out: list[str]) -> None:
            nonlocal content
            if content is None:
                content = self.content(shape)
            if attributes:
                held = [f' {wire}="{escape(str(value[one]))}"' for wire, one in attributes if value.get(one) is not None]
                out.append(f"{opening}{''.join(held)}>")
            else:
                out.append(opening + ">")
            content(value, out)
            out.append(closing)

        self._compiled[(shape, name)] = write
        return write

    def content(self, shape: Shape, body_members: Mapping[str, Shape] | None = None) -> Write:
        """The writer of what stands inside a structure's element. A member that the model does not know is a mistake: KeyError."""
        members = shape.members if body_members is None else body_members
        table = [
            (name, self.write(member, self.member_name(member, name)))
            for name, member in members.items()
            if not member.traits.get("xmlAttribute") and not member.traits.get("eventheader")
        ]

        def write(value: dict[str, Any], out: list[str]) -> None:
            if not value.keys() <= shape.members.keys():
                raise KeyError(f"{shape.name} has no member {sorted(value.keys() - shape.members.keys())}")
            for name, one in table:
                item = value.get(name)
                if item is not None:
                    one(item, out)

        return write

    def _list(self, shape: Shape, name: str) -> Write:
        element = name if shape.flattened else self.name(shape.member, "item" if self._ec2 else "member")
        one = None
        opening, closing = ("", "") if shape.flattened else (f"<{name}>", f"</{name}>")

        def write(value: Any, out: list[str]) -> None:
            nonlocal one
            if one is None:
                one = self.write(shape.member, element)
            if not value and opening:
                out.append(f"<{name}/>")
                return
            out.append(opening)
            for item in value:
                one(item, out)
            out.append(closing)

        return write

    def _map(self, shape: Shape, name: str) -> Write:
        key = self.write(shape.key, self.name(shape.key, "key"))
        value_name = self.name(shape.value, "value")
        one = None
        opening, closing = ("", "") if shape.flattened else (f"<{name}>", f"</{name}>")
        entry = name if shape.flattened else "entry"

        def write(value: Mapping[str, Any], out: list[str]) -> None:
            nonlocal one
            if one is None:
                one = self.write(shape.value, value_name)
            out.append(opening)
            for item_key, item in value.items():
                if item is not None:
                    out.append(f"<{entry}>")
                    key(item_key, out)
                    one(item, out)
                    out.append(f"</{entry}>")
            out.append(closing)

        return write

    def _text(self, shape: Shape, name: str) -> Write:
        convert = self.text(shape)
        opening, closing = f"<{name}{namespace_attribute(shape.traits.get('xmlNamespace'))}>", f"</{name}>"

        def write(value: Any, out: list[str]) -> None:
            out.append(f"{opening}{convert(value)}{closing}")

        return write

    def text(self, shape: Shape) -> Callable[[Any], str]:
        """How a scalar is written as text inside XML."""
        if shape.type == "boolean":
            return lambda value: "true" if value else "false"
        if shape.type == "timestamp":
            form = shape.traits.get("timestampFormat", "iso8601")
            return self._iso8601 if form.lower() == "iso8601" else lambda value: timestamps.to_text(value, form)
        if shape.type == "blob":
            return lambda value: b64encode(value).decode()
        if shape.type in ("float", "double"):
            return float_text
        return lambda value: escape(value) if type(value) is str else escape(str(value))


def float_text(value: Any) -> str:
    """A float as text, with the names that the protocols give to what is no number."""
    if not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def namespace_attribute(namespace: Any) -> str:
    """The xmlns attribute for an xmlNamespace trait."""
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f' xmlns="{namespace}"'
    prefix = namespace.get("prefix")
    return f' xmlns{":" + prefix if prefix else ""}="{namespace["uri"]}"'
