"""Opaque page tokens."""

from __future__ import annotations

import base64
import binascii


def make_token(position: bytes) -> str:
    """A token that names where the next page begins."""
    return base64.urlsafe_b64encode(position).decode()


def read_token(token: str) -> bytes | None:
    """The position in a token, or None for a text that `make_token` did not make."""
    try:
        position = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return position if make_token(position) == token else None
