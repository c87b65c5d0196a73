"""What a crash leaves of a store that goes on meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw

from haneul.store.log import log_files


def copy_as_crashed(path: Path, to: Path) -> None:
    """The store at `path` as the next start would find it, if its process ended now.

    The log first: what is settled while it is copied is in the file. And the file by the library that has it open: another one in the same process
    would not see its locks.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    for one, other in zip(log_files(path), log_files(to), strict=True):
        shutil.copy(one, other)
    source, target = apsw.Connection(str(path)), apsw.Connection(str(to))
    with target.backup("main", source, "main") as copy:
        copy.step(-1)
    source.close()
    target.close()
