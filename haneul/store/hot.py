"""Plain bytes of files that are read again and again: in memory only, a bounded amount of them, as something that sendfile can send from."""

from __future__ import annotations

import os
import sys
from collections import OrderedDict

from haneul.store.sealed import SealedFile

FILE_BYTES_MAX = 8 << 20
TOTAL_BYTES_MAX = 64 << 20
# Each takes a descriptor, of which a process may have but a thousand.
_FILES_MAX = 128
_COUNTED_MAX = 1024
_LOAD_BYTES = 1 << 18


class PlainFile:
    """Plain bytes behind a descriptor; closed when nobody refers to it any more, also while it is still being sent to somebody slow."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size

    def __del__(self) -> None:
        os.close(self.descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Blocking: these bytes, all of which must lie in the file."""
        found = bytearray()
        while len(found) < length:
            data = os.pread(self.descriptor, length - len(found), offset + len(found))
            if not data:
                raise EOFError("a file is shorter than announced")
            if len(data) == length:
                return data
            found += data
        return bytes(found)


def copy_to_memory(sealed: SealedFile) -> PlainFile | None:
    """Blocking: a file's plain bytes in memory; None where the machine has no such files, or none to spare."""
    if sys.platform != "linux":
        return None
    try:
        plain = PlainFile(os.memfd_create("haneul", os.MFD_CLOEXEC), sealed.size)
        for offset in range(0, sealed.size, _LOAD_BYTES):
            data = memoryview(sealed.read(offset, min(_LOAD_BYTES, sealed.size - offset)))
            while data:
                data = data[os.write(plain.descriptor, data) :]
        return plain
    except OSError:
        return None


class HotFiles:
    """The files that are kept in memory, by blob id: what was read longest ago goes first. Whoever still sends a file that goes, keeps it alive until then."""

    def __init__(self, total_bytes_max: int = TOTAL_BYTES_MAX, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        self._total_bytes_max = total_bytes_max
        self._file_bytes_max = file_bytes_max
        self._files: OrderedDict[str, PlainFile] = OrderedDict()
        self._bytes = 0
        self._read_bytes: OrderedDict[str, int] = OrderedDict()
        self._loading: set[str] = set()

    def find(self, name: str) -> PlainFile | None:
        found = self._files.get(name)
        if found is not None:
            self._files.move_to_end(name)
        return found

    def begin(self, name: str, size: int, length: int) -> bool:
        """Somebody is going to read `length` bytes of a file that is not kept. True when it has been read as a whole before (in one go or in
        ranges): then it is time to `put` it, and whoever is told so must do it or `drop` it."""
        if size > self._file_bytes_max or name in self._loading:
            return False
        read = self._read_bytes.pop(name, 0)
        if read >= size:
            self._loading.add(name)
            return True
        self._read_bytes[name] = read + length
        if len(self._read_bytes) > _COUNTED_MAX:
            self._read_bytes.popitem(last=False)
        return False

    def put(self, name: str, file: PlainFile | None) -> None:
        """Keep a file, unless it was dropped since `begin`."""
        if name not in self._loading:
            return
        self._loading.remove(name)
        if file is None:
            return
        self._files[name] = file
        self._bytes += file.size
        while self._bytes > self._total_bytes_max or len(self._files) > _FILES_MAX:
            self._bytes -= self._files.popitem(last=False)[1].size

    def drop(self, name: str) -> None:
        """The file is gone."""
        self._loading.discard(name)
        self._read_bytes.pop(name, None)
        file = self._files.pop(name, None)
        if file is not None:
            self._bytes -= file.size

    def clear(self) -> None:
        self._loading.clear()
        self._read_bytes.clear()
        self._files.clear()
        self._bytes = 0
