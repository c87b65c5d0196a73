"""Managed policies: CreatePolicy, GetPolicy, ListPolicies, DeletePolicy."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.core.paging import make_token
from haneul.core.ports import ManagedPolicyText
from haneul.services.iam.attachments import check_policy_arn
from haneul.services.iam.delegation_records import PartnerBoundary, partner_boundary
from haneul.services.iam.directory import Directory
from haneul.services.iam.documents import check_managed
from haneul.services.iam.entities import directory_of, tag_list
from haneul.services.iam.errors import access_denied, delete_conflict, policy_not_found
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.limits import PAGE_ITEMS_DEFAULT
from haneul.services.iam.pages import marker_position, page_of_rows
from haneul.services.iam.records import POLICY, ManagedPolicy, PolicyUse, PolicyVersion, arn_of
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.tags import new_tags
from haneul.store.port import Transaction
from haneul.store.records import decode

_AWS_PAGE = b"aws:"  # A marker that goes on among the policies that AWS manages; no row's key continues like this.


def shown_policy(account: str, policy: ManagedPolicy, use: PolicyUse, *, description: bool = False) -> Shape:
    """A customer managed policy; only GetPolicy shows the description."""
    shape: Shape = {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": arn_of(account, POLICY, policy),
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": use.attached,
        "PermissionsBoundaryUsageCount": use.bounding,
        "IsAttachable": not policy.is_template,
        "CreateDate": policy.created_at,
        "UpdateDate": policy.updated_at,
    }
    if description and policy.description is not None:
        shape["Description"] = policy.description
    return shape


def shown_aws_policy(policy: ManagedPolicyText, use: PolicyUse, *, description: bool = False) -> Shape:
    """A policy that AWS manages."""
    shape: Shape = {
        "PolicyName": policy.name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.version_id,
        "AttachmentCount": use.attached,
        "PermissionsBoundaryUsageCount": use.bounding,
        "IsAttachable": True,
        "CreateDate": policy.created_at,
        "UpdateDate": policy.created_at,
    }
    if description:
        shape["Description"] = policy.description
    return shape


def shown_partner_boundary(arn: str, boundary: PartnerBoundary, use: PolicyUse) -> Shape:
    """A permissions boundary of a product provider: whoever is to approve a delegation request looks at it first."""
    path, _, name = arn.partition(":policy")[2].rpartition("/")
    return {
        "PolicyName": name,
        "Arn": arn,
        "Path": f"{path}/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": use.bounding,
        "IsAttachable": False,
        "CreateDate": boundary.created_at,
        "UpdateDate": boundary.created_at,
    }


def customer_policy(call: Call, directory: Directory, arn: str) -> ManagedPolicy:
    """The policy that somebody wants to change: those of AWS are nobody's to change."""
    check_policy_arn(arn)
    if arn.startswith("arn:aws:iam::aws:"):
        raise access_denied(f"User: {call.caller.arn} is not authorized to perform: iam:{call.operation.name} on resource: policy {arn}")
    policy = directory.policy(arn)
    if policy is None:
        raise policy_not_found(arn)
    return policy


@iam_operation("CreatePolicy")
async def create_policy(call: Call, request: Shape) -> Shape:
    """Make a managed policy; its document becomes version v1."""
    now = call.now
    policy = ManagedPolicy(
        name=request["PolicyName"],
        id=unique_id(call.cloud.ids, POLICY.id_prefix),
        path=request.get("Path", "/"),
        created_at=now,
        tags=new_tags(request),
        description=request.get("Description"),
        updated_at=now,
    )
    check_managed(call, policy, request["PolicyDocument"])

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        directory.add(POLICY, policy)
        directory.put(directory.key("policy-version", policy.id, 1), PolicyVersion(request["PolicyDocument"], now))
        directory.count("policy_versions", 1)

    await call.cloud.store.transact(work)
    shape = shown_policy(call.account, policy, PolicyUse())
    return {"Policy": shape | ({"Tags": request["Tags"]} if request.get("Tags") else {})}


@iam_operation("GetPolicy")
async def get_policy(call: Call, request: Shape) -> Shape:
    """What is known of a managed policy, without its document."""
    arn = request["PolicyArn"]
    check_policy_arn(arn)
    directory = directory_of(call)
    managed = call.cloud.authority.managed_policies().get(arn)
    if managed is not None:
        return {"Policy": shown_aws_policy(managed, directory.use_of(arn), description=True) | {"Tags": []}}
    boundary = partner_boundary(call.cloud.store, arn)
    if boundary is not None:
        return {"Policy": shown_partner_boundary(arn, boundary, directory.use_of(arn))}
    policy = directory.policy(arn)
    if policy is None:
        raise policy_not_found(arn)
    return {"Policy": shown_policy(call.account, policy, directory.use_of(arn), description=True) | {"Tags": tag_list(policy.tags)}}


@iam_operation("ListPolicies")
async def list_policies(call: Call, request: Shape) -> Shape:
    """Managed policies: the account's in the order of their names, then AWS's."""
    directory = directory_of(call)
    scope, limit = request.get("Scope", "All"), request.get("MaxItems", PAGE_ITEMS_DEFAULT)
    position = marker_position(request)
    found: list[Shape] = []
    if scope != "AWS" and not position.startswith(_AWS_PAGE):

        def take(_: bytes, value: bytes) -> Shape | None:
            policy = decode(value, ManagedPolicy)
            use = directory.use_of(arn_of(call.account, POLICY, policy))
            return shown_policy(call.account, policy, use) if _is_wanted(request, policy.path, use) else None

        found, more = page_of_rows(call.cloud.store, directory, (POLICY.space,), request, take)
        if more["IsTruncated"] or scope == "Local":
            return {"Policies": found, **more}
    skip = position.removeprefix(_AWS_PAGE).decode("utf-8", "replace") if position.startswith(_AWS_PAGE) else ""
    for managed in call.cloud.authority.managed_policies().values():
        if managed.name < skip or scope == "Local":
            continue
        use = directory.use_of(managed.arn)
        if not _is_wanted(request, managed.path, use):
            continue
        if len(found) == limit:
            return {"Policies": found, "IsTruncated": True, "Marker": make_token(_AWS_PAGE + managed.name.encode())}
        found.append(shown_aws_policy(managed, use))
    return {"Policies": found, "IsTruncated": False}


def _is_wanted(request: Shape, path: str, use: PolicyUse) -> bool:
    if not path.startswith(request.get("PathPrefix", "/")):
        return False
    usage = request.get("PolicyUsageFilter")
    if (usage == "PermissionsPolicy" and not use.attached) or (usage == "PermissionsBoundary" and not use.bounding):
        return False
    return not request.get("OnlyAttached") or use.attached + use.bounding > 0


@iam_operation("DeletePolicy")
async def delete_policy(call: Call, request: Shape) -> Shape:
    """Remove a managed policy that nothing uses and of which only the default version is left."""
    arn = request["PolicyArn"]

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        policy = customer_policy(call, directory, arn)
        use = directory.use_of(arn)
        if use.attached or use.bounding:
            raise delete_conflict("Cannot delete a policy attached to entities.")
        numbers = directory.version_numbers(policy)
        if len(numbers) > 1:
            raise delete_conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
                "The default version is deleted with the policy."
            )
        for number in numbers:
            tx.delete(directory.key("policy-version", policy.id, number))
        directory.count("policy_versions", -len(numbers))
        directory.remove(POLICY, policy)

    await call.cloud.store.transact(work)
    return {}
