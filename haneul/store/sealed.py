"""Encrypted files: what a blob is on the disk.

    header   the mark, then the file's own key and its size in bytes, sealed by a vault for this file's name alone
    frames   64 KB of plain bytes each (the last one what is left), AES-256-GCM under the file's key, with the frame's number as the nonce

The key is used for nothing else, so a frame opens only in its own file and its own place; the size says how long the file must be. What was
swapped, cut off or put back from elsewhere is Damaged. A range is read by opening only the frames that it touches. The header is written
last: a file that was not finished has none.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from haneul.store.vault import KEY_BYTES, SEAL_BYTES, Damaged, Vault

FRAME_BYTES = 64 * 1024
_MARK = b"HNLB\x01"
_SIZE_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SEALED_FRAME_BYTES = FRAME_BYTES + _TAG_BYTES
_HEADER_BYTES = len(_MARK) + KEY_BYTES + _SIZE_BYTES + SEAL_BYTES


def _nonce(frame: int) -> bytes:
    return frame.to_bytes(_NONCE_BYTES, "big")


def _purpose(name: str) -> str:
    return f"file {name}"


def _stored_bytes(size: int) -> int:
    """How long the file of a body of `size` bytes is."""
    return _HEADER_BYTES + size + -(-size // FRAME_BYTES) * _TAG_BYTES


class SealedWriter:
    """A file being written. Nothing here may be called by two threads at once."""

    def __init__(self, path: Path, vault: Vault) -> None:
        self.size = 0
        self._name = path.name
        self._vault = vault
        self._key = vault.new_key()
        self._cipher = AESGCM(self._key)
        self._frames = 0
        self._rest = bytearray()
        self._file = open(path, "wb", buffering=1 << 16)  # noqa: SIM115 - closed by finish or close
        self._file.write(bytes(_HEADER_BYTES))

    def write(self, data: bytes) -> None:
        self.size += len(data)
        view = memoryview(data)
        if self._rest:
            wanted = FRAME_BYTES - len(self._rest)
            self._rest += view[:wanted]
            view = view[wanted:]
            if len(self._rest) < FRAME_BYTES:
                return
            self._put(self._rest)
            self._rest = bytearray()
        whole = len(view) - len(view) % FRAME_BYTES
        for start in range(0, whole, FRAME_BYTES):
            self._put(view[start : start + FRAME_BYTES])
        self._rest += view[whole:]

    def _put(self, frame: bytearray | memoryview) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._frames), frame, None))
        self._frames += 1

    def head(self) -> bytes:
        """What `finish` puts in front, once everything is written. On the vault's own thread: chance is drawn for it, and never by two threads at once."""
        secret = self._key + self.size.to_bytes(_SIZE_BYTES, "big")
        return _MARK + self._vault.seal(secret, _purpose(self._name))

    def finish(self, head: bytes) -> None:
        """Blocking: the bytes are on the disk when it returns."""
        if self._rest:
            self._put(self._rest)
        self._file.flush()
        os.pwrite(self._file.fileno(), head, 0)
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Leave the file unfinished."""
        with suppress(OSError):  # What does not fit on the disk need not.
            self._file.close()


class SealedFile:
    """A finished file, open for reading; it closes when nobody refers to it any more, and stays readable when it is removed meanwhile.

    Raises Damaged (also while reading) and FileNotFoundError.
    """

    def __init__(self, path: Path, vault: Vault) -> None:
        self._handle = -1
        self._name = path.name
        self._handle = os.open(path, os.O_RDONLY)
        header = os.pread(self._handle, _HEADER_BYTES, 0)
        secret = vault.unseal(header[len(_MARK) :], _purpose(path.name)) if header.startswith(_MARK) else None
        if secret is None:
            raise Damaged(f"the head of the file {path.name} is damaged, or of another layout")
        self._cipher = AESGCM(secret[:KEY_BYTES])
        self.size = int.from_bytes(secret[KEY_BYTES:], "big")
        if os.fstat(self._handle).st_size != _stored_bytes(self.size):
            raise Damaged(f"the file {path.name} is not as long as it was")

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)

    def read(self, offset: int, length: int) -> bytes:
        """Blocking: these bytes, all of which must lie in the file."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Damaged(f"the file {self._name} is shorter than what refers to it says")
        if not length:
            return b""
        first, last = offset // FRAME_BYTES, (offset + length - 1) // FRAME_BYTES
        try:
            frames = [self._frame(number) for number in range(first, last + 1)]
        except (InvalidTag, ValueError):
            raise Damaged(f"the file {self._name} is damaged") from None
        plain = frames[0] if len(frames) == 1 else b"".join(frames)
        start = offset - first * FRAME_BYTES
        found = plain if start == 0 and len(plain) == length else plain[start : start + length]
        if len(found) != length:
            raise Damaged(f"the file {self._name} is shorter than it was")
        return found

    def _frame(self, number: int) -> bytes:
        return self._cipher.decrypt(_nonce(number), os.pread(self._handle, _SEALED_FRAME_BYTES, _HEADER_BYTES + number * _SEALED_FRAME_BYTES), None)
