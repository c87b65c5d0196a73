"""The way of functions out into the network: one namespace that all sandboxes of a spawner are connected with, and slirp4netns at its end.

slirp4netns makes connections of its own for those that come out of the namespace, as any program of this user could: so it needs no privileges, and nothing of
the machine's own network is changed. What the machine listens on for itself (its loopback) is not to be reached that way, nor are link-local addresses, where
clouds tell their machines secrets. Sandboxes do not reach one another.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import Any

from haneul.runtime.inside import linux, network

_PROGRAM = "slirp4netns"
_WAY_OUT = "tap0"


class Uplink:
    """`namespace` is a descriptor of it, -1 while there is none; `problem` then says why."""

    def __init__(self) -> None:
        self.namespace = -1
        self.problem = ""
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Make it, if this machine can."""
        program = shutil.which(_PROGRAM)
        if program is None:
            self.problem = f"{_PROGRAM} is not installed (Debian's package is {_PROGRAM})"
        elif not os.access(network.TUN, os.R_OK | os.W_OK):
            self.problem = f"this user may not use {network.TUN}"
        else:
            try:
                self.namespace = _made()
                self._process = self._start(program)
            except OSError as error:
                self.close()
                self.problem = str(error)

    def _start(self, program: str) -> subprocess.Popen[bytes]:
        # It is there in some milliseconds; who goes out before waits, as for any slow network.
        command = [program, "--configure", f"--mtu={network.MTU}", f"--cidr={network.NETWORK}", "--disable-host-loopback"]
        command += ["--netns-type=path", f"/proc/{os.getpid()}/fd/{self.namespace}", _WAY_OUT]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent, cwd="/")

    def close(self) -> None:
        """No connection goes on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self.namespace >= 0:
            os.close(self.namespace)
            self.namespace = -1


def _die_with_parent() -> None:
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)


def _made() -> int:
    """The namespace, set up and tried out by a process that ends with that. OSError when it does not work here."""
    words, said = os.pipe()
    end, going_on = os.pipe()
    maker = os.fork()
    if maker == 0:
        _make(said, going_on, end)
    os.close(said)
    os.close(end)
    try:
        with os.fdopen(words, "rb") as answer:
            text = answer.readline().decode()
            if text != "made\n":
                raise OSError(text.strip() or "the network of functions could not be made")
            namespace = os.open(f"/proc/{maker}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            os.write(going_on, b".")
            if problem := answer.readline().decode().strip():
                os.close(namespace)
                raise OSError(problem)
            return namespace
    finally:
        os.close(going_on)
        os.waitpid(maker, 0)


def _make(said: int, going_on: int, end: int) -> Any:
    try:
        os.close(going_on)
        linux.unshare(linux.CLONE_NEWNET)
        network.set_up_uplink(_WAY_OUT)
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        os.write(said, b"made\n")
        os.read(end, 1)
        with network.enter(own) as door:
            linux.unshare(linux.CLONE_NEWNET)
            network.connect(door)
    except OSError as error:
        os.write(said, f"{error}\n".encode())
    finally:
        os._exit(0)
