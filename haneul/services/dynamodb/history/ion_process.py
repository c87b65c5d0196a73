"""Ion documents read in a process of their own (`ion_reading.py`), so that texts which are no Ion do no harm here."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from typing import IO

import orjson

from haneul.services.dynamodb.values import Item

# An item has at most 400 KB, in JSON at most some times as much.
_LINE_BYTES_MAX = 16 << 20
_READ_BYTES = 256 << 10
_SILENT_SECONDS_MAX = 60
"""A parser that neither gives an item nor asks for more in so long (real) a time never will."""
_PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))))
_START = "import sys; sys.path.insert(0, sys.argv.pop()); from haneul.services.dynamodb.history.ion_reading import main; main()"


class IonProcess:
    """Reads documents one after the other. The process is there from the first of them until `close`, and is made anew should it die."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: deque[bytes] = deque()
        self._rest = b""

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        self._lines.clear()
        self._rest = b""

    def read(self, document: IO[bytes]) -> Iterator[Item]:
        """The items of a document, read as they are asked for. ValueError for what is no Ion, and for a value that is no item; it ends the document."""
        done = False
        try:
            while (line := self._line())[:1] != b".":
                if line[:1] == b"?":
                    self._send(document.read(int(line[1:])))
                elif line[:1] == b"!":
                    done = True
                    raise ValueError(line[1:].decode())
                else:
                    yield orjson.loads(line)
            done = True
        finally:
            if not done:  # Nobody wants the rest, or the process has died.
                self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, _PACKAGE_ROOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/"
            )
        return self._process

    def _line(self) -> bytes:
        """The next line that the process writes, without its end."""
        while not self._lines:
            *whole, self._rest = (self._rest + self._received()).split(b"\n")
            self._lines.extend(whole)
            if len(self._rest) > _LINE_BYTES_MAX:
                raise ValueError("a value is too long")
        return self._lines.popleft()

    def _received(self) -> bytes:
        output = self._running().stdout
        assert output is not None
        if not select.select([output], [], [], _SILENT_SECONDS_MAX)[0]:
            raise ValueError("not valid Amazon Ion: its parser does not come to an end")
        data = os.read(output.fileno(), _READ_BYTES)
        if not data:
            raise ValueError("not valid Amazon Ion")
        return data

    def _send(self, piece: bytes) -> None:
        sink = self._running().stdin
        assert sink is not None
        try:
            sink.write(len(piece).to_bytes(4, "big") + piece)
            sink.flush()
        except BrokenPipeError:
            return  # What is read next says so, too.
