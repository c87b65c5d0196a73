"""Tags of everything in IAM that can have them.

IAM User Guide, "Tags for AWS Identity and Access Management resources": keys of users' and roles' tags are told apart without regard to case, those of
all other resources with it.
"""

from __future__ import annotations

from typing import Any

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, tag_list
from haneul.services.iam.errors import invalid_input, limit_exceeded, policy_not_found
from haneul.services.iam.limits import TAGS_MAX
from haneul.services.iam.mfa_records import mfa_device
from haneul.services.iam.pages import page_of_list
from haneul.services.iam.provider_records import oidc_provider, saml_provider
from haneul.services.iam.records import INSTANCE_PROFILE, POLICY, ROLE, SERVER_CERTIFICATE, USER
from haneul.services.iam.resources import iam_operation
from haneul.store.port import Transaction

_RESERVED_PREFIX = "aws:"


def new_tags(request: Shape, *, ignore_case: bool = False) -> dict[str, str]:
    """The tags that a creating request brings."""
    return added_tags({}, request.get("Tags", ()), ignore_case=ignore_case)


def added_tags(tags: dict[str, str], more: Any, *, ignore_case: bool) -> dict[str, str]:
    """Tags with others laid over them."""
    keys = [tag["Key"].lower() if ignore_case else tag["Key"] for tag in more]
    if len(set(keys)) != len(keys):
        raise invalid_input("Duplicate tag keys found." + (" Please note that Tag keys are case insensitive." if ignore_case else ""))
    if any(key.lower().startswith(_RESERVED_PREFIX) for key in keys):
        raise invalid_input("Tag keys that begin with aws: are reserved for system use.")
    merged = without_tags(tags, keys, ignore_case=ignore_case)
    merged |= {tag["Key"]: tag.get("Value", "") for tag in more}
    if len(merged) > TAGS_MAX:
        raise limit_exceeded("The number of tags has reached the maximum limit.")
    return merged


def without_tags(tags: dict[str, str], keys: list[str], *, ignore_case: bool) -> dict[str, str]:
    gone = {key.lower() for key in keys} if ignore_case else set(keys)
    return {key: value for key, value in tags.items() if (key.lower() if ignore_case else key) not in gone}


def _tagged(directory: Directory, request: Shape) -> tuple[Any, bytes, bool]:
    """The record that a request names, where it stands, and whether its keys ignore case."""
    if "UserName" in request:
        user = directory.named(USER, request["UserName"])
        return user, directory.key("user", user.name.lower()), True
    if "RoleName" in request:
        role = directory.named(ROLE, request["RoleName"])
        return role, directory.key("role", role.name.lower()), True
    if "InstanceProfileName" in request:
        profile = directory.named(INSTANCE_PROFILE, request["InstanceProfileName"])
        return profile, directory.key(INSTANCE_PROFILE.space, profile.name.lower()), False
    if "ServerCertificateName" in request:
        certificate = directory.named(SERVER_CERTIFICATE, request["ServerCertificateName"])
        return certificate, directory.key(SERVER_CERTIFICATE.space, certificate.name.lower()), False
    if "PolicyArn" in request:
        policy = directory.policy(request["PolicyArn"])
        if policy is None:
            raise policy_not_found(request["PolicyArn"])
        return policy, directory.key(POLICY.space, policy.name.lower()), False
    if "OpenIDConnectProviderArn" in request:
        return *oidc_provider(directory, request["OpenIDConnectProviderArn"]), False
    if "SAMLProviderArn" in request:
        return *saml_provider(directory, request["SAMLProviderArn"]), False
    return *mfa_device(directory, request["SerialNumber"]), False


@iam_operation(
    "TagUser", "TagRole", "TagPolicy", "TagInstanceProfile", "TagOpenIDConnectProvider", "TagSAMLProvider", "TagMFADevice", "TagServerCertificate"
)
async def tag(call: Call, request: Shape) -> Shape:
    """Add tags, or change the values of those that are there."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        record, key, ignore_case = _tagged(directory, request)
        record.tags = added_tags(record.tags, request["Tags"], ignore_case=ignore_case)
        directory.put(key, record)

    await call.cloud.store.transact(work)
    return {}


@iam_operation(
    "UntagUser",
    "UntagRole",
    "UntagPolicy",
    "UntagInstanceProfile",
    "UntagOpenIDConnectProvider",
    "UntagSAMLProvider",
    "UntagMFADevice",
    "UntagServerCertificate",
)
async def untag(call: Call, request: Shape) -> Shape:
    """Remove tags; keys that are not there do no harm."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        record, key, ignore_case = _tagged(directory, request)
        record.tags = without_tags(record.tags, request["TagKeys"], ignore_case=ignore_case)
        directory.put(key, record)

    await call.cloud.store.transact(work)
    return {}


@iam_operation(
    "ListUserTags",
    "ListRoleTags",
    "ListPolicyTags",
    "ListInstanceProfileTags",
    "ListOpenIDConnectProviderTags",
    "ListSAMLProviderTags",
    "ListMFADeviceTags",
    "ListServerCertificateTags",
)
async def list_tags(call: Call, request: Shape) -> Shape:
    """A resource's tags in the order of their keys."""
    record, _, _ = _tagged(directory_of(call), request)
    page, more = page_of_list(tag_list(record.tags), request)
    return {"Tags": page, **more}
