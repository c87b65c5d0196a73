"""A module of its own, because a compiled one cannot have a class made of a built-in type."""

from __future__ import annotations


class Instant(int):
    """A time in nanoseconds, as CBOR's tagged numbers are read."""
