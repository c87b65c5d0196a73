"""Which layout a data directory has, so that no version reads what it does not understand.

    1   bodies lay in the clear, in rows and files; never released, and nothing says so in the store
    2   bodies are encrypted (`sealed.py`, `Vault.seal_body`)

A directory of another layout is refused; there is one way of reading a body, not two.
"""

from __future__ import annotations

from haneul.store.keys import pack
from haneul.store.port import Store, StoreError, Transaction

STORE = "store/haneul.db"
"""Where the embedded store lies in a data directory."""

LAYOUT_KEY = pack(("layout",))
_LAYOUT = b"2"


async def claim_layout(store: Store) -> None:
    """Note the layout in an empty store. StoreError when it is not empty and has another one."""

    def work(tx: Transaction) -> None:
        found = tx.get(LAYOUT_KEY)
        if found is None and not tx.range(b"", b"\xff", 1):
            tx.put(LAYOUT_KEY, _LAYOUT)
        elif found != _LAYOUT:
            raise StoreError(
                f"the data directory has layout {found.decode() if found is not None else '1'}, and this version reads layout {_LAYOUT.decode()} only. "
                "Start it with another --data-dir, and copy over what you want to keep with the version that made the old one running beside it."
            )

    if store.get(LAYOUT_KEY) != _LAYOUT:
        await store.transact(work)
