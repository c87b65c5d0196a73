"""UpdateFunctionConfiguration."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.code_signing import check_signature
from haneul.services.lambda_.condition_keys import function_conditions
from haneul.services.lambda_.configuration import apply_configuration, check_built, check_role, check_runtime, layer_uses
from haneul.services.lambda_.errors import precondition_failed
from haneul.services.lambda_.functions import resolve_in
from haneul.services.lambda_.images import apply_image_config, check_image_request
from haneul.services.lambda_.names import function_resource, latest_of
from haneul.services.lambda_.records import Version, version_key
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.shapes import configuration
from haneul.services.lambda_.writes import drop_layers, hold_layers
from haneul.store.port import Transaction
from haneul.store.records import encode


@operation("lambda:UpdateFunctionConfiguration", resource=function_resource, conditions=function_conditions, partial="no VPC, file systems, KMS keys")
async def update_function_configuration(call: Call, request: Shape) -> Shape:
    """Change settings of $LATEST; what a request leaves out stays. AWS Lambda API Reference, UpdateFunctionConfiguration."""
    service = call.service(Lambda)
    target = latest_of(call, request)
    found = service.functions.resolve(target)
    check_built(request, "UpdateFunctionConfiguration")
    is_image = found.version.image is not None
    if is_image:
        check_image_request(request)
    if "Runtime" in request and not is_image:
        check_runtime(request["Runtime"], await service.environments.runtimes())
    if "Role" in request:
        check_role(call, request["Role"], target)
    if request.get("Layers"):
        check_signature(call, found.function.code_signing_arn)

    def work(tx: Transaction) -> tuple[Version, Version]:
        old, fresh = resolve_in(tx, target).version, resolve_in(tx, target).version
        if request.get("RevisionId") not in (None, old.revision_id):
            raise precondition_failed()
        fresh.runtime = request.get("Runtime", fresh.runtime)
        fresh.role = request.get("Role", fresh.role)
        apply_configuration(call, fresh, request)
        apply_image_config(fresh, request)
        if "Layers" in request:
            fresh.layers = layer_uses(call, tx, request["Layers"], fresh.unpacked_size)
            hold_layers(service.code, tx, fresh)
            drop_layers(service.code, tx, old)
        fresh.last_modified, fresh.revision_id = call.now, call.cloud.ids.uuid()
        tx.put(version_key(target, 0), encode(fresh))
        return old, fresh

    old, fresh = await call.cloud.store.transact(work)
    service.environments.forget(old)
    return configuration(call.cloud.vault, target, fresh, update="InProgress")
