"""Bodies that carry their own proof: a stated SHA-256, or `aws-chunked` with signed chunks and trailing headers.

Source: S3 API Reference, "Signature calculations for the authorization header: transferring payload in multiple chunks" and
"Signature calculations for trailing headers".
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from hashlib import sha256

from haneul.auth.signature.canonical import SigningKey, same
from haneul.auth.signature.problems import MISMATCH_S3
from haneul.core.errors import ServiceError
from haneul.core.http import BodyStream, HttpRequest

_LINE_BYTES_MAX = 4096
_LENGTH_DIGITS_MAX = 18
_CHUNK_BYTES_MIN = 8192
_TRAILER_BYTES_MAX = 16_384
_HEX = re.compile(r"[0-9a-fA-F]{1,16}")
_EMPTY_HASH = sha256(b"").hexdigest()
_WHOLE_CHUNK_BYTES_MAX = 4 << 20


class VerifiedStream:
    """A stream whose bytes must have the stated SHA-256."""

    def __init__(self, inner: BodyStream, expected: str) -> None:
        self._inner = inner
        self._expected = expected

    @property
    def length(self) -> int | None:
        return self._inner.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        digest = sha256()
        async for part in self._inner:
            digest.update(part)
            yield part
        if digest.hexdigest() != self._expected.lower():
            fields = {"ClientComputedContentSHA256": self._expected, "S3ComputedContentSHA256": digest.hexdigest()}
            raise ServiceError("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.", 400, fields=fields)


class SignedStream:
    """The decoded bytes of an `aws-chunked` body. After the last byte `trailers` holds the trailing headers (lower-case names)."""

    def __init__(self, request: HttpRequest, mode: str, key: SigningKey, timestamp: str, scope: str, seed: str) -> None:
        if mode not in (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        ):
            raise ServiceError("NotImplemented", "A header you provided implies functionality that is not implemented", 501)
        self._source = request.stream
        self._whole = request.body
        self._signed = mode.startswith("STREAMING-AWS4")
        self._has_trailer = mode.endswith("-TRAILER")
        self._key = key
        self._prefix = f"{timestamp}\n{scope}\n"
        self._previous = seed
        self._buffer = bytearray()
        decoded = request.headers.get("x-amz-decoded-content-length")
        if decoded is None or not decoded.isdecimal() or not decoded.isascii() or len(decoded) > _LENGTH_DIGITS_MAX:
            raise ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
        self._length = int(decoded)
        self._iterator: AsyncIterator[bytes] | None = None
        self.trailers: dict[str, str] = {}

    @property
    def length(self) -> int:
        """Decoded bytes, as announced."""
        return self._length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._iterator = self._chunks()
        total, number, smallest_yet = 0, 0, _CHUNK_BYTES_MIN
        while True:
            size, signature = self._chunk_header(await self._line())
            if size == 0:
                break
            number += 1
            if smallest_yet < _CHUNK_BYTES_MIN:
                raise _chunk_too_small(number, smallest_yet)
            smallest_yet = size
            total += size
            if total > self._length:
                raise _incomplete()
            if self._signed and size <= _WHOLE_CHUNK_BYTES_MAX:
                data = await self._exactly(size)
                self._check_chunk(sha256(data).hexdigest(), signature)
                yield data
            else:
                async for part in self._pass_through(size, signature):
                    yield part
            if await self._exactly(2) != b"\r\n":
                raise _malformed()
        self._check_chunk(_EMPTY_HASH, signature)
        if self._has_trailer:
            await self._read_trailers()
        if total != self._length:
            raise _incomplete()

    async def _pass_through(self, size: int, signature: str) -> AsyncIterator[bytes]:
        """A chunk too large to hold: its bytes go on before its signature is known, and the upload fails at its end."""
        digest = sha256()
        while size:
            if not self._buffer and not await self._more():
                raise _incomplete()
            data = bytes(self._buffer[:size])
            del self._buffer[: len(data)]
            size -= len(data)
            if self._signed:
                digest.update(data)
            yield data
        if self._signed:
            self._check_chunk(digest.hexdigest(), signature)

    async def _read_trailers(self) -> None:
        signed_text, size, proven = "", 0, False
        while line := await self._line():
            name, colon, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            size += len(line)
            if not colon or proven or size > _TRAILER_BYTES_MAX:
                raise _malformed_trailer()
            if name == "x-amz-trailer-signature":
                expected = self._key.sign(f"AWS4-HMAC-SHA256-TRAILER\n{self._prefix}{self._previous}\n{sha256(signed_text.encode()).hexdigest()}")
                if not same(expected, value):
                    raise ServiceError("SignatureDoesNotMatch", MISMATCH_S3, 403)
                proven = True
            else:
                self.trailers[name] = value
                signed_text += f"{name}:{value}\n"
        if self._signed and not proven:
            raise _malformed_trailer()

    def _chunk_header(self, line: str) -> tuple[int, str]:
        text, _, extension = line.partition(";")
        if not _HEX.fullmatch(text):
            raise _malformed() if line else _incomplete()
        size = int(text, 16)
        signature = extension.partition("chunk-signature=")[2]
        if self._signed and not signature:
            raise _malformed()
        return size, signature

    def _check_chunk(self, digest: str, signature: str) -> None:
        if not self._signed:
            return
        expected = self._key.sign(f"AWS4-HMAC-SHA256-PAYLOAD\n{self._prefix}{self._previous}\n{_EMPTY_HASH}\n{digest}")
        if not same(expected, signature):
            raise ServiceError("SignatureDoesNotMatch", MISMATCH_S3, 403)
        self._previous = signature

    async def _line(self) -> str:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LINE_BYTES_MAX:
                raise _malformed()
            if not await self._more():
                if self._buffer:
                    raise _incomplete()
                return ""
        line = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 2]
        return line

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not await self._more():
                raise _incomplete()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def _more(self) -> bool:
        assert self._iterator is not None
        try:
            self._buffer += await anext(self._iterator)
            return True
        except StopAsyncIteration:
            return False

    async def _chunks(self) -> AsyncIterator[bytes]:
        if self._whole:
            yield self._whole
        if self._source is not None:
            async for part in self._source:
                yield part


def _incomplete() -> ServiceError:
    return ServiceError("IncompleteBody", "The request body terminated unexpectedly", 400)


def _chunk_too_small(number: int, size: int) -> ServiceError:
    message = "Only the last chunk is allowed to have a size less than 8192 bytes"
    return ServiceError("InvalidChunkSizeError", message, 403, fields={"Chunk": str(number), "BadChunkSize": str(size)})


def _malformed_trailer() -> ServiceError:
    message = "The request contained trailing data that was not well-formed or did not conform to our published schema."
    return ServiceError("MalformedTrailerError", message, 400)


def _malformed() -> ServiceError:
    return ServiceError("InvalidRequest", "The chunked encoding of the body is malformed.", 400)
