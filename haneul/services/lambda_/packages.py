"""Zip packages from strangers: checked before a byte is unpacked, and unpacked so that nothing can land elsewhere."""

from __future__ import annotations

import io
import os
import posixpath
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.limits import CODE_UNZIPPED_BYTES_MAX

_COPY_BYTES = 1 << 20
_ENTRIES_MAX = 200_000
_LINK_BYTES_MAX = 4096
_ENCRYPTED = 0x1


class BadPackage(Exception):
    """The bytes are no zip file that may be unpacked."""


def unpack_package(data: bytes, folder: Path) -> int:
    """Check a package and unpack it into `folder`, which must not exist yet; returns its unpacked size in bytes.

    Blocking. Raises ServiceError in the service's words, and leaves nothing behind then. Files keep the modes of the zip; everybody may read them,
    because the function runs as a user of its own. Links are kept if they lead nowhere but into the package.
    """
    if not data:
        raise invalid("Uploaded file must be a non-empty zip")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = _checked(archive)
            size = sum(info.file_size for info in entries.values())
            if size > CODE_UNZIPPED_BYTES_MAX:
                raise invalid(f"Unzipped size must be smaller than {CODE_UNZIPPED_BYTES_MAX} bytes")
            if not any(not info.is_dir() for info in entries.values()):
                raise invalid("Uploaded file must be a non-empty zip")
            _extract(archive, entries, folder)
    except (BadPackage, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError, UnicodeError, ValueError):
        shutil.rmtree(folder, ignore_errors=True)
        raise invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from None
    return size


def _checked(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries by their normal paths; of several for one path the last counts, as for any unzip that overwrites."""
    listed = archive.infolist()
    if len(listed) > _ENTRIES_MAX:
        raise BadPackage("too many entries")
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in listed:
        name = info.filename
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK) or info.flag_bits & _ENCRYPTED:
            raise BadPackage(name)
        parts = name.rstrip("/").split("/")
        if not name or name.startswith("/") or "\\" in name or "\0" in name or ".." in parts:
            raise BadPackage(name)
        path = posixpath.normpath(name)
        if path != ".":
            entries[path] = info
    links = {path for path, info in entries.items() if _is_link(info)}
    for path in entries:
        parent = posixpath.dirname(path)
        while parent:
            # What lies "below" a link or a file would be written through it, to wherever it leads.
            if parent in links or (parent in entries and not entries[parent].is_dir()):
                raise BadPackage(path)
            parent = posixpath.dirname(parent)
    return entries


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _extract(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    made: set[str] = set()
    _make_folder(folder, "", made)
    links: dict[str, str] = {}
    for path, info in entries.items():
        _make_folder(folder, path if info.is_dir() else posixpath.dirname(path), made)
        if info.is_dir():
            continue
        if _is_link(info):
            links[path] = _link_target(archive, info, path)
            continue
        mode = (info.external_attr >> 16) & 0o755 or 0o644
        with archive.open(info) as source, open(folder / path, "xb") as sink:
            shutil.copyfileobj(source, sink, _COPY_BYTES)
            os.fchmod(sink.fileno(), mode | 0o444 | (0o111 if mode & 0o111 else 0))
    for path, target in links.items():
        os.symlink(target, folder / path)
    for path in links:
        # Links may lead through other links, so only the file system can say where they end.
        resolved = os.path.realpath(folder / path)
        if os.path.commonpath([resolved, os.path.realpath(folder)]) != os.path.realpath(folder):
            raise BadPackage(path)


def _make_folder(folder: Path, path: str, made: set[str]) -> None:
    """Make `path` below `folder`, open to everybody whatever this process's umask is."""
    if path in made:
        return
    if path:
        _make_folder(folder, posixpath.dirname(path), made)
    (folder / path).mkdir(parents=not path)
    (folder / path).chmod(0o755)
    made.add(path)


def _link_target(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> str:
    if info.file_size > _LINK_BYTES_MAX:
        raise BadPackage(path)
    target = archive.read(info).decode()
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if not target or target.startswith("/") or "\0" in target or inside.startswith(".."):
        raise BadPackage(path)
    return target
