"""Runtime hooks for SnapStart, as functions import them ("Lambda SnapStart runtime hooks for Python" in the AWS Lambda Developer Guide).

Stands alone (no imports of Haneul's), as it is shown inside every sandbox at /var/runtime/snapshot_restore_py.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["register_after_restore", "register_before_snapshot"]

Hook = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class _Hooks:
    before_snapshot: list[Hook]
    after_restore: list[Hook]

    def __init__(self) -> None:
        self.before_snapshot = []
        self.after_restore = []


_hooks = _Hooks()


def register_before_snapshot(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Have `func` called before the snapshot is taken, in the opposite order of registration. Returns it, so that this can be a decorator."""
    _hooks.before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
    """Have `func` called in each environment that is restored, in the order of registration. Returns it, so that this can be a decorator."""
    _hooks.after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot() -> list[Hook]:
    return _hooks.before_snapshot


def get_after_restore() -> list[Hook]:
    return _hooks.after_restore
