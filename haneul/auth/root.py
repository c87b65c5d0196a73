"""Root's own keys, and the habitual development keys.

A fresh data directory gets a root user with random keys. On loopback, unless switched off, `test`/`test` is root of the default
account, and a 12-digit key id with the secret `test` is root of that account.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from haneul.auth.ports import Credential
from haneul.clock import Ids
from haneul.core.caller import Caller
from haneul.store.keys import pack
from haneul.store.port import Store, StoreError
from haneul.store.vault import Vault

ROOT_KEY: Final = pack(("root-key",))
_PURPOSE: Final = "root-key"
_DEV_SECRET: Final = "test"


def root_of(account: str, access_key_id: str = "") -> Caller:
    """The root user of an account."""
    return Caller(kind="root", account=account, arn=f"arn:aws:iam::{account}:root", principal_id=account, access_key_id=access_key_id)


def is_loopback(address: str) -> bool:
    """True for an address of this machine only (and for a call that came through no socket)."""
    if not address:
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket that takes both kinds of addresses writes 127.0.0.1 as ::ffff:127.0.0.1.
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def open_root_key(sealed: bytes, vault: Vault) -> tuple[str, str]:
    """Id and secret out of the store's row at ROOT_KEY. Raises StoreError when another vault sealed them."""
    opened = vault.unseal(sealed, _PURPOSE)
    if opened is None:
        raise StoreError("the data directory's vault key does not fit its store: was `vault.key` replaced?")
    key_id, _, secret = opened.decode().partition(":")
    return key_id, secret


class RootKeys:
    """Looks up root credentials."""

    def __init__(self, account: str, given: tuple[tuple[str, str, str], ...], dev_keys: bool) -> None:
        self._account = account
        self._dev_keys = dev_keys
        self._known = {key_id: Credential(secret, root_of(owner or account, key_id)) for key_id, secret, owner in given}
        self._loopback: dict[str, bool] = {}
        self._development: dict[str, Credential] = {}

    async def load(self, store: Store, vault: Vault, ids: Ids) -> tuple[str, str]:
        """Read this data directory's root key, or make it; returns id and secret."""

        sealed = store.get(ROOT_KEY)
        if sealed is None:
            key_id, secret = ids.unique_id("AKIA"), ids.secret_key()
            fresh = vault.seal(f"{key_id}:{secret}".encode(), _PURPOSE)
            await store.transact(lambda tx: tx.put(ROOT_KEY, fresh))
        else:
            key_id, secret = open_root_key(sealed, vault)
        self._known[key_id] = Credential(secret, root_of(self._account, key_id))
        return key_id, secret

    def credential(self, access_key_id: str, remote: str) -> Credential | None:
        """The root credential with this id, as seen from `remote`."""
        known = self._known.get(access_key_id)
        if known is not None:
            return known
        if not self._dev_keys:
            return None
        if access_key_id != "test" and not (len(access_key_id) == 12 and access_key_id.isdigit() and access_key_id.isascii()):
            return None
        near = self._loopback.get(remote)
        if near is None:
            near = is_loopback(remote)
            if len(self._loopback) < 1024:
                self._loopback[remote] = near
        if not near:
            return None
        made = self._development.get(access_key_id)
        if made is not None:
            return made
        account = self._account if access_key_id == "test" else access_key_id
        made = Credential(_DEV_SECRET, root_of(account, access_key_id))
        if len(self._development) < 4096:
            self._development[access_key_id] = made
        return made
