"""What comes of the Init phase and of invocations, inside an environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from haneul.runtime import errors
from haneul.runtime.drivers.port import Ending
from haneul.runtime.port import RESPONSE_BYTES_MAX, STREAMED_RESPONSE_BYTES_MAX, Status
from haneul.runtime.streaming import AnswerStream


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


def error_type(payload: bytes) -> str:
    try:
        document = json.loads(payload)
    except ValueError:
        return "Runtime.Unknown"
    kind = document.get("errorType") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else "Runtime.Unknown"
