"""GetAccountAuthorizationDetails: all users, groups, roles and policies with what hangs on them, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.core.paging import make_token
from haneul.services.iam.attachments import attached_policies
from haneul.services.iam.directory import Directory
from haneul.services.iam.documents import shown
from haneul.services.iam.entities import directory_of, shown_group, shown_last_use, shown_profile, shown_role, shown_user, tag_list
from haneul.services.iam.limits import PAGE_ITEMS_DEFAULT
from haneul.services.iam.pages import marker_position
from haneul.services.iam.policies import shown_aws_policy, shown_policy
from haneul.services.iam.policy_versions import shown_version
from haneul.services.iam.records import GROUP, INSTANCE_PROFILE, POLICY, Entity, Group, ManagedPolicy, Role, User, arn_of
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.service import Iam
from haneul.store.keys import after, unpack
from haneul.store.records import decode

_AWS_POLICIES = "aws-policy"
# (the filter's word, key space, list in the answer), in the order of the pages.
_SECTIONS = (
    ("User", "user", "UserDetailList"),
    ("Group", "group", "GroupDetailList"),
    ("Role", "role", "RoleDetailList"),
    ("LocalManagedPolicy", "policy", "Policies"),
    ("AWSManagedPolicy", _AWS_POLICIES, "Policies"),
)


@iam_operation("GetAccountAuthorizationDetails")
async def get_account_authorization_details(call: Call, request: Shape) -> Shape:
    """Everything that decides over permissions in the account; AWS's own policies only where something uses them."""
    limit = request.get("MaxItems", PAGE_ITEMS_DEFAULT)
    wanted = request.get("Filter") or [word for word, _, _ in _SECTIONS]
    section, _, rest = marker_position(request).partition(b":")
    result: Shape = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": [], "IsTruncated": False}
    directory = directory_of(call)
    found = 0
    for word, space, target in _SECTIONS:
        if section and section.decode("latin-1") != space:
            continue
        start, section, rest = rest, b"", b""
        if word not in wanted:
            continue
        for position, shape in _rows(call, directory, space, start):
            if found == limit:
                return result | {"IsTruncated": True, "Marker": make_token(space.encode() + b":" + position)}
            result[target].append(shape)
            found += 1
    return result


def _rows(call: Call, directory: Directory, space: str, start: bytes) -> Iterator[tuple[bytes, Shape]]:
    """What a section has from `start` on: where each stands, and how it is shown."""
    if space == _AWS_POLICIES:
        for arn, managed in call.cloud.authority.managed_policies().items():
            use = directory.use_of(arn)
            if (use.attached or use.bounding) and managed.name.encode() >= start:
                version = {"VersionId": managed.version_id, "IsDefaultVersion": True, "CreateDate": managed.created_at, "Document": shown(managed.document)}
                yield managed.name.encode(), shown_aws_policy(managed, use) | {"PolicyVersionList": [version]}
        return
    prefix = directory.key(space)
    show = {"user": _user, "group": _group, "role": _role, "policy": _policy}[space]
    for key, value in call.cloud.store.iterate(prefix + start, after(prefix)):
        yield key[len(prefix) :], show(call, directory, value)


def _inline(directory: Directory, entity: Entity) -> list[Shape]:
    return [{"PolicyName": one.name, "PolicyDocument": shown(one.document)} for one in directory.inline_policies(entity.id)]


def _user(call: Call, directory: Directory, value: bytes) -> Shape:
    user = decode(value, User)
    groups = [directory.by_id(GROUP, group_id) for group_id in user.groups]
    return shown_user(call.account, user, details=True) | {
        "UserPolicyList": _inline(directory, user),
        "GroupList": [group.name for group in groups if group is not None],
        "AttachedManagedPolicies": attached_policies(user.attached),
        "Tags": tag_list(user.tags),
    }


def _group(call: Call, directory: Directory, value: bytes) -> Shape:
    group = decode(value, Group)
    return shown_group(call.account, group) | {"GroupPolicyList": _inline(directory, group), "AttachedManagedPolicies": attached_policies(group.attached)}


def _role(call: Call, directory: Directory, value: bytes) -> Shape:
    role = decode(value, Role)
    profiles = [directory.by_id(INSTANCE_PROFILE, str(unpack(key)[4])) for key, _ in directory.rows("profile-of", role.id)]
    return shown_role(call, role, details=True, settings=False) | {
        "InstanceProfileList": [shown_profile(call, directory, profile, tags=False) for profile in profiles if profile is not None],
        "RolePolicyList": _inline(directory, role),
        "AttachedManagedPolicies": attached_policies(role.attached),
        "Tags": tag_list(role.tags),
        "RoleLastUsed": shown_last_use(call.service(Iam).last_uses.of(role.id)),
    }


def _policy(call: Call, directory: Directory, value: bytes) -> Shape:
    policy = decode(value, ManagedPolicy)
    numbers = sorted(directory.version_numbers(policy), reverse=True)
    versions = [(number, directory.version(policy, number)) for number in numbers]
    return shown_policy(call.account, policy, directory.use_of(arn_of(call.account, POLICY, policy))) | {
        "PolicyVersionList": [shown_version(policy, number, one, document=True) for number, one in versions if one is not None]
    }
