"""Unique ids and access key ids.

IAM User Guide, "IAM identifiers". An access key id carries its account: base32 of 10 bytes, whose first six hold the account number above seven random
bits, so that GetAccessKeyInfo (and tools that never ask) can read it off.
"""

from __future__ import annotations

import base64
import binascii

from haneul.clock import Ids

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_UNIQUE_CHARACTERS = 17
_ACCOUNT_SHIFT = 7
_ACCOUNT_MASK = 0x7FFFFFFFFF80
_TOP_BIT = 1 << 47


def unique_id(ids: Ids, prefix: str) -> str:
    """A unique id: `AIDA`, `AROA`, `AGPA`, `ANPA` … and 17 characters."""
    return prefix + ids.text(_UNIQUE_CHARACTERS, _ALPHABET)


def access_key_id(ids: Ids, account: str) -> str:
    """A new long-term key id of an account."""
    number = _TOP_BIT | int(account) << _ACCOUNT_SHIFT | ids.bytes(1)[0] & 0x7F
    return "AKIA" + base64.b32encode(number.to_bytes(6, "big") + ids.bytes(4)).decode()


def account_of_key(key_id: str) -> str | None:
    """The account that a key id of the usual form carries."""
    try:
        raw = base64.b32decode(key_id[4:])
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 10:
        return None
    return f"{(int.from_bytes(raw[:6], 'big') & _ACCOUNT_MASK) >> _ACCOUNT_SHIFT:012}"
