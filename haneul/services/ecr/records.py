"""What the store keeps of registries.

Every key of a repository begins ("ecr", account, region, kind, name, …), except the blobs, which all repositories share: ("ecr-blob", digest).
Times are nanoseconds, sizes bytes, digests `sha256:` with 64 hexadecimal digits.
"""

from __future__ import annotations

import msgspec

from haneul.services.ecr import errors
from haneul.services.ecr.names import Place
from haneul.store.keys import pack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode


class Repository(msgspec.Struct):
    """A repository's settings. `policy` and `lifecycle` are JSON texts, empty for none; `exclusions` are patterns of tags that are exempt from `mutability`."""

    created_at: int
    mutability: str = "MUTABLE"
    exclusions: list[str] = []
    scan_on_push: bool = False
    tags: dict[str, str] = {}
    policy: str = ""
    lifecycle: str = ""
    lifecycle_evaluated_at: int = 0


class Image(msgspec.Struct):
    """A manifest and what it refers to. `size` is that of its compressed layers; `layers` holds the configuration, too; `parents` counts the lists that name it."""

    manifest: bytes
    media_type: str
    artifact_type: str
    size: int
    pushed_at: int
    layers: list[str] = []
    children: list[str] = []
    subject: str = ""
    tags: list[str] = []
    pulled_at: int = 0
    parents: int = 0


class Layer(msgspec.Struct):
    """A blob as one repository has it; `images` counts those that need it."""

    size: int
    images: int = 0
    media_type: str = ""


class Blob(msgspec.Struct):
    """Content that repositories share; `repositories` counts them."""

    blob_id: str
    size: int
    repositories: int = 0


class Upload(msgspec.Struct):
    """A layer that is still arriving, as (blob id, size) of its parts."""

    created_at: int
    size: int = 0
    parts: list[tuple[str, int]] = []


class Preview(msgspec.Struct):
    """What a lifecycle policy would do: (digest, priority of the rule that decides) of images."""

    policy: str
    results: list[tuple[str, int]]


def blob_key(digest: str) -> bytes:
    return pack(("ecr-blob", digest))


def find_repository(reader: Reader, place: Place) -> Repository | None:
    row = reader.get(place.key("repository"))
    return decode(row, Repository) if row is not None else None


def repository_in(reader: Reader, place: Place) -> Repository:
    """The repository at a place; RepositoryNotFoundException when there is none."""
    found = find_repository(reader, place)
    if found is None:
        raise errors.repository_not_found(place)
    return found


def put_repository(tx: Transaction, place: Place, repository: Repository) -> None:
    tx.put(place.key("repository"), encode(repository))


def find_image(reader: Reader, place: Place, digest: str) -> Image | None:
    row = reader.get(place.key("image", digest))
    return decode(row, Image) if row is not None else None


def find_layer(reader: Reader, place: Place, digest: str) -> Layer | None:
    row = reader.get(place.key("layer", digest))
    return decode(row, Layer) if row is not None else None


def find_blob(reader: Reader, digest: str) -> Blob | None:
    row = reader.get(blob_key(digest))
    return decode(row, Blob) if row is not None else None


def tagged_digest(reader: Reader, place: Place, tag: str) -> str | None:
    """The digest of the image that a tag names."""
    row = reader.get(place.key("tag", tag))
    return row.decode() if row is not None else None
