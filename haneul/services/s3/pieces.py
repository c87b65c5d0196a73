"""Pieces of bodies going out: one by itself, or several one after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from haneul.core.bodies import blob_body, chunks_of
from haneul.core.http import FileBody
from haneul.services.s3.keys import body_key, row_place
from haneul.services.s3.records import Piece
from haneul.services.s3.state import State
from haneul.store.vault import Vault


async def piece_body(state: State, vault: Vault | None, piece: Piece, start: int, count: int) -> bytes | FileBody:
    """`count` bytes of a piece. `vault` opens it where the cloud's own does not."""
    if piece.blob:
        return await blob_body(state.cloud.blobs, piece.blob, start, count, vault)
    value = state.cloud.store.get(body_key(piece.row))
    if value is None:
        raise ConnectionError("the object was replaced while it was being read")
    return (vault or state.cloud.vault).open_body(value, row_place(piece.row))[start : start + count]


async def joined(state: State, vault: Vault | None, spans: list[tuple[Piece, int, int]]) -> AsyncGenerator[bytes, None]:
    """Parts of pieces (where each begins, and how many bytes), which stay on the disk until the last is read."""
    with state.reading([piece for piece, _, _ in spans]):
        for span in spans:
            async for data in chunks_of(await piece_body(state, vault, *span)):
                yield data
