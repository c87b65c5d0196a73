"""Permissions boundaries of users and roles: PutUserPermissionsBoundary, PutRolePermissionsBoundary and their deletions."""

from __future__ import annotations

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.delegation_records import partner_boundary
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import modifiable_entity
from haneul.services.iam.errors import invalid_input, no_such_entity
from haneul.services.iam.resources import iam_operation
from haneul.store.port import Transaction


def check_boundary(call: Call, directory: Directory, arn: str) -> None:
    """Raise unless the ARN is that of a managed policy that exists."""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "iam" or not parsed.resource.startswith("policy/"):
        raise invalid_input(f"ARN {arn} is not valid.")
    if arn not in call.cloud.authority.managed_policies() and directory.attachable(arn) is None and partner_boundary(call.cloud.store, arn) is None:
        raise no_such_entity(f"Scope ARN: {arn} does not exist or is not attachable.")


@iam_operation("PutUserPermissionsBoundary", "PutRolePermissionsBoundary")
async def put_permissions_boundary(call: Call, request: Shape) -> Shape:
    """Let a managed policy bound what the user or role may do at most."""
    arn = request["PermissionsBoundary"]

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        kind, entity = modifiable_entity(call, request, directory)
        check_boundary(call, directory, arn)
        if entity.boundary:
            directory.note_use(entity.boundary, entity.id, bounding=True, begins=False)
        directory.note_use(arn, entity.id, bounding=True, begins=True)
        entity.boundary = arn
        directory.save(kind, entity)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteUserPermissionsBoundary", "DeleteRolePermissionsBoundary")
async def delete_permissions_boundary(call: Call, request: Shape) -> Shape:
    """Remove the boundary, if there is one."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        kind, entity = modifiable_entity(call, request, directory)
        if entity.boundary:
            directory.note_use(entity.boundary, entity.id, bounding=True, begins=False)
            entity.boundary = ""
            directory.save(kind, entity)

    await call.cloud.store.transact(work)
    return {}
