"""CreateRole, GetRole, ListRoles, UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy, DeleteRole."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import refuse_given
from haneul.core.operation import Shape
from haneul.services.iam.boundaries import check_boundary
from haneul.services.iam.directory import Directory
from haneul.services.iam.documents import checked_trust
from haneul.services.iam.entities import directory_of, refuse_linked, shown_last_use, shown_role
from haneul.services.iam.errors import delete_conflict
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.pages import page_of_rows
from haneul.services.iam.records import ROLE, Role
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.service import Iam
from haneul.services.iam.tags import new_tags
from haneul.store.port import Transaction
from haneul.store.records import decode


@iam_operation("CreateRole", partial="MaxSigninSessionDuration")
async def create_role(call: Call, request: Shape) -> Shape:
    """Make a role, with the policy that says who may assume it."""
    refuse_given("iam:CreateRole", request, "MaxSigninSessionDuration")
    role = Role(
        name=request["RoleName"],
        id=unique_id(call.cloud.ids, ROLE.id_prefix),
        path=request.get("Path", "/"),
        created_at=call.now,
        tags=new_tags(request, ignore_case=True),
        boundary=request.get("PermissionsBoundary", ""),
        trust=checked_trust(call, request["AssumeRolePolicyDocument"]),
        description=request.get("Description"),
        max_session_seconds=request.get("MaxSessionDuration", 3600),
    )

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        directory.add(ROLE, role)
        if role.boundary:
            check_boundary(call, directory, role.boundary)
            directory.note_use(role.boundary, role.id, bounding=True, begins=True)

    await call.cloud.store.transact(work)
    return {"Role": shown_role(call, role, details=True, settings=False)}


@iam_operation("GetRole")
async def get_role(call: Call, request: Shape) -> Shape:
    """A role, its trust policy and when it was last used."""
    role = directory_of(call).named(ROLE, request["RoleName"])
    last = call.service(Iam).last_uses.of(role.id)
    return {"Role": shown_role(call, role, details=True) | {"RoleLastUsed": shown_last_use(last)}}


@iam_operation("ListRoles")
async def list_roles(call: Call, request: Shape) -> Shape:
    """Roles in the order of their names, a page at a time."""
    prefix = request.get("PathPrefix", "/")

    def take(_: bytes, value: bytes) -> Shape | None:
        role = decode(value, Role)
        return shown_role(call, role) if role.path.startswith(prefix) else None

    roles, more = page_of_rows(call.cloud.store, directory_of(call), ("role",), request, take)
    return {"Roles": roles, **more}


@iam_operation("UpdateRole", partial="MaxSigninSessionDuration")
async def update_role(call: Call, request: Shape) -> Shape:
    """Change a role's description or its longest session. What a request leaves out stays."""
    refuse_given("iam:UpdateRole", request, "MaxSigninSessionDuration", "ResetMaxSigninSessionDuration")
    await _changed(call, request)
    return {}


@iam_operation("UpdateRoleDescription")
async def update_role_description(call: Call, request: Shape) -> Shape:
    """Change a role's description."""
    shape = shown_role(call, await _changed(call, request), details=True)
    del shape["MaxSessionDuration"]
    return {"Role": shape}


async def _changed(call: Call, request: Shape) -> Role:
    """The role as it is with what the request gives."""

    def work(tx: Transaction) -> Role:
        directory = Directory(tx, call.account)
        role = directory.named(ROLE, request["RoleName"])
        refuse_linked(role)
        role.description = request.get("Description", role.description)
        role.max_session_seconds = request.get("MaxSessionDuration", role.max_session_seconds)
        directory.save(ROLE, role)
        return role

    return await call.cloud.store.transact(work)


@iam_operation("UpdateAssumeRolePolicy")
async def update_assume_role_policy(call: Call, request: Shape) -> Shape:
    """Change who may assume the role."""
    trust = checked_trust(call, request["PolicyDocument"])

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        role = directory.named(ROLE, request["RoleName"])
        refuse_linked(role)
        role.trust = trust
        directory.save(ROLE, role)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteRole")
async def delete_role(call: Call, request: Shape) -> Shape:
    """Remove a role on which nothing hangs any more. Its sessions lose every permission at once."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        role = directory.named(ROLE, request["RoleName"])
        refuse_linked(role)
        remove_role(directory, role)

    await call.cloud.store.transact(work)
    return {}


def remove_role(directory: Directory, role: Role) -> None:
    """Take a role out of the directory; DeleteConflict while something hangs on it."""
    if next(directory.rows("profile-of", role.id), None) is not None:
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    if role.attached and not role.linked_service:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if directory.inline_policies(role.id):
        raise delete_conflict("Cannot delete entity, must delete policies first.")
    for arn in role.attached:
        directory.note_use(arn, role.id, bounding=False, begins=False)
    if role.boundary:
        directory.note_use(role.boundary, role.id, bounding=True, begins=False)
    directory.remove(ROLE, role)
