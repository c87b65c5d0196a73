"""Images through the API."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.ecr.build import OCI_INDEX, OCI_MANIFEST, BuiltImage, Registry, digest_of, image, index, repository, small_image, tar
from tests.support.running import Running

MEBIBYTE = 1 << 20


def blob_files(cloud: Running) -> list[Path]:
    cloud.settle()
    return [path for path in (cloud.data_dir / "blobs").rglob("*") if path.is_file()]


def upload(ecr: Any, name: str, data: bytes, part_bytes: int = 5 * MEBIBYTE) -> None:
    """A layer by the API."""
    upload_id = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    for start in range(0, len(data), part_bytes):
        part = data[start : start + part_bytes]
        done = ecr.upload_layer_part(repositoryName=name, uploadId=upload_id, partFirstByte=start, partLastByte=start + len(part) - 1, layerPartBlob=part)
        assert done["lastByteReceived"] == start + len(part) - 1
    assert ecr.complete_layer_upload(repositoryName=name, uploadId=upload_id, layerDigests=[digest_of(data)])["layerDigest"] == digest_of(data)


def put(ecr: Any, name: str, one: BuiltImage, **more: Any) -> Any:
    return ecr.put_image(repositoryName=name, imageManifest=one.manifest.decode(), **more)["image"]


def test_an_image_by_the_api_alone(cloud: Running) -> None:
    """Layers in parts, a manifest, and back again: what the AWS CLI offers without docker."""
    ecr = cloud.client("ecr")
    repository(cloud, "api")
    one = image([tar({"large": bytes(7 * MEBIBYTE)})], compress=lambda data: data)
    wanted = list(one.blobs)
    assert {layer["layerAvailability"] for layer in ecr.batch_check_layer_availability(repositoryName="api", layerDigests=wanted)["layers"]} == {"UNAVAILABLE"}
    with pytest.raises(ecr.exceptions.LayersNotFoundException, match="required for pushing image into repository with name 'api'"):
        put(ecr, "api", one)
    for data in one.blobs.values():
        upload(ecr, "api", data)
    checked = ecr.batch_check_layer_availability(repositoryName="api", layerDigests=[*wanted, "nonsense"])
    assert {layer["layerSize"] for layer in checked["layers"]} == {len(data) for data in one.blobs.values()}
    assert checked["failures"][0]["failureCode"] == "InvalidLayerDigest"
    made = put(ecr, "api", one, imageTag="v1")
    assert made["imageId"] == {"imageDigest": one.digest, "imageTag": "v1"}
    with pytest.raises(ecr.exceptions.ImageAlreadyExistsException):
        put(ecr, "api", one, imageTag="v1")
    got = ecr.batch_get_image(repositoryName="api", imageIds=[{"imageTag": "v1"}, {"imageTag": "none"}, {}])
    assert got["images"][0]["imageManifest"].encode() == one.manifest
    assert [failure["failureCode"] for failure in got["failures"]] == ["ImageNotFound", "MissingDigestAndTag"]
    link = ecr.get_download_url_for_layer(repositoryName="api", layerDigest=wanted[1])["downloadUrl"]
    with urllib.request.urlopen(link) as answer:
        assert digest_of(answer.read()) == wanted[1]
    with pytest.raises(ecr.exceptions.LayerAlreadyExistsException):
        upload(ecr, "api", one.blobs[wanted[0]])


def test_parts_in_order_and_large_enough(cloud: Running) -> None:
    """A part begins where the last one ended, and only the last may be small."""
    ecr = cloud.client("ecr")
    repository(cloud, "parts")
    upload_id = ecr.initiate_layer_upload(repositoryName="parts")["uploadId"]
    with pytest.raises(ecr.exceptions.EmptyUploadException):
        ecr.complete_layer_upload(repositoryName="parts", uploadId=upload_id, layerDigests=[digest_of(b"")])
    ecr.upload_layer_part(repositoryName="parts", uploadId=upload_id, partFirstByte=0, partLastByte=2, layerPartBlob=b"abc")
    with pytest.raises(ecr.exceptions.InvalidLayerPartException) as failure:
        ecr.upload_layer_part(repositoryName="parts", uploadId=upload_id, partFirstByte=7, partLastByte=9, layerPartBlob=b"def")
    assert failure.value.response["lastValidByteReceived"] == 2
    with pytest.raises(ecr.exceptions.InvalidLayerException):
        ecr.complete_layer_upload(repositoryName="parts", uploadId=upload_id, layerDigests=[digest_of(b"other")])
    ecr.upload_layer_part(repositoryName="parts", uploadId=upload_id, partFirstByte=3, partLastByte=5, layerPartBlob=b"def")
    with pytest.raises(ecr.exceptions.LayerPartTooSmallException):
        ecr.complete_layer_upload(repositoryName="parts", uploadId=upload_id, layerDigests=[digest_of(b"abcdef")])
    with pytest.raises(ecr.exceptions.UploadNotFoundException):
        ecr.complete_layer_upload(repositoryName="parts", uploadId="0" * 8 + "-0000-0000-0000-" + "0" * 12, layerDigests=[digest_of(b"")])


def test_tags_move_unless_they_are_immutable(cloud: Running) -> None:
    """A release that was tagged once shall stay what it was."""
    ecr = cloud.client("ecr")
    repository(cloud, "tags")
    registry = Registry(cloud)
    first, second = small_image("first"), small_image("second")
    registry.push("tags", first, "v1")
    registry.push("tags", second, "v1")
    details = {one["imageDigest"]: one.get("imageTags") for one in ecr.describe_images(repositoryName="tags")["imageDetails"]}
    assert details == {first.digest: None, second.digest: ["v1"]}
    ecr.put_image_tag_mutability(repositoryName="tags", imageTagMutability="IMMUTABLE")
    with pytest.raises(ecr.exceptions.ImageTagAlreadyExistsException):
        put(ecr, "tags", first, imageTag="v1")
    ecr.put_image_tag_mutability(
        repositoryName="tags",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "v*"}],
    )
    put(ecr, "tags", first, imageTag="v1")
    assert ecr.describe_images(repositoryName="tags", imageIds=[{"imageTag": "v1"}])["imageDetails"][0]["imageDigest"] == first.digest


def test_listing_by_pages_and_tag_status(cloud: Running) -> None:
    """Every digest comes once with each of its tags, whatever the page size."""
    ecr = cloud.client("ecr")
    repository(cloud, "listed")
    registry = Registry(cloud)
    expected = set()
    for number in range(4):
        one = small_image(f"listed {number}")
        registry.push("listed", one, f"t{number}")
        expected.add((one.digest, f"t{number}"))
        for more in range(number):
            assert registry.put_manifest("listed", one.manifest, f"t{number}-{more}").status == 201
            expected.add((one.digest, f"t{number}-{more}"))
    untagged = small_image("untagged")
    registry.push("listed", untagged, untagged.digest)
    for size in (1, 2, 3, 100):
        pages = ecr.get_paginator("list_images").paginate(repositoryName="listed", PaginationConfig={"PageSize": size})
        ids = [(one["imageDigest"], one.get("imageTag")) for page in pages for one in page["imageIds"]]
        assert len(ids) == len(set(ids)) and set(ids) == expected | {(untagged.digest, None)}
    assert ecr.list_images(repositoryName="listed", filter={"tagStatus": "UNTAGGED"})["imageIds"] == [{"imageDigest": untagged.digest}]
    pages = ecr.get_paginator("describe_images").paginate(repositoryName="listed", PaginationConfig={"PageSize": 2})
    assert len([one for page in pages for one in page["imageDetails"]]) == 5
    with pytest.raises(ecr.exceptions.ImageNotFoundException, match="imageTag:'gone'"):
        ecr.describe_images(repositoryName="listed", imageIds=[{"imageTag": "gone"}])


def test_deleting_tags_images_and_their_blobs(fresh_cloud: Running) -> None:
    """A blob lives as long as one image in any repository needs it, and not longer."""
    cloud, ecr = fresh_cloud, fresh_cloud.client("ecr")
    registry = Registry(cloud)
    one = small_image("deleted")
    for name in ("left", "right"):
        repository(cloud, name)
        registry.push(name, one, "v1")
    assert registry.put_manifest("left", one.manifest, "v2").status == 201
    assert len(blob_files(cloud)) == 2
    assert ecr.batch_delete_image(repositoryName="left", imageIds=[{"imageTag": "v1"}])["imageIds"] == [{"imageDigest": one.digest, "imageTag": "v1"}]
    assert len(ecr.list_images(repositoryName="left")["imageIds"]) == 1
    ecr.batch_delete_image(repositoryName="left", imageIds=[{"imageTag": "v2"}])
    assert ecr.list_images(repositoryName="left")["imageIds"] == []
    assert len(blob_files(cloud)) == 2
    failed = ecr.batch_delete_image(repositoryName="left", imageIds=[{"imageDigest": one.digest}])
    assert failed["failures"][0]["failureCode"] == "ImageNotFound"
    ecr.batch_delete_image(repositoryName="right", imageIds=[{"imageDigest": one.digest}])
    assert blob_files(cloud) == []


def test_an_index_and_what_it_names(cloud: Running) -> None:
    """The images of an index must be there before it and stay until after it."""
    ecr = cloud.client("ecr")
    repository(cloud, "multi")
    registry = Registry(cloud)
    images = {"amd64": small_image("amd64"), "arm64": small_image("arm64")}
    both = index(images)
    answer = registry.put_manifest("multi", both, "both", OCI_INDEX)
    assert answer.status == 404 and b"MANIFEST_BLOB_UNKNOWN" in answer.data
    for one in images.values():
        registry.push("multi", one, one.digest)
    assert registry.put_manifest("multi", both, "both", OCI_INDEX).status == 201
    shown = ecr.describe_images(repositoryName="multi", imageIds=[{"imageTag": "both"}])["imageDetails"][0]
    assert shown["imageManifestMediaType"] == OCI_INDEX
    child = {"imageDigest": images["amd64"].digest}
    assert ecr.batch_delete_image(repositoryName="multi", imageIds=[child])["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    assert ecr.batch_delete_image(repositoryName="multi", imageIds=[child, {"imageTag": "both"}])["failures"] == []


def test_unfinished_uploads_and_unused_layers_go(fresh_cloud: Running) -> None:
    """What was begun and never used must not fill the disk."""
    repository(fresh_cloud, "litter")
    registry = Registry(fresh_cloud)
    registry.push_blob("litter", b"nobody needs me")
    begun = registry.request("POST", "litter/blobs/uploads/")
    assert registry.request("PATCH", begun.headers["Location"], b"half").status == 202
    assert len(blob_files(fresh_cloud)) == 2
    fresh_cloud.advance("25h")
    assert blob_files(fresh_cloud) == []


def policy(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": [{"rulePriority": number, "description": "a rule of a test", "action": {"type": "expire"}, **rule} for number, rule in enumerate(rules, 1)]})


def test_lifecycle_by_age_and_count(fresh_cloud: Running) -> None:
    """Images expire by the cloud's clock, within a day, by the rule that comes first; a preview tells before."""
    cloud, ecr = fresh_cloud, fresh_cloud.client("ecr")
    repository(cloud, "expiring")
    registry = Registry(cloud)
    for tag in ("prod-1", "dev-1", "dev-2", "dev-3"):
        registry.push("expiring", small_image(tag), tag)
        cloud.advance("1h")
    rules = policy(
        {"selection": {"tagStatus": "tagged", "tagPrefixList": ["prod"], "countType": "imageCountMoreThan", "countNumber": 5}},
        {"selection": {"tagStatus": "tagged", "tagPatternList": ["dev-*"], "countType": "imageCountMoreThan", "countNumber": 1}},
        {"selection": {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 10}},
    )
    with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException):
        ecr.start_lifecycle_policy_preview(repositoryName="expiring")
    ecr.put_lifecycle_policy(repositoryName="expiring", lifecyclePolicyText=rules)
    assert ecr.start_lifecycle_policy_preview(repositoryName="expiring")["status"] == "IN_PROGRESS"
    preview = ecr.get_lifecycle_policy_preview(repositoryName="expiring")
    assert sorted(one["imageTags"][0] for one in preview["previewResults"]) == ["dev-1", "dev-2"]
    assert preview["summary"] == {"expiringImageTotalCount": 2} and preview["status"] == "COMPLETE"
    assert len(ecr.list_images(repositoryName="expiring")["imageIds"]) == 4
    cloud.advance("25h")
    assert sorted(one["imageTag"] for one in ecr.list_images(repositoryName="expiring")["imageIds"]) == ["dev-3", "prod-1"]
    assert "lastEvaluatedAt" in ecr.get_lifecycle_policy(repositoryName="expiring")
    cloud.advance("12d")
    assert sorted(one["imageTag"] for one in ecr.list_images(repositoryName="expiring")["imageIds"]) == ["dev-3", "prod-1"]
    ecr.delete_lifecycle_policy(repositoryName="expiring")
    with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException):
        ecr.get_lifecycle_policy(repositoryName="expiring")


@pytest.mark.parametrize(
    "selection",
    [
        {"tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": 1},
        {"tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 1},
        {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 0},
        {"tagStatus": "untagged", "tagPrefixList": ["x"], "countType": "imageCountMoreThan", "countNumber": 1},
    ],
)
def test_lifecycle_policies_that_cannot_be(cloud: Running, selection: dict[str, Any]) -> None:
    """A rule that says too little must not delete anything."""
    ecr = cloud.client("ecr")
    try:
        repository(cloud, "wrong-rules")
    except ecr.exceptions.RepositoryAlreadyExistsException:
        ecr.describe_repositories(repositoryNames=["wrong-rules"])
    with pytest.raises(ecr.exceptions.InvalidParameterException, match="Lifecycle policy validation failure"):
        ecr.put_lifecycle_policy(repositoryName="wrong-rules", lifecyclePolicyText=policy({"selection": selection}))


def test_manifests_that_cannot_be(cloud: Running) -> None:
    """Whatever is sent as a manifest, the answer is an error of the service."""
    ecr = cloud.client("ecr")
    repository(cloud, "hostile")
    texts = ["{", "[]", "{}", '{"schemaVersion": 1}', '{"schemaVersion": 2, "config": 5, "layers": []}', '{"schemaVersion": 2, "config": {"digest": "sha256:../../x"}, "layers": []}']
    texts += ['{"schemaVersion": 2, "manifests": 5}', '{"schemaVersion": 2, "mediaType": "text/plain"}', '{"schemaVersion": 2, "config": {"digest": 7}, "layers": [1]}']
    texts += ['{"schemaVersion": 2, "mediaType": ["x"]}', '{"schemaVersion": 2, "config": null, "layers": null, "artifactType": 1}']
    for text in texts:
        with pytest.raises(ClientError) as failure:
            ecr.put_image(repositoryName="hostile", imageManifest=text, imageTag="x")
        assert failure.value.response["Error"]["Code"] == "InvalidParameterException", text
    one = small_image("mismatch")
    with pytest.raises(ecr.exceptions.ImageDigestDoesNotMatchException):
        put(ecr, "hostile", one, imageDigest=digest_of(b"other"), imageManifestMediaType=OCI_MANIFEST)
