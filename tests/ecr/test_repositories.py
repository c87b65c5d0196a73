"""Repositories and their settings, through the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.ecr.build import Registry, repository, small_image
from tests.support.running import Running


def code_of(failure: pytest.ExceptionInfo[ClientError]) -> str:
    return str(failure.value.response["Error"]["Code"])


def test_created_described_and_deleted(cloud: Running) -> None:
    """What a deployment tool does first and last."""
    ecr = cloud.client("ecr")
    made = repository(cloud, "team/app", tags=[{"Key": "a", "Value": "b"}])
    assert made["repositoryArn"] == "arn:aws:ecr:us-east-1:000000000000:repository/team/app"
    assert made["repositoryUri"].endswith("/team/app") and made["imageTagMutability"] == "MUTABLE"
    assert ecr.describe_repositories(repositoryNames=["team/app"])["repositories"] == [made]
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ecr.exceptions.RepositoryAlreadyExistsException, match="already exists in the registry with id '000000000000'"):
        repository(cloud, "team/app")
    ecr.delete_repository(repositoryName="team/app")
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException, match="The repository with name 'team/app' does not exist in the registry"):
        ecr.describe_repositories(repositoryNames=["team/app"])


@pytest.mark.parametrize("name", ["AA", "Upper/case", "a//b", "-a", "a.", "x" * 257])
def test_names_that_cannot_be(cloud: Running, name: str) -> None:
    """Names are path components of lower case, as in the API's reference."""
    with pytest.raises(cloud.client("ecr").exceptions.InvalidParameterException):
        repository(cloud, name)


def test_pages_of_repositories(cloud: Running) -> None:
    """A listing costs what a page costs, and every repository comes once."""
    for number in range(5):
        repository(cloud, f"paged/{number}")
    pages = cloud.client("ecr").get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
    names = [one["repositoryName"] for page in pages for one in page["repositories"] if one["repositoryName"].startswith("paged/")]
    assert names == [f"paged/{number}" for number in range(5)]


def test_accounts_and_regions_are_apart(cloud: Running) -> None:
    """The same name elsewhere is another repository."""
    repository(cloud, "apart")
    for other in (cloud.client("ecr", region="eu-west-1"), cloud.client("ecr", key="111111111111")):
        with pytest.raises(ClientError) as failure:
            other.describe_repositories(repositoryNames=["apart"])
        assert code_of(failure) == "RepositoryNotFoundException"


def test_a_repository_with_images_needs_force(cloud: Running) -> None:
    """Because nobody wants to lose images by mistake."""
    ecr = cloud.client("ecr")
    repository(cloud, "full")
    Registry(cloud).push("full", small_image())
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName="full")
    ecr.delete_repository(repositoryName="full", force=True)
    assert not list(_blobs(cloud))


def _blobs(cloud: Running) -> list[Any]:
    return [path for path in (cloud.data_dir / "blobs").rglob("*") if path.is_file()]


def test_tags_settings_and_registry(cloud: Running) -> None:
    """The control plane around a repository."""
    ecr = cloud.client("ecr")
    arn = repository(cloud, "settings")["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "x", "Value": "1"}, {"Key": "y", "Value": "2"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["x"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "y", "Value": "2"}]
    ecr.put_image_tag_mutability(repositoryName="settings", imageTagMutability="IMMUTABLE")
    ecr.put_image_scanning_configuration(repositoryName="settings", imageScanningConfiguration={"scanOnPush": True})
    shown = ecr.describe_repositories(repositoryNames=["settings"])["repositories"][0]
    assert shown["imageTagMutability"] == "IMMUTABLE" and shown["imageScanningConfiguration"] == {"scanOnPush": True}
    assert ecr.describe_registry()["registryId"] == "000000000000"
    with pytest.raises(ClientError) as failure:
        ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="xx", upstreamRegistryUrl="public.ecr.aws")
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_repository_policy_is_evaluated(cloud: Running) -> None:
    """Another account gets in by the repository's policy and its own permissions, and by nothing less."""
    ecr = cloud.client("ecr")
    repository(cloud, "shared")
    Registry(cloud).push("shared", small_image("shared"), "v1")
    other = cloud.client("ecr", key="222222222222")
    wanted: dict[str, Any] = {"registryId": "000000000000", "repositoryName": "shared", "imageIds": [{"imageTag": "v1"}]}
    with pytest.raises(ClientError) as failure:
        other.batch_get_image(**wanted)
    assert code_of(failure) == "AccessDeniedException"
    statement = {"Sid": "pull", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": ["ecr:BatchGetImage"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ecr.set_repository_policy(repositoryName="shared", policyText=policy)
    assert ecr.get_repository_policy(repositoryName="shared")["policyText"] == policy
    assert len(other.batch_get_image(**wanted)["images"]) == 1
    with pytest.raises(ClientError):
        other.batch_delete_image(**wanted)
    ecr.delete_repository_policy(repositoryName="shared")
    with pytest.raises(ecr.exceptions.RepositoryPolicyNotFoundException):
        ecr.get_repository_policy(repositoryName="shared")
    with pytest.raises(ecr.exceptions.InvalidParameterException):
        ecr.set_repository_policy(repositoryName="shared", policyText='{"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}')


def test_state_survives_a_restart(fresh_cloud: Running) -> None:
    """Images are in the store and among the blobs, not in memory."""
    repository(fresh_cloud, "kept")
    one = small_image("kept")
    Registry(fresh_cloud).push("kept", one, "v1")
    fresh_cloud.stop()
    fresh_cloud.start()
    pulled = Registry(fresh_cloud)
    assert pulled.request("GET", "kept/manifests/v1").data == one.manifest
    for digest, data in one.blobs.items():
        assert pulled.request("GET", f"kept/blobs/{digest}").data == data
