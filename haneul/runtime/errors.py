"""The error documents that the Lambda service itself, not the function, answers an invocation with."""

from __future__ import annotations

import json
import signal

from haneul.runtime.drivers.port import Ending


def document(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}, separators=(",", ":")).encode()


def timed_out(request_id: str, timeout_ms: int) -> tuple[str, bytes]:
    kind = "Sandbox.Timedout"
    return kind, document(kind, f"RequestId: {request_id} Error: Task timed out after {timeout_ms / 1000:.2f} seconds")


def response_too_large(bytes_max: int) -> tuple[str, bytes]:
    kind = "Function.ResponseSizeTooLarge"
    return kind, document(kind, f"Response payload size exceeded maximum allowed payload size ({bytes_max} bytes).")


def exited(request_id: str, ending: Ending) -> tuple[str, bytes]:
    """The function's process ended without having answered."""
    kind = "Runtime.OutOfMemory" if ending.out_of_memory else "Runtime.ExitError"
    if ending.signal is not None:
        how = f"Runtime exited with error: signal: {_signal_name(ending.signal)}"
    elif ending.exit_status:
        how = f"Runtime exited with error: exit status {ending.exit_status}"
    else:
        how = "Runtime exited without providing a reason"
    return kind, document(kind, f"RequestId: {request_id} Error: {how}")


def with_request(request_id: str, kind: str | None, payload: bytes) -> bytes:
    """The document of a program that could not be started, which was made before there was a request to name; any other as it is."""
    if kind not in ("Runtime.InvalidEntrypoint", "Runtime.InvalidWorkingDir"):
        return payload
    return payload.replace(b'"errorMessage":"Error: ', f'"errorMessage":"RequestId: {request_id} Error: '.encode(), 1)


def failed_start(request_id: str, ending: Ending, candidates: tuple[str, ...]) -> tuple[str, bytes]:
    """The process ended in its Init phase without a word. `candidates` are the places where its program was looked for."""
    if ending.exit_status == 127 and candidates:
        return no_bootstrap(request_id, candidates[1:])
    return exited(request_id, ending)


def no_bootstrap(request_id: str, candidates: tuple[str, ...]) -> tuple[str, bytes]:
    kind = "Runtime.InvalidEntrypoint"
    return kind, document(kind, f"RequestId: {request_id} Error: Couldn't find valid bootstrap(s): [{' '.join(candidates)}]")


def _signal_name(number: int) -> str:
    """As Go's syscall package words them, in which the service's supervisor is written."""
    known = {
        signal.SIGABRT: "aborted",
        signal.SIGBUS: "bus error",
        signal.SIGFPE: "floating point exception",
        signal.SIGHUP: "hangup",
        signal.SIGILL: "illegal instruction",
        signal.SIGINT: "interrupt",
        signal.SIGKILL: "killed",
        signal.SIGPIPE: "broken pipe",
        signal.SIGQUIT: "quit",
        signal.SIGSEGV: "segmentation fault",
        signal.SIGTERM: "terminated",
        signal.SIGTRAP: "trace/breakpoint trap",
        signal.SIGALRM: "alarm clock",
    }
    return known.get(signal.Signals(number), f"signal {number}") if number in signal.Signals._value2member_map_ else f"signal {number}"
