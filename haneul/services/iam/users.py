"""CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.boundaries import check_boundary
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, shown_user, user_or_caller
from haneul.services.iam.errors import delete_conflict
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.pages import page_of_rows
from haneul.services.iam.records import USER, User
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.ssh_public_keys import ssh_public_keys
from haneul.services.iam.tags import new_tags
from haneul.store.port import Transaction
from haneul.store.records import decode


@iam_operation("CreateUser")
async def create_user(call: Call, request: Shape) -> Shape:
    """Make a user, who can do nothing until policies are attached."""
    user = User(
        name=request["UserName"],
        id=unique_id(call.cloud.ids, USER.id_prefix),
        path=request.get("Path", "/"),
        created_at=call.now,
        tags=new_tags(request, ignore_case=True),
        boundary=request.get("PermissionsBoundary", ""),
    )

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        directory.add(USER, user)
        if user.boundary:
            check_boundary(call, directory, user.boundary)
            directory.note_use(user.boundary, user.id, bounding=True, begins=True)

    await call.cloud.store.transact(work)
    return {"User": shown_user(call.account, user, details=True)}


@iam_operation("GetUser")
async def get_user(call: Call, request: Shape) -> Shape:
    """A user by name, or the one who asks (the root user too)."""
    if "UserName" not in request and call.caller.kind == "root":
        return {"User": {"UserId": call.account, "Arn": f"arn:aws:iam::{call.account}:root", "CreateDate": 0}}
    return {"User": shown_user(call.account, user_or_caller(call, request, directory_of(call)), details=True)}


@iam_operation("ListUsers")
async def list_users(call: Call, request: Shape) -> Shape:
    """Users in the order of their names, a page at a time."""
    prefix = request.get("PathPrefix", "/")

    def take(_: bytes, value: bytes) -> Shape | None:
        user = decode(value, User)
        return shown_user(call.account, user) if user.path.startswith(prefix) else None

    users, more = page_of_rows(call.cloud.store, directory_of(call), ("user",), request, take)
    return {"Users": users, **more}


@iam_operation("UpdateUser")
async def update_user(call: Call, request: Shape) -> Shape:
    """Change a user's name or path. Keys, policies and memberships stay; the ARN changes."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        directory.rename(USER, directory.named(USER, request["UserName"]), request.get("NewUserName"), request.get("NewPath"))

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteUser")
async def delete_user(call: Call, request: Shape) -> Shape:
    """Remove a user on whom nothing hangs any more."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        user = directory.named(USER, request["UserName"])
        if user.attached:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if directory.inline_policies(user.id):
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        if user.keys:
            raise delete_conflict("Cannot delete entity, must delete access keys first.")
        if ssh_public_keys(directory, user):
            raise delete_conflict("Cannot delete entity, must delete public SSH keys first.")
        if user.password is not None:
            raise delete_conflict("Cannot delete entity, must delete login profile first.")
        if user.groups:
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        if user.mfa_devices:
            raise delete_conflict("Cannot delete entity, must delete MFA device first.")
        if user.boundary:
            directory.note_use(user.boundary, user.id, bounding=True, begins=False)
        directory.remove(USER, user)

    await call.cloud.store.transact(work)
    return {}
