"""What a poller knows of one shard of a stream: how far it is read and processed, what is gathered, and the tumbling window that is open.

Source: AWS Lambda Developer Guide, "Implementing stateful DynamoDB stream processing in Lambda".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.services.lambda_.event_sources.records import Checkpoint
from haneul.services.lambda_.times import iso_time

WINDOW_STATE_BYTES_MAX = 1_048_576
Record = dict[str, Any]


@dataclass(slots=True)
class Window:
    """A tumbling window: its start and length in nanoseconds, and what the function has made of it so far (JSON)."""

    start: int
    length: int
    state: bytes = b"{}"

    @property
    def end(self) -> int:
        return self.start + self.length

    def members(self, shard_id: str, source_arn: str, *, final: bool, early: bool) -> dict[str, Any]:
        """What the event says beside its records."""
        return {
            "window": {"start": f"{iso_time(self.start)[:19]}Z", "end": f"{iso_time(self.end)[:19]}Z"},
            "state": orjson.Fragment(self.state),
            "shardId": shard_id,
            "eventSourceARN": source_arn,
            "isFinalInvokeForWindow": final,
            "isWindowTerminatedEarly": early,
        }


def window_at(time: int, length: int) -> Window:
    """The window that a time lies in. Windows follow each other from the epoch on."""
    return Window(time // length * length, length)


def state_in(payload: bytes) -> bytes | None:
    """The state in a function's answer; None without one, which makes the invocation a failure."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(answer, dict) or "state" not in answer:
        return None
    return orjson.dumps(answer["state"])


@dataclass(slots=True)
class Shard:
    """`sequence` is the last sequence number that is done with; `ended`: it is closed and read to its end."""

    id: str
    sequence: str = ""
    iterator: str = ""
    ended: bool = False
    gathered: list[Record] = field(default_factory=list)
    gathered_bytes: int = 0
    gather_until: int = 0
    window: Window | None = None

    @classmethod
    def from_checkpoint(cls, shard_id: str, known: Checkpoint | None, tumbling_seconds: int) -> Shard:
        """A shard where an earlier run left it."""
        shard = cls(shard_id)
        if known is not None:
            shard.sequence = known.sequence_number
            if known.window_start and tumbling_seconds:
                shard.window = Window(known.window_start, tumbling_seconds * SECOND, known.window_state)
        return shard

    def gather(self, records: list[Record], size: int) -> None:
        """Keep records for the next batch; `size` is how many bytes of an event they take."""
        self.gathered += records
        self.gathered_bytes += size

    def take(self) -> list[Record]:
        """What was gathered, which is kept no longer."""
        taken, self.gathered, self.gathered_bytes = self.gathered, [], 0
        return taken

    @property
    def done(self) -> bool:
        """Nothing is left of it; its children may be processed."""
        return self.ended and not self.gathered and self.window is None

    def checkpoint(self) -> Checkpoint:
        window = self.window
        return Checkpoint(self.sequence, window.start, window.state) if window is not None else Checkpoint(self.sequence)
