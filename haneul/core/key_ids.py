"""Access key ids, which carry their account.

IAM User Guide, "IAM identifiers": an id is four letters (`AKIA` for long-term keys, `ASIA` for temporary ones) and the base32 of 10 bytes, whose first six
hold the account number above seven random bits, so that GetAccessKeyInfo (and tools that never ask) can read it off.
"""

from __future__ import annotations

import base64
import binascii

from haneul.clock import Ids

_ACCOUNT_SHIFT = 7
_ACCOUNT_MASK = 0x7FFFFFFFFF80
_ACCOUNTS = 10**12
_TOP_BIT = 1 << 47


def access_key_id(ids: Ids, account: str, prefix: str = "AKIA") -> str:
    """A new key id of an account."""
    number = _TOP_BIT | int(account) << _ACCOUNT_SHIFT | ids.bytes(1)[0] & 0x7F
    return prefix + base64.b32encode(number.to_bytes(6, "big") + ids.bytes(4)).decode()


def account_of_key(key_id: str) -> str | None:
    """The account that a key id of the usual form carries."""
    try:
        raw = base64.b32decode(key_id[4:])
    except (binascii.Error, ValueError):
        return None
    number = int.from_bytes(raw[:6], "big")
    account = (number & _ACCOUNT_MASK) >> _ACCOUNT_SHIFT
    if len(raw) != 10 or not number & _TOP_BIT or account >= _ACCOUNTS:
        return None
    return f"{account:012}"
