"""MOCK integrations: answers that the gateway makes up itself, as preflight requests get them.

Source: API Gateway Developer Guide, "Mock integrations for REST APIs in API Gateway".
"""

from __future__ import annotations

import re

import orjson

from haneul.core.http import HttpResponse
from haneul.core.ports import Shape
from haneul.services.apigateway.plane.exchange import Exchange
from haneul.services.apigateway.plane.refusals import misconfigured, unsupported_media_type

_JSON = "application/json"
_BARE_NAME = re.compile(r"([{,]\s*)(\w+)(?=\s*:)")


def mock_response(exchange: Exchange) -> HttpResponse:
    """The answer whose status the request template names."""
    integration = exchange.method.integration
    status = _status_asked_for(_request_body(exchange, integration))
    response = _selected(integration.get("integrationResponses", {}), str(status))
    headers = {name.removeprefix("method.response.header."): value[1:-1] for name, value in response.get("responseParameters", {}).items()}
    content_type, body = _body(response.get("responseTemplates", {}), exchange.header("accept") or _JSON)
    if "Content-Type" not in headers:
        headers["Content-Type"] = content_type
    headers["X-Amzn-Trace-Id"] = exchange.trace_id
    return HttpResponse(int(response["statusCode"]), headers, body)


def _request_body(exchange: Exchange, integration: Shape) -> bytes:
    """The template for the request's content type, or the request's own body where passing through is allowed."""
    templates = integration.get("requestTemplates", {})
    content_type = (exchange.header("content-type") or _JSON).partition(";")[0].strip()
    template = templates.get(content_type) or templates.get("$default")
    if template is not None:
        return str(template).encode()
    behavior = integration["passthroughBehavior"]
    if behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and templates):
        raise unsupported_media_type()
    return exchange.body


def _status_asked_for(body: bytes) -> int:
    """The status that a template names. Names without quotation marks (`{statusCode: 200}`, as deployment tools write it) are read, too."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            asked = orjson.loads(_BARE_NAME.sub(r'\1"\2"', body.decode("utf-8", "replace")))
        except orjson.JSONDecodeError:
            raise misconfigured() from None
    status = asked.get("statusCode") if isinstance(asked, dict) else None
    if not isinstance(status, int):
        raise misconfigured()
    return status


def _selected(responses: dict[str, Shape], status: str) -> Shape:
    """The response whose pattern fits the status, else the one without a pattern."""
    default = None
    for response in responses.values():
        pattern = response.get("selectionPattern")
        if not pattern:
            default = default or response
        elif re.fullmatch(pattern, status):
            return response
    if default is None:
        raise misconfigured()
    return default


def _body(templates: dict[str, str], accept: str) -> tuple[str, bytes]:
    if not templates:
        return _JSON, b""
    for part in accept.split(","):
        content_type = part.partition(";")[0].strip()
        if content_type in templates:
            return content_type, templates[content_type].encode()
    content_type = _JSON if _JSON in templates else next(iter(templates))
    return content_type, templates[content_type].encode()
