"""The REST JSON protocol: method and path name the operation, bodies are JSON, errors carry `x-amzn-errortype`."""

from __future__ import annotations

from typing import Any

from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire.documents import Convert, DocumentReader, DocumentWriter
from haneul.wire.model import OperationModel, ServiceModel, Shape
from haneul.wire.protocols.base import Match
from haneul.wire.protocols.event_stream import EventStreamWriter
from haneul.wire.protocols.json import JSON_READERS, JSON_WRITERS, dump_json, error_body, load_json
from haneul.wire.protocols.rest import RestProtocol


class RestJsonProtocol(RestProtocol):
    """REST JSON as Lambda and API Gateway speak it."""

    raw_content_type = "application/json"  # What Lambda says of a function's answer, whatever it is.

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        super().__init__(model, quirks)
        package = quirks.error_namespace or f"com.amazonaws.{model.name}"
        self.reader = DocumentReader(JSON_READERS, quirks.opaque_shapes, package)
        self.writer = DocumentWriter(JSON_WRITERS, quirks.opaque_shapes)
        self.events = EventStreamWriter(self.writer, dump_json, "application/json")
        self._compiled_readers: dict[Shape, Convert] = {}
        self._compiled_writers: dict[Shape, Convert] = {}

    def read_body(self, shape: Shape, members: dict[str, Shape] | None, body: bytes) -> Any:
        read = self._compiled_readers.get(shape)
        if read is None:
            read = self._compiled_readers[shape] = self.reader.read(shape) if members is None else self.reader.structure(shape, members)
        return read(load_json(body))

    def write_body(self, operation: OperationModel, shape: Shape, members: dict[str, Shape] | None, value: Any, response: HttpResponse) -> None:
        write = self._compiled_writers.get(shape)
        if write is None:
            write = self._compiled_writers[shape] = (self.writer.write(shape) or _unchanged) if members is None else self.writer.structure(shape, members)
        response.headers.setdefault("content-type", "application/json")
        response.body = dump_json(write(value))

    def error(self, match: Match | None, error: ServiceError, request_id: str, request: HttpRequest) -> HttpResponse:
        described = self.describe(match, error)
        response = HttpResponse(described.status, {"content-type": "application/json", **self.headers(request_id), "x-amzn-errortype": described.code})
        body = error_body(described, self.writer)
        if described.shape is not None:
            located = {name: value for name, value in described.fields.items() if name in described.shape.members}
            self.writer_of(described.shape).write(located, response)
            if "Type" in described.shape.members and "Type" not in body:
                body["Type"] = "User" if described.sender else "Service"
        response.body = dump_json(body)
        response.headers.update(described.headers)
        return response


def _unchanged(value: Any) -> Any:
    return value
