"""Versions of managed policies: CreatePolicyVersion, GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion, DeletePolicyVersion."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.attachments import check_policy_arn
from haneul.services.iam.delegation_records import partner_boundary
from haneul.services.iam.directory import Directory
from haneul.services.iam.documents import check_managed, shown
from haneul.services.iam.entities import directory_of
from haneul.services.iam.errors import delete_conflict, limit_exceeded, policy_not_attachable, policy_not_found, version_not_found
from haneul.services.iam.limits import VERSIONS_PER_POLICY_MAX
from haneul.services.iam.pages import page_of_list
from haneul.services.iam.policies import customer_policy
from haneul.services.iam.records import POLICY, ManagedPolicy, PolicyVersion
from haneul.services.iam.resources import iam_operation
from haneul.store.port import Transaction


def _number(version_id: str) -> int:
    """`v3` → 3; 0 for what cannot be a version of ours."""
    digits = version_id[1:]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def shown_version(policy: ManagedPolicy, number: int, version: PolicyVersion, *, document: bool) -> Shape:
    shape: Shape = {"VersionId": f"v{number}", "IsDefaultVersion": number == policy.default_version, "CreateDate": version.created_at}
    return shape | {"Document": shown(version.document)} if document else shape


def shown_only_version(created_at: int, document: str, version_id: str = "v1") -> Shape:
    return {"VersionId": version_id, "IsDefaultVersion": True, "CreateDate": created_at, "Document": shown(document)}


@iam_operation("CreatePolicyVersion")
async def create_policy_version(call: Call, request: Shape) -> Shape:
    """Add a version; what the policy says changes only when it becomes the default."""
    arn, document = request["PolicyArn"], request["PolicyDocument"]
    now = call.now

    def work(tx: Transaction) -> tuple[ManagedPolicy, PolicyVersion]:
        directory = Directory(tx, call.account)
        if directory.policy(arn) is None and not arn.startswith("arn:aws:iam::aws:"):
            check_policy_arn(arn)
            raise policy_not_attachable(arn)
        policy = customer_policy(call, directory, arn)
        check_managed(call, policy, document)
        if len(directory.version_numbers(policy)) >= VERSIONS_PER_POLICY_MAX:
            raise limit_exceeded(
                f"A managed policy can have up to {VERSIONS_PER_POLICY_MAX} versions. Before you create a new version, you must delete an existing version."
            )
        policy.newest_version += 1
        policy.updated_at = now
        if request.get("SetAsDefault"):
            policy.default_version = policy.newest_version
        version = PolicyVersion(document, now)
        directory.put(directory.key("policy-version", policy.id, policy.newest_version), version)
        directory.count("policy_versions", 1)
        directory.save(POLICY, policy)
        return policy, version

    policy, version = await call.cloud.store.transact(work)
    return {"PolicyVersion": shown_version(policy, policy.newest_version, version, document=False)}


@iam_operation("GetPolicyVersion")
async def get_policy_version(call: Call, request: Shape) -> Shape:
    """A version with its document. Of AWS's policies only the default version is here."""
    arn, version_id = request["PolicyArn"], request["VersionId"]
    check_policy_arn(arn)
    managed = call.cloud.authority.managed_policies().get(arn)
    if managed is not None:
        if version_id != managed.version_id:
            raise version_not_found(arn, version_id)
        return {"PolicyVersion": shown_only_version(managed.created_at, managed.document, version_id)}
    boundary = partner_boundary(call.cloud.store, arn)
    if boundary is not None and version_id == "v1":
        return {"PolicyVersion": shown_only_version(boundary.created_at, boundary.document)}
    directory = directory_of(call)
    policy, number = directory.policy(arn), _number(version_id)
    found = directory.version(policy, number) if policy is not None else None
    if policy is None or found is None:
        raise version_not_found(arn, version_id)
    return {"PolicyVersion": shown_version(policy, number, found, document=True)}


@iam_operation("ListPolicyVersions")
async def list_policy_versions(call: Call, request: Shape) -> Shape:
    """A policy's versions, the newest first."""
    arn = request["PolicyArn"]
    check_policy_arn(arn)
    managed = call.cloud.authority.managed_policies().get(arn)
    if managed is not None:
        return {"Versions": [{"VersionId": managed.version_id, "IsDefaultVersion": True, "CreateDate": managed.created_at}], "IsTruncated": False}
    boundary = partner_boundary(call.cloud.store, arn)
    if boundary is not None:
        return {"Versions": [{"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": boundary.created_at}], "IsTruncated": False}
    directory = directory_of(call)
    policy = directory.policy(arn)
    if policy is None:
        raise policy_not_found(arn)
    numbers = sorted(directory.version_numbers(policy), reverse=True)
    found = [(number, directory.version(policy, number)) for number in numbers]
    page, more = page_of_list([shown_version(policy, number, one, document=False) for number, one in found if one is not None], request)
    return {"Versions": page, **more}


@iam_operation("SetDefaultPolicyVersion")
async def set_default_policy_version(call: Call, request: Shape) -> Shape:
    """Let another version be what the policy says, for everybody it is attached to."""
    await call.cloud.store.transact(lambda tx: _set_default(call, request, tx))
    return {}


def _set_default(call: Call, request: Shape, tx: Transaction) -> None:
    directory = Directory(tx, call.account)
    policy = _policy_with(call, directory, request)
    policy.default_version = _number(request["VersionId"])
    policy.updated_at = call.now
    directory.save(POLICY, policy)


@iam_operation("DeletePolicyVersion")
async def delete_policy_version(call: Call, request: Shape) -> Shape:
    """Remove a version that is not the default."""
    await call.cloud.store.transact(lambda tx: _delete_version(call, request, tx))
    return {}


def _delete_version(call: Call, request: Shape, tx: Transaction) -> None:
    directory = Directory(tx, call.account)
    policy = _policy_with(call, directory, request)
    number = _number(request["VersionId"])
    if number == policy.default_version:
        raise delete_conflict("Cannot delete the default version of a policy.")
    tx.delete(directory.key("policy-version", policy.id, number))
    directory.count("policy_versions", -1)


def _policy_with(call: Call, directory: Directory, request: Shape) -> ManagedPolicy:
    """The policy of a request that must have the version named."""
    arn, version_id = request["PolicyArn"], request["VersionId"]
    if directory.policy(arn) is None and not arn.startswith("arn:aws:iam::aws:"):
        raise version_not_found(arn, version_id)
    policy = customer_policy(call, directory, arn)
    if directory.version(policy, _number(version_id)) is None:
        raise version_not_found(arn, version_id)
    return policy
