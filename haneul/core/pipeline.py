"""The way of an API request: bytes → shape → caller → permission → operation → one transaction → shape → bytes."""

from __future__ import annotations

import logging
from typing import Any, Final

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ClientGone, NotBuilt, SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.service import Service

_FORM: Final = "application/x-www-form-urlencoded"
_log = logging.getLogger("haneul")


class Pipeline:
    """Answers API requests of every service."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def answer(self, request: HttpRequest, service: Service) -> HttpResponse:
        """The response to one request; never raises for anything a client can send.

        One function, because it runs for every request: each step is a line or two, in the order in which AWS takes them.
        """
        cloud, name = self.cloud, service.name
        codec = cloud.codec_for(name)
        request_id = cloud.ids.uuid()
        matched: Any = None
        call: Call | None = None
        try:
            # Which operation the method, path, headers or body name. A form names it in its body.
            if request.stream is not None and request.method == "POST" and request.headers.get("content-type", "").startswith(_FORM):
                await buffer(request, service.quirks.body_bytes_max)
            matched = codec.match(request)
            operation = matched.operation
            # Only S3's clients say beforehand what the body's hash is; the signatures of all others can be checked when the whole body is there.
            if request.stream is not None and not (operation.streaming_input and name == "s3"):
                await buffer(request, service.quirks.body_bytes_max)
            # Who signed the request.
            identity = cloud.authority.authenticate(request, name)
            # A presigned URL may have headers in its query. They count once the signature is known to be right, and may mean another operation.
            if request.query and service.quirks.headers_of_query is not None and service.quirks.headers_of_query(request):
                matched = codec.match(request)
                operation = matched.operation
                if request.stream is not None and not operation.streaming_input:
                    await buffer(request, service.quirks.body_bytes_max)
            # The function behind the operation. Operations that are public, and services that allow it, take anonymous requests.
            one = cloud.operations.get(f"{name}:{operation.name}")
            if one is None:
                raise NotBuilt(f"the operation {name}:{operation.name}")
            caller = identity.caller
            if caller.kind == "anonymous" and not (one.public or service.quirks.allows_anonymous):
                raise cloud.authority.missing_credentials(request, name)
            call = Call(cloud, one, caller, identity.region or cloud.settings.region, request_id, http=request, context=identity.context)
            if caller.token_issued_at_ns is not None and caller.kind != "role":
                service.admit(call)
            # Bytes become a shape that keeps the model's constraints.
            params = codec.parse(matched, request)
            if service.quirks.validation:
                codec.validate(operation.name, params)
            # Permission, operation, metering.
            output = await call.perform(params)
            # A shape becomes bytes.
            response: HttpResponse = codec.serialize(matched, output, request_id, request)
            if call.status is not None:
                response.status = call.status
            if call.headers:
                response.headers.update(call.headers)
            return response
        except Exception as problem:  # The boundary: whatever happened becomes the service's own error.
            error = _error_of(problem, service, request_id, call)
            if call is not None:
                service.refused(call, error)
            response = codec.error(matched, error, request_id, request)
            if call is not None and call.headers:
                response.headers.update(call.headers)
            return response


async def buffer(request: HttpRequest, limit: int) -> None:
    """Read the body into memory: at most `limit` bytes."""
    parts, size = [], 0
    assert request.stream is not None
    if (request.stream.length or 0) > limit:
        raise too_large(limit)
    async for part in request.stream:
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
    request.body = b"".join(parts)
    request.stream = None


def _error_of(problem: Exception, service: Service, request_id: str, call: Call | None) -> ServiceError:
    """The service's own words for what went wrong."""
    quirks = service.quirks
    if isinstance(problem, AccessDenied):
        anonymous = call is not None and call.caller.kind == "anonymous"
        return ServiceError(quirks.access_denied, (anonymous and quirks.anonymous_denial) or problem.message, quirks.access_denied_status)
    if isinstance(problem, SerializationError):
        if problem.parameter is not None and quirks.parameter_error is not None and (special := quirks.parameter_error(*problem.parameter)) is not None:
            return special
        return ServiceError(quirks.serialization_code, problem.message, 400)
    if isinstance(problem, ServiceError):
        return problem
    if isinstance(problem, ClientGone):  # Nothing failed inside: whoever has closed only the sending half learns what was missing.
        return ServiceError(quirks.serialization_code, "The request body terminated unexpectedly", 400)
    _log.exception("request %s to %s failed inside", request_id, service.name, exc_info=problem)
    return ServiceError(quirks.internal_error, quirks.internal_message, 500)


def too_large(limit: int) -> ServiceError:
    """A body beyond what the service reads."""
    return ServiceError("RequestEntityTooLargeException", f"Request size exceeded {limit} bytes", 413)
