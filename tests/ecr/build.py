"""Small images for tests, made of tar files in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

import urllib3

from tests.support.running import Running

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar(files: dict[str, bytes | str | None], *, mode: int = 0o755) -> bytes:
    """A tar file: a string is a link's target, None a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode = mode
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


@dataclass
class BuiltImage:
    """An image's blobs and its manifest."""

    manifest: bytes
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def image(layers: list[bytes], *, architecture: str = "amd64", compress: Any = gzip.compress, layer_type: str = OCI_LAYER, **config: Any) -> BuiltImage:
    """An image of uncompressed layers. `config` is what a Dockerfile says: Entrypoint, Cmd, Env, WorkingDir."""
    packed = [compress(layer) for layer in layers]
    document = {"architecture": architecture, "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]}}
    config_bytes = json.dumps(document).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config_bytes), "size": len(config_bytes)},
        "layers": [{"mediaType": layer_type, "digest": digest_of(one), "size": len(one)} for one in packed],
    }
    return BuiltImage(json.dumps(manifest).encode(), {digest_of(blob): blob for blob in (config_bytes, *packed)})


def index(images: dict[str, BuiltImage]) -> bytes:
    """An index of images by architecture."""
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": one.digest, "size": len(one.manifest), "platform": {"architecture": name, "os": "linux"}}
        for name, one in images.items()
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


def small_image(text: str = "hello") -> BuiltImage:
    return image([tar({"greeting": text.encode()})], Cmd=["/greeting"])


class Registry:
    """A client of the registry's own protocol, logged in as somebody."""

    def __init__(self, cloud: Running, client: Any = None) -> None:
        token = (client or cloud.client("ecr")).get_authorization_token()["authorizationData"][0]
        self.endpoint = cloud.endpoint
        self.headers = {"Authorization": f"Basic {token['authorizationToken']}"}
        self.pool = urllib3.PoolManager(retries=False)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """A request below /v2/, or for a whole path; underscores in the names of headers are hyphens."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.endpoint + (path if path.startswith("/") else f"/v2/{path}")
        return self.pool.request(method, url, body=body, headers={**self.headers, **more}, redirect=False)

    def push_blob(self, name: str, data: bytes) -> None:
        begun = self.request("POST", f"{name}/blobs/uploads/")
        assert begun.status == 202, begun.data
        done = self.request("PUT", f"{begun.headers['Location']}?digest={digest_of(data)}", data)
        assert done.status == 201, done.data

    def push(self, name: str, one: BuiltImage, tag: str = "latest") -> str:
        """Push an image; its digest."""
        for blob in one.blobs.values():
            self.push_blob(name, blob)
        done = self.put_manifest(name, one.manifest, tag)
        assert done.status == 201, done.data
        return one.digest

    def put_manifest(self, name: str, manifest: bytes, reference: str, media_type: str = OCI_MANIFEST) -> Any:
        return self.request("PUT", f"{name}/manifests/{reference}", manifest, Content_Type=media_type)


def repository(cloud: Running, name: str, **settings: Any) -> Any:
    return cloud.client("ecr").create_repository(repositoryName=name, **settings)["repository"]


def error_code(answer: Any) -> str:
    """The code of an error in the registry's protocol."""
    return str(json.loads(answer.data)["errors"][0]["code"])
