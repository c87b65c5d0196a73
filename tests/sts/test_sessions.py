"""What all temporary credentials share: the account in their id, the size of their token; and the sessions that nobody here can have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.iam.identities import User, allow, refused, session_client, trust
from tests.support.running import ACCOUNT, Running

OTHER = "111111111111"


def test_the_account_of_temporary_credentials(cloud: Running) -> None:
    """Their ids carry it: nothing is stored of them."""
    user = User(cloud, "asker", allow("sts:*"))
    theirs = cloud.client("sts", key=OTHER).get_session_token()["Credentials"]["AccessKeyId"]
    assert theirs.startswith("ASIA")
    assert len(theirs) == 20
    assert user.client("sts").get_access_key_info(AccessKeyId=theirs)["Account"] == OTHER
    for made_up in ("ASIAAAAAAAAAAAAAAAAA", "ASIA0000000000000000", "ASIA77777777777777AB"):
        refused("ValidationError", user.client("sts").get_access_key_info, AccessKeyId=made_up)


@pytest.mark.parametrize("size", [0, 1, 1500, 4095, 4096])
def test_token_sizes(cloud: Running, size: int) -> None:
    """A token is as long as asked for at least, says how long it is, and is good."""
    user = User(cloud, f"size-{size}", allow("sts:*"))
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName=f"size-{size}", AssumeRolePolicyDocument=trust({"AWS": user.arn}))["Role"]["Arn"]
    sts = user.client("sts")
    for answer in (
        sts.assume_role(RoleArn=arn, RoleSessionName="s1", MinimumSessionTokenSize=size),
        sts.get_session_token(MinimumSessionTokenSize=size),
        sts.get_federation_token(Name="fed", MinimumSessionTokenSize=size),
    ):
        token = answer["Credentials"]["SessionToken"]
        assert size <= len(token) == answer["SessionTokenSize"] <= max(size + 32, 1500)
        assert session_client(cloud, "sts", answer["Credentials"]).get_caller_identity()["Account"] == ACCOUNT


def test_contexts_that_nobody_provides(cloud: Running) -> None:
    """Assertions come from IAM Identity Center only, so none is valid here; to pass one needs the trust policy's word first."""
    user, iam = User(cloud, "context"), cloud.client("iam")
    provided = [{"ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "ContextAssertion": "assertion"}]
    for name, actions, code in (("no-context", ["sts:AssumeRole"], "AccessDenied"), ("context", ["sts:AssumeRole", "sts:SetContext"], "InvalidContextAssertion")):
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": user.arn}, *actions))["Role"]["Arn"]
        refused(code, user.client("sts").assume_role, RoleArn=arn, RoleSessionName="s1", ProvidedContexts=provided)


def test_assume_root(cloud: Running) -> None:
    """An account outside of an organization is refused, whatever its policies say; and the root user always."""
    task = {"arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}
    plain, able = User(cloud, "plain"), User(cloud, "able", allow("sts:AssumeRoot"))

    def ask(client: Any, target: str = OTHER, arn: dict[str, str] = task) -> Any:
        return lambda **_: client.assume_root(TargetPrincipal=target, TaskPolicyArn=arn)

    message = refused("AccessDenied", ask(plain.client("sts")))
    assert message.startswith(f"User: {plain.arn} is not authorized to perform: sts:AssumeRoot on resource: arn:aws:iam::{OTHER}:root because no identity-based policy")
    refused("AccessDenied", ask(able.client("sts")))
    refused("AccessDenied", ask(able.client("sts"), f"arn:aws:iam::{OTHER}:root"))
    refused("AccessDenied", ask(cloud.client("sts")))
    refused("ValidationError", ask(able.client("sts"), "arn:aws:iam::1:root"))
    refused("ValidationError", ask(able.client("sts"), arn={"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}))
