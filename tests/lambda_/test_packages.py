"""Packages from strangers: what may be unpacked, and what lands where."""

from __future__ import annotations

import io
import os
import stat
import zipfile
import zlib
from pathlib import Path

import pytest

from haneul.core.errors import ServiceError
from haneul.services.lambda_.limits import CODE_UNZIPPED_BYTES_MAX
from haneul.services.lambda_.packages import unpack_package

BROKEN = "Could not unzip uploaded file"


def _zip(*entries: tuple[str, bytes, int], **options: object) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return out.getvalue()


FILE, LINK = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


@pytest.mark.parametrize(
    "data",
    [
        b"not a zip",
        _zip(("../out", b"x", FILE)),
        _zip(("a/../../out", b"x", FILE)),
        _zip(("/etc/out", b"x", FILE)),
        _zip(("a\\..\\out", b"x", FILE)),
        _zip(("link", b"/etc", LINK)),
        _zip(("a/link", b"../../out", LINK)),
        _zip(("link", b".", LINK), ("link/out", b"x", FILE)),
        _zip(("one", b"two", LINK), ("two", b"../..", LINK)),
        _zip(("file", b"x", FILE), ("file/inner", b"x", FILE)),
        _zip(("device", b"", stat.S_IFCHR | 0o666)),
        _zip(("pipe", b"", stat.S_IFIFO | 0o666)),
        _zip(("x" * 300, b"x", FILE)),
        _zip(("good", b"x", FILE))[:-30],
    ],
)
def test_a_hostile_package_is_refused_and_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    """Because unpacking is the one moment at which a stranger's file names touch this machine."""
    folder = tmp_path / "in" / "code"
    with pytest.raises(ServiceError, match=BROKEN):
        unpack_package(data, folder)
    assert not folder.exists() and not (tmp_path / "out").exists() and not (tmp_path / "in" / "out").exists()


def test_a_bomb_is_refused_by_its_announced_size(tmp_path: Path) -> None:
    """Because 250 MB is the limit, and a few kilobytes can hold far more."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w", force_zip64=True) as file:
        for _ in range(CODE_UNZIPPED_BYTES_MAX // (1 << 20) + 1):
            file.write(bytes(1 << 20))
    with pytest.raises(ServiceError, match="Unzipped size must be smaller than 262144000 bytes"):
        unpack_package(out.getvalue(), tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    """Because sizes in a zip are what its maker says they are."""
    data = bytearray(_zip(("zeros", bytes(1 << 20), FILE)))
    real, small = (1 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little")
    data = bytearray(bytes(data).replace(real, small))
    with pytest.raises(ServiceError, match=BROKEN):
        unpack_package(bytes(data), tmp_path / "code")
    assert zlib.crc32(bytes(10)) and not (tmp_path / "code").exists()


def test_modes_links_and_folders_come_out_as_they_went_in(tmp_path: Path) -> None:
    """Because layers hold executables and links between libraries; everybody may read, since the function is a user of its own."""
    folder = tmp_path / "code"
    previous = os.umask(0o077)
    try:
        unpack_package(_zip(("bin/run", b"#!", stat.S_IFREG | 0o755), ("private", b"x", stat.S_IFREG | 0o600), ("lib/a.so", b"", LINK & ~0o170000 | FILE), ("lib/b.so", b"a.so", LINK)), folder)
    finally:
        os.umask(previous)
    assert (folder / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (folder / "private").stat().st_mode & 0o777 == 0o644
    assert folder.stat().st_mode & 0o777 == 0o755 and (folder / "bin").stat().st_mode & 0o777 == 0o755
    assert os.readlink(folder / "lib/b.so") == "a.so"


def test_of_two_entries_for_one_path_the_last_counts(tmp_path: Path) -> None:
    """Because that is what an unzip that overwrites does."""
    out = io.BytesIO()
    with pytest.warns(UserWarning), zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", "first")
        archive.writestr("a", "last")
    unpack_package(out.getvalue(), tmp_path / "code")
    assert (tmp_path / "code/a").read_text() == "last"
