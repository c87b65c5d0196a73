"""Smithy RPC v2 CBOR: the path names service and operation, bodies are CBOR maps (Smithy specification "Smithy RPC v2 CBOR protocol")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import cbor2

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire import timestamps
from haneul.wire.documents import Convert, DocumentReader, DocumentWriter, integer_reader, mismatch
from haneul.wire.instant import Instant
from haneul.wire.model import OperationModel, ServiceModel, Shape
from haneul.wire.protocols.base import NO_LABELS, Match, Protocol, decompressed
from haneul.wire.protocols.event_stream import EventStreamWriter
from haneul.wire.protocols.json import error_body, query_error

_TIME_TAG: Final = 1
_DEPTH_MAX: Final = 100


def _read_tagged_time(value: Any, *_: Any) -> Instant:
    if type(value) is not int and type(value) is not float:
        raise SerializationError("A CBOR timestamp must be a number")
    try:
        return Instant(timestamps.from_number(value))
    except (ValueError, OverflowError):
        raise SerializationError("A CBOR timestamp is out of range") from None


def _exactly(wanted: type) -> Callable[[Shape], Convert]:
    def compile_reader(shape: Shape) -> Convert:
        def read(value: Any) -> Any:
            if type(value) is not wanted:
                raise SerializationError(f"A CBOR value of the wrong type stands in the place of a {shape.type}")
            return value

        return read

    return compile_reader


def _read_float(shape: Shape) -> Convert:
    def read(value: Any) -> float:
        if type(value) is int:
            return float(value)
        if type(value) is not float:
            raise mismatch(value, shape.type)
        return value

    return read


def _read_timestamp(shape: Shape) -> Convert:
    def read(value: Any) -> int:
        if type(value) is Instant:
            return int(value)
        return int(_read_tagged_time(value))

    return read


CBOR_READERS: Final[dict[str, Callable[[Shape], Convert]]] = {
    "string": _exactly(str),
    "character": _exactly(str),
    "boolean": _exactly(bool),
    "integer": lambda shape: integer_reader("integer", truncating=False),
    "long": lambda shape: integer_reader("long", truncating=False),
    "float": _read_float,
    "double": _read_float,
    "timestamp": _read_timestamp,
    "blob": _exactly(bytes),
}


def _write_timestamp(shape: Shape) -> Convert:
    return lambda value: cbor2.CBORTag(_TIME_TAG, timestamps.to_number(value))


def _write_float(shape: Shape) -> Convert:
    return float


CBOR_WRITERS: Final[dict[str, Callable[[Shape], Convert]]] = {"timestamp": _write_timestamp, "float": _write_float, "double": _write_float}


def dump_cbor(value: Any) -> bytes:
    """CBOR bytes of a prepared value."""
    encoded: bytes = cbor2.dumps(value)
    return encoded


def load_cbor(body: bytes) -> Any:
    """The CBOR of a request body; SerializationError when it is none."""
    try:
        return cbor2.loads(body, semantic_decoders={_TIME_TAG: _read_tagged_time}, max_depth=_DEPTH_MAX)
    except SerializationError:
        raise
    except Exception as error:  # The decoder runs foreign code for some tags, each with errors of its own; all mean the same here.
        raise SerializationError(f"The request body is not valid CBOR: {type(error).__name__}") from None


class RpcV2CborProtocol(Protocol):
    """RPC v2 CBOR as CloudWatch's newer clients speak it."""

    content_type = "application/cbor"

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        super().__init__(model, quirks)
        self.reader = DocumentReader(CBOR_READERS, package=quirks.error_namespace or f"com.amazonaws.{model.name}", text_keys=False)
        self.writer = DocumentWriter(CBOR_WRITERS)
        self.events = EventStreamWriter(self.writer, dump_cbor, self.content_type)
        self._matches: dict[str, Match] = {}
        self._type_prefix = f"{quirks.error_namespace}#" if quirks.error_namespace else ""

    def match(self, request: HttpRequest) -> Match:
        found = self._matches.get(request.path)
        if found is None:
            rest, _, name = request.path.rstrip("/").rpartition("/operation/")
            service = rest.rpartition("/service/")[2].rpartition(".")[2]
            if name not in self.model.operations or service != self.model.target_prefix or request.method != "POST":
                raise ServiceError("UnknownOperationException", "", 404)
            found = self._matches[request.path] = Match(self.model.operations[name], self, NO_LABELS)
        return found

    def parse(self, match: Match, request: HttpRequest) -> dict[str, Any]:
        body = request.body
        if "content-encoding" in request.headers:
            body = decompressed(body, request.headers["content-encoding"])
        shape = match.operation.input
        if shape is None or not body:
            return {}
        result: dict[str, Any] = self.reader.read(shape)(load_cbor(body))
        return result

    def serialize(self, match: Match, output: dict[str, Any], request_id: str, request: HttpRequest) -> HttpResponse:
        operation = match.operation
        headers = {"content-type": self.content_type, "smithy-protocol": "rpc-v2-cbor", "x-amzn-RequestId": request_id}
        if operation.output is None:
            del headers["content-type"]
            return HttpResponse(operation.status, headers)
        name = operation.event_stream_output
        if name is None:
            return HttpResponse(operation.status, headers, dump_cbor(self._write(operation, output)))
        headers["content-type"] = "application/vnd.amazon.eventstream"
        initial = dump_cbor(self._write(operation, {key: value for key, value in output.items() if key != name}))
        return HttpResponse(operation.status, headers, self.events.stream(operation.output.members[name], output.get(name), initial=initial))

    def _write(self, operation: OperationModel, output: dict[str, Any]) -> dict[str, Any]:
        assert operation.output is not None
        convert = self.writer.write(operation.output) or self.writer.structure(operation.output)
        written: dict[str, Any] = convert(output)
        return written

    def error(self, match: Match | None, error: ServiceError, request_id: str, request: HttpRequest) -> HttpResponse:
        described = self.describe(match, error)
        body = {"__type": self.quirks.error_types.get(described.code) or self._type_prefix + described.code, **error_body(described, self.writer)}
        headers = {"content-type": self.content_type, "smithy-protocol": "rpc-v2-cbor", "x-amzn-RequestId": request_id}
        if self.model.query_compatible:
            headers["x-amzn-query-error"] = query_error(described)
        return HttpResponse(described.status, {**headers, **described.headers}, dump_cbor(body))
