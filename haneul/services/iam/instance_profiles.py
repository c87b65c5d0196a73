"""Instance profiles, as metadata: Create…, Get…, List…, Delete…, and the role in them."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, shown_profile
from haneul.services.iam.errors import already_exists, delete_conflict, no_such_entity, quota_exceeded
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.limits import ROLES_PER_INSTANCE_PROFILE_MAX
from haneul.services.iam.pages import page_of_rows
from haneul.services.iam.records import INSTANCE_PROFILE, ROLE, InstanceProfile, arn_of
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.tags import new_tags
from haneul.store.keys import unpack
from haneul.store.port import Transaction
from haneul.store.records import decode


@iam_operation("CreateInstanceProfile")
async def create_instance_profile(call: Call, request: Shape) -> Shape:
    """Make a profile without a role."""
    profile = InstanceProfile(
        name=request["InstanceProfileName"],
        id=unique_id(call.cloud.ids, INSTANCE_PROFILE.id_prefix),
        path=request.get("Path", "/"),
        created_at=call.now,
        tags=new_tags(request),
    )
    await call.cloud.store.transact(lambda tx: Directory(tx, call.account).add(INSTANCE_PROFILE, profile))
    return {"InstanceProfile": shown_profile(call, directory_of(call), profile)}


@iam_operation("GetInstanceProfile")
async def get_instance_profile(call: Call, request: Shape) -> Shape:
    """A profile with its role and tags."""
    directory = directory_of(call)
    return {"InstanceProfile": shown_profile(call, directory, directory.named(INSTANCE_PROFILE, request["InstanceProfileName"]), tags=True)}


@iam_operation("ListInstanceProfiles")
async def list_instance_profiles(call: Call, request: Shape) -> Shape:
    """Profiles in the order of their names, a page at a time."""
    prefix, directory = request.get("PathPrefix", "/"), directory_of(call)

    def take(_: bytes, value: bytes) -> Shape | None:
        profile = decode(value, InstanceProfile)
        return shown_profile(call, directory, profile, tags=False) if profile.path.startswith(prefix) else None

    profiles, more = page_of_rows(call.cloud.store, directory, (INSTANCE_PROFILE.space,), request, take)
    return {"InstanceProfiles": profiles, **more}


@iam_operation("ListInstanceProfilesForRole")
async def list_instance_profiles_for_role(call: Call, request: Shape) -> Shape:
    """The profiles that hold a role."""
    directory = directory_of(call)
    role = directory.named(ROLE, request["RoleName"])

    def take(key: bytes, _: bytes) -> Shape | None:
        profile = directory.by_id(INSTANCE_PROFILE, str(unpack(key)[4]))
        return shown_profile(call, directory, profile, tags=False) if profile is not None else None

    profiles, more = page_of_rows(call.cloud.store, directory, ("profile-of", role.id), request, take)
    return {"InstanceProfiles": profiles, **more}


@iam_operation("AddRoleToInstanceProfile")
async def add_role_to_instance_profile(call: Call, request: Shape) -> Shape:
    """Put a role into a profile, one at most. Whoever does it must be allowed to pass the role."""
    directory = directory_of(call)
    found = directory.find(ROLE, request["RoleName"])
    if found is not None:
        call.authorize("iam:PassRole", arn_of(call.account, ROLE, found), {"iam:PassedToService": "ec2.amazonaws.com"})

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        profile = directory.named(INSTANCE_PROFILE, request["InstanceProfileName"])
        role = directory.named(ROLE, request["RoleName"])
        if role.id in profile.roles:
            raise already_exists(f"Role {role.name} already exists in Instance Profile {profile.name}.")
        if len(profile.roles) >= ROLES_PER_INSTANCE_PROFILE_MAX:
            raise quota_exceeded("InstanceSessionsPerInstanceProfile", ROLES_PER_INSTANCE_PROFILE_MAX)
        profile.roles.append(role.id)
        directory.save(INSTANCE_PROFILE, profile)
        tx.put(directory.key("profile-of", role.id, profile.id), b"")

    await call.cloud.store.transact(work)
    return {}


@iam_operation("RemoveRoleFromInstanceProfile")
async def remove_role_from_instance_profile(call: Call, request: Shape) -> Shape:
    """Take the role out of a profile."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        profile = directory.named(INSTANCE_PROFILE, request["InstanceProfileName"])
        role = directory.named(ROLE, request["RoleName"])
        if role.id not in profile.roles:
            raise no_such_entity(f"Role {role.name} in Instance Profile {profile.name} cannot be found.")
        profile.roles.remove(role.id)
        directory.save(INSTANCE_PROFILE, profile)
        tx.delete(directory.key("profile-of", role.id, profile.id))

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteInstanceProfile")
async def delete_instance_profile(call: Call, request: Shape) -> Shape:
    """Remove a profile without a role."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        profile = directory.named(INSTANCE_PROFILE, request["InstanceProfileName"])
        if profile.roles:
            raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
        directory.remove(INSTANCE_PROFILE, profile)

    await call.cloud.store.transact(work)
    return {}
