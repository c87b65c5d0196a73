"""AddLayerVersionPermission, RemoveLayerVersionPermission, GetLayerVersionPolicy: who else may use a layer version."""

from __future__ import annotations

import orjson

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import conflict, invalid, not_found, precondition_failed
from haneul.services.lambda_.functions import policy_text, read
from haneul.services.lambda_.limits import POLICY_BYTES_MAX
from haneul.services.lambda_.names import LayerTarget, layer_target_of, layer_version_resource
from haneul.services.lambda_.permissions import statement_of, take_statement
from haneul.services.lambda_.records import Policy, layer_policy_key, layer_version_key
from haneul.store.port import Reader, Transaction
from haneul.store.records import encode


@operation("lambda:AddLayerVersionPermission", resource=layer_version_resource)
async def add_layer_version_permission(call: Call, request: Shape) -> Shape:
    """Let an account, everybody of an organization, or everybody use a layer version."""
    layer = layer_target_of(call, request)
    if "OrganizationId" in request and request["Principal"] != "*":
        raise invalid("An organization can only be given with the principal '*'.")
    members = {"StatementId": request["StatementId"], "Principal": request["Principal"]}
    if "OrganizationId" in request:
        members["PrincipalOrgID"] = request["OrganizationId"]
    statement = statement_of(members, layer.version_arn, request["Action"])

    def work(tx: Transaction) -> str:
        _check_there(tx, layer)
        policy = read(tx, layer_policy_key(layer), Policy) or Policy("")
        if request.get("RevisionId") not in (None, policy.revision_id):
            raise precondition_failed()
        if statement["Sid"] in policy.statements:
            raise conflict(f"The statement id ({statement['Sid']}) provided already exists. Please provide a new statement id, or remove the existing statement.")
        policy.statements[statement["Sid"]] = statement
        policy.revision_id = call.cloud.ids.uuid()
        if len(policy_text(policy)) > POLICY_BYTES_MAX:
            raise ServiceError("PolicyLengthExceededException", f"The final policy size is bigger than the limit ({POLICY_BYTES_MAX}).", 400, fields={"Type": "User"})
        tx.put(layer_policy_key(layer), encode(policy))
        return policy.revision_id

    revision_id = await call.cloud.store.transact(work)
    return {"Statement": orjson.dumps(statement).decode(), "RevisionId": revision_id}


@operation("lambda:RemoveLayerVersionPermission", resource=layer_version_resource)
async def remove_layer_version_permission(call: Call, request: Shape) -> Shape:
    layer = layer_target_of(call, request)

    def work(tx: Transaction) -> None:
        _check_there(tx, layer)
        policy = read(tx, layer_policy_key(layer), Policy) or Policy("")
        take_statement(tx, call, request, layer_policy_key(layer), policy)

    await call.cloud.store.transact(work)
    return {}


@operation("lambda:GetLayerVersionPolicy", resource=layer_version_resource)
async def get_layer_version_policy(call: Call, request: Shape) -> Shape:
    layer = layer_target_of(call, request)
    _check_there(call.cloud.store, layer)
    policy = read(call.cloud.store, layer_policy_key(layer), Policy)
    if policy is None:
        raise not_found("No policy is associated with the given resource.")
    return {"Policy": policy_text(policy), "RevisionId": policy.revision_id}


def _check_there(reader: Reader, layer: LayerTarget) -> None:
    if reader.get(layer_version_key(layer)) is None:
        raise not_found(f"Layer version {layer.version_arn} does not exist.")
