"""Layers that arrive, in parts of any size, straight to the disk."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from haneul.core.cloud import Cloud
from haneul.services.ecr import errors
from haneul.services.ecr.contents import Contents
from haneul.services.ecr.limits import LAYER_BYTES_MAX, PARTS_MAX, UPLOAD_KEPT
from haneul.services.ecr.names import Place
from haneul.services.ecr.records import Upload, find_layer, repository_in
from haneul.store.blobs import Blobs, BlobWriter
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

ABANDONED_UPLOAD = "ecr-abandoned-upload"
_COPY_BYTES = 1 << 18
_RUNNING_HASHES_MAX = 256


class OutOfOrder(Exception):
    """A part does not begin where the last one ended. `size` is how much there is."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the next part begins at {size}")
        self.size = size


class Uploads:
    """The uploads under way. In memory are only the running hashes of those that this process has received itself."""

    def __init__(self, cloud: Cloud, contents: Contents) -> None:
        self._cloud = cloud
        self._contents = contents
        self._hashes: dict[str, tuple[int, Any]] = {}

    async def begin(self, place: Place) -> str:
        """A new upload's id. It is forgotten when it has not been completed within a day."""
        upload_id = self._cloud.ids.uuid()
        now = self._cloud.clock.now()

        def work(tx: Transaction) -> None:
            repository_in(tx, place)
            tx.put(place.key("upload", upload_id), encode(Upload(now)))
            self._cloud.outbox.put(tx, ABANDONED_UPLOAD, {"place": list(place), "id": upload_id}, due=now + UPLOAD_KEPT, key=upload_id)

        await self._cloud.store.transact(work)
        return upload_id

    def find(self, reader: Reader, place: Place, upload_id: str) -> Upload:
        row = reader.get(place.key("upload", upload_id))
        if row is None:
            repository_in(reader, place)
            raise errors.upload_not_found(place, upload_id)
        return decode(row, Upload)

    async def append(self, place: Place, upload_id: str, chunks: AsyncIterator[bytes], start: int | None) -> int:
        """Add a part and return the size so far. Raises OutOfOrder when it should begin elsewhere, or another part came in between."""
        upload = self.find(self._cloud.store, place, upload_id)
        if start is not None and start != upload.size:
            raise OutOfOrder(upload.size)
        known, running = self._hashes.pop(upload_id, (0, None))
        hasher = running.copy() if running is not None and known == upload.size else (hashlib.sha256() if upload.size == 0 else None)
        writer = await self._cloud.blobs.create()
        try:
            async for chunk in chunks:
                writer.write(chunk)
                if hasher is not None:
                    hasher.update(chunk)
                if upload.size + writer.size > LAYER_BYTES_MAX:
                    raise errors.limit_exceeded(f"A layer may have at most {LAYER_BYTES_MAX} bytes.")
        except BaseException:
            await writer.abort()
            raise
        if writer.size == 0:
            await writer.abort()
            return upload.size
        await writer.finish()

        def work(tx: Transaction) -> int:
            now = self.find(tx, place, upload_id)
            if now.size != upload.size:
                raise OutOfOrder(now.size)
            if len(now.parts) >= PARTS_MAX:
                raise errors.limit_exceeded(f"A layer may be uploaded in at most {PARTS_MAX} parts.")
            self._cloud.blobs.adopt(tx, writer.id)
            now.parts.append((writer.id, writer.size))
            now.size += writer.size
            tx.put(place.key("upload", upload_id), encode(now))
            return now.size

        try:
            size = await self._cloud.store.transact(work)
        except BaseException:
            await self._cloud.blobs.discard(writer.id)
            raise
        if hasher is not None:
            if len(self._hashes) >= _RUNNING_HASHES_MAX:
                self._hashes.clear()
            self._hashes[upload_id] = (size, hasher)
        return size

    async def complete(self, place: Place, upload_id: str, digest: str) -> bool:
        """The upload is a layer of the repository now, if it has the digest that it should have (InvalidLayerException). False when the repository
        had that layer before."""
        upload = self.find(self._cloud.store, place, upload_id)
        blob_id, found = await self._join(upload_id, upload)
        merged = len(upload.parts) != 1

        def work(tx: Transaction) -> bool:
            now = self.find(tx, place, upload_id)
            if now.parts != upload.parts:
                raise OutOfOrder(now.size)
            fresh = find_layer(tx, place, digest) is None
            self._contents.link_new(tx, place, digest, blob_id, upload.size)
            self.forget(tx, place, upload_id, now if merged else Upload(0))
            return fresh

        try:
            if found != digest:
                raise errors.layer_mismatch(digest, found)
            fresh = await self._cloud.store.transact(work)
        except BaseException:
            if merged:
                await self._cloud.blobs.discard(blob_id)
            raise
        self._hashes.pop(upload_id, None)
        return fresh

    async def cancel(self, place: Place, upload_id: str) -> None:
        """Forget an upload and what has arrived of it."""
        self._hashes.pop(upload_id, None)
        await self._cloud.store.transact(lambda tx: self.forget(tx, place, upload_id, self.find(tx, place, upload_id)))

    async def expire(self, payload: dict[str, Any]) -> None:
        """The timer of an upload that nobody has completed."""
        place, upload_id = Place(*payload["place"]), payload["id"]
        self._hashes.pop(upload_id, None)

        def work(tx: Transaction) -> None:
            row = tx.get(place.key("upload", upload_id))
            if row is not None:
                self.forget(tx, place, upload_id, decode(row, Upload))

        await self._cloud.store.transact(work)

    def forget(self, tx: Transaction, place: Place, upload_id: str, upload: Upload) -> None:
        """Remove an upload and the parts that it still holds."""
        tx.delete(place.key("upload", upload_id))
        self._cloud.outbox.cancel(tx, ABANDONED_UPLOAD, upload_id)
        for blob_id, _ in upload.parts:
            self._cloud.blobs.release(tx, blob_id)

    async def _join(self, upload_id: str, upload: Upload) -> tuple[str, str]:
        """The blob with all parts in it, and its digest."""
        known, running = self._hashes.get(upload_id, (0, None))
        loop = asyncio.get_running_loop()
        blobs, parts = self._cloud.blobs, [blob_id for blob_id, _ in upload.parts]
        if len(parts) == 1:
            hasher = running if running is not None and known == upload.size else await loop.run_in_executor(None, _copy, blobs, parts, None)
            return parts[0], f"sha256:{hasher.hexdigest()}"
        writer = await blobs.create()
        hasher = await loop.run_in_executor(None, _copy, blobs, parts, writer)
        return await writer.finish(), f"sha256:{hasher.hexdigest()}"


def _copy(blobs: Blobs, parts: list[str], writer: BlobWriter | None) -> Any:
    """Blocking. Append blobs to another, if there is one, and hash them."""
    hasher = hashlib.sha256()
    for part in parts:
        file = blobs.open(part)
        for offset in range(0, file.size, _COPY_BYTES):
            chunk = file.read(offset, min(_COPY_BYTES, file.size - offset))
            hasher.update(chunk)
            if writer is not None:
                writer.write(chunk)
    return hasher
