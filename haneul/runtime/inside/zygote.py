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

from haneul.runtime.inside import image, jail, linux, restoring, root

_IDLE_MS = 10
_RETRY_MS = 500
_ATTEMPTS_MAX = 5
_PREIMPORTED = (
    "argparse", "ast", "asyncio", "base64", "bisect", "calendar", "cgi" if sys.version_info < (3, 13) else "html", "collections.abc", "concurrent.futures", "copy",
    "csv", "ctypes", "dataclasses", "datetime", "decimal", "email.message", "email.parser", "enum", "fnmatch", "fractions", "functools", "getpass", "glob", "gzip",
    "hashlib", "heapq", "hmac", "html", "http.client", "http.cookies", "inspect", "io", "ipaddress", "itertools", "json", "logging", "logging.handlers", "math",
    "mimetypes", "numbers", "operator", "pathlib", "pkgutil", "platform", "queue", "quopri", "random", "re", "secrets", "shutil", "signal", "site", "socket",
    "ssl", "statistics", "string", "struct", "subprocess", "tempfile", "textwrap", "threading", "time", "traceback", "types", "typing", "urllib.parse",
    "urllib.request", "uuid", "warnings", "weakref", "xml.etree.ElementTree", "zipfile", "zlib",
)  # fmt: skip


def main() -> None:
    """`argv[1]`: a JSON object with mount_point, shared, links, uplink (descriptor of the way out, -1 for none), python (whether functions run in forks of this interpreter)."""
    options = json.loads(sys.argv[1])
    spawner = socket.socket(fileno=3)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o022)
    "\u00e9".encode("idna")  # Loads the codec that host names go through.
    root.enter(options["mount_point"], options["shared"], options["links"], name_server=options["uplink"] >= 0)
    linux.set_name("zygote")
    program = _python() if options["python"] else jail.Program(_nothing, image.run if options.get("image") else jail.run_program)
    _forget_arguments(options["python"])
    gc.collect()
    gc.freeze()
    spawner.send(b'{"ready": true}')
    Zygote(spawner, options, program).serve()


def _forget_arguments(python: bool) -> None:
    """Every fork shows them to its function, and what they say of the machine is none of its business."""
    shown = ["/var/lang/bin/python3", "/var/runtime/bootstrap.py"] if python else ["/var/runtime/init"]
    linux.show_arguments(shown)
    getattr(sys, "orig_argv", [])[:] = shown  # Python 3.9 has none.
    sys.argv[:] = [""]


def _nothing() -> None:
    pass


def _python() -> jail.Program:
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

    return jail.Program(bootstrap.warm_up, run_python)


def _package_root() -> str:
    """The directory that this package was imported from."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


class Zygote:
    """Keeps some environments prepared and gives each request one of them."""

    def __init__(self, spawner: socket.socket, options: dict[str, Any], program: jail.Program) -> None:
        self._spawner = spawner
        self._program = program
        self._spares_max: int = options["spares"]
        self._processes_max: int = options["processes_max"]
        self._users: tuple[int, int] | None = options["users"]
        self._user_next = options["user_first"]
        self._uplink: int = options["uplink"]
        self._spares: list[socket.socket] = []
        self._passing: list[int] = []  # Descriptors that came with the message that is being passed on.
        self._poll = select.poll()
        self._origins = restoring.Origins(self._build_below, self._poll)
        self._lifeline, self._lifeline_held = os.pipe()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Until the spawner is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._poll.register(self._spawner, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)
        pause = _IDLE_MS
        while True:
            ready = self._poll.poll(pause if len(self._spares) < self._spares_max or self._origins.lacking else None)
            if not ready:  # Nothing else to do: prepare for the next.
                try:
                    if self._origins.lacking:
                        self._origins.prepare()
                    else:
                        self._spares.append(self._build())
                    pause = _IDLE_MS
                except OSError:  # Processes or descriptors are short just now.
                    pause = _RETRY_MS
            for fd, _ in ready:
                if fd == self._wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_read, 4096)
                    _reap()
                elif fd != self._spawner.fileno():
                    self._origins.lose(fd)
                elif not self._pass_on():
                    return

    def _pass_on(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._spawner, jail.MESSAGE_BYTES_MAX, jail.DESCRIPTORS_MAX)
        if not message:
            return False
        self._passing = fds
        try:
            self._send(message, fds)
        except OSError as error:  # The server learns it as from a keeper: by the status pipe, and because its channel closes.
            jail.report(fds[2] if len(fds) > 2 else -1, f"setup {type(error).__name__} {error}")
        self._passing = []
        for fd in fds:
            os.close(fd)
        return True

    def _send(self, message: bytes, fds: list[int]) -> None:
        request = jail.Request(message, fds)
        for attempt in range(_ATTEMPTS_MAX):
            with self._taken(request) as environment:
                try:
                    socket.send_fds(environment, [message], fds)
                    return
                except (BrokenPipeError, ConnectionResetError):  # A spare that has died, for want of memory perhaps.
                    if attempt == _ATTEMPTS_MAX - 1:
                        raise

    def _taken(self, request: jail.Request) -> socket.socket:
        """Where to send a request to: a sandbox that is prepared, or else one that is made now."""
        if request.namespaces:
            return self._origins.take(request.namespaces)
        return self._spares.pop(0) if self._spares and not request.snapshot else self._build(request.snapshot)

    def _build(self, snapshot: bool = False) -> socket.socket:
        user = 0
        if self._users is not None:
            user = self._users[0] + self._user_next
            self._user_next = (self._user_next + 1) % self._users[1]
        return self._fork(lambda requests: jail.build(requests, user, self._processes_max, self._lifeline, self._program, self._uplink, snapshot), [])

    def _build_below(self, namespaces: list[int]) -> socket.socket:
        return self._fork(lambda requests: restoring.build(requests, namespaces, self._lifeline, self._uplink), namespaces)

    def _fork(self, build: Callable[[socket.socket], None], kept: list[int]) -> socket.socket:
        """Have a fork build a sandbox, which keeps those of the zygote's descriptors; what it is to be sent its request through."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            if linux.plain_fork() == 0:
                try:
                    ours.close()
                    self._let_go(kept)
                    build(theirs)
                finally:
                    os._exit(1)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def _let_go(self, kept: list[int]) -> None:
        """In a fork: close what is the zygote's."""
        signal.set_wakeup_fd(-1)
        for own in (self._lifeline_held, self._wake_read, self._wake_write, self._spawner.detach(), *self._passing):
            if own not in kept:
                os.close(own)
        for spare in self._spares:
            spare.close()
        self._origins.let_go(kept)


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
