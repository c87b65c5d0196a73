"""Plain bytes are kept in memory for what is read again and again, and no more than a few of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from haneul.clock import Ids
from haneul.store.blobs import Blobs
from haneul.store.embedded import EmbeddedStore
from haneul.store.hot import HotFiles
from haneul.store.sealed import SealedFile
from haneul.store.vault import Damaged, Vault

VAULT = Vault(bytes(32), Ids(1))
BODY = b"0123456789" * 10_000


def keep(hot: HotFiles, name: str, data: bytes) -> None:
    assert not hot.begin(name, len(data), len(data))
    assert hot.begin(name, len(data), len(data))
    hot.put(name, data)


def test_what_was_read_longest_ago_goes_first() -> None:
    """The bound is one of bytes, whatever the number of files."""
    hot = HotFiles(total_bytes_max=250)
    for name in ("a", "b"):
        keep(hot, name, b"x" * 100)
    assert hot.find("a") is not None
    keep(hot, "c", b"x" * 100)
    assert hot.find("b") is None and hot.find("a") is not None and hot.find("c") is not None


def test_large_files_are_never_kept() -> None:
    """One of them would drive out everything else."""
    hot = HotFiles(file_bytes_max=100)
    assert not any(hot.begin("large", 101, 101) for _ in range(5))


def test_ranges_count_by_what_they_read() -> None:
    """Many small ranges of a file are no reason to open all of it."""
    hot = HotFiles()
    assert [hot.begin("ranges", 100, 30) for _ in range(5)] == [False, False, False, False, True]


def test_only_one_reader_opens_a_file() -> None:
    """Those that come meanwhile read it as they did before."""
    hot = HotFiles()
    assert [hot.begin("one", 10, 10) for _ in range(3)] == [False, True, False]


def test_a_file_that_went_while_it_was_opened_is_not_kept() -> None:
    """Its blob was released in between: nobody may keep its bytes."""
    hot = HotFiles()
    hot.begin("one", 10, 10)
    assert hot.begin("one", 10, 10)
    hot.drop("one")
    hot.put("one", b"0123456789")
    assert hot.find("one") is None


def test_what_goes_counts_no_more() -> None:
    """Room that is given back can be used again."""
    hot = HotFiles(total_bytes_max=250)
    for name in ("a", "b"):
        keep(hot, name, b"x" * 100)
        hot.drop(name)
    for name in ("c", "d"):
        keep(hot, name, b"x" * 100)
    assert hot.find("c") is not None and hot.find("d") is not None


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = EmbeddedStore(tmp_path / "haneul.db")
    yield opened
    await opened.close()


@pytest.fixture
def blobs(store: EmbeddedStore, tmp_path: Path) -> Blobs:
    return Blobs(store, tmp_path / "blobs", Ids(1), VAULT)


async def made(blobs: Blobs) -> str:
    writer = await blobs.create()
    writer.write(BODY)
    return await writer.finish()


async def test_a_blob_comes_from_memory_once_it_was_read_before(blobs: Blobs) -> None:
    """Read once and never again is the rule for most objects: those must not fill the memory."""
    blob_id = await made(blobs)
    kinds = []
    for _ in range(3):
        found = await blobs.open_hot(blob_id, len(BODY))
        kinds.append(type(found))
        assert (found if isinstance(found, bytes) else found.read(0, len(BODY))) == BODY
    assert kinds == [SealedFile, bytes, bytes]


async def test_a_released_blob_leaves_the_memory(store: EmbeddedStore, blobs: Blobs, tmp_path: Path) -> None:
    """A deleted object's bytes are not kept anywhere."""
    blob_id = await made(blobs)
    for _ in range(2):
        await blobs.open_hot(blob_id, len(BODY))
    await store.transact(lambda tx: blobs.release(tx, blob_id))
    for _ in range(50):
        if not list((tmp_path / "blobs").rglob(blob_id)):
            break
        await store.transact(lambda tx: tx.put(b"tick", b""))
    with pytest.raises(FileNotFoundError):
        await blobs.open_hot(blob_id, 1)


async def test_a_damaged_blob_does_not_reach_the_memory(blobs: Blobs, tmp_path: Path) -> None:
    """And the next reader tries again, rather than waiting for ever for somebody to open it."""
    blob_id = await made(blobs)
    await blobs.open_hot(blob_id, len(BODY))
    path = next((tmp_path / "blobs").rglob(blob_id))
    stored = bytearray(path.read_bytes())
    stored[-1] ^= 1
    path.write_bytes(stored)
    for length in (len(BODY), 10):
        with pytest.raises(Damaged):
            found = await blobs.open_hot(blob_id, length)
            assert isinstance(found, SealedFile)
            found.read(len(BODY) - 10, 10)
