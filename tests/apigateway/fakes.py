"""A stand-in for Lambda: each function is a Python function; who may invoke it is decided by a resource policy, as with the real one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Operation, operation, operations_in
from haneul.core.service import Service

ALLOW_API_GATEWAY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": "*"}]}
)


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


class FunctionError(Exception):
    """Raised by a function to fail as user code does."""


class FakeLambda(Service):
    name = "lambda"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.functions: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.policy: str | None = ALLOW_API_GATEWAY
        self.hang: asyncio.Event | None = None
        self.arrival = asyncio.Event()

    async def invoked(self, count: int) -> None:
        """Until this many invocations have begun."""
        while len(self.events) < count:
            self.arrival.clear()
            await self.arrival.wait()

    def resource_policy(self, call: Call, arn: str) -> str | None:
        return self.policy

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        return {one.name: one for one in operations_in(sys.modules[__name__])}


@operation("lambda:Invoke", resource=lambda call, request: request["FunctionName"], action="lambda:InvokeFunction")
async def invoke(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    fake = call.service(FakeLambda)
    function = fake.functions.get(request["FunctionName"].rpartition(":")[2])
    if function is None:
        raise ServiceError("ResourceNotFoundException", f"Function not found: {request['FunctionName']}", 404)
    event = json.loads(request["Payload"])
    fake.events.append({"event": event, "context": dict(call.context), "caller": call.caller})
    fake.arrival.set()
    if fake.hang is not None:
        await fake.hang.wait()
    try:
        answer = function(event)
    except FunctionError as error:
        return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": json.dumps({"errorMessage": str(error), "errorType": "Exception"}).encode()}
    return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": answer if isinstance(answer, bytes) else json.dumps(answer).encode()}
