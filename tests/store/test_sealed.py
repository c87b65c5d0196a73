"""Encrypted files give back what was written, in any range, or nothing at all."""

from __future__ import annotations

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.clock import Ids
from haneul.store.sealed import FRAME_BYTES, SealedFile, SealedWriter
from haneul.store.vault import Damaged, Vault

VAULT = Vault(bytes(32), Ids(1))
TAG_BYTES = 16
# Around the frames' borders is where mistakes would be.
sizes = st.integers(0, 3).flatmap(lambda frames: st.integers(-2, 2).map(lambda more: max(0, frames * FRAME_BYTES + more)))


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def write(path: Path, data: bytes, cuts: list[int] | None = None, vault: Vault = VAULT) -> None:
    writer = SealedWriter(path, vault)
    edges = [0, *sorted(cuts or []), len(data)]
    for start, end in pairwise(edges):
        writer.write(data[start:end])
    writer.finish(writer.head())


@given(sizes, st.data())
def test_any_range_of_what_was_written_in_any_pieces(size: int, data: st.DataObject) -> None:
    """A range read opens only the frames that it touches; a plain slice says what it must find."""
    plain = content(size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one")
        write(path, plain, data.draw(st.lists(st.integers(0, size), max_size=4)))
        file = SealedFile(path, VAULT)
        assert file.size == size and file.read(0, size) == plain
        edge = sizes.map(lambda at: min(at, size)) | st.integers(0, size)
        for start, end in data.draw(st.lists(st.tuples(edge, edge).map(sorted), max_size=6)):
            assert file.read(start, end - start) == plain[start:end]


def test_nothing_can_be_read_beyond_the_end(tmp_path: Path) -> None:
    """A row that says more than the file holds is as wrong as a file that was cut."""
    write(tmp_path / "one", content(100))
    with pytest.raises(Damaged):
        SealedFile(tmp_path / "one", VAULT).read(90, 11)


@given(st.integers(0, 1 << 20), st.integers(1, 255))
def test_any_changed_byte_is_found(at: int, change: int) -> None:
    """In the head, in a frame or in a frame's tag."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "one")
        write(path, content(FRAME_BYTES + 100))
        stored = bytearray(path.read_bytes())
        stored[at % len(stored)] ^= change
        path.write_bytes(stored)
        with pytest.raises(Damaged):
            SealedFile(path, VAULT).read(0, FRAME_BYTES + 100)


def frames_at(path: Path, frames: int) -> int:
    """Where the frames of a file of `frames` whole ones begin."""
    return path.stat().st_size - frames * (FRAME_BYTES + TAG_BYTES)


def test_frames_cannot_change_places(tmp_path: Path) -> None:
    """Whoever can write to the disk must not be able to rearrange a body without a trace."""
    path = tmp_path / "one"
    write(path, content(2 * FRAME_BYTES))
    head, length = frames_at(path, 2), FRAME_BYTES + TAG_BYTES
    stored = path.read_bytes()
    path.write_bytes(stored[:head] + stored[head + length :] + stored[head : head + length])
    with pytest.raises(Damaged):
        SealedFile(path, VAULT).read(0, 10)


def test_frames_cannot_come_from_another_file(tmp_path: Path) -> None:
    """Not even from one of the same bytes and place."""
    one, other = tmp_path / "one", tmp_path / "other"
    write(one, content(FRAME_BYTES))
    write(other, content(FRAME_BYTES))
    head = frames_at(one, 1)
    one.write_bytes(one.read_bytes()[:head] + other.read_bytes()[head:])
    with pytest.raises(Damaged):
        SealedFile(one, VAULT).read(0, 10)


def test_a_whole_file_cannot_stand_for_another(tmp_path: Path) -> None:
    """An older body put back under a newer one's name is not taken for it."""
    write(tmp_path / "one", content(10))
    shutil.copy(tmp_path / "one", tmp_path / "other")
    with pytest.raises(Damaged):
        SealedFile(tmp_path / "other", VAULT)


@pytest.mark.parametrize("frames", [0, 1])
def test_a_file_that_was_cut_is_not_opened(tmp_path: Path, frames: int) -> None:
    """Between two frames as well, where every frame that is left would open."""
    path = tmp_path / "one"
    write(path, content(2 * FRAME_BYTES))
    with path.open("r+b") as file:
        file.truncate(frames_at(path, 2) + frames * (FRAME_BYTES + TAG_BYTES))
    with pytest.raises(Damaged):
        SealedFile(path, VAULT)


def test_an_unfinished_or_plain_file_and_another_key_open_nothing(tmp_path: Path) -> None:
    """What has no head that this vault sealed is no file of it."""
    writer = SealedWriter(tmp_path / "unfinished", VAULT)
    writer.write(content(FRAME_BYTES))
    writer.close()
    (tmp_path / "plain").write_bytes(content(1000))
    write(tmp_path / "other", content(10), vault=Vault(bytes(31) + b"x", Ids(1)))
    for name in ("unfinished", "plain", "other"):
        with pytest.raises(Damaged):
            SealedFile(tmp_path / name, VAULT)


def test_a_body_opens_only_where_it_was_put() -> None:
    """Small bodies lie in rows: one row's must not be taken for another's, nor a changed one for itself."""
    sealed = VAULT.seal_body(b"body", "here")
    assert VAULT.open_body(sealed, "here") == b"body"
    for data, place in ((sealed, "there"), (sealed[:-1], "here"), (b"\x00" + sealed[1:], "here"), (b"", "here"), (sealed[:-1] + bytes([sealed[-1] ^ 1]), "here")):
        with pytest.raises(Damaged):
            VAULT.open_body(data, place)
