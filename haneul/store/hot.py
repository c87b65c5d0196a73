"""Plain bytes of files that are read again and again: a bounded amount of them, in memory only."""

from __future__ import annotations

from collections import OrderedDict

FILE_BYTES_MAX = 8 << 20
TOTAL_BYTES_MAX = 64 << 20
_COUNTED_MAX = 1024


class HotFiles:
    """The files whose bytes are kept, by blob id: what was read longest ago goes first."""

    def __init__(self, total_bytes_max: int = TOTAL_BYTES_MAX, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        self._total_bytes_max = total_bytes_max
        self._file_bytes_max = file_bytes_max
        self._files: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._read_bytes: OrderedDict[str, int] = OrderedDict()
        self._loading: set[str] = set()

    def find(self, name: str) -> bytes | None:
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

    def put(self, name: str, data: bytes) -> None:
        """Keep a file's bytes, unless it was dropped since `begin`."""
        if name not in self._loading:
            return
        self._loading.remove(name)
        self._files[name] = data
        self._bytes += len(data)
        while self._bytes > self._total_bytes_max:
            self._bytes -= len(self._files.popitem(last=False)[1])

    def drop(self, name: str) -> None:
        """The file is gone."""
        self._loading.discard(name)
        self._read_bytes.pop(name, None)
        self._bytes -= len(self._files.pop(name, b""))

    def clear(self) -> None:
        self._loading.clear()
        self._read_bytes.clear()
        self._files.clear()
        self._bytes = 0
