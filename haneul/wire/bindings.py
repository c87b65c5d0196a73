"""What the REST protocols share: members in the path, the query string, headers and status, and bodies that are one member."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson

from haneul.core.errors import SerializationError
from haneul.core.http import FileBody, HttpRequest, HttpResponse
from haneul.wire import timestamps
from haneul.wire.documents import body_members
from haneul.wire.forms import pairs, read_text
from haneul.wire.model import OperationModel, Shape
from haneul.wire.xml import float_text

Body = bytes | FileBody | AsyncIterable[bytes]
_CONDITION_DATES: Final = frozenset({"if-modified-since", "if-unmodified-since"})


class RestReader:
    """Reads everything of one operation's input but a structured body."""

    def __init__(self, operation: OperationModel) -> None:
        shape = operation.input
        self.shape = shape
        members = shape.members if shape is not None else {}
        self.payload = shape.payload if shape is not None else None
        self.payload_shape = members[self.payload] if self.payload else None
        self.body_members = body_members(shape) if shape is not None and not self.payload else {}
        self._labels: list[tuple[str, str, Callable[[str], Any]]] = []
        self._query: dict[str, tuple[str, bool, Callable[[str], Any]]] = {}
        self._query_map: tuple[str, Shape] | None = None
        self._headers: dict[str, tuple[str, Callable[[str], Any]]] = {}
        self._prefixes: list[tuple[str, str]] = []
        self._literals = {part.partition("=")[0] for part in operation.request_uri.partition("?")[2].split("&")}
        for name, member in members.items():
            wire_name = member.location_name or name
            if member.location == "uri":
                self._labels.append((wire_name, name, read_located(member)))
            elif member.location == "querystring" and member.type == "map":
                self._query_map = (name, member)
            elif member.location == "querystring":
                element = member.member if member.type == "list" else member
                self._query[wire_name] = (name, member.type == "list", read_located(element))
            elif member.location == "header":
                header = wire_name.lower()
                self._headers[header] = (name, _read_condition_date if header in _CONDITION_DATES else read_located(member))
            elif member.location == "headers":
                self._prefixes.append(((member.location_name or "").lower(), name))

    def read(self, labels: Mapping[str, str], request: HttpRequest) -> dict[str, Any]:
        """The members in path, query string and headers."""
        result: dict[str, Any] = {name: convert(labels[label]) for label, name, convert in self._labels}
        if request.query and (self._query or self._query_map):
            self._read_query(request.query, result)
        headers = request.headers
        if self._headers:
            for header, text in headers.items():
                known = self._headers.get(header)
                if known is not None:
                    result[known[0]] = known[1](text)
        for prefix, name in self._prefixes:
            result[name] = {header[len(prefix) :]: text for header, text in headers.items() if header.startswith(prefix)}
            if not result[name]:
                del result[name]
        return result

    def _read_query(self, query: str, result: dict[str, Any]) -> None:
        extra: dict[str, Any] = {}
        for key, text in pairs(query):
            known = self._query.get(key)
            if known is None:
                if self._query_map is not None and key not in self._literals:
                    if self._query_map[1].value.type == "list":
                        extra.setdefault(key, []).append(text)
                    else:
                        extra.setdefault(key, text)
                continue
            name, repeated, convert = known
            try:
                if repeated:
                    result.setdefault(name, []).append(convert(text))
                elif name not in result:  # Of a key sent twice, the first counts.
                    result[name] = convert(text)
            except SerializationError as error:
                error.parameter = (key, text)
                raise
        if extra and self._query_map is not None:
            result[self._query_map[0]] = extra


def read_located(shape: Shape) -> Callable[[str], Any]:
    """The reader of a member that stands in a path, a query string or a header."""
    if shape.type == "list":
        return _header_list(shape)
    if shape.type in ("structure", "map") or shape.traits.get("jsonvalue"):
        return _read_json_value
    return read_text(shape)


def _read_condition_date(text: str) -> int | None:
    """The date of a conditional request; None for one that cannot be read, which is as good as none (RFC 9110, sections 13.1.3 and 13.1.4)."""
    try:
        return timestamps.from_text(text)
    except (ValueError, OverflowError):
        return None


def _header_list(shape: Shape) -> Callable[[str], list[Any]]:
    convert = read_located(shape.member)
    dates = shape.member.type == "timestamp" and shape.member.traits.get("timestampFormat", "rfc822").lower() == "rfc822"

    def read(text: str) -> list[Any]:
        parts = split_header_list(text)
        if dates:  # HTTP dates have a comma inside.
            parts = [", ".join(parts[at : at + 2]) for at in range(0, len(parts), 2)]
        return [convert(part) for part in parts]

    return read


def split_header_list(text: str) -> list[str]:
    """The elements of a header's list: parted by commas, where quoted ones may hold commas and `\\"`."""
    parts: list[str] = []
    at, end = 0, len(text)
    while at < end:
        while at < end and text[at] in " \t":
            at += 1
        if at < end and text[at] == '"':
            held: list[str] = []
            at += 1
            while at < end and text[at] != '"':
                if text[at] == "\\" and at + 1 < end:
                    at += 1
                held.append(text[at])
                at += 1
            if at == end:
                raise SerializationError("Invalid header list syntax: a quotation mark is missing")
            parts.append("".join(held))
            at = text.find(",", at) + 1 or end
        else:
            comma = text.find(",", at)
            comma = end if comma < 0 else comma
            parts.append(text[at:comma].rstrip())
            at = comma + 1
    return parts


def _read_json_value(text: str) -> Any:
    try:
        return orjson.loads(b64decode(text, validate=True))
    except ValueError:
        raise SerializationError("The header is not base64-encoded JSON") from None


class RestWriter:
    """Writes everything of one structure (an output or an error) but its body."""

    def __init__(self, shape: Shape | None) -> None:
        members = shape.members if shape is not None else {}
        self.payload = shape.payload if shape is not None else None
        self.payload_shape = members[self.payload] if self.payload else None
        self.body_members = body_members(shape) if shape is not None and not self.payload else {}
        self._known = frozenset(members)
        self._headers: dict[str, tuple[str, Callable[[Any], str]]] = {}
        self._prefixes: list[tuple[str, str]] = []
        self._status: str | None = None
        self.names_content_type = any(m.location == "header" and (m.location_name or "").lower() == "content-type" for m in members.values())
        for name, member in members.items():
            if member.location == "header":
                header = member.location_name or name
                # One spelling for the header that the protocols set themselves, so that it is never sent twice.
                self._headers[name] = ("content-type" if header.lower() == "content-type" else header, write_located(member))
            elif member.location == "headers":
                self._prefixes.append((name, member.location_name or ""))
            elif member.location == "statusCode":
                self._status = name

    def write(self, output: dict[str, Any], response: HttpResponse) -> dict[str, Any]:
        """Put the located members into the response; returns those that belong to the body. KeyError for a member that the model does not know."""
        if not output.keys() <= self._known:
            raise KeyError(f"unknown output members: {sorted(output.keys() - self._known)}")
        headers = response.headers
        for name, value in output.items():  # Few of the members that an output may have are there: GetObject's has dozens.
            located = self._headers.get(name)
            if located is not None and value is not None:
                headers[located[0]] = located[1](value)
        for name, prefix in self._prefixes:
            for key, value in (output.get(name) or {}).items():
                headers[prefix + key] = header_text(value)
        if self._status is not None and output.get(self._status) is not None:
            response.status = output[self._status]
        return {name: output[name] for name in self.body_members if output.get(name) is not None} if self.body_members else {}


def write_located(shape: Shape) -> Callable[[Any], str]:
    """The writer of a member that stands in a header."""
    if shape.type == "list":
        return _write_header_list(shape)
    if shape.traits.get("jsonvalue"):
        return lambda value: b64encode(orjson.dumps(value)).decode()
    if shape.type == "boolean":
        return lambda value: "true" if value else "false"
    if shape.type == "timestamp":
        form = shape.traits.get("timestampFormat", "rfc822")
        return timestamps.to_rfc822 if form.lower() == "rfc822" else lambda value: timestamps.to_text(value, form)
    if shape.type in ("float", "double"):
        return float_text
    if shape.type == "blob":
        return lambda value: b64encode(value).decode()
    return header_text


def header_text(value: Any) -> str:
    """A header's value. Line breaks, which would begin another header, are percent-encoded; what Latin-1 cannot carry becomes an RFC 2047 word, as S3 does."""
    text = str(value)
    if "\r" in text or "\n" in text or "\0" in text:
        return quote(text)
    if not text.isascii() and any(ord(character) > 0xFF for character in text):
        return f"=?UTF-8?B?{b64encode(text.encode('utf-8', 'replace')).decode()}?="
    return text


def _write_header_list(shape: Shape) -> Callable[[Any], str]:
    convert = write_located(shape.member)
    quoted = shape.member.type == "string"

    def write(value: Any) -> str:
        parts = [convert(item) for item in value if item is not None]
        if quoted:
            parts = ['"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' if "," in part or '"' in part else part for part in parts]
        return ",".join(parts)

    return write


def raw_payload(value: Any) -> Any:
    """A payload that is a blob or string by itself, as a response's body."""
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value
