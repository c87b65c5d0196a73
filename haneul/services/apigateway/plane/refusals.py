"""What the gateway answers by itself, in the words of the real one.

Source: API Gateway Developer Guide, "Gateway response types".
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from haneul.core.http import HttpResponse
from haneul.core.ports import Shape

_VARIABLE = re.compile(r"\$(context\.[A-Za-z.]+|stageVariables\.\w+|method\.request\.(?:header|querystring|path)\.[\w-]+)")


class Known(NamedTuple):
    """What responses to refused requests can be made of: the context and the stage's variables, and the request's parameters."""

    context: dict[str, Any]
    stage_variables: dict[str, str]
    headers: dict[str, str]
    query: dict[str, str]
    path: dict[str, str]


class Refusal(Exception):
    """A request that the gateway answers itself. `kind` is the gateway response type, `error_type` what `x-amzn-ErrorType` says."""

    def __init__(self, kind: str, message: str | None, error_type: str, status: int, *, capital: bool = False, detail: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.error_type = error_type
        self.status = status
        self.message_key = "Message" if capital else "message"
        self.detail = detail


def missing_token() -> Refusal:
    """No such resource or method (the gateway cannot tell that from a request that is not signed), or no signature where one is needed."""
    return Refusal("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token", "MissingAuthenticationTokenException", 403)


def forbidden() -> Refusal:
    """No such stage, or an API key that is missing or wrong."""
    return Refusal("INVALID_API_KEY", "Forbidden", "ForbiddenException", 403)


def unauthorized() -> Refusal:
    return Refusal("UNAUTHORIZED", "Unauthorized", "UnauthorizedException", 401)


def access_denied(message: str) -> Refusal:
    return Refusal("ACCESS_DENIED", message, "AccessDeniedException", 403, capital=True)


def throttled() -> Refusal:
    return Refusal("THROTTLED", "Too Many Requests", "TooManyRequestsException", 429)


def quota_exceeded() -> Refusal:
    return Refusal("QUOTA_EXCEEDED", "Limit Exceeded", "LimitExceededException", 429)


def too_large(limit: int) -> Refusal:
    return Refusal("REQUEST_TOO_LARGE", f"HTTP content length exceeded {limit} bytes.", "RequestTooLargeException", 413)


def bad_parameters(names: list[str]) -> Refusal:
    return Refusal("BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{', '.join(names)}]", "BadRequestException", 400)


def bad_body(detail: str) -> Refusal:
    return Refusal("BAD_REQUEST_BODY", "Invalid request body", "BadRequestException", 400, detail=detail)


def malformed_answer() -> Refusal:
    """A function's answer that is none."""
    return Refusal("DEFAULT_5XX", "Internal server error", "InternalServerErrorException", 502)


def misconfigured() -> Refusal:
    """An integration that cannot be reached as it is set up."""
    return Refusal("API_CONFIGURATION_ERROR", "Internal server error", "InternalServerErrorException", 500)


def timed_out() -> Refusal:
    return Refusal("INTEGRATION_TIMEOUT", "Endpoint request timed out", "InternalServerErrorException", 504)


def unsupported_media_type() -> Refusal:
    return Refusal("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type", "BadRequestException", 415)


def authorizer_failed() -> Refusal:
    """An authorizer that failed, or is set up wrongly."""
    return Refusal("AUTHORIZER_FAILURE", None, "AuthorizerFailureException", 500)


def authorizer_misconfigured() -> Refusal:
    return Refusal("AUTHORIZER_CONFIGURATION_ERROR", None, "AuthorizerConfigurationException", 500)


def refusal_response(refusal: Refusal, own: dict[str, Shape], known: Known | None) -> HttpResponse:
    """The answer to a refused request, in the form that the API gives it (`known` may be None when it gives none)."""
    custom = own.get(refusal.kind) or own.get("DEFAULT_5XX" if refusal.status >= 500 else "DEFAULT_4XX")
    if custom is None or known is None:
        body = orjson.dumps({refusal.message_key: refusal.message})
        return HttpResponse(refusal.status, {"Content-Type": "application/json", "x-amzn-ErrorType": refusal.error_type}, body)
    status = int(custom.get("statusCode") or refusal.status)
    content_type, template = _template(custom["responseTemplates"], known.headers.get("accept", ""))
    error = {
        "context.error.message": refusal.message or "",
        "context.error.messageString": orjson.dumps(refusal.message).decode(),
        "context.error.responseType": refusal.kind,
        "context.error.validationErrorString": refusal.detail,
    }

    def value(found: re.Match[str]) -> str:
        name = found[1].rstrip(".")
        rest = found[1][len(name) :]
        return (error[name] if name in error else _parameter(name, known) or "") + rest

    headers = {"Content-Type": content_type, "x-amzn-ErrorType": refusal.error_type}
    for name, source in custom.get("responseParameters", {}).items():
        text = _parameter(source, known)
        if name.startswith("gatewayresponse.header.") and text is not None and "\r" not in text and "\n" not in text:
            headers[name.removeprefix("gatewayresponse.header.")] = text
    return HttpResponse(status, headers, _VARIABLE.sub(value, template).encode())


def _template(templates: dict[str, str], accept: str) -> tuple[str, str]:
    for part in accept.split(","):
        content_type = part.partition(";")[0].strip()
        if content_type in templates:
            return content_type, templates[content_type]
    content_type = "application/json" if "application/json" in templates else next(iter(templates))
    return content_type, templates[content_type]


def _context_text(context: dict[str, Any], path: str) -> str:
    value: Any = context
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def _parameter(source: str, known: Known) -> str | None:
    """A value by its name: a literal in quotation marks, a variable of the context or the stage, or a parameter of the request."""
    if len(source) >= 2 and source[0] == source[-1] == "'":
        return source[1:-1]
    if source.startswith("context."):
        return _context_text(known.context, source.removeprefix("context."))
    place, _, name = source.rpartition(".")
    if place == "stageVariables":
        return known.stage_variables.get(name)
    if place == "method.request.header":
        return known.headers.get(name.lower())
    if place == "method.request.querystring":
        return known.query.get(name)
    return known.path.get(name) if place == "method.request.path" else None
