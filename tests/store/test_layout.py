"""A data directory is read by a version that knows its layout, or by none."""

from __future__ import annotations

from pathlib import Path

import pytest

from haneul.store.embedded import EmbeddedStore
from haneul.store.keys import pack
from haneul.store.layout import LAYOUT_KEY, claim_layout
from haneul.store.port import StoreError


async def test_an_empty_store_is_claimed_once(tmp_path: Path) -> None:
    """The second start finds what the first one noted."""
    store = EmbeddedStore(tmp_path / "haneul.db")
    await claim_layout(store)
    await store.transact(lambda tx: tx.put(pack(("anything",)), b""))
    await claim_layout(store)
    await store.close()


@pytest.mark.parametrize("mark", [None, b"3"])
async def test_another_layout_is_refused_and_left_as_it_is(tmp_path: Path, mark: bytes | None) -> None:
    """One from before bodies were encrypted has no mark; one from a later version has another."""
    store = EmbeddedStore(tmp_path / "haneul.db")
    await store.transact(lambda tx: tx.put(pack(("s3-bucket", "old")), b"") if mark is None else tx.put(LAYOUT_KEY, mark))
    with pytest.raises(StoreError, match="another --data-dir"):
        await claim_layout(store)
    assert store.get(LAYOUT_KEY) == mark
    await store.close()
