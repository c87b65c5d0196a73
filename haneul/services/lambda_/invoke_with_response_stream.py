"""InvokeWithResponseStream."""

from __future__ import annotations

from collections.abc import AsyncIterator

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.runtime.port import RuntimeUnavailable
from haneul.services.lambda_.invoke import check_payload, client_context_of, show_trace, trace_of
from haneul.services.lambda_.invoked import StreamedAnswer
from haneul.services.lambda_.limits import PAYLOAD_BYTES_MAX
from haneul.services.lambda_.names import qualified_resource, target_of
from haneul.services.lambda_.service import Lambda


@operation("lambda:InvokeWithResponseStream", action="lambda:InvokeFunction", resource=qualified_resource)
async def invoke_with_response_stream(call: Call, request: Shape) -> Shape:
    """Run a function and give on what it writes while it writes it. AWS Lambda API Reference, InvokeWithResponseStream."""
    if "TenantId" in request:
        raise NotBuilt("the parameter TenantId of lambda:InvokeWithResponseStream")
    service = call.service(Lambda)
    found = service.functions.choose(target_of(call, request))
    payload = request.get("Payload") or b"{}"
    check_payload(payload, PAYLOAD_BYTES_MAX)
    context = client_context_of(request)
    trace = show_trace(call, service.invoker.decided_trace(found, trace_of(call)))
    if request.get("InvocationType") == "DryRun":
        return {"StatusCode": 204}
    with_log = request.get("LogType") == "Tail"
    answer = await service.invoker.open_stream(found, payload, call.request_id, client_context=context, with_log=with_log, trace_id=trace)
    return {"StatusCode": 200, "ExecutedVersion": answer.version, "EventStream": _events(answer, with_log=with_log)}


async def _events(answer: StreamedAnswer, *, with_log: bool) -> AsyncIterator[Shape]:
    """The chunks, and how it ended."""
    try:
        if answer.begun:
            async for chunk in answer:
                yield {"PayloadChunk": {"Payload": chunk}}
        try:
            invoked = await answer.invoked()
        except RuntimeUnavailable as error:
            raise ServiceError("ServiceException", str(error), 500) from None
        complete: Shape = {}
        if invoked.failed:
            complete = {"ErrorCode": "Unhandled", "ErrorDetails": invoked.outcome.payload.decode("utf-8", "replace")}
        if with_log:
            complete["LogResult"] = invoked.log_tail
        yield {"InvokeComplete": complete}
    finally:
        await answer.aclose()
