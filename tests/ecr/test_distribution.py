"""The registry's own protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.ecr.build import OCI_INDEX, OCI_MANIFEST, Registry, digest_of, error_code, index, repository, small_image
from tests.support.running import Running


def user(cloud: Running, name: str, statements: list[dict[str, Any]]) -> Any:
    """An ECR client of an IAM user who may do just this."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client("ecr", key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def test_logging_in(fresh_cloud: Running) -> None:
    """Clients look at /v2/ first, and are told how to log in; passwords last twelve hours."""
    registry = Registry(fresh_cloud)
    assert registry.request("GET", "").status == 200
    for headers in ({}, {"Authorization": "Basic !"}, {"Authorization": "Basic " + b64encode(b"AWS:wrong").decode()}, {"Authorization": "Bearer x"}):
        answer = registry.pool.request("GET", f"{registry.endpoint}/v2/", headers=headers)
        assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic realm="), headers
    fresh_cloud.advance("11h")
    assert registry.request("GET", "").status == 200
    fresh_cloud.advance("2h")
    assert registry.request("GET", "").status == 403


def test_push_pull_and_ranges(cloud: Running) -> None:
    """One upload in pieces, one at once; blobs whole and in ranges; manifests by tag and digest."""
    repository(cloud, "push")
    registry = Registry(cloud)
    data = bytes(range(256)) * 64
    begun = registry.request("POST", "push/blobs/uploads/")
    place = begun.headers["Location"]
    assert registry.request("PATCH", place, data[:1000], Content_Range="0-999").headers["Range"] == "0-999"
    assert registry.request("PATCH", place, data[500:], Content_Range="500-16383").status == 416
    assert registry.request("GET", place).headers["Range"] == "0-999"
    assert registry.request("PATCH", place, data[1000:2000]).status == 202
    assert registry.request("PUT", f"{place}?digest={digest_of(data)}", data[2000:]).status == 201
    blob = f"push/blobs/{digest_of(data)}"
    assert registry.request("GET", blob).data == data
    assert registry.request("HEAD", blob).headers["Content-Length"] == str(len(data))
    part = registry.request("GET", blob, Range="bytes=100-199")
    assert part.status == 206 and part.data == data[100:200] and part.headers["Content-Range"] == f"bytes 100-199/{len(data)}"
    assert registry.request("GET", blob, Range="bytes=-5").data == data[-5:]
    assert registry.request("GET", blob, Range=f"bytes={len(data)}-").status == 416
    at_once = registry.request("POST", f"push/blobs/uploads/?digest={digest_of(b'at once')}", b"at once")
    assert at_once.status == 201
    one = small_image("push")
    registry.push("push", one, "v1")
    for reference in ("v1", one.digest):
        got = registry.request("GET", f"push/manifests/{reference}")
        assert got.data == one.manifest and got.headers["Content-Type"] == OCI_MANIFEST and got.headers["Docker-Content-Digest"] == one.digest
        assert registry.request("HEAD", f"push/manifests/{reference}").headers["Content-Length"] == str(len(one.manifest))
    assert registry.put_manifest("push", one.manifest, "v1").status == 201


def test_a_large_layer_in_one_stream(cloud: Running) -> None:
    """A layer goes to the disk as it arrives, without a length that is known before."""
    repository(cloud, "large")
    registry = Registry(cloud)
    piece = bytes(range(256)) * 4096
    begun = registry.request("POST", "large/blobs/uploads/")
    done = registry.request("PATCH", begun.headers["Location"], iter([piece] * 24))
    assert done.headers["Range"] == f"0-{24 * len(piece) - 1}"
    digest = digest_of(piece * 24)
    assert registry.request("PUT", f"{begun.headers['Location']}?digest={digest}").status == 201
    assert digest_of(registry.request("GET", f"large/blobs/{digest}").data) == digest


def test_uploads_that_fail(cloud: Running) -> None:
    """A digest that is wrong, an upload that is cancelled, an upload that never was."""
    repository(cloud, "failing")
    registry = Registry(cloud)
    begun = registry.request("POST", "failing/blobs/uploads/")
    answer = registry.request("PUT", f"{begun.headers['Location']}?digest={digest_of(b'other')}", b"this")
    assert (answer.status, error_code(answer)) == (400, "DIGEST_INVALID")
    assert registry.request("DELETE", begun.headers["Location"]).status == 204
    answer = registry.request("PATCH", begun.headers["Location"], b"x")
    assert (answer.status, error_code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert registry.request("PUT", f"{begun.headers['Location']}?digest=md5:abc", b"x").status == 400
    assert error_code(registry.request("GET", f"failing/blobs/{digest_of(b'none')}")) == "BLOB_UNKNOWN"
    assert error_code(registry.request("GET", "failing/manifests/none")) == "MANIFEST_UNKNOWN"
    assert error_code(registry.request("GET", "nowhere/manifests/none")) == "NAME_UNKNOWN"
    assert error_code(registry.request("DELETE", "failing/manifests/none")) == "UNSUPPORTED"
    assert error_code(registry.request("GET", "_catalog")) == "DENIED"
    for path in ("UPPER/tags/list", "a/../b/tags/list", "x/%2e%2e/tags/list", "/v2/x/blobs/uploads/%00"):
        assert registry.request("GET", path).status in (400, 404), path


def test_mounting_from_another_repository(cloud: Running) -> None:
    """A layer that the registry has need not be sent again, if its reader may read it there."""
    repository(cloud, "mount/from")
    repository(cloud, "mount/to")
    data = b"a layer to be mounted"
    Registry(cloud).push_blob("mount/from", data)
    pushes = ["ecr:GetAuthorizationToken", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:BatchCheckLayerAvailability"]
    to = "arn:aws:ecr:us-east-1:000000000000:repository/mount/to"
    stranger = Registry(cloud, user(cloud, "mounter", [allow("ecr:GetAuthorizationToken"), allow(*pushes, resource=to)]))
    wanted = f"mount/to/blobs/uploads/?mount={digest_of(data)}&from=mount/from"
    assert stranger.request("POST", wanted).status == 202
    assert Registry(cloud).request("POST", wanted).status == 201
    assert stranger.request("HEAD", f"mount/to/blobs/{digest_of(data)}").status == 200
    assert Registry(cloud).request("POST", f"mount/to/blobs/uploads/?mount={digest_of(b'none')}&from=mount/from").status == 202


def test_permissions_are_those_of_the_passwords_maker(cloud: Running) -> None:
    """A password stands for who asked for it, with the permissions of each moment."""
    repository(cloud, "guarded")
    one = small_image("guarded")
    Registry(cloud).push("guarded", one, "v1")
    digest = next(iter(one.blobs))
    reader = Registry(cloud, user(cloud, "reader", [allow("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:ListImages")]))
    assert reader.request("GET", "guarded/manifests/v1").status == 200
    assert json.loads(reader.request("GET", "guarded/tags/list").data)["tags"] == ["v1"]
    refused = [
        reader.request("GET", f"guarded/blobs/{digest}"),
        reader.request("POST", "guarded/blobs/uploads/"),
        reader.request("PUT", "guarded/manifests/v2", one.manifest, Content_Type=OCI_MANIFEST),
    ]
    assert [(answer.status, error_code(answer)) for answer in refused] == [(403, "DENIED")] * 3
    cloud.client("iam").put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:*")]}))
    assert reader.request("GET", "guarded/manifests/v1").status == 403


def test_permissions_by_tags(cloud: Running) -> None:
    """Policies speak of the tags of repositories, by the API and by the registry's protocol alike."""
    for name, team in (("tagged/mine", "blue"), ("tagged/theirs", "red")):
        repository(cloud, name, tags=[{"Key": "team", "Value": team}])
        Registry(cloud).push(name, small_image("tagged"), "v1")
    condition = {"Condition": {"StringEquals": {"aws:ResourceTag/team": "blue"}}}
    client = user(cloud, "blue", [allow("ecr:GetAuthorizationToken"), {**allow("ecr:BatchGetImage"), **condition}])
    registry = Registry(cloud, client)
    assert registry.request("GET", "tagged/mine/manifests/v1").status == 200
    assert registry.request("GET", "tagged/theirs/manifests/v1").status == 403
    assert len(client.batch_get_image(repositoryName="tagged/mine", imageIds=[{"imageTag": "v1"}])["images"]) == 1
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.batch_get_image(repositoryName="tagged/theirs", imageIds=[{"imageTag": "v1"}])


def test_tags_in_pages_and_referrers(cloud: Running) -> None:
    """Clients follow the Link header; signatures are found by their subject."""
    repository(cloud, "pages")
    registry = Registry(cloud)
    one = small_image("pages")
    registry.push("pages", one, "t0")
    for number in range(1, 5):
        registry.put_manifest("pages", one.manifest, f"t{number}")
    seen, path = [], "/v2/pages/tags/list?n=2"
    while path:
        answer = registry.request("GET", path)
        seen.append(json.loads(answer.data)["tags"])
        path = answer.headers["Link"].partition(">")[0].removeprefix("<") if "Link" in answer.headers else ""
    assert seen == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    signature = json.loads(small_image("signature").manifest)
    signature |= {"artifactType": "application/x-signature", "subject": {"mediaType": OCI_MANIFEST, "digest": one.digest, "size": len(one.manifest)}}
    for blob in small_image("signature").blobs.values():
        registry.push_blob("pages", blob)
    signed = json.dumps(signature).encode()
    assert registry.put_manifest("pages", signed, digest_of(signed)).headers["OCI-Subject"] == one.digest
    found = json.loads(registry.request("GET", f"pages/referrers/{one.digest}").data)
    assert found["mediaType"] == OCI_INDEX and [entry["digest"] for entry in found["manifests"]] == [digest_of(signed)]
    assert json.loads(registry.request("GET", f"pages/referrers/{one.digest}?artifactType=other").data)["manifests"] == []
    ecr, subject = cloud.client("ecr"), {"imageDigest": one.digest}
    shown = ecr.list_image_referrers(repositoryName="pages", subjectId=subject)["referrers"]
    assert shown == [{"digest": digest_of(signed), "mediaType": OCI_MANIFEST, "artifactType": "application/x-signature", "size": len(signed), "artifactStatus": "ACTIVE"}]
    assert ecr.list_image_referrers(repositoryName="pages", subjectId=subject, filter={"artifactTypes": ["other"]})["referrers"] == []
    other = json.dumps({**signature, "annotations": {"second": "yes"}}).encode()
    assert registry.put_manifest("pages", other, digest_of(other)).status == 201
    first = ecr.list_image_referrers(repositoryName="pages", subjectId=subject, maxResults=1)
    rest = ecr.list_image_referrers(repositoryName="pages", subjectId=subject, maxResults=1, nextToken=first["nextToken"])
    assert {page["referrers"][0]["digest"] for page in (first, rest)} == {digest_of(signed), digest_of(other)} and "nextToken" not in rest


def test_the_hosts_of_a_registry(cloud: Running) -> None:
    """The real service's host names tell account and region, whoever is calling."""
    repository(cloud, "hosts")
    registry = Registry(cloud)
    registry.push("hosts", small_image("hosts"), "v1")
    for suffix in ("amazonaws.com", "localhost:4566", "localhost.localstack.cloud:4566"):
        assert registry.request("GET", "hosts/manifests/v1", Host=f"000000000000.dkr.ecr.us-east-1.{suffix}").status == 200
        assert registry.request("GET", "hosts/manifests/v1", Host=f"000000000000.dkr.ecr.eu-west-1.{suffix}").status == 404
        assert registry.request("GET", "hosts/manifests/v1", Host=f"111111111111.dkr.ecr.us-east-1.{suffix}").status == 403


def test_hostile_requests(cloud: Running) -> None:
    """Whatever stands in a path, a query or a header, the answer is one of the protocol's errors."""
    repository(cloud, "target")
    registry = Registry(cloud)
    registry.push("target", small_image("target"), "v1")
    upload = registry.request("POST", "target/blobs/uploads/").headers["Location"]
    digits = "9" * 5000
    answers = [
        registry.request("GET", "target/tags/list?n=%C2%B2"),
        registry.request("GET", f"target/tags/list?n={digits}"),
        registry.request("GET", "target/tags/list?n=-1"),
        registry.request("GET", "target/manifests/%ED%A0%80"),
        registry.request("GET", "target/manifests/" + "x" * 5000),
        registry.request("GET", "target/manifests/sha256:%00"),
        registry.request("GET", "target/blobs/sha256:" + "Z" * 64),
        registry.request("GET", "target/referrers/nothing"),
        registry.request("PATCH", upload, b"x", Content_Range=f"{digits}-{digits}"),
        registry.request("PATCH", upload, b"x", Content_Range="5-1"),
        registry.request("PUT", f"{upload}?digest=", b"x"),
        registry.request("PUT", "target/manifests/v1", b"\xff\xfe", Content_Type="\x7f"),
        registry.request("PUT", "target/manifests/.bad", small_image("target").manifest),
        registry.request("POST", "target/blobs/uploads/?digest=sha256:.."),
        registry.request("DELETE", "target/tags/list"),
        registry.request("GET", "_layers/sha256:x?token=%00"),
    ]
    assert [answer.status for answer in answers if not 400 <= answer.status < 500] == []
    unbounded = registry.request("GET", f"target/blobs/{next(iter(small_image('target').blobs))}", Range=f"bytes={digits}-")
    assert unbounded.status == 200


def test_an_empty_blob(cloud: Running) -> None:
    """Nothing is content, too: some builders push it."""
    repository(cloud, "empty")
    registry = Registry(cloud)
    registry.push_blob("empty", b"")
    answer = registry.request("GET", f"empty/blobs/{digest_of(b'')}")
    assert (answer.status, answer.data) == (200, b"")


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_logs_in_pushes_and_pulls(cloud: Running, tmp_path: Path) -> None:
    """An unmodified client of registries: what it pushes and pulls, by whichever tag, is the same image."""
    repository(cloud, "real")
    one, two = small_image("skopeo"), small_image("skopeo for arm64")
    layout = tmp_path / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    both = index({"amd64": one, "arm64": two})
    for data in (both, one.manifest, two.manifest, *one.blobs.values(), *two.blobs.values()):
        (layout / "blobs" / "sha256" / digest_of(data).removeprefix("sha256:")).write_bytes(data)
    entry = {"mediaType": OCI_INDEX, "digest": digest_of(both), "size": len(both), "annotations": {"org.opencontainers.image.ref.name": "both"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    login = cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {f"127.0.0.1:{cloud.port}": {"auth": login}}}))
    remote = f"docker://127.0.0.1:{cloud.port}/real"

    def skopeo(*arguments: str) -> bytes:
        command = ["skopeo", "--insecure-policy", *arguments]
        done = subprocess.run(command, capture_output=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    skopeo("copy", "--all", "--dest-tls-verify=false", f"oci:{layout}:both", f"{remote}:v1")
    assert json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"{remote}:v1")) == json.loads(both)
    skopeo("copy", "--src-tls-verify=false", "--override-arch=arm64", f"{remote}:v1", f"dir:{tmp_path / 'pulled'}")
    assert digest_of((tmp_path / "pulled" / "manifest.json").read_bytes()) == two.digest
    assert json.loads(skopeo("list-tags", "--tls-verify=false", remote))["Tags"] == ["v1"]
