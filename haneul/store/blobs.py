"""Bodies too large for the store: files, encrypted and fsynced, each under an id of its own.

No one but this module knows where a blob lies, because its file is of no use to anybody without the key (`sealed.py`).

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
from haneul.store.hot import HotFiles
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Store, Transaction
from haneul.store.sealed import SealedFile, SealedWriter
from haneul.store.vault import Vault

_PENDING = "blob-pending"
_GARBAGE = "blob-garbage"


class BlobWriter:
    """One blob being written. End with `finish` or `abort`."""

    def __init__(self, blobs: Blobs, blob_id: str, path: Path, vault: Vault) -> None:
        self.id = blob_id
        self._blobs = blobs
        self._folder = path.parent
        self._file = SealedWriter(path, vault)

    @property
    def size(self) -> int:
        """How many bytes were written."""
        return self._file.size

    def write(self, data: bytes) -> None:
        self._file.write(data)

    async def finish(self) -> str:
        """Make the bytes durable; the blob's id, ready to be adopted."""
        await asyncio.get_running_loop().run_in_executor(None, self._sync, self._file.head())
        return self.id

    def _sync(self, head: bytes) -> None:
        self._file.finish(head)
        _sync_folder(self._folder)

    async def abort(self) -> None:
        """Forget the blob."""
        self._file.close()
        await self._blobs.discard(self.id)


class Blobs:
    """The blobs below one folder, accounted for in `store`, encrypted with keys that `vault` seals unless whoever writes a blob brings another."""

    def __init__(self, store: Store, folder: Path, ids: Ids, vault: Vault) -> None:
        self._store = store
        self._folder = folder
        self._ids = ids
        self._vault = vault
        self._hot = HotFiles()
        self._made: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._unwatch = store.watch(pack((_GARBAGE,)), self._collect)

    async def start(self) -> None:
        """Remove what an earlier run had begun and not adopted, or released and not yet removed."""
        for kind in (_PENDING, _GARBAGE):
            rows = self._store.range(*prefix_range(pack((kind,))))
            for key, _ in rows:
                self._path(str(unpack(key)[1])).unlink(missing_ok=True)
            if rows:
                keys = [key for key, _ in rows]
                await delete_keys(self._store, keys)

    def clear(self) -> None:
        """Remove every blob (the store has forgotten them all)."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(exist_ok=True)
        self._made.clear()
        self._hot.clear()

    def _path(self, blob_id: str) -> Path:
        return self._folder / blob_id[:2] / blob_id

    def open(self, blob_id: str, vault: Vault | None = None) -> SealedFile:
        """A blob, to be read by threads; `vault` is the one that it was created with, if any. Raises Damaged, FileNotFoundError."""
        return SealedFile(self._path(blob_id), vault or self._vault)

    async def open_hot(self, blob_id: str, length: int) -> SealedFile | bytes:
        """A blob, of which `length` bytes are going to be read: all of its bytes when it is read again and again. Raises as `open`.

        For blobs without a vault of their own: whose key is somebody else's is not kept in the clear.
        """
        hot = self._hot
        plain = hot.find(blob_id)
        if plain is not None:
            return plain
        sealed = self.open(blob_id)
        if not hot.begin(blob_id, sealed.size, length):
            return sealed
        try:
            plain = await asyncio.get_running_loop().run_in_executor(None, sealed.read, 0, sealed.size)
        except BaseException:
            hot.drop(blob_id)
            raise
        hot.put(blob_id, plain)
        return plain

    async def create(self, vault: Vault | None = None) -> BlobWriter:
        """Begin a new blob."""
        blob_id = self._ids.hex(32)
        await self._store.transact(lambda tx: tx.put(pack((_PENDING, blob_id)), b""))
        path = self._path(blob_id)
        if blob_id[:2] not in self._made:
            path.parent.mkdir(exist_ok=True)
            _sync_folder(self._folder)
            self._made.add(blob_id[:2])
        return BlobWriter(self, blob_id, path, vault or self._vault)

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
            blob_id = str(unpack(key)[1])
            self._hot.drop(blob_id)
            self._path(blob_id).unlink(missing_ok=True)
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
