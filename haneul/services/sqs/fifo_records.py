"""What FIFO queues remember of what was sent and received in the last five minutes."""

from __future__ import annotations

import msgspec


class Sent(msgspec.Struct, array_like=True):
    """A message that later ones with the same deduplication id are taken for."""

    until: int
    id: str
    number: int


class Attempt(msgspec.Struct, array_like=True):
    """What a ReceiveMessage with a ReceiveRequestAttemptId was given: number and receive count of each message."""

    until: int
    given: list[tuple[int, int]]


def expires_at(row: bytes) -> int:
    """Until when a row of either kind is remembered (nanoseconds)."""
    return int(msgspec.msgpack.decode(row[1:])[0])
