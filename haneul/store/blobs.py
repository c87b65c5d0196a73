"""Bodies too large for the store: files, fsynced, each under an id of its own.

A new blob is first noted as pending in the store; the transaction that refers to it adopts it. Whoever drops the last reference
releases it in the same transaction. So a crash at any moment leaves either a referenced file or a note of what to remove,
and no folder is ever searched for leftovers.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from haneul.clock import Ids
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Store, Transaction

_PENDING = "blob-pending"
_GARBAGE = "blob-garbage"


class BlobWriter:
    """One blob being written. End with `finish` or `abort`."""

    def __init__(self, blobs: Blobs, blob_id: str, path: Path) -> None:
        self.id = blob_id
        self.size = 0
        self._blobs = blobs
        self._path = path
        self._file = open(path, "wb", buffering=1 << 16)  # noqa: SIM115 - closed by finish or abort

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)

    async def finish(self) -> str:
        """Make the bytes durable; the blob's id, ready to be adopted."""
        self._file.flush()
        await asyncio.get_running_loop().run_in_executor(None, self._sync)
        return self.id

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
        _sync_folder(self._path.parent)

    async def abort(self) -> None:
        """Forget the blob."""
        self._file.close()
        await self._blobs.discard(self.id)


class Blobs:
    """The blobs below one folder, accounted for in `store`."""

    def __init__(self, store: Store, folder: Path, ids: Ids) -> None:
        self._store = store
        self._folder = folder
        self._ids = ids
        self._made: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._unwatch = store.watch(pack((_GARBAGE,)), self._collect)

    async def start(self) -> None:
        """Remove what an earlier run had begun and not adopted, or released and not yet removed."""
        for kind in (_PENDING, _GARBAGE):
            rows = self._store.range(*prefix_range(pack((kind,))))
            for key, _ in rows:
                self.path(str(unpack(key)[1])).unlink(missing_ok=True)
            if rows:
                keys = [key for key, _ in rows]
                await delete_keys(self._store, keys)

    def clear(self) -> None:
        """Remove every blob (the store has forgotten them all)."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(exist_ok=True)
        self._made.clear()

    def path(self, blob_id: str) -> Path:
        """Where a blob's bytes are."""
        return self._folder / blob_id[:2] / blob_id

    async def create(self) -> BlobWriter:
        """Begin a new blob."""
        blob_id = self._ids.hex(32)
        await self._store.transact(lambda tx: tx.put(pack((_PENDING, blob_id)), b""))
        path = self.path(blob_id)
        if blob_id[:2] not in self._made:
            path.parent.mkdir(exist_ok=True)
            _sync_folder(self._folder)
            self._made.add(blob_id[:2])
        return BlobWriter(self, blob_id, path)

    def adopt(self, tx: Transaction, blob_id: str) -> None:
        """The transaction refers to this finished blob from now on."""
        tx.delete(pack((_PENDING, blob_id)))

    def release(self, tx: Transaction, blob_id: str) -> None:
        """The transaction drops the last reference: the file goes once the transaction is durable."""
        tx.put(pack((_GARBAGE, blob_id)), b"")

    async def discard(self, blob_id: str) -> None:
        """Remove a blob unless it was adopted after all (by a transaction whose caller was cancelled while it was being committed)."""

        def work(tx: Transaction) -> None:
            if tx.get(pack((_PENDING, blob_id))) is not None:
                tx.delete(pack((_PENDING, blob_id)))
                self.release(tx, blob_id)

        await self._store.transact(work)

    def _collect(self, keys: Sequence[bytes]) -> None:
        gone = [key for key in keys if self._store.get(key) is not None]
        if gone:
            asyncio.get_running_loop().create_task(self._remove(gone))

    async def _remove(self, keys: list[bytes]) -> None:
        for key in keys:
            # A file that is still being sent stays readable through its open descriptor.
            self.path(str(unpack(key)[1])).unlink(missing_ok=True)
        await delete_keys(self._store, keys)


async def delete_keys(store: Store, keys: list[bytes]) -> None:
    """Delete rows in one transaction."""

    def work(tx: Transaction) -> None:
        for key in keys:
            tx.delete(key)

    await store.transact(work)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
