"""Unique ids (IAM User Guide, "IAM identifiers")."""

from __future__ import annotations

from haneul.clock import Ids

UNIQUE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_UNIQUE_CHARACTERS = 17


def unique_id(ids: Ids, prefix: str) -> str:
    """A unique id: `AIDA`, `AROA`, `AGPA`, `ANPA` … and 17 characters."""
    return prefix + ids.text(_UNIQUE_CHARACTERS, UNIQUE_ALPHABET)
