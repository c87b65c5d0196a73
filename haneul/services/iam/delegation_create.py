"""CreateDelegationRequest: what a product provider asks of somebody else's account, for a while."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.delegation_notices import check_channel, enter
from haneul.services.iam.delegation_records import STAY, UNASSIGNED, DelegationRequest, workflow_row
from haneul.services.iam.delegation_rules import checked_boundaries, register_boundaries, template_document
from haneul.services.iam.delegation_templates import rendered
from haneul.services.iam.entities import directory_of
from haneul.services.iam.errors import already_exists
from haneul.services.iam.resources import iam_operation
from haneul.store.port import Transaction


@iam_operation("CreateDelegationRequest", partial="templates that AWS has registered: here they are managed policies of the requesting account (docs/identity.md)")
async def create_delegation_request(call: Call, request: Shape) -> Shape:
    """Make a request; every account may be a product provider. Errors: InvalidInput, EntityAlreadyExists (a workflow id that another request has)."""
    check_channel(call, request["NotificationChannel"])
    permissions, now = request["Permissions"], call.now
    template_arn, parameters = permissions.get("PolicyTemplateArn"), permissions.get("Parameters", [])
    policy = rendered(call, template_document(call, template_arn), parameters)
    boundaries = checked_boundaries(policy)
    one = DelegationRequest(
        id=f"dr-{call.cloud.ids.uuid()}",
        requestor=call.account,
        requestor_name=directory_of(call).account_record().alias[:30],
        workflow_id=request["RequestorWorkflowId"],
        description=request["Description"],
        message=request.get("RequestMessage"),
        template_arn=template_arn,
        parameters=parameters,
        policy=policy,
        boundaries=[arn for arn, creates in boundaries.items() if creates],
        redirect_url=request.get("RedirectUrl"),
        channel=request["NotificationChannel"],
        session_seconds=request["SessionDuration"],
        only_send_by_owner=request.get("OnlySendByOwner", False),
        created_at=now,
        updated_at=now,
        expires_at=now + STAY[UNASSIGNED],
        owner_account=request.get("OwnerAccountId", ""),
    )

    def work(tx: Transaction) -> None:
        row = workflow_row(one.requestor, one.workflow_id)
        if tx.get(row) is not None:
            raise already_exists(f"A delegation request with the workflow id {one.workflow_id} already exists.")
        tx.put(row, one.id.encode())
        register_boundaries(call, tx, boundaries)
        enter(call.cloud, tx, one, UNASSIGNED, now, told=False)

    await call.cloud.store.transact(work)
    return {"ConsoleDeepLink": _deep_link(call, one.id), "DelegationRequestId": one.id}


def _deep_link(call: Call, request_id: str) -> str:
    """Where a console of this cloud would show the request: at the host that was called."""
    settings = call.cloud.settings
    host = call.http.host if call.http is not None and call.http.host else f"{settings.host}:{settings.port}"
    scheme = "https" if call.http is not None and call.http.secure else "http"
    return f"{scheme}://{host}/_haneul/console/iam/delegation-requests/{request_id}"
