"""Changes that several operations make in their transactions."""

from __future__ import annotations

from haneul.services.lambda_.code import CodeStore, Package
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import Space, Version, count_key, version_key
from haneul.store.port import Transaction
from haneul.store.records import decode, encode


def hold_version(code: CodeStore, tx: Transaction, target: Target, version: Version, package: Package) -> None:
    """Write a new version and let it hold its code and the content of its layers."""
    code.hold(tx, target.space, package)
    hold_layers(code, tx, version)
    tx.put(version_key(target, version.number), encode(version))


def hold_layers(code: CodeStore, tx: Transaction, version: Version) -> None:
    """A layer's content stays while a function uses it, even when the layer version is deleted."""
    for layer in version.layers:
        code.keep(tx, layer.sha256)


def drop_layers(code: CodeStore, tx: Transaction, version: Version) -> None:
    for layer in version.layers:
        code.let_go(tx, layer.sha256)


def drop_version(code: CodeStore, tx: Transaction, target: Target, version: Version) -> None:
    """Remove a version and what it alone holds."""
    tx.delete(version_key(target, version.number))
    code.drop(tx, target.space, version.sha256)
    drop_layers(code, tx, version)


def add_count(tx: Transaction, space: Space, change: int) -> None:
    """Keep the number of functions."""
    known = tx.get(count_key(space))
    tx.put(count_key(space), encode(change + (decode(known, int) if known is not None else 0)))
