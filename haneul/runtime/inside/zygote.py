"""The process that environments of one runtime are forked from.

It runs under the function's own interpreter, builds the read-only root, enters it, imports what functions habitually need, and then waits for
the spawner's requests on descriptor 3 (one JSON message with descriptors each). It never runs a line of anyone's function.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import site
import socket
import sys
from collections.abc import Callable
from typing import Any

from haneul.runtime.inside import jail, linux, root

_MESSAGE_BYTES_MAX = 65536
_DESCRIPTORS_MAX = 32
_PREIMPORTED = (
    "argparse", "ast", "asyncio", "base64", "bisect", "calendar", "cgi" if sys.version_info < (3, 13) else "html", "collections.abc", "concurrent.futures", "copy",
    "csv", "ctypes", "dataclasses", "datetime", "decimal", "email.message", "email.parser", "enum", "fnmatch", "fractions", "functools", "getpass", "glob", "gzip",
    "hashlib", "heapq", "hmac", "html", "http.client", "http.cookies", "inspect", "io", "ipaddress", "itertools", "json", "logging", "logging.handlers", "math",
    "mimetypes", "numbers", "operator", "pathlib", "pkgutil", "platform", "queue", "quopri", "random", "re", "secrets", "shutil", "signal", "site", "socket",
    "ssl", "statistics", "string", "struct", "subprocess", "tempfile", "textwrap", "threading", "time", "traceback", "types", "typing", "urllib.parse",
    "urllib.request", "uuid", "warnings", "weakref", "xml.etree.ElementTree", "zipfile", "zlib",
)  # fmt: skip


def main() -> None:
    """`argv[1]`: a JSON object with mount_point, shared, links, python (whether functions run in forks of this interpreter)."""
    options = json.loads(sys.argv[1])
    spawner = socket.socket(fileno=3)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o022)
    "\u00e9".encode("idna")  # Loads the codec that host names go through.
    root.enter(options["mount_point"], options["shared"], options["links"])
    linux.set_name("zygote")
    start: jail.Start = jail.run_program
    if options["python"]:
        start = _python()
    sys.argv[:] = [""]
    gc.collect()
    gc.freeze()
    spawner.send(b'{"ready": true}')
    _serve(spawner, start)


def _python() -> jail.Start:
    for name in _PREIMPORTED:
        with contextlib.suppress(ImportError):  # An interpreter built without ssl, say, still runs functions that do not need it.
            importlib.import_module(name)
    site.setquit()
    site.setcopyright()
    site.sethelper()
    sys.path[:] = [entry for entry in sys.path if not entry.startswith(_package_root())]
    sys.path.insert(0, "/var/runtime")
    bootstrap = importlib.import_module("bootstrap")
    sys.path.remove("/var/runtime")
    run: Callable[[socket.socket, dict[str, Any]], None] = bootstrap.run

    def run_python(channel: socket.socket, configuration: dict[str, Any]) -> None:
        if configuration["argv"]:
            jail.run_program(channel, configuration)
        for name in [name for name in sys.modules if name.partition(".")[0] == "haneul"]:
            del sys.modules[name]
        run(channel, configuration)

    return run_python


def _package_root() -> str:
    """The directory that this package was imported from."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def _serve(spawner: socket.socket, start: jail.Start) -> None:
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    lifeline, held = os.pipe()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(spawner, select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                _reap()
                continue
            message, fds, _, _ = socket.recv_fds(spawner, _MESSAGE_BYTES_MAX, _DESCRIPTORS_MAX)
            if not message:
                os._exit(0)
            if os.fork() == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                spawner.close()
                for own in (held, wake_read, wake_write):
                    os.close(own)
                jail.build(jail.Jail(json.loads(message), fds), lifeline, start)
            for fd_sent in fds:
                os.close(fd_sent)


def _reap() -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


if __name__ == "__main__":
    main()
