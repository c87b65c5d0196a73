"""What the REST protocols have in common: routing, located members, payloads. How a structured body looks is left to each."""

from __future__ import annotations

from typing import Any

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire.bindings import RestReader, RestWriter, raw_payload
from haneul.wire.model import OperationModel, ServiceModel, Shape
from haneul.wire.protocols.base import Match, Protocol, decompressed
from haneul.wire.protocols.event_stream import EventStreamWriter
from haneul.wire.routes import NoRoute, Router


class RestProtocol(Protocol):
    """What REST JSON and REST XML have in common: everything but the body's form."""

    events: EventStreamWriter
    raw_content_type = ""
    """The content type of a payload that is a blob or string, where no member says another."""

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        super().__init__(model, quirks)
        self.router = Router(model.operations)
        self._readers: dict[str, RestReader] = {}
        self._writers: dict[Shape | None, RestWriter] = {}

    def match(self, request: HttpRequest) -> Match:
        try:
            operation, labels = self.router.find(request.method, request.path, request.query, request.headers)
        except NoRoute as missing:
            raise self.no_route(missing, request) from None
        except SerializationError as error:
            raise ServiceError(self.quirks.serialization_code, error.message, 400) from None
        return Match(operation, self, labels)

    def no_route(self, missing: NoRoute, request: HttpRequest) -> ServiceError:
        """The error for a path or method that no operation has."""
        return ServiceError("UnknownOperationException", "", 404)

    def parse(self, match: Match, request: HttpRequest) -> dict[str, Any]:
        operation = match.operation
        reader = self._readers.get(operation.name)
        if reader is None:
            reader = self._readers[operation.name] = RestReader(operation)
        result = reader.read(match.labels, request)
        payload, shape = reader.payload, reader.payload_shape
        if payload is not None and shape is not None:
            if shape.type in ("blob", "string"):
                self._read_raw(payload, shape, request, result)
            elif body := self._body(request):
                result[payload] = self.read_body(shape, None, body)
        elif reader.body_members and operation.input is not None and (body := self._body(request)):
            result.update(self.read_body(operation.input, reader.body_members, body))
        return result

    def _read_raw(self, payload: str, shape: Shape, request: HttpRequest, result: dict[str, Any]) -> None:
        if shape.type == "string":
            try:
                text = request.body.decode()
            except UnicodeDecodeError:
                raise SerializationError("The request body is not valid UTF-8") from None
            if text:
                result[payload] = text
        elif request.stream is not None:
            result[payload] = request.stream
        elif request.body or shape.traits.get("streaming"):
            result[payload] = request.body

    def _body(self, request: HttpRequest) -> bytes:
        encoding = request.headers.get("content-encoding")
        return decompressed(request.body, encoding) if encoding else request.body

    def read_body(self, shape: Shape, members: dict[str, Shape] | None, body: bytes) -> Any:
        """A structured body: a whole shape, or those of its members that travel in the body."""
        raise NotImplementedError

    def serialize(self, match: Match, output: dict[str, Any], request_id: str, request: HttpRequest) -> HttpResponse:
        operation = match.operation
        writer = self.writer_of(operation.output)
        response = HttpResponse(operation.status, self.headers(request_id))
        in_body = writer.write(output, response)
        payload, shape = writer.payload, writer.payload_shape
        if payload is not None and shape is not None:
            if shape.is_event_stream:
                response.headers["content-type"] = "application/vnd.amazon.eventstream"
                response.body = self.events.stream(shape, output.get(payload))
            elif shape.type in ("blob", "string"):
                response.body = raw_payload(output.get(payload))
                if self.raw_content_type and not writer.names_content_type:
                    response.headers.setdefault("content-type", self.raw_content_type)
            elif output.get(payload) is not None:
                self.write_body(operation, shape, None, output[payload], response)
        elif operation.output is not None and writer.body_members:
            self.write_body(operation, operation.output, writer.body_members, in_body, response)
        else:
            self.write_empty(operation, response)
        return response

    def writer_of(self, shape: Shape | None) -> RestWriter:
        """What writes a structure's headers and status."""
        writer = self._writers.get(shape)
        if writer is None:
            writer = self._writers[shape] = RestWriter(shape)
        return writer

    def headers(self, request_id: str) -> dict[str, str]:
        """The headers that every response has."""
        return {"x-amzn-RequestId": request_id}

    def write_body(self, operation: OperationModel, shape: Shape, members: dict[str, Shape] | None, value: Any, response: HttpResponse) -> None:
        """Write a structured body into the response."""
        raise NotImplementedError

    def write_empty(self, operation: OperationModel, response: HttpResponse) -> None:
        """What stands in the body when no member does."""
