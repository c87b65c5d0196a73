"""Container images for the runtime's tests: layers unpacked from archives that are made here, and the host's Python as an image."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

from haneul.runtime.images_unpack import unpack_layer

Entry = bytes | str | Path | None
"""A file's content, a link's target, a file of the host's with its time, or None for a folder."""

ECHO = '''
import json, os, socket, sys
def exchange(method, path, body=b""):
    connection = socket.socket()
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    connection.connect((host, int(port)))
    connection.sendall(("%s /2018-06-01/runtime/%s HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % (method, path, len(body))).encode() + body)
    answer = b""
    while more := connection.recv(65536):
        answer += more
    head, _, content = answer.partition(b"\\r\\n\\r\\n")
    return dict(line.lower().split(": ", 1) for line in head.decode().split("\\r\\n")[1:]), content
while True:
    headers, event = exchange("GET", "invocation/next")
    result = eval(json.loads(event)) if event != b"null" else None
    exchange("POST", "invocation/%s/response" % headers["lambda-runtime-aws-request-id"], json.dumps(result).encode())
'''
"""A function in plain Python, over the Runtime API: it evaluates its event."""


def tar(entries: dict[str, Entry], *, mode: int = 0o755) -> bytes:
    """A tar file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = mode, 1_000_000_000
            if isinstance(content, Path):
                info.mtime, content = int(content.stat().st_mtime), content.read_bytes()
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def python_layer() -> bytes:
    """A layer with a Python that starts and has sockets and JSON: the interpreter, its libraries and a part of its standard library."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    executable = os.path.join(sys.base_exec_prefix, "bin", version)
    library = Path(sysconfig.get_paths()["stdlib"])
    files = _libraries(executable)
    wanted = ["json", "encodings", "collections", "re", "importlib"]
    compiled = f"__pycache__/*.{sys.implementation.cache_tag}.pyc"
    sources = {path for name in wanted for pattern in ("*.py", compiled) for path in (library / name).rglob(pattern)} | set(library.glob("*.py")) | set(library.glob(compiled))
    extensions = [path for path in (library / "lib-dynload").glob("*.so") if path.name.startswith(("_socket", "_json", "array", "math", "select", "_struct", "unicodedata"))]
    for extension in extensions:
        files |= {str(extension), *_libraries(str(extension))}
    entries: dict[str, Entry] = {f"usr/lib/{version}/{path.relative_to(library)}": path for path in sorted(sources)}
    for path in sorted(files):
        entries[path.replace(str(library), f"usr/lib/{version}", 1).lstrip("/") if path.startswith(str(library)) else path.lstrip("/")] = Path(path).read_bytes()
    entries["usr/bin/python3"] = Path(executable).read_bytes()
    return tar(entries)


def _libraries(path: str) -> set[str]:
    listed = subprocess.run(["ldd", path], capture_output=True, check=True, text=True).stdout
    return set(re.findall(r"(/\S+\.so\S*) \(0x", listed))


def unpack(folder: Path, data: bytes, limit_bytes: int = 64 << 20, name: str = "layer") -> Path:
    """The folder of an unpacked layer."""
    unpack_layer(io.BytesIO(data), str(folder / name), limit_bytes)
    return folder / name
