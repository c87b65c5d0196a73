"""The read-only root directory that all environments of one runtime share."""

from __future__ import annotations

import os

from haneul.runtime.inside import linux
from haneul.runtime.inside.jail import GROUP_ID, USER_ID, USER_NAME
from haneul.runtime.inside.network import NAME_SERVER

_READ_ONLY = linux.ATTR_RDONLY | linux.ATTR_NOSUID
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
DEVICES = ("null", "zero", "full", "random", "urandom")
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
_ETC_SHARED = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl", "pki", "ca-certificates", "alternatives", "mime.types", "localtime", "os-release", "crypto-policies")
ETC_FILES = {
    "passwd": f"root:x:0:0:root:/root:/sbin/nologin\n{USER_NAME}:x:{USER_ID}:{GROUP_ID}::/home/{USER_NAME}:/sbin/nologin\n",
    "group": f"root:x:0:\n{USER_NAME}:x:{GROUP_ID}:\n",
    "hosts": "127.0.0.1 localhost localhost.localdomain lambda sandbox sandbox.localdomain\n",
    "hostname": "lambda\n",
    "resolv.conf": f"nameserver {NAME_SERVER}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_IMAGE_FOLDERS = ("proc", "sys", "dev", "tmp")
_IMAGE_FILES = ("hosts", "hostname", "resolv.conf")
EMPTY = ("proc", "tmp", "var/task/lib", "opt/lib", "var/runtime", "var/lang/bin", "var/tmp", "sys", "run", "dev", "etc", f"home/{USER_NAME}")


def enter(mount_point: str, shared: list[tuple[str, str]], links: list[tuple[str, str]], *, name_server: bool) -> None:
    """Build the root at `mount_point` (an existing directory) and make it this process's root.

    `name_server` says whether there is a way out, on which names are looked up. `shared` are (path outside, path inside) of files and directories shown read-only besides the system's own; `links` are (path inside,
    target) of symbolic links.
    """
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    root = linux.new_filesystem("tmpfs", {"size": "1m", "mode": "0755"}, linux.ATTR_NOSUID)
    linux.attach_mount(root, mount_point)
    for name in EMPTY:
        os.makedirs(f"{mount_point}/{name}", exist_ok=True)
    show("/usr", f"{mount_point}/usr")
    if os.path.isdir("/usr/local"):  # What administrators put there is none of a function's business.
        hidden = linux.new_filesystem("tmpfs", {"size": "4k", "mode": "0755"}, _READ_ONLY)
        linux.attach_mount(hidden, f"{mount_point}/usr/local")
        os.close(hidden)
    for name in SYSTEM:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{mount_point}/{name}")
        elif os.path.isdir(f"/{name}"):
            show(f"/{name}", f"{mount_point}/{name}")
    fill_etc(f"{mount_point}/etc", name_server)
    for name in DEVICES:
        show(f"/dev/{name}", f"{mount_point}/dev/{name}", linux.ATTR_NOSUID)
    for name, target in DEVICE_LINKS.items():
        os.symlink(target, f"{mount_point}/dev/{name}")
    for outside, inside in shared:
        if not inside.startswith("/usr/") or inside.startswith("/usr/local/"):
            show(outside, mount_point + inside)
    for inside, target in links:
        os.makedirs(os.path.dirname(mount_point + inside), exist_ok=True)
        os.symlink(target, mount_point + inside)
    show("/proc", f"{mount_point}/proc", linux.ATTR_NOSUID)
    linux.set_mount_attributes_at(mount_point, _READ_ONLY)
    os.close(root)
    linux.enter_root(mount_point)


def make_image_top(directory: str, name_server: bool) -> None:
    """Make the topmost layer of every container image's root at `directory`, unless it is there: the folders where something is to be mounted, and the
    files that tell of the network."""
    if os.path.isdir(directory):
        return
    for name in ("", *_IMAGE_FOLDERS, "etc"):
        os.mkdir(f"{directory}/{name}")
        os.chmod(f"{directory}/{name}", 0o755)
        if name in _IMAGE_FOLDERS:  # What the image has there is not seen.
            os.setxattr(f"{directory}/{name}", "user.overlay.opaque", b"y")
    for name in _IMAGE_FILES:
        with open(f"{directory}/etc/{name}", "w") as file:
            file.write(_etc_file(name, name_server))
            os.fchmod(file.fileno(), 0o644)


def show(outside: str, inside: str, attributes: int = _READ_ONLY) -> None:
    """Show a file or directory at another place, which is made if it is not there."""
    if os.path.isdir(outside):
        os.makedirs(inside, exist_ok=True)
    elif not os.path.lexists(inside):
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        with open(inside, "wb"):
            pass
    linux.bind(outside, inside, attributes)


def _etc_file(name: str, name_server: bool) -> str:
    return "" if name == "resolv.conf" and not name_server else ETC_FILES[name]


def fill_etc(etc: str, name_server: bool) -> None:
    """Put into the directory `etc` what sandboxes have in /etc: files of their own, and what they share with the machine."""
    for name in ETC_FILES:
        with open(f"{etc}/{name}", "w") as file:
            file.write(_etc_file(name, name_server))
    for name in _ETC_SHARED:
        if os.path.exists(f"/etc/{name}"):
            show(os.path.realpath(f"/etc/{name}"), f"{etc}/{name}")
