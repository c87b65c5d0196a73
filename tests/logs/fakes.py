"""Stand-ins for the services that CloudWatch Logs calls: they note what they are asked for."""

from __future__ import annotations

import sys
from typing import Any

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Operation, operation, operations_in
from haneul.core.service import Service


class _Fake(Service):
    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.calls: list[dict[str, Any]] = []
        self.policy: str | None = None
        self.failures: list[ServiceError] = []

    def resource_policy(self, call: Call, arn: str) -> str | None:
        return self.policy

    @classmethod
    def operations(cls) -> dict[str, Operation]:
        return {one.name: one for one in operations_in(sys.modules[__name__]) if one.service == cls.name}


class FakeLambda(_Fake):
    name = "lambda"


class FakeCloudWatch(_Fake):
    name = "cloudwatch"


@operation("lambda:Invoke", resource=lambda call, request: request["FunctionName"], action="lambda:InvokeFunction")
async def invoke(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    fake = call.service(FakeLambda)
    if fake.failures:
        raise fake.failures.pop(0)
    fake.calls.append({**request, "caller": call.caller, "context": dict(call.context)})
    return {"StatusCode": 202}


@operation("cloudwatch:PutMetricData", authorized_inside=True)
async def put_metric_data(call: Call, request: dict[str, Any]) -> None:
    call.service(FakeCloudWatch).calls.append(request)
