"""What S3 keeps in the store, and under which keys.

    ("s3-bucket", name)                       Bucket: owner, region and every configuration
    ("s3-owned", account, name)               nothing: an account's buckets in order
    ("s3-object", bucket id, key, -order)     Object: a version or delete marker; the newest of a key comes first
    ("s3-null", bucket id, key)               the order of a null version that was written while versioning was suspended
    ("s3-body", id)                           a body too large for its object's row and too small for a file
    ("s3-upload", bucket id, key, upload id)  Upload: a multipart upload in progress
    ("s3-part", upload id, number)            Part

Versions written before a bucket was first versioned have the order 0: the only version of a key in a bucket that never was, and the oldest
otherwise, so that a plain GET is a single read of a known row.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from haneul.services.s3.keys import bucket_key, null_key, object_key, versions_base
from haneul.store.port import Reader
from haneul.store.records import decode

NULL = "null"
ENFORCED = "BucketOwnerEnforced"
_ORDER_BYTES = 8
_VERSION_BYTES = 24
_VERSION_ALPHABET = b"._"


class PublicAccessBlock(msgspec.Struct):
    """The four switches; all on for a new bucket."""

    acls: bool = True
    ignore_acls: bool = True
    policy: bool = True
    restrict: bool = True


class Bucket(msgspec.Struct):
    """A bucket. Configurations are kept in the form in which they are put and shown (boto3's shapes); None when there is none.

    `versioning` is "", "Enabled" or "Suspended". `created` is in nanoseconds. `ownership` is the rule of the ownership controls, "" without them.
    """

    name: str
    id: str
    account: str
    region: str
    created: int
    versioning: str = ""
    policy: str | None = None
    policy_is_public: bool = False
    public_access_block: PublicAccessBlock | None = None
    ownership: str = ENFORCED
    cors: list[dict[str, Any]] | None = None
    tags: dict[str, str] | None = None
    lifecycle: list[dict[str, Any]] | None = None
    lifecycle_sizes: str = ""
    website: dict[str, Any] | None = None
    encryption: dict[str, Any] | None = None
    notifications: dict[str, list[dict[str, Any]]] | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"

    @property
    def restricts_public_policy(self) -> bool:
        return self.policy_is_public and self.public_access_block is not None and self.public_access_block.restrict


class Piece(msgspec.Struct, array_like=True):
    """A part of a body: a file (`blob`) or a row of its own (`row`). Of a multipart object also the part's number and checksum."""

    size: int
    blob: str = ""
    row: str = ""
    number: int = 0
    checksum: str = ""


class Object(msgspec.Struct, array_like=True):
    """A version of an object, or a delete marker.

    The body is `body`, sealed for its bucket and key (`body_place`), or the pieces one after another, each sealed for itself. `order` and `modified` are nanoseconds; orders of one key only grow.
    `version` is empty for the null version. `headers` holds the system metadata as the header names that it goes out with.
    `checksums` is {algorithm: base64}, `checksum_type` COMPOSITE or FULL_OBJECT. `customer_key` is the hash of the key that the client keeps
    (SSE-C), empty when the cloud's own vault seals the body.
    """

    order: int
    modified: int
    size: int = 0
    etag: str = ""
    version: str = ""
    marker: bool = False
    body: bytes = b""
    pieces: list[Piece] = []
    multipart: bool = False
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    storage_class: str = "STANDARD"
    checksums: dict[str, str] = {}
    checksum_type: str = ""
    customer_key: bytes = b""

    @property
    def version_id(self) -> str:
        """As clients see it."""
        return self.version or NULL


class Upload(msgspec.Struct):
    """A multipart upload in progress: what the object will be, and who began it. `customer_key` as in Object."""

    id: str
    key: str
    initiated: int
    initiator: str
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    storage_class: str = "STANDARD"
    algorithm: str = ""
    checksum_type: str = ""
    defaulted: bool = False
    customer_key: bytes = b""


class Part(msgspec.Struct, array_like=True):
    """An uploaded part; `checksums` as in Object."""

    number: int
    size: int
    etag: str
    modified: int
    piece: Piece
    checksums: dict[str, str] = {}


# ---- version ids


def make_version_id(order: int, chance: bytes) -> str:
    """32 characters: the place among the key's versions, which makes finding a version one read, and 16 random bytes."""
    return base64.b64encode(order.to_bytes(_ORDER_BYTES, "big") + chance, altchars=_VERSION_ALPHABET).decode()


def order_of_version(version_id: str) -> int | None:
    """The place that a version id names; None for a text that is no version id."""
    try:
        raw = base64.b64decode(version_id, altchars=_VERSION_ALPHABET, validate=True)
    except (binascii.Error, ValueError):
        return None
    order = int.from_bytes(raw[:_ORDER_BYTES], "big")
    return order if len(raw) == _VERSION_BYTES and order < 1 << 63 else None


# ---- reads


def read_bucket(reader: Reader, name: str) -> Bucket | None:
    value = reader.get(bucket_key(name))
    return decode(value, Bucket) if value is not None else None


def newest(reader: Reader, bucket: Bucket, key: str) -> Object | None:
    """The current version of a key, which may be a delete marker."""
    if not bucket.versioning:
        value = reader.get(object_key(bucket.id, key, 0))
        return decode(value, Object) if value is not None else None
    base = versions_base(bucket.id, key)
    rows = reader.range(base, base + b"\xff", 1)
    return decode(rows[0][1], Object) if rows else None


def null_version(reader: Reader, bucket: Bucket, key: str) -> tuple[bytes, Object] | None:
    """The null version of a key and its row's key."""
    pointer = reader.get(null_key(bucket.id, key)) if bucket.versioning else None
    place = object_key(bucket.id, key, decode(pointer, int) if pointer is not None else 0)
    value = reader.get(place)
    return (place, decode(value, Object)) if value is not None else None


def one_version(reader: Reader, bucket: Bucket, key: str, version_id: str) -> tuple[bytes, Object] | None:
    """A version by its id, and its row's key; None when there is none (or the id is no id)."""
    if version_id == NULL:
        return null_version(reader, bucket, key)
    order = order_of_version(version_id)
    if order is None:
        return None
    place = object_key(bucket.id, key, order)
    value = reader.get(place)
    if value is None:
        return None
    found = decode(value, Object)
    return (place, found) if found.version == version_id else None
