"""Invoke and InvokeAsync."""

from __future__ import annotations

import binascii
from base64 import b64decode

import orjson

from haneul.core.call import TRACE_HEADER, Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import bad_content, too_large
from haneul.services.lambda_.limits import ASYNC_PAYLOAD_BYTES_MAX, CLIENT_CONTEXT_BYTES_MAX, PAYLOAD_BYTES_MAX
from haneul.services.lambda_.names import qualified_resource, target_of
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.traces import HEADER


@operation("lambda:Invoke", action="lambda:InvokeFunction", resource=qualified_resource)
async def invoke(call: Call, request: Shape) -> Shape:
    """Run a function and answer with what it returns, or take its event for later (InvocationType Event). AWS Lambda API Reference, Invoke."""
    for name in ("TenantId", "DurableExecutionName"):
        if name in request:
            raise NotBuilt(f"the parameter {name} of lambda:Invoke")
    service = call.service(Lambda)
    found = service.functions.choose(target_of(call, request))
    kind = request.get("InvocationType", "RequestResponse")
    payload = request.get("Payload") or b"{}"
    check_payload(payload, ASYNC_PAYLOAD_BYTES_MAX if kind == "Event" else PAYLOAD_BYTES_MAX)
    context = client_context_of(request)
    trace = show_trace(call, service.invoker.decided_trace(found, trace_of(call)))
    if kind == "DryRun":
        return {"StatusCode": 204}
    if kind == "Event":
        await service.asynchronous.accept(found, payload, call.request_id, trace)
        return {"StatusCode": 202}
    with_log = request.get("LogType") == "Tail"
    invoked = await service.invoker.run(found, payload, call.request_id, client_context=context, with_log=with_log, trace_id=trace)
    answer: Shape = {"StatusCode": 200, "Payload": invoked.outcome.payload, "ExecutedVersion": invoked.version}
    if invoked.failed:
        answer["FunctionError"] = "Unhandled"
    if with_log:
        answer["LogResult"] = invoked.log_tail
    return answer


@operation("lambda:InvokeAsync", action="lambda:InvokeFunction", resource=qualified_resource)
async def invoke_async(call: Call, request: Shape) -> Shape:
    """The older form of Invoke with InvocationType Event."""
    body = request["InvokeArgs"]
    parts = [body] if isinstance(body, bytes) else [part async for part in body]
    payload = b"".join(parts) or b"{}"
    check_payload(payload, ASYNC_PAYLOAD_BYTES_MAX)
    service = call.service(Lambda)
    found = service.functions.choose(target_of(call, request))
    trace = show_trace(call, service.invoker.decided_trace(found, trace_of(call)))
    await service.asynchronous.accept(found, payload, call.request_id, trace)
    return {"Status": 202}


def trace_of(call: Call) -> str:
    """The trace header that came with a request, or from the service that calls."""
    if call.http is not None:
        return call.http.headers.get(HEADER, "")
    return str(call.context.get(TRACE_HEADER, ""))


def show_trace(call: Call, trace: str) -> str:
    """Tell the client under which trace its invocation runs."""
    call.headers["X-Amzn-Trace-Id"] = trace
    return trace


def check_payload(payload: bytes, limit: int) -> None:
    """An event must be JSON and not too large."""
    if len(payload) > limit:
        raise too_large(limit, "InvokeFunction")
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise bad_content(f"Could not parse payload into json: {error}") from None


def client_context_of(request: Shape) -> str | None:
    """The client context of a request as JSON text."""
    encoded: str | None = request.get("ClientContext")
    if encoded is None:
        return None
    if len(encoded) > CLIENT_CONTEXT_BYTES_MAX:
        message = f"Client context must be no more than {CLIENT_CONTEXT_BYTES_MAX} bytes when base64-encoded."
        raise ServiceError("InvalidRequestContentException", message, 400, fields={"Type": "User"})
    try:
        text = b64decode(encoded, validate=True).decode()
        orjson.loads(text)
    except (binascii.Error, ValueError):
        raise ServiceError("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.", 400, fields={"Type": "User"}) from None
    return text
