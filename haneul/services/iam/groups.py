"""CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup, and who is in them."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, shown_group, shown_user
from haneul.services.iam.errors import delete_conflict, quota_exceeded
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.limits import GROUPS_PER_USER_MAX
from haneul.services.iam.pages import page_of_list, page_of_rows
from haneul.services.iam.records import GROUP, USER, Group
from haneul.services.iam.resources import iam_operation
from haneul.store.keys import unpack
from haneul.store.port import Transaction
from haneul.store.records import decode


@iam_operation("CreateGroup")
async def create_group(call: Call, request: Shape) -> Shape:
    """Make an empty group."""
    group = Group(name=request["GroupName"], id=unique_id(call.cloud.ids, GROUP.id_prefix), path=request.get("Path", "/"), created_at=call.now)
    await call.cloud.store.transact(lambda tx: Directory(tx, call.account).add(GROUP, group))
    return {"Group": shown_group(call.account, group)}


@iam_operation("GetGroup")
async def get_group(call: Call, request: Shape) -> Shape:
    """A group and a page of its users."""
    directory = directory_of(call)
    group = directory.named(GROUP, request["GroupName"])

    def take(key: bytes, _: bytes) -> Shape | None:
        user = directory.by_id(USER, str(unpack(key)[4]))
        return shown_user(call.account, user) if user is not None else None

    users, more = page_of_rows(call.cloud.store, directory, ("member", group.id), request, take)
    return {"Group": shown_group(call.account, group), "Users": users, **more}


@iam_operation("ListGroups")
async def list_groups(call: Call, request: Shape) -> Shape:
    """Groups in the order of their names, a page at a time."""
    prefix = request.get("PathPrefix", "/")

    def take(_: bytes, value: bytes) -> Shape | None:
        group = decode(value, Group)
        return shown_group(call.account, group) if group.path.startswith(prefix) else None

    groups, more = page_of_rows(call.cloud.store, directory_of(call), ("group",), request, take)
    return {"Groups": groups, **more}


@iam_operation("UpdateGroup")
async def update_group(call: Call, request: Shape) -> Shape:
    """Change a group's name or path."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        directory.rename(GROUP, directory.named(GROUP, request["GroupName"]), request.get("NewGroupName"), request.get("NewPath"))

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteGroup")
async def delete_group(call: Call, request: Shape) -> Shape:
    """Remove a group without users and policies."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        group = directory.named(GROUP, request["GroupName"])
        if next(directory.rows("member", group.id), None) is not None:
            raise delete_conflict("Cannot delete entity, must remove users from group first.")
        if group.attached:
            raise delete_conflict("Cannot delete entity, must detach all policies first.")
        if directory.inline_policies(group.id):
            raise delete_conflict("Cannot delete entity, must delete policies first.")
        directory.remove(GROUP, group)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("AddUserToGroup")
async def add_user_to_group(call: Call, request: Shape) -> Shape:
    """Make a user a member; one who is already stays one."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        user = directory.named(USER, request["UserName"])
        group = directory.named(GROUP, request["GroupName"])
        if group.id in user.groups:
            return
        if len(user.groups) >= GROUPS_PER_USER_MAX:
            raise quota_exceeded("GroupsPerUser", GROUPS_PER_USER_MAX)
        user.groups.append(group.id)
        directory.save(USER, user)
        tx.put(directory.key("member", group.id, user.id), b"")

    await call.cloud.store.transact(work)
    return {}


@iam_operation("RemoveUserFromGroup")
async def remove_user_from_group(call: Call, request: Shape) -> Shape:
    """End a membership; without one nothing changes."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        user = directory.named(USER, request["UserName"])
        group = directory.named(GROUP, request["GroupName"])
        if group.id in user.groups:
            user.groups.remove(group.id)
            directory.save(USER, user)
            tx.delete(directory.key("member", group.id, user.id))

    await call.cloud.store.transact(work)
    return {}


@iam_operation("ListGroupsForUser")
async def list_groups_for_user(call: Call, request: Shape) -> Shape:
    """The groups that a user is in, in the order of their names."""
    directory = directory_of(call)
    user = directory.named(USER, request["UserName"])
    groups = [group for group in (directory.by_id(GROUP, group_id) for group_id in user.groups) if group is not None]
    page, more = page_of_list(sorted(groups, key=lambda group: group.name.lower()), request)
    return {"Groups": [shown_group(call.account, group) for group in page], **more}
