"""Process 1 of a sandbox that bubblewrap has made.

Namespaces, root directory, capabilities and the filter of system calls are bubblewrap's work and in force before this program begins. What is left
is the same as in a sandbox of our own (see `haneul.runtime.inside.jail`): to start the function's process, hand the sockets to the server, and
freeze, thaw, watch and report. It has the same user as the function and no privileges; the kernel keeps a namespace's first process out of the
others' reach, and not being dumpable closes its files in /proc.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from haneul.runtime.inside import image, jail, linux

CHANNEL, LOG, STATUS, FIRST_LISTENER = 3, 4, 5, 6
"""The descriptors that it finds; those that listen come last."""


def main() -> None:
    """`argv[1]`: a JSON object, what a `jail.Request` has and image, processes_max."""
    os.dup2(0, 2)  # Until here it led to the server, in case that this program could not be started.
    try:
        options = json.loads(sys.argv[1])
        linux.show_arguments(["/var/runtime/init"])
        sys.argv[:] = [""]
        program = jail.Program(_nothing, image.run if options["image"] else jail.run_program)
        if options["image"]:  # There are other people's files wherever this process would look for a module of its own.
            sys.path.clear()
            sys.meta_path.clear()
        _keep(options, program)
    except Exception as error:
        jail.report(STATUS, f"setup {type(error).__name__} {error}")
    finally:
        os._exit(1)


def _nothing() -> None:
    pass


def _keep(options: dict[str, object], program: jail.Program) -> None:
    request = jail.Request(json.dumps(options).encode(), [CHANNEL, LOG, STATUS])
    listeners = [socket.socket(fileno=FIRST_LISTENER + number) for number in range(len(request.ports))]
    processes_max = int(str(options["processes_max"]))
    linux.set_name("keeper")
    os.set_inheritable(STATUS, False)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD, jail.FREEZE, jail.THAW, jail.TERMINATE))
    go, waiting = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    function = os.fork()
    if function == 0:
        go.close()
        jail.become_function(waiting, lambda: jail.limit_function(processes_max), program)
    waiting.close()
    jail.await_function(go)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    jail.oversee(request, function, go, jail.prepare_function(request, function, [], listeners))
