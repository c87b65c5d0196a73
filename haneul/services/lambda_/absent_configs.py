"""Settings that functions here cannot have yet, for tools that read them of every function: they learn, truly, that there are none."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.names import function_resource, qualified_resource, target_of
from haneul.services.lambda_.service import Lambda


@operation("lambda:ListProvisionedConcurrencyConfigs", resource=function_resource, partial="no function has one")
async def list_provisioned_concurrency_configs(call: Call, request: Shape) -> Shape:
    call.service(Lambda).functions.resolve(target_of(call, request)._replace(qualifier=None))
    return {"ProvisionedConcurrencyConfigs": []}


@operation("lambda:GetProvisionedConcurrencyConfig", resource=qualified_resource, partial="no function has one")
async def get_provisioned_concurrency_config(call: Call, request: Shape) -> Shape:
    call.service(Lambda).functions.resolve(target_of(call, request))
    raise ServiceError("ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function", 404, fields={"Type": "User"})
