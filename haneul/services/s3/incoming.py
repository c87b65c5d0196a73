"""Bodies coming in: hashed while they arrive, small ones kept in memory, large ones written to a file, nothing left behind when they break off."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.checksums import Digest, Expected
from haneul.services.s3.customer_keys import CustomerKey
from haneul.services.s3.errors import bad_digest, entity_too_large, incomplete_body
from haneul.services.s3.keys import body_key, row_place
from haneul.services.s3.records import Piece
from haneul.store.blobs import BlobWriter
from haneul.store.port import Transaction
from haneul.store.vault import Vault

UPLOAD_BYTES_MAX = 5 * 1024**3
# Up to here a body lies in its object's row, so that a GET is one read; listings read past it, so it may not be large.
INLINE_BYTES_MAX = 4 * 1024
# Up to here it lies in a row of its own, which shares the transaction's fsync; beyond, in a file.
ROW_BYTES_MAX = 64 * 1024
_BATCH_BYTES = 1 << 20
_THREAD_FROM_BYTES = 256 * 1024


class Received:
    """A whole body, not yet part of any object. `checksums` is {algorithm: base64}; `etag` is the MD5, but for a body under a customer's key."""

    def __init__(self, size: int, md5: str, etag: str, found: dict[str, str], vault: Vault, body: bytes, blob: str, row: str) -> None:
        self.size = size
        self.md5 = md5
        self.etag = etag
        self.checksums = found
        self._vault = vault
        self._body = body
        self._blob = blob
        self._row = row

    def keep_inline(self, place: str) -> bytes | None:
        """The body, sealed for its object's row, when it is small enough."""
        return self._vault.seal_body(self._body, place) if not self._blob and self.size <= INLINE_BYTES_MAX else None

    def keep(self, tx: Transaction, cloud: Cloud) -> Piece:
        """Make the body durable with the transaction."""
        if self._blob:
            cloud.blobs.adopt(tx, self._blob)
            return Piece(self.size, blob=self._blob)
        tx.put(body_key(self._row), self._vault.seal_body(self._body, row_place(self._row)))
        return Piece(self.size, row=self._row)


class _Absorber:
    """Hashes a body, and writes it to a file once it has grown too large for memory."""

    def __init__(self, cloud: Cloud, algorithms: Iterable[str], key: CustomerKey | None) -> None:
        self._cloud = cloud
        self._key = key
        self._vault = key.vault if key is not None else cloud.vault
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._digests: dict[str, Digest] = {algorithm: checksums.new_digest(algorithm) for algorithm in algorithms}
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._writer: BlobWriter | None = None
        self._pending: asyncio.Future[None] | None = None
        self.size = 0

    async def take(self, data: bytes) -> None:
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        self.size += len(data)
        if self._waiting_bytes >= _BATCH_BYTES:
            await self._hand_over()

    async def _hand_over(self) -> None:
        """Let a thread hash and write what waits, while the next bytes come in."""
        await self._settle()
        if self._writer is None:
            self._writer = await self._cloud.blobs.create(self._vault)
        batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if sum(map(len, batch)) < _THREAD_FROM_BYTES:
            self._absorb(batch)
        else:
            self._pending = asyncio.get_running_loop().run_in_executor(None, self._absorb, batch)

    def _absorb(self, batch: list[bytes]) -> None:
        for data in batch:
            self._md5.update(data)
            for digest in self._digests.values():
                digest.update(data)
            if self._writer is not None:
                self._writer.write(data)

    async def _settle(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            await pending

    async def finish(self) -> Received:
        if self._writer is None and self.size <= ROW_BYTES_MAX:
            self._absorb(self._waiting)
            body = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
            return self._received(body, "", self._cloud.ids.hex(32))
        await self._hand_over()
        await self._settle()
        assert self._writer is not None
        return self._received(b"", await self._writer.finish(), "")

    def _received(self, body: bytes, blob: str, row: str) -> Received:
        found = {algorithm: checksums.to_text(digest.digest()) for algorithm, digest in self._digests.items()}
        md5 = self._md5.hexdigest()
        # An MD5 would tell whoever has no key something of the body.
        etag = md5 if self._key is None else self._cloud.ids.hex(len(md5))
        return Received(self.size, md5, etag, found, self._vault, body, blob, row)

    async def abort(self) -> None:
        """Forget everything. The file's thread must be done with it first."""
        if self._pending is not None:
            await asyncio.wait([self._pending])
        if self._writer is not None:
            await self._writer.abort()


@asynccontextmanager
async def received(cloud: Cloud, body: bytes | AsyncIterable[bytes], algorithms: Iterable[str], key: CustomerKey | None, limit: int = UPLOAD_BYTES_MAX) -> AsyncIterator[Received]:
    """Take in a body, to lie under a customer's key or the cloud's own. When the block is left by an error, nothing of it stays."""
    absorber = _Absorber(cloud, algorithms, key)
    try:
        if isinstance(body, bytes | bytearray | memoryview):
            if len(body) > limit:
                raise entity_too_large(len(body), limit)
            await absorber.take(bytes(body))
        else:
            async for data in body:
                if absorber.size + len(data) > limit:
                    raise entity_too_large(absorber.size + len(data), limit)
                await absorber.take(data)
        yield await absorber.finish()
    except BaseException:
        await absorber.abort()
        raise


@asynccontextmanager
async def upload(call: Call, request: Shape, wanted: Expected, algorithm: str, key: CustomerKey | None) -> AsyncIterator[Received]:
    """Take in the body of a PutObject or UploadPart, and check everything that the request says of it. `algorithm`: the checksum to compute in any case."""
    headers: Mapping[str, str] = call.http.headers if call.http is not None else {}
    body = request.get("Body", b"")
    announced = _announced_bytes(body, headers) if call.http is not None else None
    md5 = checksums.read_md5(request["ContentMD5"]) if "ContentMD5" in request else None
    try:
        async with received(call.cloud, body, {wanted.algorithm or algorithm, algorithm}, key) as taken:
            if announced is not None and taken.size != announced:
                raise incomplete_body()
            if md5 is not None and md5 != taken.md5:
                raise bad_digest("The Content-MD5 you specified did not match what we received.")
            if wanted.algorithm:
                checksums.check(wanted, taken.checksums[wanted.algorithm], getattr(body, "trailers", {}))
            yield taken
    except ServiceError:
        raise
    except Exception:
        # Whatever broke while the client went away, to the client it is a body that ended too early.
        if call.http is not None and call.http.disconnected:
            raise incomplete_body() from None
        raise


def _announced_bytes(body: object, headers: Mapping[str, str]) -> int | None:
    if "x-amz-decoded-content-length" not in headers:
        if "transfer-encoding" in headers:
            message = "A header you provided implies functionality that is not implemented"
            raise ServiceError("NotImplemented", message, 501, fields={"Header": "Transfer-Encoding"})
        if "content-length" not in headers:
            raise ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    length = len(body) if isinstance(body, bytes) else getattr(body, "length", None)
    if length is not None and length > UPLOAD_BYTES_MAX:
        raise entity_too_large(length, UPLOAD_BYTES_MAX)
    return length
