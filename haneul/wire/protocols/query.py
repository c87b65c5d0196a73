"""The query protocol: `Action` and parameters in a form, answers and errors in XML, or in JSON for who accepts just that."""

from __future__ import annotations

from typing import Any, Final

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire.documents import DocumentWriter
from haneul.wire.forms import FormReader, form_tree, pairs
from haneul.wire.model import OperationModel, ServiceModel
from haneul.wire.protocols.base import NO_LABELS, ErrorDescription, Match, Protocol, decompressed
from haneul.wire.protocols.json import JSON_WRITERS, dump_json
from haneul.wire.xml import Write, XmlWriter, escape, message_text

_XML_1_0: Final = '<?xml version="1.0"?>\n'


def form_of(request: HttpRequest) -> list[tuple[str, str]]:
    """The parameters of a request: those of the URL, then those of a form in the body."""
    found = pairs(request.query) if request.query else []
    body = request.body
    if body:
        if "content-encoding" in request.headers:
            body = decompressed(body, request.headers["content-encoding"])
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise SerializationError("The request contains characters that are not valid UTF-8") from None
        found += pairs(text.rstrip("\r\n"))
    return found


def _wants_json(request: HttpRequest) -> bool:
    """No SDK does, but who reads STS's answers without one: Envoy's credentials, and whoever verifies a GetCallerIdentity that somebody else has signed."""
    return request.headers.get("accept", "").startswith("application/json")


def _json_answer(status: int, content: dict[str, Any], request_id: str) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json", "x-amzn-RequestId": request_id}, dump_json(content))


def _version_in(parameters: list[tuple[str, str]]) -> str:
    return next((value for name, value in parameters if name == "Version"), "")


class QueryProtocol(Protocol):
    """The query protocol as IAM, STS, SNS, CloudFormation and older clients of SQS and CloudWatch speak it."""

    content_type = "text/xml"
    declaration = ""

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        super().__init__(model, quirks)
        self.reader = FormReader()
        self.writer = XmlWriter(query_names=True)
        self._matches: dict[str, Match] = {}
        self._contents: dict[str, Write] = {}
        self._documents = DocumentWriter(JSON_WRITERS)
        self._speaks_json = model.name != "sqs"  # Which has other names for things there, as it speaks JSON in a protocol of its own.
        if model.name == "sqs":
            self.declaration = _XML_1_0

    def match(self, request: HttpRequest) -> Match:
        try:
            parameters = form_of(request)
        except SerializationError as error:
            raise ServiceError(self.quirks.serialization_code, error.message, 400) from None
        action = next((value for name, value in parameters if name == "Action"), None)
        found = self._matches.get(action or "")
        if found is None:
            if not action:
                raise ServiceError("MissingAction", "The request must contain the parameter Action", 400)
            if action not in self.model.operations:
                raise ServiceError("InvalidAction", self._unknown_action(action, parameters), 400)
            found = self._matches[action] = Match(self.model.operations[action], self, NO_LABELS)
        if self.quirks.strict_version and _version_in(parameters) != self.model.api_version:
            raise ServiceError("InvalidAction", self._unknown_action(found.operation.name, parameters), 400)
        return found

    def _unknown_action(self, action: str, parameters: list[tuple[str, str]]) -> str:
        return f"Could not find operation {action} for version {_version_in(parameters) or 'NO_VERSION_SPECIFIED'}"

    def parse(self, match: Match, request: HttpRequest) -> dict[str, Any]:
        shape = match.operation.input
        if shape is None:
            return {}
        result: dict[str, Any] = self.reader.read(shape)(form_tree(form_of(request)))
        if "QueueUrl" in shape.members and "QueueUrl" not in result and request.path.count("/") >= 2 and self.model.name == "sqs":
            # Clients of the query protocol send the request to the queue's URL itself.
            result["QueueUrl"] = f"{'https' if request.secure else 'http'}://{request.host}{request.path}"
        return result

    def serialize(self, match: Match, output: dict[str, Any], request_id: str, request: HttpRequest) -> HttpResponse:
        operation = match.operation
        if self._speaks_json and _wants_json(request):
            return self._serialize_json(operation, output, request_id)
        out = [f'{self.declaration}<{operation.name}Response xmlns="{self.model.xml_namespace}">']
        if operation.output is not None:
            out.append(f"<{operation.result_wrapper}>")
            self._content(operation)(output, out)
            out.append(f"</{operation.result_wrapper}>")
        out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>")
        return self.answer(operation.status, out, request_id)

    def _serialize_json(self, operation: OperationModel, output: dict[str, Any], request_id: str) -> HttpResponse:
        response: dict[str, Any] = {}
        if operation.output is not None:
            response[operation.result_wrapper] = self._documents.structure(operation.output)(output)
        response["ResponseMetadata"] = {"RequestId": request_id}
        return _json_answer(operation.status, {f"{operation.name}Response": response}, request_id)

    def _error_json(self, described: ErrorDescription, code: str, status: int, request_id: str) -> HttpResponse:
        error = {"Code": code, "Message": described.message, "Type": "Sender" if described.sender else "Receiver"}
        response = _json_answer(status, {"Error": error, "RequestId": request_id}, request_id)
        response.headers.update(described.headers)
        return response

    def _content(self, operation: OperationModel) -> Write:
        content = self._contents.get(operation.name)
        if content is None:
            assert operation.output is not None
            content = self._contents[operation.name] = self.writer.content(operation.output)
        return content

    def answer(self, status: int, out: list[str], request_id: str) -> HttpResponse:
        """A response made of pieces of XML."""
        return HttpResponse(status, {"content-type": self.content_type, "x-amzn-RequestId": request_id}, "".join(out).encode("utf-8", "replace"))

    def error(self, match: Match | None, error: ServiceError, request_id: str, request: HttpRequest) -> HttpResponse:
        described = self.describe(match, error)
        code, status = described.wire_code, described.status
        query_error = described.shape.traits.get("queryError") if described.shape is not None else None
        if query_error is not None:
            code = query_error["code"]
            status = error.status or query_error["httpStatusCode"]
        if self._speaks_json and _wants_json(request):
            return self._error_json(described, code, status, request_id)
        namespace = f' xmlns="{self.model.xml_namespace}"' if self.model.xml_namespace else ""
        out = [
            f"{self.declaration}<ErrorResponse{namespace}><Error><Type>{'Sender' if described.sender else 'Receiver'}</Type>",
            f"<Code>{escape(code)}</Code><Message>{message_text(described.message)}</Message>",
        ]
        if described.shape is not None and described.fields:
            self.writer.content(described.shape)({name: value for name, value in described.fields.items() if name in described.shape.members}, out)
        if self.model.name == "sqs":
            out.append("<Detail/>")
        out.append(f"</Error><RequestId>{request_id}</RequestId></ErrorResponse>")
        response = self.answer(status, out, request_id)
        response.headers.update(described.headers)
        return response
