"""Functions from container images: pushed to the registry, created, run, changed, and gone again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.services.lambda_ import images
from tests.ecr.build import BuiltImage, Registry, image, index, repository
from tests.lambda_.build import invoke, package, role
from tests.runtime.images import ECHO, python_layer, tar
from tests.support.python import PYTHON
from tests.support.running import Running

PLAIN = {"compress": lambda data: data, "layer_type": "application/vnd.oci.image.layer.v1.tar"}
ECHO_SETTINGS = {"Entrypoint": ["python3"], "Cmd": ["/app/echo.py"], "Env": ["PATH=/usr/bin", "PYTHONHOME=/usr", "GREETING=image"]}


@pytest.fixture(scope="module")
def base() -> bytes:
    """A layer with a Python."""
    return python_layer()


def echo_image(base: bytes, **files: str) -> BuiltImage:
    """An image whose function evaluates its event."""
    return image([base, tar({"app/echo.py": ECHO.encode(), **{f"data/{name}": text.encode() for name, text in files.items()}})], **PLAIN, **ECHO_SETTINGS)


def uri(cloud: Running, name: str, tag: str = "latest") -> str:
    return f"127.0.0.1:{cloud.port}/{name}:{tag}"


def create(cloud: Running, name: str, image_uri: str, **settings: Any) -> Any:
    settings = {"Role": role(cloud), "Timeout": 10, **settings}
    return cloud.client("lambda").create_function(FunctionName=name, PackageType="Image", Code={"ImageUri": image_uri}, **settings)


def push(cloud: Running, name: str, one: BuiltImage, tag: str = "latest") -> str:
    if not any(found["repositoryName"] == name for found in cloud.client("ecr").describe_repositories()["repositories"]):
        repository(cloud, name)
    Registry(cloud).push(name, one, tag)
    return uri(cloud, name, tag)


def layer_folders(cloud: Running) -> set[str]:
    folder = cloud.data_dir / "functions" / "image-layers"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_the_whole_life_of_a_function(fresh_cloud: Running, base: bytes) -> None:
    """Create, invoke, override, update, publish, restart, delete; a moved or deleted image changes nothing until the function is updated."""
    cloud, client = fresh_cloud, fresh_cloud.client("lambda")
    first, second = echo_image(base, version="1"), echo_image(base, version="2")
    made = create(cloud, "f", push(cloud, "app", first), Environment={"Variables": {"MINE": "yes"}})
    assert made["PackageType"] == "Image" and made["CodeSha256"] == first.digest.removeprefix("sha256:") and made["CodeSize"] == 0
    assert not {"Runtime", "Handler", "RuntimeVersionConfig", "ImageConfigResponse"} & set(made) and made["State"] == "Pending"
    got = client.get_function(FunctionName="f")
    assert got["Code"] == {"RepositoryType": "ECR", "ImageUri": uri(cloud, "app"), "ResolvedImageUri": f"127.0.0.1:{cloud.port}/app@{first.digest}"}
    assert invoke(cloud, "f", "[open('/data/version').read(), os.environ['GREETING'], os.environ['MINE'], os.getcwd()]") == ["1", "image", "yes", "/"]
    push(cloud, "app", second)
    assert invoke(cloud, "f", "open('/data/version').read()") == "1"
    client.publish_version(FunctionName="f")
    client.update_function_code(FunctionName="f", ImageUri=uri(cloud, "app"))
    assert invoke(cloud, "f", "open('/data/version').read()") == "2"
    assert invoke(cloud, "f:1", "open('/data/version').read()") == "1"
    cloud.client("ecr").delete_repository(repositoryName="app", force=True)
    shown = client.update_function_configuration(FunctionName="f", ImageConfig={"WorkingDirectory": "/data", "Command": ["/app/echo.py", "more"]})
    assert shown["ImageConfigResponse"]["ImageConfig"] == {"WorkingDirectory": "/data", "Command": ["/app/echo.py", "more"]}
    cloud.stop()
    cloud.start()
    assert invoke(cloud, "f", "[os.getcwd(), sys.argv]") == ["/data", ["/app/echo.py", "more"]]
    assert invoke(cloud, "f:1", "[os.getcwd(), sys.argv]") == ["/", ["/app/echo.py"]]
    assert len(layer_folders(cloud)) == 3
    cloud.client("lambda").delete_function(FunctionName="f", Qualifier="1")
    cloud.settle()
    assert len(layer_folders(cloud)) == 2
    cloud.client("lambda").delete_function(FunctionName="f")
    cloud.settle()
    assert layer_folders(cloud) == set()
    assert [path for path in (cloud.data_dir / "blobs").rglob("*") if path.is_file()] == []


def test_an_index_chooses_by_architecture(cloud: Running, base: bytes) -> None:
    """One tag for all machines; the function's architecture says which image it is."""
    here, there = echo_image(base, machine="here"), image([tar({"x": b"arm"})], architecture="arm64", **ECHO_SETTINGS)
    push(cloud, "multi", here, here.digest)
    push(cloud, "multi", there, there.digest)
    assert Registry(cloud).put_manifest("multi", index({"amd64": here, "arm64": there}), "both", "application/vnd.oci.image.index.v1+json").status == 201
    assert create(cloud, "multi-x86", uri(cloud, "multi", "both"), Architectures=["x86_64"])["CodeSha256"] == here.digest.removeprefix("sha256:")
    cloud.app.cloud.services["lambda"].architecture = "arm64"
    try:
        assert create(cloud, "multi-arm", uri(cloud, "multi", "both"), Architectures=["arm64"])["CodeSha256"] == there.digest.removeprefix("sha256:")
    finally:
        cloud.app.cloud.services["lambda"].architecture = "x86_64"


def test_lambda_is_let_in_by_the_repositorys_policy(cloud: Running, base: bytes) -> None:
    """The creator's right to change the policy is used to give Lambda access, once; without it the repository must have let it in."""
    pushed = push(cloud, "policy", echo_image(base))
    statement = {"Effect": "Allow", "Action": ["lambda:*", "iam:PassRole", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], "Resource": "*"}
    iam = cloud.client("iam")
    iam.create_user(UserName="creator")
    iam.put_user_policy(UserName="creator", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    key = iam.create_access_key(UserName="creator")["AccessKey"]
    creator = cloud.client("lambda", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    wanted = {"PackageType": "Image", "Code": {"ImageUri": pushed}, "Role": role(cloud)}
    with pytest.raises(ClientError, match="Lambda does not have permission to access the ECR image") as failure:
        creator.create_function(FunctionName="policy-1", **wanted)
    assert failure.value.response["Error"]["Code"] == "AccessDeniedException"
    create(cloud, "policy-2", pushed)
    policy = json.loads(cloud.client("ecr").get_repository_policy(repositoryName="policy")["policyText"])
    assert [one["Sid"] for one in policy["Statement"]] == ["LambdaECRImageRetrievalPolicy"]
    creator.create_function(FunctionName="policy-3", **wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Code": {"ImageUri": "127.0.0.1:1/none:x"}}, "does not exist. Provide a valid source image"),
        ({"Code": {"ImageUri": "docker.io/library/python:3"}}, "is not valid. Provide a valid source image"),
        ({"Code": {"ImageUri": "000000000000.dkr.ecr.eu-west-1.amazonaws.com/a:b"}}, "is not valid. Provide a valid source image"),
        ({"Code": {"ZipFile": b"x"}}, "Please provide a source for function code."),
        ({"Code": {"ImageUri": "127.0.0.1/a:b"}, "Runtime": PYTHON}, "handler or runtime or layer"),
        ({"Code": {"ImageUri": "127.0.0.1/a:b"}, "Handler": "a.b"}, "handler or runtime or layer"),
    ],
)
def test_what_is_refused(cloud: Running, change: dict[str, Any], message: str) -> None:
    """The service's own words for an image that cannot be had, and for what belongs to zip packages."""
    with pytest.raises(ClientError, match=message) as failure:
        cloud.client("lambda").create_function(**{"FunctionName": "refused", "PackageType": "Image", "Role": role(cloud), **change})
    assert failure.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_images_that_cannot_be_functions(cloud: Running) -> None:
    """Layers that are no archives or not what the configuration says, and artifacts that are no images; nothing is left of them."""
    before = layer_folders(cloud)
    broken = image([b"no archive"], **ECHO_SETTINGS)
    lying = image([tar({"a": b"1"})], compress=lambda data: tar({"a": b"2"}), **ECHO_SETTINGS)
    escaping = image([tar({"../../escape": b"1"})], **ECHO_SETTINGS)
    artifact = image([tar({"a": b"1"})], layer_type="application/vnd.cncf.helm.chart.content.v1.tar+gzip", **ECHO_SETTINGS)
    for name, one in {"broken": broken, "lying": lying, "escaping": escaping, "artifact": artifact}.items():
        with pytest.raises(ClientError, match=r"is not valid\. Provide a valid|media type for the source image"):
            create(cloud, name, push(cloud, f"bad/{name}", one))
    cloud.settle()
    assert layer_folders(cloud) == before
    assert not list(cloud.data_dir.rglob("escape"))


def test_limits_of_images(cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten gigabytes uncompressed (here: fewer), layers that are there already counted as well, and 16 KB of settings."""
    monkeypatch.setattr(images, "IMAGE_BYTES_MAX", 30_000)
    small = tar({"a": bytes(15_000)})
    create(cloud, "small", push(cloud, "limits/small", image([small], **ECHO_SETTINGS)))
    with pytest.raises(ClientError, match="exceeds the maximum allowed uncompressed size of 30000 bytes"):
        create(cloud, "large", push(cloud, "limits/large", image([small, tar({"b": bytes(15_000)})], **ECHO_SETTINGS)))
    with pytest.raises(ClientError, match="exceed the limit of 16384 bytes"):
        create(cloud, "wordy", push(cloud, "limits/wordy", image([small], Env=["A=" + "x" * 17_000])))


def test_kinds_of_packages_do_not_mix(cloud: Running, base: bytes) -> None:
    """A function from an image stays one, and one from a zip package, too."""
    client = cloud.client("lambda")
    create(cloud, "mixed", push(cloud, "mixed", echo_image(base)))
    client.create_function(FunctionName="zipped", Runtime=PYTHON, Handler="a.b", Role=role(cloud), Code={"ZipFile": package({"a.py": ""})})
    for wrong in (
        lambda: client.update_function_code(FunctionName="mixed", ZipFile=package({"a.py": ""})),
        lambda: client.update_function_code(FunctionName="zipped", ImageUri=uri(cloud, "mixed")),
        lambda: client.update_function_configuration(FunctionName="zipped", ImageConfig={"Command": ["x"]}),
        lambda: client.update_function_configuration(FunctionName="mixed", Runtime=PYTHON),
    ):
        with pytest.raises(client.exceptions.InvalidParameterValueException):
            wrong()


def test_an_image_that_does_not_run(cloud: Running, base: bytes) -> None:
    """The error is the function's, with the service's type and words."""
    create(cloud, "wrong", push(cloud, "wrong", echo_image(base)), ImageConfig={"EntryPoint": ["/no/such/program"]})
    answer = cloud.client("lambda").invoke(FunctionName="wrong")
    document = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled" and document["errorType"] == "Runtime.InvalidEntrypoint"
    assert document["errorMessage"].endswith("Error: fork/exec /no/such/program: no such file or directory")


def test_missing_layers_are_fetched_again(fresh_cloud: Running, base: bytes) -> None:
    """Unpacked layers are no part of a backup: they are made anew from the registry."""
    create(fresh_cloud, "again", push(fresh_cloud, "again", echo_image(base)))
    shutil.rmtree(fresh_cloud.data_dir / "functions" / "image-layers")
    assert invoke(fresh_cloud, "again", "1 + 1") == 2


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_an_image_pushed_by_skopeo_runs(cloud: Running, base: bytes, tmp_path: Path) -> None:
    """A layer as a builder leaves it, compressed on its way by an unmodified client."""
    repository(cloud, "real")
    one = echo_image(base, by="skopeo")
    for digest, data in one.blobs.items():
        (tmp_path / digest.removeprefix("sha256:")).write_bytes(data)
    (tmp_path / "manifest.json").write_bytes(one.manifest)
    (tmp_path / "version").write_text("Directory Transport Version: 1.1\n")
    login = cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {f"127.0.0.1:{cloud.port}": {"auth": login}}}))
    command = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"--authfile={tmp_path}/auth.json", f"dir:{tmp_path}", f"docker://{uri(cloud, 'real')}"]
    done = subprocess.run(command, capture_output=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, check=False)
    assert done.returncode == 0, done.stderr.decode()
    create(cloud, "real", uri(cloud, "real"))
    assert invoke(cloud, "real", "open('/data/by').read()") == "skopeo"
