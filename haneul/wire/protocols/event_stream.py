"""Event stream framing (`application/vnd.amazon.eventstream`): messages of headers and a payload, each with two CRC32 sums.

A message is: total length and header length (4 bytes each, big endian), CRC32 of these 8 bytes, headers, payload, CRC32 of everything before.
A header is: length and bytes of its name, a type byte, a value (AWS SDK specification "Event stream encoding").
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from zlib_ng.zlib_ng import crc32

from haneul.core.errors import SerializationError, ServiceError
from haneul.wire.documents import Convert, DocumentWriter
from haneul.wire.model import Shape

HeaderValue = bool | int | bytes | str

HEADERS_BYTES_MAX = 128 * 1024
MESSAGE_BYTES_MAX = 24 * 1024 * 1024
_PRELUDE = struct.Struct(">III")
_SUM = struct.Struct(">I")
_FIXED_BYTES = 16


class Timestamp(int):
    """A header value that is a time: nanoseconds inside, milliseconds on the wire."""


class Uuid(bytes):
    """A header value that is a UUID: its 16 bytes."""


@dataclass(slots=True)
class Message:
    """One message of a stream."""

    headers: dict[str, HeaderValue] = field(default_factory=dict)
    payload: bytes = b""


def encode_message(headers: dict[str, HeaderValue], payload: bytes = b"") -> bytes:
    """The bytes of one message. ValueError when it is larger than the format allows."""
    packed = b"".join(_encode_header(name, value) for name, value in headers.items())
    total = _FIXED_BYTES + len(packed) + len(payload)
    if len(packed) > HEADERS_BYTES_MAX or total > MESSAGE_BYTES_MAX:
        raise ValueError("an event stream message is too large")
    lengths = struct.pack(">II", total, len(packed))
    body = lengths + _SUM.pack(crc32(lengths)) + packed + payload
    return body + _SUM.pack(crc32(body))


def _encode_header(name: str, value: HeaderValue) -> bytes:
    encoded = name.encode()
    start = bytes((len(encoded),)) + encoded
    if value is True:
        return start + b"\x00"
    if value is False:
        return start + b"\x01"
    if isinstance(value, Timestamp):
        return start + b"\x08" + struct.pack(">q", value // 1_000_000)
    if isinstance(value, int):
        return start + (b"\x04" + struct.pack(">i", value) if -(1 << 31) <= value < 1 << 31 else b"\x05" + struct.pack(">q", value))
    if isinstance(value, Uuid):
        return start + b"\x09" + value
    data = value.encode() if isinstance(value, str) else value
    return start + (b"\x07" if isinstance(value, str) else b"\x06") + struct.pack(">H", len(data)) + data


def decode_message(data: bytes) -> tuple[Message, int] | None:
    """The first message in `data` and the bytes that it takes; None when it is not complete. SerializationError when it is damaged."""
    if len(data) < _PRELUDE.size:
        return None
    total, header_bytes, prelude_sum = _PRELUDE.unpack_from(data)
    if crc32(data[:8]) != prelude_sum:
        raise SerializationError("Event stream prelude checksum mismatch")
    if not _FIXED_BYTES <= total <= MESSAGE_BYTES_MAX or header_bytes > min(HEADERS_BYTES_MAX, total - _FIXED_BYTES):
        raise SerializationError("Event stream message has an invalid length")
    if len(data) < total:
        return None
    if crc32(data[: total - 4]) != _SUM.unpack_from(data, total - 4)[0]:
        raise SerializationError("Event stream message checksum mismatch")
    end = _PRELUDE.size + header_bytes
    try:
        headers = _decode_headers(data[_PRELUDE.size : end])
    except (IndexError, struct.error, UnicodeDecodeError, ValueError):
        raise SerializationError("Event stream message has malformed headers") from None
    return Message(headers, bytes(data[end : total - 4])), total


def _decode_headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(data):
        length = data[at]
        name = data[at + 1 : at + 1 + length].decode()
        kind = data[at + 1 + length]
        at += 2 + length
        if name in headers or not name:
            raise ValueError(name)
        if kind in (0, 1):
            headers[name] = kind == 0
        elif kind in _NUMBERS:
            packed = _NUMBERS[kind]
            number = packed.unpack_from(data, at)[0]
            headers[name] = Timestamp(number * 1_000_000) if kind == 8 else number
            at += packed.size
        elif kind in (6, 7):
            size = struct.unpack_from(">H", data, at)[0]
            value = data[at + 2 : at + 2 + size]
            if len(value) != size:
                raise ValueError(name)
            headers[name] = value.decode() if kind == 7 else value
            at += 2 + size
        elif kind == 9:
            if len(data) < at + 16:
                raise ValueError(name)
            headers[name] = Uuid(data[at : at + 16])
            at += 16
        else:
            raise ValueError(name)
    return headers


_NUMBERS = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q"), 8: struct.Struct(">q")}


class EventStreamReader:
    """Takes bytes as they come and gives the messages that are complete."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages completed by `data`; SerializationError when the stream is damaged."""
        self._buffer += data
        messages: list[Message] = []
        at = 0
        while (found := decode_message(self._buffer[at:] if at else self._buffer)) is not None:
            messages.append(found[0])
            at += found[1]
        self._buffer = self._buffer[at:]
        return messages

    @property
    def pending(self) -> int:
        """Bytes of a message that is not complete."""
        return len(self._buffer)


class EventStreamWriter:
    """Writes events, given as `{"EventName": {members}}`, as messages; `encode` and `writer` are the protocol's own."""

    def __init__(self, writer: DocumentWriter, encode: Callable[[Any], bytes], content_type: str) -> None:
        self._writer = writer
        self._encode = encode
        self._content_type = content_type
        self._compiled: dict[Shape, Convert] = {}

    async def stream(
        self, shape: Shape, events: AsyncIterable[dict[str, Any]] | Iterable[dict[str, Any]] | None, *, initial: bytes | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a whole stream, event by event. A ServiceError raised by `events` becomes the stream's last message."""
        if initial is not None:
            yield encode_message({":event-type": "initial-response", ":content-type": self._content_type, ":message-type": "event"}, initial)
        try:
            if isinstance(events, AsyncIterable):
                async for event in events:
                    yield self.event(shape, event)
            else:
                for event in events or ():
                    yield self.event(shape, event)
        except ServiceError as error:
            yield self.exception(shape, error)

    def event(self, shape: Shape, event: dict[str, Any]) -> bytes:
        """One event's message."""
        ((name, members),) = event.items()
        event_shape = shape.members[name]
        headers: dict[str, HeaderValue] = {":event-type": name}
        payload_name = None
        for member_name, member in event_shape.members.items():
            if member.traits.get("eventpayload"):
                payload_name = member_name
            elif member.traits.get("eventheader") and members.get(member_name) is not None:
                value = members[member_name]
                headers[member_name] = Timestamp(value) if member.type == "timestamp" else value
        content_type, payload = self._payload(event_shape, members, payload_name)
        if content_type:
            headers[":content-type"] = content_type
        headers[":message-type"] = "event"
        return encode_message(headers, payload)

    def _payload(self, event_shape: Shape, members: dict[str, Any], payload_name: str | None) -> tuple[str, bytes]:
        if payload_name is None:
            in_body = {name: member for name, member in event_shape.members.items() if not member.traits.get("eventheader")}
            if not in_body:
                return "", b""
            return self._content_type, self.encode_structure(event_shape, {name: value for name, value in members.items() if name in in_body})
        payload_shape, value = event_shape.members[payload_name], members.get(payload_name)
        if payload_shape.type == "blob":
            return "application/octet-stream", value or b""
        if payload_shape.type == "string":
            return "text/plain", (value or "").encode()
        return self._content_type, self.encode_structure(payload_shape, value or {})

    def encode_structure(self, shape: Shape, value: dict[str, Any]) -> bytes:
        """A structure as the protocol writes it (XML services override this)."""
        convert = self._compiled.get(shape)
        if convert is None:
            convert = self._compiled[shape] = self._writer.structure(shape)
        return self._encode(convert(value))

    def exception(self, shape: Shape, error: ServiceError) -> bytes:
        """The message that ends a stream with an error: a modelled exception where the stream knows it."""
        known = shape.members.get(error.code)
        if known is None:
            return encode_message({":message-type": "error", ":error-code": error.code, ":error-message": error.message})
        value = dict(error.fields)
        name = next((name for name in known.members if name.lower() == "message"), None)
        if name is not None and error.message:
            value[name] = error.message
        headers: dict[str, HeaderValue] = {":exception-type": error.code, ":content-type": self._content_type, ":message-type": "exception"}
        return encode_message(headers, self.encode_structure(known, value))
