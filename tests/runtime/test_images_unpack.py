"""Layers of container images, unpacked safely."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from haneul.runtime.images_unpack import OPAQUE_ATTRIBUTE, BadLayer, TooLarge, unpack_layer
from haneul.runtime.inside import linux
from tests.runtime.images import tar, unpack

MEBIBYTE = 1 << 20


def raw(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar file of hand-made headers."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, *, content: bytes = b"", link: str = "", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.size = kind, link, mode, len(content)
    return info, content


@pytest.mark.parametrize("compress", [lambda data: data, gzip.compress, zstandard.compress, lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:])])
def test_plain_gzip_and_zstd(tmp_path: Path, compress: Any) -> None:
    """Builders compress layers in any of three ways; the digest is of what is inside, and times stay, because compiled Python is checked by them."""
    data = tar({"a/b": b"hello", "link": "a/b", "folder": None})
    digest, size = unpack_layer(io.BytesIO(compress(data)), str(tmp_path / "layer"), MEBIBYTE)
    assert digest == hashlib.sha256(data).hexdigest() and size == len(data)
    assert (tmp_path / "layer" / "link").read_bytes() == b"hello"
    assert (tmp_path / "layer" / "a" / "b").stat().st_mtime == 1_000_000_000


def test_whiteouts_in_the_form_of_an_overlay(tmp_path: Path) -> None:
    """What a layer removes is marked so that the kernel's overlay hides it, whatever the order within the archive."""
    layer = unpack(tmp_path, tar({"gone/.wh.file": b"", "hidden/.wh..wh..opq": b"", "hidden/new": b"x", ".wh.again": b"", "again/inner": b"y", "kept/x": b"", ".wh.kept": b""}))
    assert stat.S_ISCHR((layer / "gone" / "file").lstat().st_mode) and (layer / "gone" / "file").lstat().st_rdev == 0
    for name in ("hidden", "again", "kept"):
        assert os.getxattr(layer / name, OPAQUE_ATTRIBUTE) == b"y", name
    assert (layer / "again" / "inner").read_bytes() == b"y"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../escape")],
        [entry("a/../../escape")],
        [entry("link", tarfile.LNKTYPE, link="/etc/passwd")],
        [entry("link", tarfile.LNKTYPE, link="../../etc/passwd")],
        [entry("folder/.wh...")],
        [entry("file"), entry("file/below")],
        [entry("loop", tarfile.SYMTYPE, link="loop"), entry("loop/file")],
        [entry("x" * 300)],
        [entry("nul\0byte/" + "y" * 120)],
    ],
)
def test_archives_that_want_out(tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Whatever is wrong with an archive, it is refused and leaves nothing behind."""
    try:
        layer = unpack(tmp_path, raw(*entries))
    except BadLayer:
        assert list(tmp_path.iterdir()) == []
    else:  # A name that the format itself cuts short.
        assert all(path.is_relative_to(layer) for path in layer.rglob("*"))


def test_links_are_followed_inside_only(tmp_path: Path) -> None:
    """A link to / means the image's own root, so what is written through it stays in the layer."""
    secret = tmp_path / "outside"
    secret.mkdir()
    data = raw(entry("abs", tarfile.SYMTYPE, link=str(secret)), entry("abs/file", content=b"1"), entry("up", tarfile.SYMTYPE, link="../../.."), entry("up/file", content=b"2"))
    layer = unpack(tmp_path, data)
    assert list(secret.iterdir()) == []
    assert (layer / str(secret).lstrip("/") / "file").read_bytes() == b"1" and (layer / "file").read_bytes() == b"2"


def test_only_files_folders_and_links(tmp_path: Path) -> None:
    """Devices and pipes are left out, set-user-id bits are taken off, owners are the server's."""
    device, _ = entry("dev/sda", tarfile.BLKTYPE)
    device.devmajor = 8
    info, content = entry("bin/su", content=b"#!", mode=0o6755)
    info.uid = 12345
    layer = unpack(tmp_path, raw((device, b""), entry("dev/pipe", tarfile.FIFOTYPE), (info, content), entry("locked", tarfile.DIRTYPE, mode=0)))
    assert list((layer / "dev").iterdir()) == []
    status = (layer / "bin" / "su").stat()
    assert stat.S_IMODE(status.st_mode) == 0o755 and status.st_uid == os.geteuid()
    assert stat.S_IMODE((layer / "locked").stat().st_mode) == 0o700


def test_later_entries_replace_earlier_ones(tmp_path: Path) -> None:
    """As any tar does; a folder that becomes a link must not be written through as if it were still one."""
    layer = unpack(tmp_path, raw(entry("a/x", content=b"1"), entry("a", tarfile.SYMTYPE, link="b"), entry("a/y", content=b"2"), entry("h", content=b"3"), entry("i", tarfile.LNKTYPE, link="h")))
    assert os.readlink(layer / "a") == "b" and (layer / "b" / "y").read_bytes() == b"2" and not (layer / "b" / "x").exists()
    assert (layer / "h").stat().st_ino == (layer / "i").stat().st_ino


def test_bombs(tmp_path: Path) -> None:
    """A small archive that becomes large ends at the limit, be it zeros, a sparse file, or a header that never ends."""
    zeros = gzip.compress(tar({"zeros": bytes(32 * MEBIBYTE)}))
    with pytest.raises(TooLarge):
        unpack(tmp_path, zeros, 16 * MEBIBYTE)
    assert unpack(tmp_path, zeros, name="allowed").joinpath("zeros").stat().st_blocks == 0
    header = tarfile.TarInfo("x")
    header.pax_headers = {"comment": "y" * (8 * MEBIBYTE)}
    with pytest.raises(BadLayer):
        unpack(tmp_path, gzip.compress(header.tobuf(tarfile.PAX_FORMAT) + bytes(1024)))
    sparse = tarfile.TarInfo("sparse")
    sparse.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40), "GNU.sparse.realsize": str(1 << 40)}
    with pytest.raises((TooLarge, BadLayer)):
        unpack(tmp_path, sparse.tobuf(tarfile.PAX_FORMAT) + bytes(1024))


@pytest.mark.parametrize("data", [b"", b"no archive at all" * 100, gzip.compress(tar({"a": b"x" * 5000}))[:-10], tar({"a": b"x" * 5000})[:3000], b"\x28\xb5\x2f\xfd" + bytes(100)], ids=["empty", "text", "half a gzip", "half a tar", "no zstd"])
def test_damaged_archives(tmp_path: Path, data: bytes) -> None:
    """They are refused in one way, and never half unpacked."""
    with pytest.raises(BadLayer):
        unpack(tmp_path, data)
    assert not (tmp_path / "layer").exists()


def test_an_error_of_the_machine_is_no_fault_of_the_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk must not be told as a bad image."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(tmp_path, tar({"a": b"x"}))
    assert not (tmp_path / "layer").exists()


def test_overlays_on_older_kernels(tmp_path: Path) -> None:
    """Kernels before 6.5 take the folders in one text; names with its separators are quoted."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folders = []
    for name in ("plain", "with:colon", "with,comma", "with\\backslash"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        (tmp_path / name / name).write_text("")
        folders.append(str(tmp_path / name))
    (tmp_path / "mount").mkdir()
    if os.fork() == 0:
        try:
            linux.unshare(linux.CLONE_NEWNS)
            linux.mount("", "/", "", linux.MS_REC | linux.MS_PRIVATE)
            for make in (linux._overlay_in_one_text, linux.overlay):
                fd = make(folders, linux.ATTR_RDONLY, str(tmp_path / "mount"))
                names = sorted(os.listdir(f"/proc/self/fd/{fd}"))
                with open(f"/proc/self/fd/{fd}/file") as file:
                    assert file.read() == "plain" and names == sorted(["file", "plain", "with:colon", "with,comma", "with\\backslash"]), names
            os._exit(0)
        finally:
            os._exit(1)
    assert os.wait()[1] == 0
