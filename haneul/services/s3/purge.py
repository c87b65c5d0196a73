"""Clearing up behind a deleted bucket: multipart uploads that were still in progress."""

from __future__ import annotations

from haneul.core.ports import Shape
from haneul.services.s3.keys import parts_base, uploads_base
from haneul.services.s3.records import Part, Upload
from haneul.services.s3.state import State
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

KIND = "s3:purge"
_UPLOADS_AT_ONCE = 16


async def purge(state: State, payload: Shape) -> None:
    """Abort every upload of the bucket with this id, a few at a time."""
    start, end = prefix_range(uploads_base(payload["bucket_id"]))
    while rows := state.cloud.store.range(start, end, _UPLOADS_AT_ONCE):

        def work(tx: Transaction, rows: list[tuple[bytes, bytes]] = rows) -> None:
            for key, value in rows:
                drop_upload(tx, state, key, decode(value, Upload).id)

        await state.cloud.store.transact(work)


def drop_upload(tx: Transaction, state: State, key: bytes, upload_id: str) -> None:
    """Remove an upload and all its parts (at most 10,000)."""
    for part_row, value in tx.iterate(*prefix_range(parts_base(upload_id))):
        state.release(tx, [decode(value, Part).piece])
        tx.delete(part_row)
    tx.delete(key)
