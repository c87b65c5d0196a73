"""Bodies going out: from the row, from one file by sendfile, or from several pieces one after another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence

from haneul.core.http import FileBody
from haneul.services.s3.records import Object, Piece, body_key
from haneul.services.s3.state import State

_CHUNK_BYTES = 1 << 20


def body_of(state: State, found: Object, first: int, length: int) -> bytes | FileBody | AsyncIterator[bytes]:
    """The bytes [first, first + length) of an object."""
    if not found.pieces:
        return found.body if length == found.size else found.body[first : first + length]
    spans = _spans(found.pieces, first, length)
    if len(spans) == 1:
        piece, start, count = spans[0]
        if piece.blob:
            return FileBody(str(state.cloud.blobs.path(piece.blob)), start, count)
        return _row(state, piece)[start : start + count]
    return _stream(state, spans)


def _spans(pieces: Sequence[Piece], first: int, length: int) -> list[tuple[Piece, int, int]]:
    """The pieces that a range touches, with the part of each."""
    spans: list[tuple[Piece, int, int]] = []
    at, end = 0, first + length
    for piece in pieces:
        start, stop = max(first, at), min(end, at + piece.size)
        if start < stop:
            spans.append((piece, start - at, stop - start))
        at += piece.size
        if at >= end:
            break
    return spans


def _row(state: State, piece: Piece) -> bytes:
    value = state.cloud.store.get(body_key(piece.row))
    if value is None:
        raise ConnectionError("the object was replaced while it was being read")
    return value


async def _stream(state: State, spans: list[tuple[Piece, int, int]]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    with state.reading([piece for piece, _, _ in spans]):
        for piece, start, count in spans:
            if piece.row:
                yield _row(state, piece)[start : start + count]
                continue
            handle = os.open(state.cloud.blobs.path(piece.blob), os.O_RDONLY)
            try:
                while count:
                    data = await loop.run_in_executor(None, os.pread, handle, min(count, _CHUNK_BYTES), start)
                    if not data:
                        raise ConnectionError("a stored file is shorter than it should be")
                    yield data
                    start += len(data)
                    count -= len(data)
            finally:
                os.close(handle)


async def chunks_of(state: State, found: Object, first: int, length: int) -> AsyncIterator[bytes]:
    """The same bytes as a stream, whatever they are kept in (copies inside S3)."""
    body = body_of(state, found, first, length)
    if isinstance(body, bytes):
        if body:
            yield body
    elif isinstance(body, FileBody):
        spans = _spans(found.pieces, first, length)
        async for data in _stream(state, spans):
            yield data
    else:
        async for data in body:
            yield data
