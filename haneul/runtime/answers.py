"""What comes of the Init phase and of invocations, inside an environment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from haneul.runtime import errors
from haneul.runtime.channel import Channel
from haneul.runtime.drivers.port import Ending
from haneul.runtime.port import RESPONSE_BYTES_MAX, STREAMED_RESPONSE_BYTES_MAX, Invocation, Status
from haneul.runtime.runtime_api import Submission
from haneul.runtime.streaming import AnswerStream, Source


@dataclass(slots=True)
class Result:
    """What came of the Init phase or of one invocation: `ready`, or a status with its document."""

    status: Status | None
    payload: bytes = b""
    error_type: str | None = None
    content_type: str = "application/json"
    ending: Ending | None = None


class Incoming:
    """An answer that comes in pieces: passed on to the stream of whoever reads it so, or collected for a caller who wants it whole."""

    def __init__(self, settle: Callable[[Result], None], stream: AnswerStream | None, content_type: str) -> None:
        self._settle = settle
        self._stream = stream
        self._content_type = content_type
        self._collected = bytearray()
        self._bytes = 0
        self._bytes_max = RESPONSE_BYTES_MAX if stream is None else STREAMED_RESPONSE_BYTES_MAX

    def feed(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > self._bytes_max:
            kind, payload = errors.response_too_large(self._bytes_max)
            self._settle(Result("response_too_large", payload, kind))
        elif self._stream is not None:
            self._stream.feed(data)
        else:
            self._collected += data

    def finish(self, kind: str | None, error: bytes) -> None:
        """The answer is complete, or the function has failed in the middle of it."""
        if kind is None and not error:
            self._settle(Result("success", bytes(self._collected), None, self._content_type))
        else:
            kind = kind or error_type(error)
            self._settle(Result("error", error or errors.document(kind, ""), kind))



class Answering:
    """The part of an environment that takes the answer of the invocation under way, however it comes: in frames or over the Runtime API."""

    memory_mb: int

    def _begin_answering(self) -> None:
        self._current: Invocation | None = None
        self._answer: asyncio.Future[Result] | None = None
        self._stream: AnswerStream | None = None
        self._incoming: Incoming | None = None
        self._channel: Channel | None = None
        self._peak_bytes = 0
        self._asks = False
        """Whether the runtime waits for its next invocation."""
        self._untaken = False
        """Whether the runtime has ended without having taken the invocation that it was given."""

    def stopped_asking(self) -> None:
        raise NotImplementedError

    def _fail_init(self, payload: bytes) -> None:
        raise NotImplementedError

    @property
    def current_request_id(self) -> str | None:
        """The invocation that has not been answered yet."""
        if self._current is None or self._answer is None or self._answer.done():
            return None
        return self._current.request_id

    def _on_answer(self, kind: bytes, body: bytes) -> None:
        """A frame of the bootstrap's: a whole answer, or the beginning, a piece or the end of a streamed one."""
        request_id, _, rest = body.partition(b"\n")
        current = self._current
        if kind == b"Z":
            self._untaken = current is not None and request_id != current.request_id.encode()
            self.stopped_asking()
            return
        if current is None or request_id != current.request_id.encode():
            return  # A second answer, or one to an invocation that is over.
        if kind in (b"B", b"C"):
            self._on_streamed(kind, rest)
            return
        self._asks = kind != b"F"
        peak, _, payload = rest.partition(b"\n")
        if peak.isdigit():
            self._note_peak(int(peak[:12]) * 1024)
        if kind == b"R":
            self._respond(payload)
        elif kind in (b"E", b"F"):
            self._settle(Result("error", payload, error_type(payload)))
        elif kind == b"L":
            self._too_large()
        elif self._incoming is not None:
            self._incoming.finish(error_type(payload) if payload else None, payload)

    def _note_peak(self, peak_bytes: int) -> None:
        """So much memory the function's process had at some time."""
        self._peak_bytes = max(self._peak_bytes, min(peak_bytes, self.memory_mb << 20))

    def _on_streamed(self, kind: bytes, data: bytes) -> None:
        if kind == b"B" and self._channel is not None:
            self.begin_stream(data.decode("latin-1"), self._channel)
        elif self._incoming is not None:
            self._incoming.feed(data)

    def submit(self, submission: Submission) -> None:
        """A response or error that came over the Runtime API for the invocation under way."""
        if submission.kind == "init_error":
            self._fail_init(submission.payload or errors.document(submission.error_type or "Runtime.Unknown", ""))
        elif submission.kind == "too_large":
            self._too_large()
        elif submission.kind == "response":
            self._respond(submission.payload, submission.content_type)
        else:
            self._settle(Result("error", submission.payload, submission.error_type or error_type(submission.payload)))

    def _respond(self, payload: bytes, content_type: str = "application/json") -> None:
        if len(payload) > RESPONSE_BYTES_MAX:
            self._too_large()
        else:
            self._settle(Result("success", payload, None, content_type))

    def begin_stream(self, content_type: str, source: Source) -> Incoming:
        """The function begins to answer in pieces, which `source` brings."""
        answer = self._answer

        def settle(result: Result) -> None:  # This invocation, not a later one that finds the end of this answer still under way.
            if answer is not None and not answer.done():
                answer.set_result(result)

        self._incoming = Incoming(settle, self._stream, content_type)
        if self._stream is not None and not self._stream.begun:
            self._stream.begin(content_type, source)
        return self._incoming

    def _settle(self, result: Result) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(result)

    def _too_large(self) -> None:
        kind, payload = errors.response_too_large(RESPONSE_BYTES_MAX)
        self._settle(Result("response_too_large", payload, kind))


def error_type(payload: bytes) -> str:
    try:
        document = json.loads(payload)
    except ValueError:
        return "Runtime.Unknown"
    kind = document.get("errorType") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else "Runtime.Unknown"
