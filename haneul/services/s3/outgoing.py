"""Bodies going out: opened from the row, from one blob, or from several pieces one after another."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from haneul.core.bodies import blob_body, chunks_of
from haneul.core.http import FileBody
from haneul.services.s3.customer_keys import CustomerKey
from haneul.services.s3.errors import internal_error
from haneul.services.s3.keys import body_key, body_place, row_place
from haneul.services.s3.records import Bucket, Object, Piece
from haneul.services.s3.state import State
from haneul.store.vault import Damaged, Vault

_log = logging.getLogger("haneul")


@dataclass(slots=True)
class Source:
    """An object that is going to be read: where it is, and the key that opens it when the cloud's own vault does not."""

    bucket: Bucket
    key: str
    found: Object
    customer_key: CustomerKey | None


async def body_of(state: State, source: Source, first: int, length: int) -> bytes | FileBody | AsyncIterator[bytes]:
    """The bytes [first, first + length) of an object. InternalError when they are not what was written; a stream may find that out later."""
    found = source.found
    vault = source.customer_key.vault if source.customer_key is not None else None
    try:
        if not found.pieces:
            body = (vault or state.cloud.vault).open_body(found.body, body_place(source.bucket.id, source.key))
            return body if length == found.size else body[first : first + length]
        spans = _spans(found.pieces, first, length)
        if len(spans) == 1:
            return await _span(state, vault, *spans[0])
        stream = _stream(state, vault, spans)
        return _Begun(await anext(stream, b""), stream)
    except (Damaged, FileNotFoundError) as problem:
        _log.error("%s/%s cannot be read: %s", source.bucket.name, source.key, problem)
        raise internal_error() from problem


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


async def _span(state: State, vault: Vault | None, piece: Piece, start: int, count: int) -> bytes | FileBody:
    if piece.blob:
        return await blob_body(state.cloud.blobs, piece.blob, start, count, vault)
    value = state.cloud.store.get(body_key(piece.row))
    if value is None:
        raise ConnectionError("the object was replaced while it was being read")
    return (vault or state.cloud.vault).open_body(value, row_place(piece.row))[start : start + count]


async def _stream(state: State, vault: Vault | None, spans: list[tuple[Piece, int, int]]) -> AsyncIterator[bytes]:
    with state.reading([piece for piece, _, _ in spans]):
        for span in spans:
            async for data in chunks_of(await _span(state, vault, *span)):
                yield data


class _Begun:
    """A stream whose first bytes have been read already, so that what fails at once fails before anything is answered."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self._first = first
        self._rest = rest

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        await self._rest.aclose()  # type: ignore[attr-defined]
