"""Readable on a terminal, JSON when piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


class Trouble(Exception):
    """Something that the user can do something about. The message says what."""


def colour(text: str, code: str) -> str:
    """`text` in a terminal colour (an SGR code such as "32"), plain when piped."""
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


def show(facts: Mapping[str, Any]) -> None:
    """Names and values in two columns, or as JSON when piped."""
    if not sys.stdout.isatty():
        print(json.dumps(facts, default=str))
        return
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        print(f"  {colour(name.replace('_', ' ').ljust(width), '2')}  {text}")
