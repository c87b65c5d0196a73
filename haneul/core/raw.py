"""JSON that a service has ready."""

from __future__ import annotations


class Raw(bytes):
    """JSON that is already encoded: spliced into an answer as it stands."""
