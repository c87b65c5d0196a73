"""Output split into lines: however it is cut into reads, the lines are the same."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from haneul.runtime.logs import LogReader
from haneul.runtime.port import LOG_TAIL_BYTES_MAX, LogLine

text_pieces = st.lists(st.text(alphabet="ab\n", max_size=20).map(str.encode), max_size=8)


def frame(message: bytes) -> bytes:
    return bytes.fromhex("a55a0003") + len(message).to_bytes(4, "big") + bytes(8) + message


def read_all(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    lines: list[LogLine] = []
    reader = LogReader(reading, lambda: 7, lines.extend)
    for piece in pieces:
        os.write(writing, piece)
        reader.drain()
    os.close(writing)
    reader.drain()
    assert reader.ended
    os.fstat(reader.fd)  # Still open: an event loop that watches a closed and reused number never hears of the new one.
    reader.close()
    return [line.text for line in lines], reader.tail()


@given(text_pieces)
def test_lines_do_not_depend_on_reads(pieces: list[bytes]) -> None:
    """The oracle is bytes.split: pipes may hand out any pieces."""
    whole = b"".join(pieces)
    expected = whole.split(b"\n")
    assert read_all(pieces)[0] == (expected if expected[-1] else expected[:-1])


@given(st.lists(st.text(alphabet="ab\n", min_size=1, max_size=10).map(str.encode), max_size=5), st.integers(1, 7))
def test_framed_messages_stay_whole(messages: list[bytes], size: int) -> None:
    """A framed message is one line, newlines and all, wherever the reads cut it."""
    whole = b"".join(frame(message) for message in messages)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert read_all(pieces)[0] == [message.removesuffix(b"\n") for message in messages]


def test_text_and_frames_in_turn() -> None:
    """Text before a frame is a line even without its newline, since the frame begins a new message."""
    assert read_all([b"a\nb" + frame(b"c\nd") + b"e"])[0] == [b"a", b"b", b"c\nd", b"e"]


def test_tail_is_bounded() -> None:
    """The outcome's log is the newest part only."""
    lines, tail = read_all([b"%04d" % n + b"x" * 4000 + b"\n" for n in range(200)])
    assert len(lines) == 200 and len(tail) <= LOG_TAIL_BYTES_MAX and tail.endswith(lines[-1] + b"\n")
