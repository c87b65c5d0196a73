"""The writable /tmp of each environment: a file system of its own with a hard size, which does not count as the function's memory.

As root it is ext4 on a loop device over a sparse file that has no name (so that nothing is left when the last user dies). Where that cannot be
had (an ordinary user, a container without loop devices) it is a tmpfs of the same size: full is full there too, but what is written takes up
the machine's memory, and, where memory control groups are in use, the function's.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import subprocess
import tempfile

from haneul.runtime.inside import linux

_ATTRIBUTES = linux.ATTR_NOSUID | linux.ATTR_NODEV
_MAKE_EXT4 = ("/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4", "/usr/bin/mkfs.ext4")
_LOOP_CTL_GET_FREE = 0x4C82
_LOOP_CONFIGURE = 0x4C0A
_AUTOCLEAR = 4


class _LoopInfo(ctypes.Structure):
    _fields_ = [
        ("device", ctypes.c_uint64),
        ("inode", ctypes.c_uint64),
        ("rdevice", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("size_limit", ctypes.c_uint64),
        ("number", ctypes.c_uint32),
        ("encrypt_type", ctypes.c_uint32),
        ("encrypt_key_size", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("file_name", ctypes.c_char * 64),
        ("crypt_name", ctypes.c_char * 64),
        ("encrypt_key", ctypes.c_uint8 * 32),
        ("init", ctypes.c_uint64 * 2),
    ]


class _LoopConfiguration(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_uint32), ("block_size", ctypes.c_uint32), ("info", _LoopInfo), ("reserved", ctypes.c_uint64 * 8)]


class Disks:
    """Makes /tmp file systems, detached, ready to be attached in a sandbox. `directory` holds the (nameless) files."""

    def __init__(self, directory: str, loop: bool) -> None:
        self._directory = directory
        self._templates: dict[int, list[tuple[int, bytes]]] = {}
        self.kind = "ext4" if loop and self._works() else "tmpfs"

    def _works(self) -> bool:
        if os.path.exists("/dev/loop-control"):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                os.close(self._make_ext4(512))
                return True
        return False

    def make(self, size_mb: int) -> int:
        """A descriptor of a new, empty file system of `size_mb`, attached nowhere."""
        if self.kind == "ext4":
            return self._make_ext4(size_mb)
        return linux.new_filesystem("tmpfs", {"size": f"{size_mb}m", "mode": "1777", "nr_inodes": str(size_mb * 256)}, _ATTRIBUTES)

    def _make_ext4(self, size_mb: int) -> int:
        image = os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(image, _image_bytes(size_mb))
            for offset, data in self._template(size_mb):
                os.pwrite(image, data, offset)
            return _mount_ext4(image)
        finally:
            os.close(image)

    def _template(self, size_mb: int) -> list[tuple[int, bytes]]:
        """The parts of a freshly made file system that are not zero: it is made once for each size and then copied."""
        if size_mb not in self._templates:
            with tempfile.TemporaryDirectory(dir=self._directory) as directory:
                path = f"{directory}/image"
                with open(path, "wb") as file:
                    file.truncate(_image_bytes(size_mb))
                tool = next((tool for tool in _MAKE_EXT4 if os.path.exists(tool)), "mkfs.ext4")
                options = ["-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard"]
                subprocess.run([tool, *options, path], check=True, timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                image = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    mounted = _mount_ext4(image)
                    os.chmod(f"/proc/self/fd/{mounted}", 0o1777)
                    os.rmdir("lost+found", dir_fd=mounted)
                    os.close(mounted)
                    os.fsync(image)
                    self._templates[size_mb] = _extents(image)
                finally:
                    os.close(image)
        return self._templates[size_mb]


def _image_bytes(size_mb: int) -> int:
    """Somewhat more than asked for, as the file system's own tables take a part."""
    return (size_mb + 8 + size_mb // 32) << 20


def _mount_ext4(image: int) -> int:
    device, path = _attach_loop(image)
    try:
        return linux.new_filesystem("ext4", {"source": path, "discard": None}, _ATTRIBUTES)
    finally:
        os.close(device)


def _extents(image: int) -> list[tuple[int, bytes]]:
    out = []
    end, offset = os.fstat(image).st_size, 0
    while offset < end:
        try:
            start = os.lseek(image, offset, os.SEEK_DATA)
        except OSError:  # Nothing but a hole until the end.
            break
        offset = os.lseek(image, start, os.SEEK_HOLE)
        out.append((start, os.pread(image, offset - start, start)))
    return out


def _attach_loop(image: int) -> tuple[int, str]:
    """A loop device over `image` that frees itself when it is last closed. Several servers may compete for a free one."""
    configuration = _LoopConfiguration(image, 4096)
    configuration.info.flags = _AUTOCLEAR
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for attempt in range(64):
            path = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, configuration)
                return device, path
            except OSError:
                os.close(device)
                if attempt == 63:
                    raise
    finally:
        os.close(control)
    raise OSError("no free loop device")
