"""What the protocols have in common: a matched request, and how errors are described."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire.model import OperationModel, ServiceModel, Shape

NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})
DECOMPRESSED_BYTES_MAX: Final = 64 * 1024 * 1024

Writer = Callable[[dict[str, Any]], bytes]


class Protocol:
    """One wire protocol as one service speaks it."""

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        self.model = model
        self.quirks = quirks

    def match(self, request: HttpRequest) -> Match:
        """Which operation a request names; ServiceError when there is none."""
        raise NotImplementedError

    def parse(self, match: Match, request: HttpRequest) -> dict[str, Any]:
        """The request's parameters; SerializationError when its bytes cannot be read."""
        raise NotImplementedError

    def serialize(self, match: Match, output: dict[str, Any], request_id: str, request: HttpRequest) -> HttpResponse:
        """The response to a request that succeeded."""
        raise NotImplementedError

    def error(self, match: Match | None, error: ServiceError, request_id: str, request: HttpRequest) -> HttpResponse:
        """The response to a request that failed."""
        raise NotImplementedError

    def describe(self, match: Match | None, error: ServiceError) -> ErrorDescription:
        """What the model and the quirks say of an error."""
        return describe_error(self.model, self.quirks, match.operation if match is not None else None, error)


class Match(NamedTuple):
    """The operation that a request names, the protocol that it speaks, and the values in its path."""

    operation: OperationModel
    protocol: Protocol
    labels: Mapping[str, str]


@dataclass(slots=True)
class ErrorDescription:
    """An error ready for a protocol: `code` is the shape's name, `wire_code` what the query protocols call it."""

    code: str
    wire_code: str
    status: int
    sender: bool
    message: str
    message_key: str
    shape: Shape | None
    fields: dict[str, Any]
    headers: dict[str, str]


def describe_error(model: ServiceModel, quirks: Quirks, operation: OperationModel | None, error: ServiceError) -> ErrorDescription:
    """Put together what error, model and quirks say. The status is the error's own, the quirks', the model's, or 400 (500 for a fault)."""
    shape = (operation.errors.get(error.code) if operation is not None else None) or model.errors.get(error.code)
    trait: dict[str, Any] = shape.traits.get("error", {}) if shape is not None else {}
    code = shape.name if shape is not None else error.code
    status = error.status or quirks.status.get(error.code) or quirks.status.get(code) or trait.get("httpStatusCode")
    if status is None:
        status = 500 if shape is not None and shape.traits.get("fault") else 400
    message_key = "message"
    if shape is not None:
        message_key = next((name for name in shape.members if name.lower() == "message"), "message")
    return ErrorDescription(
        code=code,
        wire_code=trait.get("code") or code,
        status=status,
        sender=bool(trait.get("senderFault", status < 500)),
        message=error.message,
        message_key=message_key,
        shape=shape,
        fields=error.fields,
        headers=error.headers,
    )


def decompressed(body: bytes, encoding: str) -> bytes:
    """A request body without its Content-Encoding (gzip only; a bomb is refused)."""
    if encoding.strip().lower() != "gzip":
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, DECOMPRESSED_BYTES_MAX)
        if unpacker.unconsumed_tail:
            raise SerializationError("The decompressed request body is too large")
        plain += unpacker.flush()
    except zlib.error:
        raise SerializationError("The request body is not valid gzip data") from None
    if not unpacker.eof:
        raise SerializationError("The request body is not valid gzip data")
    return plain
