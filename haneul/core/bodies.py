"""Bodies of any kind, for those who send them and those who read them: bytes, parts of stored files, streams."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import IO

from haneul.core.http import FileBody
from haneul.store.blobs import Blobs
from haneul.store.vault import Damaged, Vault

# A megabyte at once takes thirty times as long as a quarter of one: the allocator gives its memory back, and the system has to clear it again.
CHUNK_BYTES = 1 << 18
# Up to here (two frames of a file) a thread would cost more than it takes off the loop.
_THREAD_FROM_BYTES = 128 * 1024


async def blob_body(blobs: Blobs, blob_id: str, offset: int, length: int, vault: Vault | None = None) -> bytes | FileBody:
    """These bytes of a blob. The first of them are read at once, so that a damaged file can still be told with a status; short bodies come as bytes.

    The blob is opened before anything is waited for: whoever has just read its id in the store finds it. Raises Damaged, FileNotFoundError.
    """
    file = blobs.open(blob_id, vault) if vault is not None else await blobs.open_hot(blob_id, length)
    if isinstance(file, bytes):
        return _part(file, offset, length)
    begun = await _read(FileBody(file, offset, length), offset, min(length, CHUNK_BYTES))
    return begun if len(begun) == length else FileBody(file, offset, length, begun)


def _part(data: bytes, offset: int, length: int) -> bytes:
    found = data if length == len(data) else data[offset : offset + length]
    if len(found) != length:
        raise Damaged("a file is shorter than what refers to it says")
    return found


async def _read(body: FileBody, offset: int, length: int) -> bytes:
    if length <= _THREAD_FROM_BYTES:
        return body.file.read(offset, length)
    return await asyncio.get_running_loop().run_in_executor(None, body.file.read, offset, length)


async def chunks_of(body: bytes | FileBody | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """A body, piece by piece."""
    if isinstance(body, FileBody):
        at, end = body.offset + len(body.begun), body.offset + body.length
        if body.begun:
            yield body.begun
        while at < end:
            data = await _read(body, at, min(end - at, CHUNK_BYTES))
            yield data
            at += len(data)
    elif isinstance(body, bytes | bytearray | memoryview):
        if body:
            yield bytes(body)
    else:
        async for data in body:
            yield data


class Begun:
    """A stream whose first bytes have been read already, so that what fails at once fails before anything is answered. `close` ends the rest."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes], close: Callable[[], Awaitable[None]]) -> None:
        self._first = first
        self._rest = rest
        self._close = close

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        await self._close()


def readable(body: bytes | FileBody) -> IO[bytes]:
    """A body as a file for threads; it stays what it was when the blob is removed meanwhile."""
    return io.BytesIO(body) if isinstance(body, bytes) else io.BufferedReader(_Raw(body), CHUNK_BYTES)


class _Raw(io.RawIOBase):
    def __init__(self, body: FileBody) -> None:
        self._body = body
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        count = min(len(buffer), self._body.length - self._at)
        buffer[:count] = self._body.file.read(self._body.offset + self._at, count)
        self._at += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._body.length}[whence]
        self._at = min(max(0, start + offset), self._body.length)
        return self._at

    def tell(self) -> int:
        return self._at
