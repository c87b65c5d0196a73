"""A message: how it fares, the row it is kept in, and the handle that a receiver gets."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final, NamedTuple

from zlib_ng.zlib_ng import crc32

from haneul.services.sqs import errors
from haneul.services.sqs.contents import Content, decode, encode
from haneul.services.sqs.queues import Queue
from haneul.store.port import Transaction
from haneul.store.vault import Vault

# Larger contents lie in a row of their own, so that receiving a message does not write them again.
INLINE_BYTES_MAX: Final = 4096
_PURPOSE: Final = "sqs message"
_SEALED, _APART, _CHANGED = 1, 2, 4
_VERSION: Final = 1
_STATE: Final = struct.Struct(">BBII4q")
_HANDLE: Final = struct.Struct(">3s8s3qI")
_HANDLE_MARK: Final = b"\x01\x01\x01"
_CHECKSUM: Final = struct.Struct(">I")


class State:
    """How a message fares. Times in nanoseconds; `visible_at` is 0 for a message of a FIFO queue that is not in flight.

    `receives` counts in this queue, `receives_before` in the queues that it was moved from.
    """

    __slots__ = ("first_received_at", "flags", "received_at", "receives", "receives_before", "sent_at", "visible_at")

    def __init__(self, sent_at: int, visible_at: int = 0, receives_before: int = 0, first_received_at: int = 0) -> None:
        self.flags = 0
        self.receives = 0
        self.receives_before = receives_before
        self.sent_at = sent_at
        self.first_received_at = first_received_at
        self.received_at = 0
        self.visible_at = visible_at

    @classmethod
    def decode(cls, row: bytes) -> State:
        self = cls(0)
        version, self.flags, self.receives, self.receives_before, self.sent_at, self.first_received_at, self.received_at, self.visible_at = _STATE.unpack_from(
            row
        )
        if version != _VERSION:
            raise ValueError(f"a message of version {version} cannot be read here")
        return self

    def encode(self) -> bytes:
        return _STATE.pack(_VERSION, self.flags, self.receives, self.receives_before, self.sent_at, self.first_received_at, self.received_at, self.visible_at)

    def receive(self, now: int, visible_at: int) -> None:
        """The message is handed out once more."""
        self.flags &= ~_CHANGED
        self.receives += 1
        self.received_at = now
        self.visible_at = visible_at
        if not self.first_received_at:
            self.first_received_at = now

    @property
    def is_apart(self) -> bool:
        """Whether the content lies in a row of its own."""
        return bool(self.flags & _APART)

    @property
    def is_changed(self) -> bool:
        """Whether its visibility was changed since it was received."""
        return bool(self.flags & _CHANGED)

    def mark_changed(self) -> None:
        self.flags |= _CHANGED


class Delivered(NamedTuple):
    """A message as a receiver gets it."""

    content: Content
    state: State
    handle: str


def write_row(tx: Transaction, vault: Vault, queue: Queue, state: State, content: Content, apart_key: bytes) -> bytes:
    """The row of a new message; sealed when the queue encrypts, its content at `apart_key` when it is large."""
    raw = encode(content)
    if queue.sealed:
        state.flags |= _SEALED
        raw = vault.seal(raw, _PURPOSE)
    if len(raw) <= INLINE_BYTES_MAX:
        return state.encode() + raw
    state.flags |= _APART
    tx.put(apart_key, raw)
    return state.encode()


def rewrite_row(state: State, row: bytes) -> bytes:
    """The same message in a new state."""
    return state.encode() + row[_STATE.size :]


def read_content(tx: Transaction, vault: Vault, state: State, row: bytes, apart_key: bytes) -> Content:
    """What was sent with the message of this row."""
    raw: bytes | None = tx.get(apart_key) if state.flags & _APART else row[_STATE.size :]
    if raw is not None and state.flags & _SEALED:
        raw = vault.unseal(raw, _PURPOSE)
    if raw is None:
        raise ValueError("a message's content is missing or was sealed with another key")
    return decode(raw)


class Handle(NamedTuple):
    """What a receipt handle says: the message, where it lay when it was handed out, and which time that was."""

    sent_at: int
    number: int
    visible_at: int
    receives: int


def make_handle(queue: Queue, handle: Handle) -> str:
    raw = _HANDLE.pack(_HANDLE_MARK, bytes.fromhex(queue.id), *handle)
    return base64.b64encode(raw + _CHECKSUM.pack(crc32(raw))).decode()


def read_handle(queue: Queue, text: str) -> Handle:
    """The parts of a receipt handle of this queue; ReceiptHandleIsInvalid for anything else."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise errors.not_a_receipt_handle(text) from None
    if len(raw) != _HANDLE.size + _CHECKSUM.size or _CHECKSUM.pack(crc32(raw[: _HANDLE.size])) != raw[_HANDLE.size :]:
        raise errors.not_a_receipt_handle(text)
    _, queue_id, *rest = _HANDLE.unpack_from(raw)
    if queue_id.hex() != queue.id:
        raise errors.receipt_handle_of_other_queue(text)
    return Handle(*rest)
