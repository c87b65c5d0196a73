"""Checksums of objects and parts.

S3 User Guide, "Checking object integrity in Amazon S3": which algorithms there are, where their values travel, and how those of a multipart
object follow from its parts' (COMPOSITE: a hash of hashes; FULL_OBJECT: CRCs combined).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Protocol

import anycrc
from zlib_ng.zlib_ng import crc32

from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.ports import Shape
from haneul.services.s3.errors import bad_digest, invalid_request

# Algorithm → digest bytes. CRC64NVME is what S3 computes of its own accord when a client names none.
SIZES = {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32, "SHA512": 64, "MD5": 16}
DEFAULT = "CRC64NVME"
COMPOSITE = "COMPOSITE"
FULL_OBJECT = "FULL_OBJECT"
_MODELS = {"CRC32": "CRC32", "CRC32C": "CRC32-ISCSI", "CRC64NVME": "CRC64-NVME"}
_NOT_BUILT = frozenset({"MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"})
_HEADER = "x-amz-checksum-"


class Digest(Protocol):
    """What hashes a body as it comes."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class _Crc:
    def __init__(self, algorithm: str) -> None:
        self._model = anycrc.Model(_MODELS[algorithm])
        self._bytes = SIZES[algorithm]
        self._value: int | None = None

    def update(self, data: bytes) -> None:
        self._value = self._model.calc(data, self._value) if self._value is not None else self._model.calc(data)

    def digest(self) -> bytes:
        return (self._value or 0).to_bytes(self._bytes, "big")


def new_digest(algorithm: str) -> Digest:
    """A running checksum."""
    if algorithm == "CRC32":
        return _Crc32()
    if algorithm in _MODELS:
        return _Crc(algorithm)
    if algorithm == "MD5":
        return hashlib.md5(usedforsecurity=False)
    return hashlib.new(algorithm.lower())


def to_text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def combined(algorithm: str, parts: list[tuple[str, int]]) -> str:
    """The checksum of a whole object from its parts' (base64 value, bytes): CRCs only."""
    model = anycrc.Model(_MODELS[algorithm])
    total = int.from_bytes(base64.b64decode(parts[0][0]), "big")
    for text, size in parts[1:]:
        total = model.combine(total, int.from_bytes(base64.b64decode(text), "big"), size)
    return to_text(total.to_bytes(SIZES[algorithm], "big"))


def composite(algorithm: str, parts: list[str]) -> str:
    """The checksum of the parts' checksums, and their number."""
    digest = new_digest(algorithm)
    for text in parts:
        digest.update(base64.b64decode(text))
    return f"{to_text(digest.digest())}-{len(parts)}"


def member(algorithm: str) -> str:
    """The shapes' member for an algorithm: `ChecksumCRC32`."""
    return f"Checksum{algorithm}"


def show(checksums: Mapping[str, str]) -> Shape:
    """Checksums as members of an answer."""
    return {member(algorithm): value for algorithm, value in checksums.items()}


def is_value(algorithm: str, text: str) -> bool:
    """Whether a text can be a checksum of this algorithm."""
    try:
        return len(base64.b64decode(text, validate=True)) == SIZES[algorithm]
    except (binascii.Error, ValueError):
        return False


class Expected:
    """Which checksum a body is to have. `algorithm` is empty when the client names none; `value` when it comes in a trailer or not at all."""

    __slots__ = ("algorithm", "trailer", "value")

    def __init__(self, algorithm: str = "", value: str = "", trailer: str = "") -> None:
        self.algorithm = algorithm
        self.value = value
        self.trailer = trailer


def read_algorithm(name: str) -> str:
    """An algorithm's name as a request gives it, in upper case."""
    upper = name.upper()
    if upper in _NOT_BUILT:
        raise NotBuilt(f"the checksum algorithm {upper} of S3")
    if upper not in SIZES:
        raise invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    return upper


def expected(request: Shape, headers: Mapping[str, str]) -> Expected:
    """The checksum that a request announces: in a header, or by name in `x-amz-trailer`."""
    named = [name for name in request if name.startswith("Checksum") and name not in ("ChecksumAlgorithm", "ChecksumType", "ChecksumMode")]
    trailers = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip().lower().startswith(_HEADER)]
    if len(named) + len(trailers) > 1:
        raise invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    asked = request.get("ChecksumAlgorithm")
    if named:
        algorithm = read_algorithm(named[0].removeprefix("Checksum"))
        value = request[named[0]]
        if not is_value(algorithm, value):
            raise invalid_request(f"Value for {_HEADER}{algorithm.lower()} header is invalid.")
        found = Expected(algorithm, value)
    elif trailers:
        found = Expected(read_algorithm(trailers[0].removeprefix(_HEADER)), "", trailers[0])
    elif asked and headers:
        raise invalid_request("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
    else:
        return Expected(read_algorithm(asked)) if asked else Expected()
    if asked and read_algorithm(asked) != found.algorithm:
        raise invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    return found


def check(wanted: Expected, actual: str, trailers: Mapping[str, str]) -> None:
    """Compare a body's checksum with what its request said, in a header or behind the body."""
    value = wanted.value
    if wanted.trailer:
        if wanted.trailer not in trailers:
            message = "The request contained trailing data that was not well-formed or did not conform to our published schema."
            raise ServiceError("MalformedTrailerError", message, 400)
        value = trailers[wanted.trailer]
        if not is_value(wanted.algorithm, value):
            raise invalid_request(f"Value for {wanted.trailer} trailing header is invalid.")
    if value and value != actual:
        raise bad_digest(f"The {wanted.algorithm} you specified did not match the calculated checksum.")


def check_document(headers: Mapping[str, str], body: bytes) -> None:
    """Compare a request's XML or JSON document with the checksums that its headers state. Errors: InvalidDigest, BadDigest, InvalidRequest."""
    given = headers.get("content-md5")
    if given is not None and read_md5(given) != hashlib.md5(body, usedforsecurity=False).hexdigest():
        raise bad_digest("The Content-MD5 you specified did not match what we received.")
    for name, value in headers.items():
        algorithm = name.removeprefix(_HEADER).upper()
        if not name.startswith(_HEADER) or algorithm in ("ALGORITHM", "TYPE", "MODE"):
            continue
        digest = new_digest(read_algorithm(algorithm))
        digest.update(body)
        check(Expected(algorithm, value), to_text(digest.digest()), {})


def read_md5(header: str) -> str:
    """A Content-MD5 header in hexadecimal digits."""
    try:
        digest = base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != SIZES["MD5"]:
        raise ServiceError("InvalidDigest", "The Content-MD5 you specified was invalid.", 400, fields={"Content-MD5": header})
    return digest.hex()
