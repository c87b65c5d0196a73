"""What a function needs to run, and what came of an invocation: the shapes between the Lambda service and the sandbox.

Times are nanoseconds, sizes bytes, unless a name ends in another unit.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

RESPONSE_BYTES_MAX = 6 * 1024 * 1024 + 100
"""The largest buffered response (AWS Lambda quotas: 6 MB, in practice 6,291,556 bytes)."""

STREAMED_RESPONSE_BYTES_MAX = 200 * 1024 * 1024
"""The largest streamed response (AWS Lambda quotas)."""

INIT_TIMEOUT_NS = 10_000_000_000
"""The Init phase may take ten seconds; after that it is repeated inside the first invocation (Lambda execution environment lifecycle)."""

LOG_TAIL_BYTES_MAX = 256 * 1024
"""As much of an invocation's log is kept in its Outcome, the newest part; the whole of it goes to `on_log`."""

LOG_LINE_BYTES_MAX = 256 * 1024
"""A line is delivered in pieces of this size at most, as CloudWatch Logs takes no larger events."""

Status = Literal["success", "error", "timeout", "exited", "out_of_memory", "init_error", "init_timeout", "response_too_large"]


class RuntimeUnavailable(Exception):
    """No environment could be made: a runtime that is not there, or a sandbox that could not be set up. The message says which."""


class SnapshotFailed(RuntimeUnavailable):
    """A function could not be initialised for its snapshot, or not be restored from it. `payload` is the error document, empty if the function's
    process just ended."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode("utf-8", "replace") or "The function's process ended in its Init phase.")
        self.payload = payload


@dataclass(frozen=True)
class ImageSpec:
    """What a function from a container image consists of: unpacked layers (see `haneul.runtime.images_unpack`), the lowest first, and how it starts.

    `argv` is ENTRYPOINT and CMD, never empty; `directory` is WORKDIR; `environment` is ENV.
    """

    layer_dirs: tuple[str, ...]
    argv: tuple[str, ...]
    directory: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FunctionSpec:
    """One version of a function with its configuration. Environments whose `key` is equal are interchangeable.

    `code_dir` (mounted read-only at /var/task) and `layer_dirs` (merged at /opt, later ones over earlier ones) must be readable by everyone,
    since the function runs as an unprivileged user. `environment` holds the user's own variables. The cloud is reached at
    127.0.0.1:`endpoint_port` from inside. `initialization_type` is `on-demand`, `provisioned-concurrency` or `snap-start`; with the last,
    environments are restored from one snapshot of an initialised process (see `haneul.runtime.pool.Pool.snapshot`). `runtime_version` is for telling only.
    """

    key: str
    function_name: str
    function_version: str
    function_arn: str
    runtime: str
    handler: str
    code_dir: str
    memory_mb: int = 128
    timeout_ms: int = 3000
    ephemeral_storage_mb: int = 512
    layer_dirs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    region: str = "us-east-1"
    account: str = "000000000000"
    endpoint_port: int = 4566
    log_group: str = ""
    log_format: Literal["Text", "JSON"] = "Text"
    log_level: str = ""
    initialization_type: str = "on-demand"
    image: ImageSpec | None = None
    runtime_version: str = ""
    runtime_version_arn: str = ""


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials of the function's role, given to one environment."""

    access_key_id: str
    secret_access_key: str
    session_token: str


@dataclass(slots=True)
class Invocation:
    """One event for a function. `client_context` and `cognito_identity` are JSON texts; `timeout_ms` overrides the function's own."""

    request_id: str
    payload: bytes
    invoked_function_arn: str
    client_context: str | None = None
    cognito_identity: str | None = None
    trace_id: str = ""
    timeout_ms: int | None = None


@dataclass(slots=True)
class Outcome:
    """How an invocation ended.

    With a streamed answer `payload` is empty when it succeeded, since the bytes went to the stream; an error that came after a part of the
    answer is here all the same. `init_log` is what was written in the Init phase that the invocation has waited for. `restore_duration_ns` is set when this invocation was the first since a restore from a snapshot.
    `payload` is the function's answer, or the error document (errorMessage, errorType, …) for every other status; `error_type` that document's
    type. `init_duration_ns` is set when this invocation was the environment's first. `max_memory_bytes` is the environment's peak so far.
    `log` is what was written during the invocation, its last LOG_TAIL_BYTES_MAX bytes. With `whole` the answer is there before the invocation is over,
    because extensions are still at work: it becomes this outcome with the duration, status and log that it has in the end.
    """

    status: Status
    payload: bytes
    error_type: str | None
    duration_ns: int
    init_duration_ns: int | None
    max_memory_bytes: int
    log: bytes
    content_type: str = "application/json"
    restore_duration_ns: int | None = None
    init_log: bytes = b""
    whole: asyncio.Future[Outcome] | None = None


class ResponseStream(Protocol):
    """An invocation whose answer is read while the function makes it; made by `Environment.stream`, which starts it.

    Wait for `begins`, look at `content_type`, iterate over the chunks, and always await `outcome` in the end: only then is the environment free
    for the next invocation. A function that does not stream gives its whole answer as one chunk.
    """

    content_type: str
    """`application/vnd.awslambda.http-integration-response` announces a JSON prelude (status code, headers, cookies) that ends with eight zero
    bytes. Empty until the answer begins."""

    async def begins(self) -> bool:
        """Wait for the answer's beginning; False when the invocation ended without any: then its outcome says why."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The answer's bytes as they come. A slow reader slows down the function. Ends at the end of the answer, be it whole or not."""

    async def outcome(self) -> Outcome:
        """Wait until the invocation is over; chunks not read yet are thrown away, the function runs to its end. Raises RuntimeUnavailable."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line (or framed message) of a function's output and when it arrived, in nanoseconds since the epoch. No newline at the end."""

    time: int
    text: bytes


OnLog = Callable[[list[LogLine]], None]
OnEvent = Callable[[str, dict[str, Any]], None]
"""Told what happens to an environment in its Init phase: `platform.initStart` and the like, and their records (Lambda Telemetry API Event schema)."""


class LogOutlet(NamedTuple):
    """Where the lines of one environment's log go, and what the service is to say in between."""

    on_log: OnLog | None = None
    on_event: OnEvent | None = None


class AdoptListener(Protocol):
    """Takes over a socket that listens on the endpoint's port inside a sandbox. Returns a function that stops listening and closes the socket."""

    def __call__(self, listener: socket.socket, spec: FunctionSpec) -> Callable[[], None]: ...
