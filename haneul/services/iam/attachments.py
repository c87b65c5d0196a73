"""Managed policies on users, groups and roles: Attach…Policy, Detach…Policy, ListAttached…Policies, ListEntitiesForPolicy."""

from __future__ import annotations

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.services.iam.delegation_records import partner_boundary
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, modifiable_entity, named_entity
from haneul.services.iam.errors import policy_not_attachable, policy_not_found, quota_exceeded, validation_error
from haneul.services.iam.limits import ATTACHED_POLICIES_MAX
from haneul.services.iam.pages import page_of_list
from haneul.services.iam.resources import iam_operation
from haneul.store.keys import unpack
from haneul.store.port import Transaction

_SERVICE_ROLE_POLICIES = ":policy/aws-service-role/"


def check_policy_arn(arn: str) -> None:
    """Raise unless this could be a policy's ARN."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("policy/"):
        raise validation_error(f"ARN {arn} is not valid.")


@iam_operation("AttachUserPolicy", "AttachGroupPolicy", "AttachRolePolicy")
async def attach_policy(call: Call, request: Shape) -> Shape:
    """Attach a managed policy; one that is attached already stays so."""
    arn = request["PolicyArn"]
    check_policy_arn(arn)

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        kind, entity = modifiable_entity(call, request, directory)
        if arn not in call.cloud.authority.managed_policies() and directory.attachable(arn) is None:
            raise policy_not_attachable(arn)
        if _SERVICE_ROLE_POLICIES in arn:
            raise ServiceError("PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer Role.", 400)
        if arn in entity.attached:
            return
        if len(entity.attached) >= ATTACHED_POLICIES_MAX:
            raise quota_exceeded(f"PoliciesPer{kind.space.capitalize()}", ATTACHED_POLICIES_MAX)
        entity.attached.append(arn)
        directory.save(kind, entity)
        directory.note_use(arn, entity.id, bounding=False, begins=True)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DetachUserPolicy", "DetachGroupPolicy", "DetachRolePolicy")
async def detach_policy(call: Call, request: Shape) -> Shape:
    """Detach a managed policy."""
    arn = request["PolicyArn"]
    check_policy_arn(arn)

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        kind, entity = modifiable_entity(call, request, directory)
        if arn not in entity.attached:
            raise policy_not_found(arn)
        entity.attached.remove(arn)
        directory.save(kind, entity)
        directory.note_use(arn, entity.id, bounding=False, begins=False)

    await call.cloud.store.transact(work)
    return {}


def attached_policies(attached: list[str]) -> list[Shape]:
    return [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in attached]


@iam_operation("ListAttachedUserPolicies", "ListAttachedGroupPolicies", "ListAttachedRolePolicies")
async def list_attached_policies(call: Call, request: Shape) -> Shape:
    """The managed policies attached to a user, group or role."""
    _, entity = named_entity(call, request, directory_of(call))
    prefix = ":policy" + request.get("PathPrefix", "/")
    page, more = page_of_list([arn for arn in entity.attached if prefix in arn], request)
    return {"AttachedPolicies": attached_policies(page), **more}


@iam_operation("ListEntitiesForPolicy")
async def list_entities_for_policy(call: Call, request: Shape) -> Shape:
    """Whom a managed policy is attached to, and whom it bounds."""
    arn = request["PolicyArn"]
    check_policy_arn(arn)
    directory = directory_of(call)
    if arn not in call.cloud.authority.managed_policies() and directory.policy(arn) is None and partner_boundary(call.cloud.store, arn) is None:
        raise policy_not_found(arn)
    usage = request.get("PolicyUsageFilter")
    wanted, prefix = request.get("EntityFilter"), request.get("PathPrefix", "/")
    spaces = {"PermissionsPolicy": ("attached",), "PermissionsBoundary": ("bounds",)}.get(usage or "", ("attached", "bounds"))
    # A policy may be attached to an entity and bound it too; it is then listed once.
    ids = dict.fromkeys(str(unpack(key)[4]) for space in spaces for key, _ in directory.rows(space, arn))
    entities = [found for found in map(directory.entity_of, ids) if found is not None and found[1].path.startswith(prefix)]
    page, more = page_of_list([one for one in entities if wanted is None or wanted.lower() == one[0].space], request)
    result: Shape = {"PolicyUsers": [], "PolicyGroups": [], "PolicyRoles": [], **more}
    for kind, entity in page:
        word = kind.space.capitalize()
        result[f"Policy{word}s"].append({f"{word}Name": entity.name, f"{word}Id": entity.id})
    return result
