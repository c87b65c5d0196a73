"""Manifests: what they are and what they refer to (OCI image specification 1.1; Docker image manifest version 2, schema 2)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from haneul.services.ecr import errors
from haneul.services.ecr.names import DIGEST

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LISTS = frozenset((DOCKER_LIST, OCI_INDEX))
_KNOWN = frozenset((DOCKER_MANIFEST, OCI_MANIFEST)) | LISTS


@dataclass
class Manifest:
    """`layers` are the digests and media types of what an image consists of, its configuration first; `children` the digests that a list names."""

    digest: str
    media_type: str
    artifact_type: str = ""
    layers: dict[str, str] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    subject: str = ""


def read_manifest(data: bytes, media_type: str | None) -> Manifest:
    """Understand a manifest; InvalidParameterException for what is none. `media_type` is what the client calls it, if anything."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _bad("Invalid JSON syntax") from None
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise _bad("Only manifests of schema version 2 are supported")
    kind = media_type or document.get("mediaType") or (OCI_INDEX if "manifests" in document else OCI_MANIFEST)
    if not isinstance(kind, str) or kind not in _KNOWN:
        raise _bad(f"The media type '{kind}' is not supported")
    if document.get("mediaType", kind) != kind:
        raise _bad(f"The manifest's mediaType '{document['mediaType']}' is not '{kind}'")
    manifest = Manifest(f"sha256:{hashlib.sha256(data).hexdigest()}", kind)
    artifact_type = document.get("artifactType", "")
    if not isinstance(artifact_type, str):
        raise _bad("artifactType must be a string")
    manifest.artifact_type = artifact_type
    if kind in LISTS:
        manifest.children = list(dict.fromkeys(_digest_of(one) for one in _list(document, "manifests")))
    else:
        config = document.get("config")
        manifest.layers[_digest_of(config)] = _media_type_of(config)
        if not manifest.artifact_type:
            manifest.artifact_type = _media_type_of(config)
        for one in _list(document, "layers"):
            if not (isinstance(one, dict) and one.get("urls")):  # Whoever pulls fetches such a layer from elsewhere.
                manifest.layers[_digest_of(one)] = _media_type_of(one)
    if document.get("subject") is not None:
        manifest.subject = _digest_of(document["subject"])
    return manifest


def _list(document: dict[str, Any], member: str) -> list[Any]:
    found = document.get(member)
    if not isinstance(found, list):
        raise _bad(f"The member '{member}' must be a list")
    return found


def _digest_of(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str) or DIGEST.fullmatch(digest) is None:
        raise _bad("A descriptor needs a digest of the form 'sha256:…'")
    return digest


def _media_type_of(descriptor: Any) -> str:
    kind = descriptor.get("mediaType", "") if isinstance(descriptor, dict) else ""
    return kind if isinstance(kind, str) else ""


def _bad(reason: str) -> Exception:
    return errors.invalid("ImageManifest", reason)
