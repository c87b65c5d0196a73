"""Which resource a request is about, for the permission to use it: its ARN (paths are looked up) and IAM's condition keys.

Service Authorization Reference, "Actions, resources, and condition keys for AWS Identity and Access Management".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from haneul.core.call import Call
from haneul.core.operation import Handler, Marked, Shape, operation
from haneul.services.iam.delegation_access import delegation_arn, delegation_conditions, request_arn
from haneul.services.iam.directory import Directory
from haneul.services.iam.identities import key_row
from haneul.services.iam.records import GROUP, INSTANCE_PROFILE, ROLE, SERVER_CERTIFICATE, USER, AccessKey, Entity, Kind, Named, arn_of
from haneul.store.records import decode

_BY_NAME: tuple[tuple[str, Kind[Any]], ...] = (
    ("InstanceProfileName", INSTANCE_PROFILE),
    ("ServerCertificateName", SERVER_CERTIFICATE),
    ("GroupName", GROUP),
    ("RoleName", ROLE),
    ("UserName", USER),
)
_BY_ARN = ("PolicyArn", "OpenIDConnectProviderArn", "SAMLProviderArn", "SerialNumber", "PolicySourceArn")
_ABOUT_CALLER = frozenset(
    {
        "GetUser",
        "ChangePassword",
        "CreateAccessKey",
        "DeleteAccessKey",
        "UpdateAccessKey",
        "ListAccessKeys",
        "ListMFADevices",
        "ListSSHPublicKeys",
        "CreateLoginProfile",
        "GetLoginProfile",
        "DeleteLoginProfile",
    }
)
# What creating with tags needs besides (API Reference: "Tags" of each).
_TAGGING = {
    "CreateUser": "iam:TagUser",
    "CreateRole": "iam:TagRole",
    "CreatePolicy": "iam:TagPolicy",
    "CreateInstanceProfile": "iam:TagInstanceProfile",
    "CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
    "CreateSAMLProvider": "iam:TagSAMLProvider",
    "CreateVirtualMFADevice": "iam:TagMFADevice",
    "UploadServerCertificate": "iam:TagServerCertificate",
}
_LISTS = {"ListUsers": "user", "ListGroups": "group", "ListRoles": "role", "ListInstanceProfiles": "instance-profile"}


def iam_operation(*names: str, public: bool = False, authorized_inside: bool = False, partial: str = "") -> Callable[[Handler | Marked], Marked]:
    """Make a function the implementation of IAM operations: one, or a family that differs only in what it is about (users, groups, roles)."""

    def mark(handler: Handler | Marked) -> Marked:
        marked = handler if isinstance(handler, Marked) else Marked(handler, ())
        for name in names:
            more = operation(
                f"iam:{name}",
                resource=target_arn,
                conditions=condition_keys,
                tagging=_TAGGING.get(name, ""),
                public=public,
                authorized_inside=authorized_inside,
                partial=partial,
            )
            marked = more(marked)
        return marked

    return mark


def target_arn(call: Call, request: Shape) -> str | tuple[str, ...]:
    """The ARN of what the request is about; `*` for what has none. Of what is renamed or moved, both ARNs: the one it has and the one it is to have."""
    name = call.operation.name
    account = call.account
    if name in _LISTS:
        return f"arn:aws:iam::{account}:{_LISTS[name]}{request.get('PathPrefix', '/')}"
    for member, kind in _BY_NAME:
        if member in request:
            found = _named_arn(call, kind, request)
            new_name, new_path = request.get(f"New{member}"), request.get("NewPath")
            return (found, _moved_arn(found, kind, new_name, new_path)) if new_name or new_path else found
    for member in _BY_ARN:
        if member in request:
            return str(request[member])
    if "DelegationRequestId" in request:
        return request_arn(call, request["DelegationRequestId"])
    if name == "CreateDelegationRequest":
        return delegation_arn(account, "*")
    if name in _ABOUT_CALLER:
        return call.caller.arn or "*"
    if name == "GetAccessKeyLastUsed":
        return _key_owner_arn(call, request["AccessKeyId"])
    if name in ("CreatePolicy", "CreateVirtualMFADevice"):
        space, made = ("policy", "PolicyName") if name == "CreatePolicy" else ("mfa", "VirtualMFADeviceName")
        return f"arn:aws:iam::{account}:{space}{request.get('Path', '/')}{request[made]}"
    if name == "CreateSAMLProvider":
        return f"arn:aws:iam::{account}:saml-provider/{request['Name']}"
    if name == "CreateOpenIDConnectProvider":
        return f"arn:aws:iam::{account}:oidc-provider/{request['Url'].partition('://')[2]}"
    if name == "CreateServiceLinkedRole":
        return f"arn:aws:iam::{account}:role/aws-service-role/{request['AWSServiceName']}/AWSServiceRoleFor*"
    return "*"


def _named_arn(call: Call, kind: Kind[Any], request: Shape) -> str:
    member = next(member for member, one in _BY_NAME if one is kind)
    name = request[member]
    found: Named | None = Directory(call.cloud.store, call.account).find(kind, name)
    if found is not None:
        return arn_of(call.account, kind, found)
    path = request.get("Path", "/") if call.operation.name.startswith(("Create", "Upload")) else "/"
    return f"arn:aws:iam::{call.account}:{kind.space}{path}{name}"


def _moved_arn(arn: str, kind: Kind[Any], name: str | None, path: str | None) -> str:
    """What the ARN becomes under a new name or path (IAM User Guide, "Rename an IAM user": the permission is needed on both sides)."""
    account, _, resource = arn.partition(f":{kind.space}/")
    old_path, _, old_name = f"/{resource}".rpartition("/")
    return f"{account}:{kind.space}{path or old_path + '/'}{name or old_name}"


def _key_owner_arn(call: Call, access_key_id: str) -> str:
    """The user whose key it is; `*` for keys of nobody in the account."""
    row = call.cloud.store.get(key_row(access_key_id))
    user = Directory(call.cloud.store, call.account).by_id(USER, decode(row, AccessKey).user_id) if row is not None else None
    return arn_of(call.account, USER, user) if user is not None else "*"


def condition_keys(call: Call, request: Shape) -> Mapping[str, Any]:
    """The condition keys that the request brings and those of what it is about, but for their tags."""
    keys: dict[str, Any] = {}
    if "Delegation" in call.operation.name:
        return delegation_conditions(call, request)
    if "PolicyArn" in request and call.operation.name.startswith(("Attach", "Detach")):
        keys["iam:PolicyARN"] = request["PolicyArn"]
    if "AWSServiceName" in request:
        keys["iam:AWSServiceName"] = request["AWSServiceName"]
    for member, kind in _BY_NAME:
        if member in request:
            found: Named | None = Directory(call.cloud.store, call.account).find(kind, request[member])
            if isinstance(found, Entity) and found.boundary:
                keys["iam:PermissionsBoundary"] = found.boundary
            break
    if "PermissionsBoundary" in request:
        keys["iam:PermissionsBoundary"] = request["PermissionsBoundary"]
    return keys
