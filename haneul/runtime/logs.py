"""A function's output, from the bytes in a pipe to lines.

Text is split at newlines. A message in the telemetry framing of the Lambda runtime clients (type a55a…, length, time in microseconds; offered
to them as `_LAMBDA_TELEMETRY_LOG_FD`) is one line whatever newlines it holds; the marker cannot occur in UTF-8 text.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from haneul.runtime.port import LOG_LINE_BYTES_MAX, LOG_TAIL_BYTES_MAX, LogLine, OnLog

_MARK = b"\xa5\x5a\x00"
_FRAME_HEADER = 16
_READ_BYTES = 65536


class LogReader:
    """Reads the log pipe of one environment. `fd` must not block; the reader owns it, but leaves closing it to its user, whose event loop must
    let go of the descriptor first. `now` gives nanoseconds since the epoch."""

    def __init__(self, fd: int, now: Callable[[], int], on_log: OnLog | None) -> None:
        self.fd = fd
        self._now = now
        self.on_log = on_log
        self.ended = False
        self._rest = b""
        self._tail: list[bytes] = []
        self._tail_bytes = 0

    def read(self, rounds: int = 4) -> bool:
        """Take what has been written, at most `rounds` reads of it; False once the writers are gone."""
        for _ in range(rounds):
            if self.ended:
                return False
            try:
                data = os.read(self.fd, _READ_BYTES)
            except BlockingIOError:
                return True
            if not data:
                self._end()
                return False
            self._take(data)
            if len(data) < _READ_BYTES:
                return True
        return True

    def drain(self) -> None:
        """Take everything that the pipe holds now (it holds 64 KB; what comes meanwhile may come along)."""
        self.read(rounds=16)

    def begin(self) -> None:
        """An invocation begins: its tail is empty."""
        if self._tail:
            self._tail = []
            self._tail_bytes = 0

    def tail(self) -> bytes:
        """What was written since `begin`, the newest LOG_TAIL_BYTES_MAX bytes at most."""
        if not self._tail and not self._rest:
            return b""
        whole = b"".join([*self._tail, self._rest])
        return whole[-LOG_TAIL_BYTES_MAX:]

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.ended = True

    def _end(self) -> None:
        self.ended = True
        if self._rest:
            rest, self._rest = self._rest, b""
            self._deliver([LogLine(self._now(), rest)])

    def _take(self, data: bytes) -> None:
        now = self._now()
        lines: list[LogLine] = []
        data = self._rest + data
        while (at := data.find(_MARK)) >= 0:
            data = self._take_text(data[:at], now, lines, whole=True) + data[at:]
            if len(data) < _FRAME_HEADER:
                break
            length = int.from_bytes(data[4:8], "big")
            if length > LOG_LINE_BYTES_MAX * 4:  # No message is so long: not a frame at all.
                lines.append(LogLine(now, data[:3]))
                data = data[3:]
                continue
            if len(data) < _FRAME_HEADER + length:
                break
            text = data[_FRAME_HEADER : _FRAME_HEADER + length]
            self._cut(text[:-1] if text.endswith(b"\n") else text, now, lines)
            data = data[_FRAME_HEADER + length :]
        else:
            data = self._take_text(data, now, lines, whole=False)
        self._rest = data
        if lines:
            self._deliver(lines)

    def _take_text(self, data: bytes, now: int, lines: list[LogLine], whole: bool) -> bytes:
        """Split at newlines; what follows the last one is a line too if `whole`, and otherwise is returned, to be continued."""
        *complete, rest = data.split(b"\n")
        for line in complete:
            self._cut(line, now, lines)
        if whole and rest:
            self._cut(rest, now, lines)
            return b""
        while len(rest) > LOG_LINE_BYTES_MAX:
            lines.append(LogLine(now, rest[:LOG_LINE_BYTES_MAX]))
            rest = rest[LOG_LINE_BYTES_MAX:]
        return rest

    def _cut(self, line: bytes, now: int, lines: list[LogLine]) -> None:
        if len(line) <= LOG_LINE_BYTES_MAX:
            lines.append(LogLine(now, line))
            return
        lines.extend(LogLine(now, line[at : at + LOG_LINE_BYTES_MAX]) for at in range(0, len(line), LOG_LINE_BYTES_MAX))

    def _deliver(self, lines: list[LogLine]) -> None:
        for line in lines:
            self._tail.append(line.text + b"\n")
            self._tail_bytes += len(line.text) + 1
        if self._tail_bytes > 2 * LOG_TAIL_BYTES_MAX:
            whole = b"".join(self._tail)[-LOG_TAIL_BYTES_MAX:]
            self._tail, self._tail_bytes = [whole], len(whole)
        if self.on_log is not None:
            self.on_log(lines)
