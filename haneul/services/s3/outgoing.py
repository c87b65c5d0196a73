"""Bodies going out: opened from the row, from one blob, or from several pieces one after another."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence

from haneul.core.bodies import Begun
from haneul.core.http import FileBody
from haneul.services.s3.customer_keys import CustomerKey
from haneul.services.s3.errors import internal_error
from haneul.services.s3.keys import body_place
from haneul.services.s3.pieces import joined, piece_body
from haneul.services.s3.records import Bucket, Object, Piece
from haneul.services.s3.state import State
from haneul.store.vault import Damaged

_log = logging.getLogger("haneul")


class Source:
    """An object that is going to be read: where it is, and the key that opens it when the cloud's own vault does not."""

    __slots__ = ("bucket", "customer_key", "found", "key")

    def __init__(self, bucket: Bucket, key: str, found: Object, customer_key: CustomerKey | None) -> None:
        self.bucket = bucket
        self.key = key
        self.found = found
        self.customer_key = customer_key


async def body_of(state: State, source: Source, first: int, length: int) -> bytes | FileBody | AsyncIterator[bytes]:
    """The bytes [first, first + length) of an object. InternalError when they are not what was written; a stream may find that out later."""
    found = source.found
    vault = source.customer_key.vault if source.customer_key is not None else None
    try:
        if not found.pieces:
            place = body_place(source.bucket.id, source.key)
            body = state.hot.open(place, found) if vault is None else vault.open_body(found.body, place)
            return body if length == found.size else body[first : first + length]
        spans = _spans(found.pieces, first, length)
        if len(spans) == 1:
            piece, start, count = spans[0]
            return await piece_body(state, vault, piece, start, count)
        stream = joined(state, vault, spans)
        return Begun(await anext(stream, b""), stream, stream.aclose)
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
