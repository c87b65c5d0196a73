"""Blobs leave neither orphans nor holes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from haneul.clock import Ids
from haneul.store.blobs import Blobs
from haneul.store.embedded import EmbeddedStore
from haneul.store.vault import Vault

VAULT = Vault(bytes(32), Ids(3))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Any]:
    store = EmbeddedStore(tmp_path / "haneul.db")
    blobs = Blobs(store, tmp_path / "blobs", Ids(1), VAULT)
    yield store, blobs, tmp_path / "blobs"
    await store.close()


async def test_an_adopted_blob_stays_over_a_restart(parts: Any) -> None:
    """The file that a transaction refers to is not a leftover."""
    store, blobs, folder = parts
    writer = await blobs.create()
    writer.write(b"hello")
    await writer.finish()
    await store.transact(lambda tx: blobs.adopt(tx, writer.id))
    await Blobs(store, folder, Ids(2), VAULT).start()
    assert blobs.open(writer.id).read(0, 5) == b"hello"


async def test_a_blob_that_nobody_adopted_is_gone_after_a_restart(parts: Any) -> None:
    """A crash between the upload and its transaction leaves no file behind."""
    store, blobs, folder = parts
    writer = await blobs.create()
    writer.write(b"hello")
    await writer.finish()
    await Blobs(store, folder, Ids(2), VAULT).start()
    assert files(folder) == []


async def test_a_released_blob_is_removed(parts: Any) -> None:
    """Dropping the last reference removes the file once the transaction is durable."""
    store, blobs, folder = parts
    writer = await blobs.create()
    writer.write(b"hello")
    await writer.finish()
    await store.transact(lambda tx: blobs.adopt(tx, writer.id))
    await store.transact(lambda tx: blobs.release(tx, writer.id))
    for _ in range(50):
        if not files(folder):
            break
        await store.transact(lambda tx: tx.put(b"tick", b""))
    assert files(folder) == []


def test_the_vault_opens_only_what_it_sealed_for_the_same_purpose(tmp_path: Path) -> None:
    """A secret sealed as an access key must not open as a session token, nor after a change of a single bit."""
    vault = Vault.open_or_create(tmp_path / "vault.key", Ids())
    sealed = vault.seal(b"secret", "a")
    assert vault.unseal(sealed, "a") == b"secret"
    assert vault.unseal(sealed, "b") is None
    assert vault.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), "a") is None
    assert Vault.open_or_create(tmp_path / "vault.key", Ids()).unseal(sealed, "a") == b"secret"
    assert (tmp_path / "vault.key").stat().st_mode & 0o777 == 0o600
