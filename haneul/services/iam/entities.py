"""Users, groups and roles in one: how operations that exist for each of the three find theirs, and how each is shown."""

from __future__ import annotations

from typing import Any

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.documents import shown
from haneul.services.iam.errors import unmodifiable_role, validation_error
from haneul.services.iam.records import GROUP, INSTANCE_PROFILE, ROLE, USER, Entity, Group, InstanceProfile, Kind, LastUse, Role, User, arn_of

_KINDS: tuple[tuple[str, Kind[Any]], ...] = (("User", USER), ("Group", GROUP), ("Role", ROLE))


def directory_of(call: Call) -> Directory:
    """The caller's account for reading."""
    return Directory(call.cloud.store, call.account)


def kind_of(call: Call) -> Kind[Any]:
    """Whether PutUserPolicy, PutGroupPolicy or PutRolePolicy was called (and the like)."""
    return next(kind for word, kind in _KINDS if word in call.operation.name)


def named_entity(call: Call, request: Shape, directory: Directory) -> tuple[Kind[Any], Entity]:
    """The user, group or role that such an operation names."""
    kind = kind_of(call)
    return kind, directory.named(kind, request[f"{kind.space.capitalize()}Name"])


def modifiable_entity(call: Call, request: Shape, directory: Directory) -> tuple[Kind[Any], Entity]:
    """The same, refused when it is a role that belongs to its service."""
    kind, entity = named_entity(call, request, directory)
    refuse_linked(entity)
    return kind, entity


def refuse_linked(entity: Entity) -> None:
    if isinstance(entity, Role) and entity.linked_service:
        raise unmodifiable_role(entity.name)


def user_or_caller(call: Call, request: Shape, directory: Directory) -> User:
    """The user that a request names, or else the one who makes it."""
    name = request.get("UserName")
    if name is not None:
        return directory.named(USER, name)
    found = directory.by_id(USER, call.caller.principal_id) if call.caller.kind == "user" else None
    if found is None:
        raise validation_error("Must specify userName when calling with non-User credentials")
    return found


def tag_list(tags: dict[str, str]) -> list[Shape]:
    """Tags in the order of their keys."""
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def _boundary(entity: Entity) -> Shape:
    # The model's enumeration says PermissionsBoundaryPolicy; the service itself answers Policy.
    return {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": entity.boundary}} if entity.boundary else {}


def shown_user(account: str, user: User, *, details: bool = False) -> Shape:
    """A user as lists show it; with `details` as CreateUser and GetUser do (tags, boundary)."""
    shape: Shape = {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": arn_of(account, USER, user),
        "CreateDate": user.created_at,
    }
    if details:
        shape |= _boundary(user)
        if user.tags:
            shape["Tags"] = tag_list(user.tags)
    return shape


def shown_group(account: str, group: Group) -> Shape:
    return {"Path": group.path, "GroupName": group.name, "GroupId": group.id, "Arn": arn_of(account, GROUP, group), "CreateDate": group.created_at}


def shown_role(call: Call, role: Role, *, details: bool = False, settings: bool = True) -> Shape:
    """A role as ListRoles shows it; `details` adds tags and boundary, without `settings` description and longest session are left out."""
    shape: Shape = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": arn_of(call.account, ROLE, role),
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": shown(call.cloud.authority.show_principals(role.trust)),
    }
    if settings:
        shape["MaxSessionDuration"] = role.max_session_seconds
        if role.description is not None:
            shape["Description"] = role.description
    if details:
        shape |= _boundary(role)
        if role.tags:
            shape["Tags"] = tag_list(role.tags)
    return shape


def shown_last_use(use: LastUse | None) -> Shape:
    """RoleLastUsed: empty for a role that nobody has used."""
    return {"LastUsedDate": use.at, "Region": use.region} if use is not None else {}


def shown_profile(call: Call, directory: Directory, profile: InstanceProfile, *, tags: bool | None = None) -> Shape:
    """An instance profile; `tags` True shows them always, None only when there are any, False never."""
    roles = [directory.by_id(ROLE, role_id) for role_id in profile.roles]
    shape: Shape = {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": arn_of(call.account, INSTANCE_PROFILE, profile),
        "CreateDate": profile.created_at,
        "Roles": [shown_role(call, role, settings=False) for role in roles if role is not None],
    }
    if tags or (tags is None and profile.tags):
        shape["Tags"] = tag_list(profile.tags)
    return shape
