"""The canonical request of Signature Version 4 (AWS documentation: "Create a signed AWS API request")."""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import Final
from urllib.parse import quote, unquote_to_bytes

_BLOCK_BYTES: Final = 64
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]+")
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def encode(raw: bytes | str, safe: str = "") -> str:
    """Percent-encode all but unreserved characters (and those in `safe`)."""
    return quote(raw, safe="-_.~" + safe)


def canonical_path(path: str, *, s3: bool) -> str:
    """S3 signs the path encoded once; every other service signs it normalised and encoded twice."""
    if path == "/" or not path:
        return "/"
    if s3:
        if _PLAIN_PATH.fullmatch(path):
            return path
        if "%" not in path:
            return encode(path, "/")
        return "/".join([encode(unquote_to_bytes(part)) for part in path.split("/")])  # An encoded slash is signed as it was sent.
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if segments:
                segments.pop()
        elif segment and segment != ".":
            segments.append(segment)
    joined = "/" + "/".join(segments) + ("/" if path.endswith("/") and segments else "")
    return encode(joined, "/")


def canonical_query(query: str, leave_out: str = "") -> str:
    """The query's parameters, decoded, encoded the one right way, and sorted. `leave_out` names one that is not signed."""
    if not query:
        return ""
    pairs = []
    for piece in query.split("&"):
        if not piece:
            continue
        name, _, value = piece.partition("=")
        name = encode(unquote_to_bytes(name.replace("+", " ")))
        if name == leave_out:
            continue
        pairs.append((name, encode(unquote_to_bytes(value.replace("+", " ")))))
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs])


class SigningKey:
    """A key that signs texts with HMAC-SHA256 (RFC 2104). Its two blocks are hashed once: most of what a short text costs."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (key if len(key) <= _BLOCK_BYTES else sha256(key).digest()).ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def sign(self, text: str) -> str:
        """The signature of a text, in hexadecimal digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.hexdigest()


def signing_key(secret: str, date: str, region: str, service: str) -> SigningKey:
    """The key that signs for one day, region and service."""
    key = hmac.digest(b"AWS4" + secret.encode(), date.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return SigningKey(key)


def string_to_sign(timestamp: str, scope: str, canonical: str) -> str:
    """What is signed: the time, the scope and the hash of the canonical request."""
    return f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"


def same(expected: str, given: str) -> bool:
    """Whether two signatures are equal, in a time that does not tell how far they are."""
    return given.isascii() and hmac.compare_digest(expected, given)
