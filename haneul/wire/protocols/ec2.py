"""The EC2 protocol: the query protocol's sibling, with capitalised flat names and errors of its own form."""

from __future__ import annotations

from typing import Any, Final

from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire.forms import FormReader
from haneul.wire.model import ServiceModel
from haneul.wire.protocols.base import Match
from haneul.wire.protocols.query import QueryProtocol
from haneul.wire.xml import XmlWriter, escape, message_text

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Ec2Protocol(QueryProtocol):
    """The query protocol as EC2 alone speaks it."""

    content_type = "text/xml;charset=UTF-8"
    declaration = _DECLARATION

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        super().__init__(model, quirks)
        self.reader = FormReader(ec2=True)
        self.writer = XmlWriter(milliseconds=True, ec2=True)

    def _unknown_action(self, action: str, parameters: list[tuple[str, str]]) -> str:
        return f"The action {action} is not valid for this web service."

    def serialize(self, match: Match, output: dict[str, Any], request_id: str, request: HttpRequest) -> HttpResponse:
        operation = match.operation
        out = [f'{self.declaration}<{operation.name}Response xmlns="{self.model.xml_namespace}/"><requestId>{request_id}</requestId>']
        if operation.output is not None:
            self._content(operation)(output, out)
        else:
            out.append("<return>true</return>")
        out.append(f"</{operation.name}Response>")
        return self.answer(operation.status, out, request_id)

    def error(self, match: Match | None, error: ServiceError, request_id: str, request: HttpRequest) -> HttpResponse:
        described = self.describe(match, error)
        response = self.answer(
            described.status,
            [
                f"{self.declaration}<Response><Errors><Error><Code>{escape(described.wire_code)}</Code>",
                f"<Message>{message_text(described.message)}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>",
            ],
            request_id,
        )
        response.headers.update(described.headers)
        return response
