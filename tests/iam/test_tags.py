"""Tags of everything in IAM that can have them, through each resource's own operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.iam.identities import allow, policy, refused, trust
from tests.support.running import ACCOUNT
from tests.support.saml_idp import IdentityProvider


def _user(iam: Any) -> tuple[dict[str, str], Any, Any, Any]:
    iam.create_user(UserName="tagged")
    return {"UserName": "tagged"}, iam.tag_user, iam.untag_user, iam.list_user_tags


def _role(iam: Any) -> tuple[dict[str, str], Any, Any, Any]:
    iam.create_role(RoleName="tagged", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    return {"RoleName": "tagged"}, iam.tag_role, iam.untag_role, iam.list_role_tags


def _policy(iam: Any) -> tuple[dict[str, str], Any, Any, Any]:
    arn = iam.create_policy(PolicyName="tagged", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    return {"PolicyArn": arn}, iam.tag_policy, iam.untag_policy, iam.list_policy_tags


def _instance_profile(iam: Any) -> tuple[dict[str, str], Any, Any, Any]:
    iam.create_instance_profile(InstanceProfileName="tagged")
    return {"InstanceProfileName": "tagged"}, iam.tag_instance_profile, iam.untag_instance_profile, iam.list_instance_profile_tags


def _oidc_provider(iam: Any) -> tuple[dict[str, str], Any, Any, Any]:
    arn = iam.create_open_id_connect_provider(Url="https://tagged.example.com")["OpenIDConnectProviderArn"]
    return {"OpenIDConnectProviderArn": arn}, iam.tag_open_id_connect_provider, iam.untag_open_id_connect_provider, iam.list_open_id_connect_provider_tags


def _saml_provider(iam: Any) -> tuple[dict[str, str], Any, Any, Any]:
    arn = iam.create_saml_provider(Name="tagged", SAMLMetadataDocument=IdentityProvider().metadata)["SAMLProviderArn"]
    return {"SAMLProviderArn": arn}, iam.tag_saml_provider, iam.untag_saml_provider, iam.list_saml_provider_tags


def _mfa_device(iam: Any) -> tuple[dict[str, str], Any, Any, Any]:
    serial = iam.create_virtual_mfa_device(VirtualMFADeviceName="tagged")["VirtualMFADevice"]["SerialNumber"]
    return {"SerialNumber": serial}, iam.tag_mfa_device, iam.untag_mfa_device, iam.list_mfa_device_tags


RESOURCES = [_user, _role, _policy, _instance_profile, _oidc_provider, _saml_provider, _mfa_device]
# Keys of these are told apart without regard to case.
CASELESS = (_user, _role)


@pytest.mark.parametrize("make", RESOURCES, ids=lambda make: make.__name__[1:])
def test_tags_come_and_go(iam: Any, make: Callable[[Any], tuple[dict[str, str], Any, Any, Any]]) -> None:
    """Added, changed, removed, listed by key; keys that are not there may be removed."""
    name, tag, untag, listed = make(iam)
    assert listed(**name)["Tags"] == []
    tag(**name, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}])
    tag(**name, Tags=[{"Key": "B", "Value": "3"}])
    both = [("B", "3"), ("a", "1")] if make in CASELESS else [("B", "3"), ("a", "1"), ("b", "2")]
    assert sorted((one["Key"], one["Value"]) for one in listed(**name)["Tags"]) == both
    first = listed(**name, MaxItems=1)
    rest = listed(**name, Marker=first["Marker"])
    assert first["IsTruncated"] and sorted((one["Key"], one["Value"]) for one in first["Tags"] + rest["Tags"]) == both
    untag(**name, TagKeys=["B", "nothing"])
    assert [(one["Key"], one["Value"]) for one in listed(**name)["Tags"]] == both[1:]
    refused("InvalidInput", tag, **name, Tags=[{"Key": "aws:own", "Value": "x"}])
    refused("LimitExceeded", tag, **name, Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])


def test_tags_of_what_is_not_there(iam: Any) -> None:
    """Each says that it cannot find it."""
    tags = [{"Key": "a", "Value": "1"}]
    refused("NoSuchEntity", iam.tag_user, UserName="untagged", Tags=tags)
    refused("NoSuchEntity", iam.untag_policy, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/untagged", TagKeys=["a"])
    refused("NoSuchEntity", iam.list_mfa_device_tags, SerialNumber=f"arn:aws:iam::{ACCOUNT}:mfa/untagged")
