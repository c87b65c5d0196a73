"""Reading container images from ECR, as Lambda itself: manifests, configurations and layers by the service's public operations."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

import orjson

from haneul.core.bodies import readable
from haneul.core.call import Call, call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.http import FileBody, HttpRequest
from haneul.services.lambda_.configuration import PRINCIPAL
from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.limits import IMAGE_LAYERS_MAX, IMAGE_SETTINGS_BYTES_MAX
from haneul.services.lambda_.names import Target

_URI = re.compile(r"(?P<host>[^/@]+)/(?P<name>[a-z0-9._/-]+)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
_REGISTRY_HOST = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.]+(?::\d+)?")
_OWN_HOST = re.compile(r"(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?")
_LISTS = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_LAYERS = re.compile(r"application/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(?:\.gzip|\.zstd)?)")
_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
_CONFIG_BYTES_MAX = 4 << 20
STATEMENT_ID = "LambdaECRImageRetrievalPolicy"


@dataclass(frozen=True)
class Source:
    """An image as a function's creator names it."""

    uri: str
    host: str
    account: str
    region: str
    repository: str
    image_id: dict[str, str]

    def resolved(self, digest: str) -> str:
        """The same by what it is now, whatever the tag comes to mean."""
        return f"{self.host}/{self.repository}@{digest}"


@dataclass(frozen=True)
class Description:
    """An image: its digest, its layers as (digest of the archive, SHA-256 of the content in hexadecimal), the lowest first, and its configuration."""

    digest: str
    layers: list[tuple[str, str]]
    config: dict[str, Any]


def read_uri(call: Call, target: Target, uri: str) -> Source:
    """Understand an ImageUri: the real service's form, or a repository of this cloud by the host that it is reached by."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise not_valid(uri)
    image_id = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"] or "latest"}
    account, region = target.account, target.region
    if named := _REGISTRY_HOST.fullmatch(found["host"]):
        account, region = named["account"], named["region"]
    elif _OWN_HOST.fullmatch(found["host"]) is None and (call.http is None or found["host"] != call.http.host):
        raise not_valid(uri)
    if region != target.region:
        raise not_valid(uri)
    return Source(uri, found["host"], account, region, found["name"], image_id)


def not_valid(uri: str) -> ServiceError:
    return invalid(f"Source image {uri} is not valid. Provide a valid source image.")


def _missing(uri: str) -> ServiceError:
    return invalid(f"Source image {uri} does not exist. Provide a valid source image.")


def _unsupported(uri: str) -> ServiceError:
    return invalid(f"The image manifest, config or layer media type for the source image {uri} is not supported.")


class ImageReader:
    """Reads from ECR for one function, with the permissions of the Lambda service in the repository's policy."""

    def __init__(self, cloud: Cloud, source: Source, function_arn: str) -> None:
        self._cloud = cloud
        self._source = source
        self._function_arn = function_arn

    async def _ask(self, operation: str, **params: Any) -> dict[str, Any]:
        source = self._source
        try:
            return await call_as(
                self._cloud,
                f"ecr:{operation}",
                {"registryId": source.account, "repositoryName": source.repository, **params},
                region=source.region,
                account=source.account,
                principal=PRINCIPAL,
                source_arn=self._function_arn,
                source_account=self._function_arn.split(":")[4],
            )
        except AccessDenied:
            raise ServiceError("AccessDeniedException", "Lambda does not have permission to access the ECR image. Check the ECR permissions.", 403) from None
        except ServiceError as error:
            if isinstance(error, NotBuilt):
                raise
            raise _missing(source.uri) from None

    async def describe(self, architecture: str) -> Description:
        """The image; of an index, the one for the architecture."""
        uri = self._source.uri
        image_id = self._source.image_id
        manifest, media_type, digest = await self._manifest(image_id)
        if media_type in _LISTS:
            fitting = [one for one in manifest["manifests"] if _is_for(one, _ARCHITECTURES[architecture])]
            if not fitting:
                raise invalid(f"Source image {uri} has no image for the architecture {architecture}. Provide a valid source image.")
            manifest, media_type, digest = await self._manifest({"imageDigest": fitting[0]["digest"]})
        config = manifest.get("config", {})
        layers = manifest.get("layers", [])
        if media_type in _LISTS or config.get("mediaType") not in _CONFIGS or any(_LAYERS.fullmatch(str(one.get("mediaType"))) is None for one in layers):
            raise _unsupported(uri)
        return self._description(digest, layers, await self._config(config["digest"]))

    async def _manifest(self, image_id: dict[str, str]) -> tuple[dict[str, Any], str, str]:
        found = await self._ask("BatchGetImage", imageIds=[image_id])
        if not found["images"]:
            raise _missing(self._source.uri)
        image = found["images"][0]
        return orjson.loads(image["imageManifest"]), image["imageManifestMediaType"], image["imageId"]["imageDigest"]

    async def _config(self, digest: str) -> dict[str, Any]:
        with await self.layer(digest) as file:
            data = await asyncio.get_running_loop().run_in_executor(None, file.read, _CONFIG_BYTES_MAX + 1)
        try:
            config = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise _unsupported(self._source.uri) from None
        if not isinstance(config, dict):
            raise _unsupported(self._source.uri)
        return config

    def _description(self, digest: str, layers: list[dict[str, Any]], config: dict[str, Any]) -> Description:
        rootfs = config.get("rootfs")
        contents = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        fits = isinstance(contents, list) and len(contents) == len(layers) > 0 and all(re.fullmatch(r"sha256:[0-9a-f]{64}", str(one)) for one in contents)
        settings = config.get("config") or {}
        if not fits or not isinstance(contents, list) or len(layers) > IMAGE_LAYERS_MAX or not isinstance(settings, dict):
            raise not_valid(self._source.uri)
        pairs = [(str(layer["digest"]), str(content).removeprefix("sha256:")) for layer, content in zip(layers, contents)]
        return Description(digest, pairs, _checked_settings(settings, self._source.uri))

    async def layer(self, digest: str) -> IO[bytes]:
        """A layer's archive, for a thread to read."""
        link = urlsplit((await self._ask("GetDownloadUrlForLayer", layerDigest=digest))["downloadUrl"])
        answer = await self._cloud.services["ecr"].serve(HttpRequest("GET", link.path, link.query), "")
        if answer.status != 200 or not isinstance(answer.body, bytes | FileBody):
            raise _missing(self._source.uri)
        return readable(answer.body)


def _is_for(descriptor: Any, architecture: str) -> bool:
    platform = descriptor.get("platform") if isinstance(descriptor, dict) else None
    return isinstance(platform, dict) and platform.get("architecture") == architecture and platform.get("os", "linux") == "linux"


def _checked_settings(settings: dict[str, Any], uri: str) -> dict[str, Any]:
    """Entrypoint, Cmd, Env and WorkingDir, each of the type that it should have."""
    out: dict[str, Any] = {}
    for name in ("Entrypoint", "Cmd", "Env"):
        value = settings.get(name) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise not_valid(uri)
        out[name] = value
    directory = settings.get("WorkingDir") or ""
    if not isinstance(directory, str):
        raise not_valid(uri)
    out["WorkingDir"] = directory
    if len(orjson.dumps(out)) > IMAGE_SETTINGS_BYTES_MAX:
        raise invalid(f"The settings of the source image {uri} (ENTRYPOINT, CMD, WORKDIR, ENV) exceed the limit of {IMAGE_SETTINGS_BYTES_MAX} bytes.")
    return out


async def let_lambda_read(call: Call, source: Source) -> None:
    """Give the Lambda service access to the repository as the console and the real service do: if its policy does not, and the creator may change it."""
    where = {"registryId": source.account, "repositoryName": source.repository}
    try:
        text = (await call.invoke("ecr:GetRepositoryPolicy", where))["policyText"]
    except AccessDenied:
        return
    except ServiceError as error:
        if error.code == "RepositoryNotFoundException":
            raise _missing(source.uri) from None
        if error.code != "RepositoryPolicyNotFoundException":
            return
        text = '{"Version":"2008-10-17","Statement":[]}'
    policy = orjson.loads(text)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    if any(statement.get("Sid") == STATEMENT_ID for statement in statements):
        return
    statements.append(
        {
            "Sid": STATEMENT_ID,
            "Effect": "Allow",
            "Principal": {"Service": PRINCIPAL},
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Condition": {"StringLike": {"aws:sourceArn": f"arn:aws:lambda:{call.region}:{call.account}:function:*"}},
        }
    )
    try:
        await call.invoke("ecr:SetRepositoryPolicy", {**where, "policyText": orjson.dumps({**policy, "Statement": statements}).decode()})
    except (AccessDenied, ServiceError):
        return  # Then reading says that Lambda has no permission.
