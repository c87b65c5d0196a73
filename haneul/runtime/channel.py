"""The server's end of the private channel to our own bootstraps: frames over a stream socket (see inside/bootstrap.py)."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable

from haneul.runtime.port import RESPONSE_BYTES_MAX, Invocation

_RECEIVE_BYTES = 262_144
_FRAME_BYTES_MAX = RESPONSE_BYTES_MAX + 65_536


class Channel:
    """Frames of one kind byte, four length bytes (big-endian) and that many bytes. Belongs to whoever made the socket, who also closes it,
    after `close`.

    `on_frame` is given kind and body of each that arrives; `on_end` is called once, with True when what arrived were no frames.
    """

    def __init__(self, connection: socket.socket, on_frame: Callable[[bytes, bytes], None], on_end: Callable[[bool], None]) -> None:
        self._socket = connection
        self._fd = connection.fileno()
        self._on_frame = on_frame
        self._on_end = on_end
        self._buffer = bytearray()
        self._unsent = b""
        self._reading = True
        self._open = True
        self.unread = False
        """Whether the other end was closed before it had read everything that was sent."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._receive)

    def close(self) -> None:
        """Let go of the socket."""
        if self._open:
            self._open = False
            if self._reading:
                self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)

    def pause(self) -> None:
        """Take nothing for a while."""
        if self._open and self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        if self._open and not self._reading:
            self._reading = True
            self._loop.add_reader(self._fd, self._receive)

    def send(self, kind: bytes, body: bytes) -> None:
        """Send a frame now, or as soon as the other side takes it."""
        frame = b"%s%s%s" % (kind, struct.pack(">I", len(body)), body)
        if not self._open:
            return
        if self._unsent:
            self._unsent += frame
            return
        try:
            sent = self._socket.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.unread = True
            return  # The other end is closed; the status pipe tells the rest.
        if sent < len(frame):
            self._unsent = frame[sent:]
            self._loop.add_writer(self._fd, self._send_more)

    def _send_more(self) -> None:
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent[:_RECEIVE_BYTES]) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = b""
        if not self._unsent:
            self._loop.remove_writer(self._fd)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:  # So says the kernel of a socket that was closed with something left in it.
            self.unread = True
            data = b""
        if not data:
            self._end(False)
            return
        if not self._buffer and len(data) == 5 + int.from_bytes(data[1:5], "big"):
            self._on_frame(data[:1], data[5:])
            return
        self._buffer += data
        while len(self._buffer) >= 5:
            length = int.from_bytes(self._buffer[1:5], "big")
            if length > _FRAME_BYTES_MAX:
                self._end(True)
                return
            if len(self._buffer) < 5 + length:
                return
            kind, body = bytes(self._buffer[:1]), bytes(self._buffer[5 : 5 + length])
            del self._buffer[: 5 + length]
            self._on_frame(kind, body)

    def _end(self, garbage: bool) -> None:
        self.pause()
        self._on_end(garbage)


def invocation_body(invocation: Invocation, timeout_ms: int) -> bytes:
    """What the frame of an invocation holds: lines of its properties, an empty line, the event."""
    head = f"{invocation.request_id}\n{invocation.invoked_function_arn}\n{invocation.trace_id or '-'}\n{timeout_ms}"
    if invocation.client_context or invocation.cognito_identity:
        head += "\n" + json.dumps([invocation.client_context or "", invocation.cognito_identity or ""])
    return b"%s\n\n%s" % (head.encode(), invocation.payload)
