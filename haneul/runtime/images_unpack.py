"""Layers of container images, from strangers' archives to folders that an overlay can be made of.

A layer is a tar file, plain or compressed (OCI image specification, "Image Layer Filesystem Changeset"). Its folder holds regular files, folders and
symbolic links only, all of them this server's own: owners, devices, set-user-id bits and extended attributes of the archive are left out. What
a layer removes of those below it is written as an overlay wants it: a removed entry is a character device 0:0, a folder that hides
what lies below it has the attribute `user.overlay.opaque` (Linux kernel documentation, "Overlay Filesystem"). An ordinary user may make both.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import zlib
from typing import IO, Any, Protocol

import zstandard

OPAQUE_ATTRIBUTE = "user.overlay.opaque"
ENTRIES_MAX = 1_000_000
_HEADER_BYTES_MAX = 2 << 20
_COPY_BYTES = 1 << 20
_ZSTD_WINDOW_BYTES_MAX = 1 << 27
_LINKS_FOLLOWED_MAX = 40
_MODIFIED_MAX = 1 << 33
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_ZEROS = bytes(_COPY_BYTES)
_OF_THE_MACHINE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EOPNOTSUPP))


class BadLayer(Exception):
    """The archive is none, is damaged, or wants what a layer may not do."""


class TooLarge(Exception):
    """The layer would take more than it may."""


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Source:
    """The uncompressed archive: counted and hashed while it is read. Between the contents of two files only so much may lie."""

    def __init__(self, file: IO[bytes], limit_bytes: int) -> None:
        magic = file.read(4)
        file.seek(0)
        self._raw: _Readable = file
        if magic[:2] == b"\x1f\x8b":
            self._raw = gzip.GzipFile(fileobj=file)
        elif magic == b"\x28\xb5\x2f\xfd":
            self._raw = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES_MAX).stream_reader(file, read_across_frames=True)
        self._limit_bytes = limit_bytes
        self.hasher = hashlib.sha256()
        self.size = 0
        self.header_ends_before = _HEADER_BYTES_MAX
        """Where the header that is being read must have ended; 0 while a file's content is read."""

    def read(self, size: int) -> bytes:
        data = self._raw.read(size)
        self.hasher.update(data)
        self.size += len(data)
        if self.size > self._limit_bytes:
            raise TooLarge
        if self.header_ends_before and self.size > self.header_ends_before:
            raise BadLayer("a header is too large")
        return data

    def finish(self) -> str:
        """Read what follows the archive, and tell the digest of all of it."""
        self.header_ends_before = 0
        while self.read(_COPY_BYTES):
            pass
        return self.hasher.hexdigest()


def unpack_layer(file: IO[bytes], folder: str, limit_bytes: int) -> tuple[str, int]:
    """Unpack the layer in a file (one that can be rewound) into `folder`, which must not exist; returns the SHA-256 (hexadecimal) and the size of the uncompressed archive.

    Blocking. Raises BadLayer, TooLarge, or OSError when the machine cannot; leaves nothing behind then.
    """
    try:
        os.mkdir(folder, 0o755)
        os.chmod(folder, 0o755)
        source = _Source(file, limit_bytes)
        _unpack(source, _Tree(folder, limit_bytes))
        return source.finish(), source.size
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        damaged = isinstance(error, tarfile.TarError | zlib.error | EOFError | zstandard.ZstdError | ValueError | UnicodeError | OverflowError)
        if damaged or (isinstance(error, OSError) and error.errno not in _OF_THE_MACHINE):
            raise BadLayer(str(error)) from None
        raise


def _unpack(source: _Source, tree: _Tree) -> None:
    with tarfile.open(fileobj=source, mode="r|", bufsize=1 << 16) as archive:  # type: ignore[call-overload]
        for _ in range(ENTRIES_MAX):
            source.header_ends_before = source.size + _HEADER_BYTES_MAX
            entry = archive.next()
            source.header_ends_before = 0
            if entry is None:
                return
            archive.members.clear()  # Kept by the library for whoever wants to go back.
            tree.add(archive, entry)
    raise BadLayer("too many entries")


class _Tree:
    """The folder of a layer. No path leads out of it: symbolic links are followed as if it were the root."""

    def __init__(self, folder: str, limit_bytes: int) -> None:
        self._root = folder
        self._left_bytes = limit_bytes
        self._folders = {""}  # Known to be real folders.

    def add(self, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        parts = [part for part in entry.name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise BadLayer(f"a path leads out of the layer: {entry.name!r}")
        if not parts:
            if entry.isdir():
                os.chmod(self._root, _mode(entry, 0o700))
            return
        *parents, name = parts
        parent = self._folder(parents)
        if name.startswith(_WHITEOUT):
            self._remove_below(parent, name)
            return
        path = self._join(parent, name)
        if entry.isdir():
            self._make_folder(path, entry)
        elif entry.isreg():
            self._clear(path)
            self._write(path, archive, entry)
        elif entry.issym():
            self._clear(path)
            os.symlink(entry.linkname, self._outside(path))
        elif entry.islnk():
            self._link(path, entry.linkname)
        # Devices and pipes have no use in a function.

    def _outside(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @staticmethod
    def _join(parent: str, name: str) -> str:
        return f"{parent}/{name}" if parent else name

    def _kind(self, path: str) -> int:
        """The type of what is at a path, 0 for nothing."""
        try:
            return stat.S_IFMT(os.lstat(self._outside(path)).st_mode)
        except FileNotFoundError:
            return 0

    def _folder(self, parts: list[str]) -> str:
        """The real folder that a path means; missing ones are made."""
        at, followed = "", 0
        rest = list(reversed(parts))
        while rest:
            part = rest.pop()
            if part in ("", "."):
                continue
            if part == "..":
                at = at.rpartition("/")[0]
                continue
            path = self._join(at, part)
            if path in self._folders:
                at = path
                continue
            kind = self._kind(path)
            if kind == stat.S_IFLNK:
                followed += 1
                if followed > _LINKS_FOLLOWED_MAX:
                    raise BadLayer("too many links in a path")
                target = os.readlink(self._outside(path))
                if target.startswith("/"):
                    at = ""
                rest.extend(reversed(target.split("/")))
                continue
            if kind != stat.S_IFDIR:
                if kind not in (0, stat.S_IFCHR):
                    raise BadLayer(f"a path leads through a file: {path!r}")
                self._new_folder(path, 0o755, opaque=kind == stat.S_IFCHR)
            self._folders.add(path)
            at = path
        return at

    def _new_folder(self, path: str, mode: int, *, opaque: bool) -> None:
        """`opaque`: something that lower layers have was removed before the folder came."""
        outside = self._outside(path)
        if opaque:
            os.unlink(outside)
        os.mkdir(outside, 0o700)
        os.chmod(outside, mode)
        if opaque:
            os.setxattr(outside, OPAQUE_ATTRIBUTE, b"y")

    def _make_folder(self, path: str, entry: tarfile.TarInfo) -> None:
        kind = self._kind(path)
        mode = _mode(entry, 0o700)
        if kind == stat.S_IFDIR:
            os.chmod(self._outside(path), mode)
            return
        if kind not in (0, stat.S_IFCHR):
            self._clear(path)
        self._new_folder(path, mode, opaque=kind == stat.S_IFCHR)
        self._folders.add(path)

    def _clear(self, path: str) -> None:
        """Later entries replace earlier ones."""
        kind = self._kind(path)
        if kind == stat.S_IFDIR:
            shutil.rmtree(self._outside(path))
            self._folders = {""}
        elif kind:
            os.unlink(self._outside(path))

    def _write(self, path: str, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        self._left_bytes -= entry.size  # A sparse file counts as large as it seems.
        if self._left_bytes < 0:
            raise TooLarge
        content = archive.extractfile(entry)
        assert content is not None
        file = os.open(self._outside(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            written = 0
            while chunk := content.read(_COPY_BYTES):
                written += len(chunk)
                if len(chunk) == _COPY_BYTES and chunk == _ZEROS:
                    os.lseek(file, _COPY_BYTES, os.SEEK_CUR)
                else:
                    _write_all(file, chunk)
            if written != entry.size:
                raise BadLayer("the archive ends within a file")
            os.ftruncate(file, written)
            os.fchmod(file, _mode(entry, 0o400))
            modified = int(min(max(entry.mtime, 0), _MODIFIED_MAX))  # Interpreters trust their compiled files by it.
            os.utime(file, (modified, modified))
        finally:
            os.close(file)

    def _link(self, path: str, target: str) -> None:
        parts = [part for part in target.split("/") if part not in ("", ".")]
        if not parts or ".." in parts:
            raise BadLayer(f"a hard link leads out of the layer: {target!r}")
        *parents, name = parts
        source = self._join(self._folder(parents), name)
        if self._kind(source) not in (stat.S_IFREG, stat.S_IFLNK):
            raise BadLayer(f"a hard link to what is not in the layer: {target!r}")
        if source == path:
            return
        self._clear(path)
        os.link(self._outside(source), self._outside(path), follow_symlinks=False)

    def _remove_below(self, parent: str, name: str) -> None:
        """A mark that something of the layers below is not to be seen."""
        if name == _OPAQUE:
            os.setxattr(self._outside(parent), OPAQUE_ATTRIBUTE, b"y")
            return
        removed = name.removeprefix(_WHITEOUT)
        if removed.startswith(_WHITEOUT):
            return  # Of another union file system's own.
        if removed in ("", ".", ".."):
            raise BadLayer(f"a mark removes nothing: {name!r}")
        path = self._join(parent, removed)
        kind = self._kind(path)
        if kind == 0:
            os.mknod(self._outside(path), stat.S_IFCHR, 0)
        elif kind == stat.S_IFDIR:
            os.setxattr(self._outside(path), OPAQUE_ATTRIBUTE, b"y")


def _mode(entry: tarfile.TarInfo, always: int) -> int:
    """Permissions only, and what the server itself needs."""
    return (entry.mode & 0o777) | always


def _write_all(file: int, data: bytes) -> None:
    view: Any = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
