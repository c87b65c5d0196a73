"""The JSON protocols 1.0 and 1.1: `X-Amz-Target` names the operation, bodies are JSON objects, errors carry `__type`."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

import orjson

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.core.raw import Raw
from haneul.wire import timestamps
from haneul.wire.documents import Convert, DocumentReader, DocumentWriter, body_members, decode_base64, integer_reader, mismatch
from haneul.wire.model import OperationModel, ServiceModel, Shape
from haneul.wire.protocols.base import NO_LABELS, ErrorDescription, Match, Protocol, decompressed
from haneul.wire.protocols.event_stream import EventStreamWriter

# Errors of the framework itself whose message stands under a capital M.
_CAPITAL_MESSAGE: Final = frozenset({"SerializationException", "AccessDeniedException"})


def _read_string(shape: Shape) -> Convert:
    def read(value: Any) -> str:
        raise mismatch(value, "string")

    return read


def _read_boolean(shape: Shape) -> Convert:
    def read(value: Any) -> bool:
        raise mismatch(value, "boolean")

    return read


def _read_float(shape: Shape) -> Convert:
    special = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

    def read(value: Any) -> float:
        if type(value) is int:
            return float(value)
        if isinstance(value, str) and value in special:
            return special[value]
        raise mismatch(value, shape.type)

    return read


def _read_timestamp(shape: Shape) -> Convert:
    def read(value: Any) -> int:
        try:
            if type(value) is int or type(value) is float:
                return timestamps.from_number(value)
            if type(value) is str:
                return timestamps.from_text(value)
        except (ValueError, OverflowError):
            pass  # Said below, with what was found.
        raise mismatch(value, "timestamp")

    return read


def _read_blob(shape: Shape) -> Convert:
    return decode_base64


JSON_READERS: Final[dict[str, Callable[[Shape], Convert]]] = {
    "string": _read_string,
    "character": _read_string,
    "boolean": _read_boolean,
    "integer": lambda shape: integer_reader("integer", truncating=True),
    "long": lambda shape: integer_reader("long", truncating=True),
    "float": _read_float,
    "double": _read_float,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
}


def _write_timestamp(shape: Shape) -> Convert:
    form = shape.traits.get("timestampFormat", "unixTimestamp")
    if form.lower() == "unixtimestamp":
        return timestamps.to_number
    return lambda value: timestamps.to_text(value, form)


def _write_float(shape: Shape) -> Convert:
    def write(value: Any) -> Any:
        if value - value == 0:
            return value
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"

    return write


JSON_WRITERS: Final[dict[str, Callable[[Shape], Convert]]] = {"timestamp": _write_timestamp, "float": _write_float, "double": _write_float}


def _encode_rest(value: Any) -> Any:
    """What orjson does not know: JSON that is there already, and blobs."""
    if type(value) is Raw:
        return orjson.Fragment(bytes(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no place in a JSON answer")


def dump_json(value: Any) -> bytes:
    """JSON bytes of a prepared value: blobs become base64, `Raw` is spliced in."""
    return orjson.dumps(value, default=_encode_rest)


def load_json(body: bytes) -> Any:
    """The JSON of a request body; SerializationError (without words, as the real framework's) when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise SerializationError from None


def error_body(description: ErrorDescription, writer: DocumentWriter) -> dict[str, Any]:
    """An error's members: its fields and its message."""
    body: dict[str, Any] = {}
    if description.fields:
        known = description.shape.members if description.shape is not None else {}
        modelled = {name: value for name, value in description.fields.items() if name in known and known[name].location is None}
        body.update({name: value for name, value in description.fields.items() if name not in known})
        if description.shape is not None and modelled:
            body.update(writer.structure(description.shape, body_members(description.shape))(modelled))
    if description.message:
        body[description.message_key] = description.message
    return body


class JsonProtocol(Protocol):
    """AWS JSON 1.0 or 1.1."""

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        super().__init__(model, quirks)
        package = quirks.error_namespace or f"com.amazonaws.{model.name}"
        self.reader = DocumentReader(JSON_READERS, quirks.opaque_shapes, package)
        self.writer = DocumentWriter(JSON_WRITERS, quirks.opaque_shapes)
        self.events = EventStreamWriter(self.writer, dump_json, "application/json")
        self.content_type = f"application/x-amz-json-{model.json_version}"
        self._matches: dict[str, Match] = {}
        self._parsers: dict[str, Convert] = {}
        self._writers: dict[str, Convert] = {}
        self._type_prefix = f"{quirks.error_namespace}#" if quirks.error_namespace else ""

    def match(self, request: HttpRequest) -> Match:
        target = request.headers.get("x-amz-target", "")
        found = self._matches.get(target)
        if found is None:
            prefix, _, name = target.rpartition(".")
            if name not in self.model.operations or prefix != self.model.target_prefix:
                raise ServiceError("UnknownOperationException", "", 400)
            found = self._matches[target] = Match(self.model.operations[name], self, NO_LABELS)
        return found

    def parse(self, match: Match, request: HttpRequest) -> dict[str, Any]:
        operation = match.operation
        body = request.body
        if "content-encoding" in request.headers:
            body = decompressed(body, request.headers["content-encoding"])
        parser = self._parsers.get(operation.name)
        if parser is None:
            parser = self._parsers[operation.name] = self._compile_parser(operation)
        if not body:
            if operation.input is not None and operation.input.members:
                raise SerializationError
            return {}
        result: dict[str, Any] = parser(load_json(body))
        return result

    def _compile_parser(self, operation: OperationModel) -> Convert:
        return self.reader.read(operation.input) if operation.input is not None else lambda value: {}

    def serialize(self, match: Match, output: dict[str, Any], request_id: str, request: HttpRequest) -> HttpResponse:
        operation = match.operation
        name = operation.event_stream_output
        if name is not None:
            assert operation.output is not None
            rest = {key: value for key, value in output.items() if key != name}
            initial = dump_json(self._writer(operation)(rest))
            stream = self.events.stream(operation.output.members[name], output.get(name), initial=initial)
            return HttpResponse(operation.status, {"content-type": "application/vnd.amazon.eventstream", "x-amzn-RequestId": request_id}, stream)
        if operation.output is None:
            body = b""
        elif not output:
            body = b"{}"
        else:
            body = dump_json(self._writer(operation)(output))
        return HttpResponse(operation.status, {"content-type": self._answer_type(request), "x-amzn-RequestId": request_id}, body)

    def _writer(self, operation: OperationModel) -> Convert:
        writer = self._writers.get(operation.name)
        if writer is None:
            assert operation.output is not None
            name = operation.event_stream_output
            members = {key: member for key, member in operation.output.members.items() if key != name}
            writer = self._writers[operation.name] = self.writer.structure(operation.output, members)
        return writer

    def _answer_type(self, request: HttpRequest) -> str:
        """The content type that the client speaks: a JSON client of one version gets its own back."""
        asked = request.headers.get("content-type", "")
        if asked == self.content_type or not asked.startswith(("application/x-amz-json-1.", "application/json")):
            return self.content_type
        return asked.partition(";")[0].strip()

    def error(self, match: Match | None, error: ServiceError, request_id: str, request: HttpRequest) -> HttpResponse:
        described = self.describe(match, error)
        body: dict[str, Any] = {"__type": self.full_type(described.code)}
        if described.shape is None and described.code in _CAPITAL_MESSAGE:
            described.message_key = "Message"
        body.update(error_body(described, self.writer))
        headers = {"content-type": self._answer_type(request), "x-amzn-RequestId": request_id}
        if self.model.query_compatible:
            headers["x-amzn-query-error"] = query_error(described)
        return HttpResponse(described.status, {**headers, **described.headers}, dump_json(body))

    def full_type(self, code: str) -> str:
        """The `__type` of an error: its code, with the namespace that the service puts before it."""
        return self.quirks.error_types.get(code) or self._type_prefix + code


def query_error(described: ErrorDescription) -> str:
    """The header by which services that once spoke the query protocol tell the code they had there."""
    code = described.wire_code
    if described.shape is not None:
        code = described.shape.traits.get("queryError", {}).get("code", code)
    return f"{code};{'Sender' if described.sender else 'Receiver'}"
