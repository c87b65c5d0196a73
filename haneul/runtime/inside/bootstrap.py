"""The Python runtime: imports the function's handler and calls it for each invocation.

Stands alone (no imports of Haneul's), as it is shown inside every sandbox at /var/runtime/bootstrap.py. It talks to the server over a stream
socket in frames: one byte for the kind, four for the length (big-endian), then that many bytes. From the server: `S` configuration (read by
the sandbox, or here when started as a program), `N` next invocation. To the server: `I` initialised, `X` failed to initialise, `R` response,
`E` error; who answers so is about to wait for the next invocation. Node.js also sends `F`, an error after which its process ends, and `Z` when it ends
without an invocation (with the id of the last that it has taken). Behaviour and texts follow "Define Lambda function handler in Python", "Lambda context object in Python" and "Log and monitor Python
Lambda functions" of the AWS Lambda Developer Guide.
"""

from __future__ import annotations

import ctypes
import decimal
import importlib
import json
import linecache
import logging
import os
import resource
import socket
import sys
import threading
import time
import traceback
from types import TracebackType
from typing import Any, NoReturn

RESPONSE_BYTES_MAX = 6 * 1024 * 1024 + 100
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "aws_request_id", "taskName"}
_FRAME_TEXT = bytes.fromhex("a55a0003")


class Fault(Exception):
    """A failure with the error type that the Lambda service names it by."""

    def __init__(self, kind: str, message: str, stack: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.stack = stack or []


class CognitoIdentity:
    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, values: dict[str, Any]) -> None:
        self.cognito_identity_id = values.get("cognitoIdentityId")
        self.cognito_identity_pool_id = values.get("cognitoIdentityPoolId")


class Client:
    __slots__ = ("app_package_name", "app_title", "app_version_code", "app_version_name", "installation_id")

    def __init__(self, values: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, values.get(name))


class ClientContext:
    __slots__ = ("client", "custom", "env")

    def __init__(self, values: dict[str, Any]) -> None:
        self.custom = values.get("custom")
        self.env = values.get("env")
        client = values.get("client")
        self.client = Client(client) if client else None


class LambdaContext:
    """The handler's second argument."""

    def __init__(self, environment: dict[str, str], request_id: str, arn: str, deadline: float, client: str, identity: str) -> None:
        self.aws_request_id = request_id
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = arn
        self.tenant_id = None
        self.client_context = ClientContext(_context_json(client, "Client Context")) if client else None
        self.identity = CognitoIdentity(_context_json(identity, "Cognito Identity") if identity else {})
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        return max(int((self._deadline - time.monotonic()) * 1000), 0)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        names = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb", "function_version",
                 "invoked_function_arn", "client_context", "identity", "tenant_id")  # fmt: skip
        return f"LambdaContext([{','.join(f'{name}={getattr(self, name)}' for name in names)}])"


def _context_json(text: str, name: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}") from None
    return values


class Output:
    """Standard output or error, written through at once, as one system call per `write`."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, text: str) -> int:
        count: int = self.stream.write(text)
        self.stream.flush()
        return count

    def writelines(self, lines: Any) -> None:
        self.stream.writelines(lines)
        self.stream.flush()


class Runtime:
    """One function's process."""

    def __init__(self, channel: socket.socket, configuration: dict[str, Any]) -> None:
        self.channel = channel
        self.environment: dict[str, str] = configuration["environment"]
        self.request_id = ""
        self.is_origin: bool = configuration.get("snapshot", False)
        self.is_restored: bool = configuration.get("restored", False)
        self.json_log = self.environment.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"

    # ---- frames

    def receive(self) -> bytes:
        """The next frame's body; ends the process when the server is gone."""
        data = self.channel.recv(65536)
        while len(data) < 5:
            data += self._more(5 - len(data))
        length = int.from_bytes(data[1:5], "big") + 5
        if len(data) == length:
            return data
        parts, have = [data], len(data)
        while have < length:
            parts.append(self._more(min(length - have, 1 << 20)))
            have += len(parts[-1])
        return b"".join(parts)

    def _more(self, count: int) -> bytes:
        data = self.channel.recv(count)
        if not data:
            os._exit(0)
        return data

    def send(self, kind: bytes, body: bytes) -> None:
        self.channel.sendall(kind + len(body).to_bytes(4, "big") + body)

    # ---- life

    def initialise(self) -> Any:
        os.environ.clear()
        os.environ.update(self.environment)
        time.tzset()
        prepare_path(self.environment)
        sys.stdout, sys.stderr = Output(sys.stdout), Output(sys.stderr)
        self.prepare_logging()
        try:
            return find_handler(self.environment["_HANDLER"])
        except Fault as fault:
            document = error_document(fault.message, fault.kind, fault.stack)
        except Exception:
            document = self.exception_document(*sys.exc_info())
        self.log_error(document)
        self.send(b"X", to_json(document).encode())
        os._exit(1)

    def serve(self) -> NoReturn:
        handler = self.initialise()
        if self.is_origin:
            self.become_origin()
        elif self.is_restored:
            self.run_hooks("get_before_snapshot")
            self.run_hooks("get_after_restore")
        self.send(b"I", b"")
        while True:
            frame = self.receive()
            head, _, payload = frame[5:].partition(b"\n\n")
            request_id, arn, trace_id, remaining_ms, *contexts = head.decode().split("\n")
            self.request_id = request_id
            if trace_id != "-":
                os.environ["_X_AMZN_TRACE_ID"] = trace_id
            else:
                os.environ.pop("_X_AMZN_TRACE_ID", None)
            kind, body = self.invoke(handler, payload, arn, int(remaining_ms), contexts)
            if kind == b"R" and len(body) > RESPONSE_BYTES_MAX:
                kind, body = b"L", b""  # The server has the words for it.
            sys.stdout.flush()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            self.send(kind, b"%s\n%d\n%s" % (request_id.encode(), peak, body))

    def invoke(self, handler: Any, payload: bytes, arn: str, remaining_ms: int, contexts: list[str]) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + remaining_ms / 1000
        try:
            client, identity = json.loads(contexts[0]) if contexts else ("", "")
            context = LambdaContext(self.environment, self.request_id, arn, deadline, client, identity)
            try:
                event = json.loads(payload)
            except ValueError as error:
                raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
            result = handler(event, context)
            try:
                return b"R", to_json(result).encode()
            except Exception as error:
                raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
        except Fault as fault:
            document = error_document(fault.message, fault.kind, fault.stack, self.request_id)
        except Exception:
            document = self.exception_document(*sys.exc_info())
        self.log_error(document)
        return b"E", to_json(document).encode()

    # ---- SnapStart

    def become_origin(self) -> None:
        """Run the hooks for it, and from then on fork into each sandbox that the server offers. Returns in the forks, restored."""
        self.run_hooks("get_before_snapshot")
        # A fork has the thread that forks and no others: with any, there can be no copies of this process.
        self.send(b"I", b"threads" if threading.active_count() > 1 else b"")
        while True:
            data, fds, _, _ = socket.recv_fds(self.channel, 5, 32)
            if not data:
                os._exit(0)
            pid = os.fork()
            if pid == 0:
                self.channel.close()
                enter(fds)
                break
            for fd in fds:
                os.close(fd)
            os.waitpid(pid, 0)
        self.channel = socket.socket(fileno=3)
        self.environment = json.loads(self.receive()[5:])["environment"]
        os.environ.clear()
        os.environ.update(self.environment)
        self.run_hooks("get_after_restore")

    def run_hooks(self, which: str) -> None:
        """Call what was registered with snapshot_restore_py, which the function may have brought along itself."""
        hooks = list(getattr(sys.modules.get("snapshot_restore_py"), which, list)())
        try:
            for function, arguments, keywords in reversed(hooks) if which == "get_before_snapshot" else hooks:
                function(*arguments, **keywords)
        except Exception:
            document = self.exception_document(*sys.exc_info())
            self.log_error(document)
            self.send(b"X", to_json(document).encode())
            os._exit(1)

    # ---- errors and logs

    def exception_document(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> dict[str, Any]:
        frames = traceback.extract_tb(trace)
        while len(frames) > 1 and frames[0].filename in (__file__, "/var/runtime/bootstrap.py"):
            del frames[0]
        linecache.clearcache()
        return error_document(str(value), kind.__name__ if kind else "", traceback.format_list(frames), self.request_id)

    def write_message(self, text: str) -> None:
        """One log message, line breaks included, in the framing that the runtime clients use for it."""
        data = text.encode("utf-8", "replace")
        os.write(2, _FRAME_TEXT + len(data).to_bytes(4, "big") + (time.time_ns() // 1000).to_bytes(8, "big") + data)

    def log_error(self, document: dict[str, Any]) -> None:
        if self.json_log:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.write_message(to_json({"timestamp": stamp, "level": "ERROR", **{name: value for name, value in document.items() if value or name != "requestId"}}))
            return
        lines = [f"[ERROR] {document['errorType']}: {document['errorMessage']}" if document["errorMessage"] else f"[ERROR] {document['errorType']}"]
        lines.append("Traceback (most recent call last):")
        for element in document["stackTrace"]:
            for line in element.splitlines():
                bare = line.lstrip(" ")
                lines.append("\u00a0" * (len(line) - len(bare)) + bare)
        self.write_message("\n".join(lines))

    def prepare_logging(self) -> None:
        logging.Formatter.converter = time.gmtime
        handler = LogHandler(self)
        if self.json_log:
            handler.setFormatter(JsonFormatter())
        else:
            handler.setFormatter(
                logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S")
            )
        level = {"TRACE": "NOTSET", "WARN": "WARNING", "FATAL": "CRITICAL"}.get(name := self.environment.get("AWS_LAMBDA_LOG_LEVEL", "").upper(), name)
        if level in ("NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
            logging.getLogger().setLevel(level)
        logging.getLogger().addHandler(handler)


class LogHandler(logging.Handler):
    """Writes log records as Lambda's own handler on the root logger does."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self.runtime = runtime

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = self.runtime.request_id
        try:
            self.runtime.write_message(self.format(record))
        except Exception:
            self.handleError(record)


class JsonFormatter(logging.Formatter):
    """The JSON log format: timestamp, level, message, logger, requestId, whatever was passed in `extra`, and the exception."""

    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, Any] = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, value, trace = record.exc_info
            values["stackTrace"] = traceback.format_list(traceback.extract_tb(trace))
            values["errorType"] = kind.__name__
            values["errorMessage"] = str(value)
            frame = traceback.extract_tb(trace)[-1:]
            if frame:
                values["location"] = f"{frame[0].filename}:{frame[0].name}:{frame[0].lineno}"
        values.update((name, value) for name, value in vars(record).items() if name not in _STANDARD_FIELDS and name not in values)
        if request_id := getattr(record, "aws_request_id", ""):  # There is none in the Init phase.
            values["requestId"] = request_id
        return json.dumps(values, default=str, ensure_ascii=False)


def error_document(message: str, kind: str, stack: list[str], request_id: str = "") -> dict[str, Any]:
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": stack}


def _plain(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def to_json(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=sys.version_info < (3, 12))  # As the runtimes from Python 3.12 on do.


def prepare_path(environment: dict[str, str]) -> None:
    """What `import` searches, in the order of Lambda's Python runtimes: the function, the layers, the SDK, the standard library."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    own = [environment.get("LAMBDA_TASK_ROOT", "/var/task"), f"/opt/python/lib/{version}/site-packages", "/opt/python", "/var/runtime"]
    wanted = [entry for entry in environment.get("PYTHONPATH", "").split(":") if entry and entry not in own]
    sys.path[:] = [*own[:1], *wanted, *own[1:], *(entry for entry in sys.path if entry not in own)]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()


def find_handler(name: str) -> Any:
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        sys.modules.pop("bootstrap", None)  # A function may well have a module of this name.
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        stack = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", stack) from None
    try:
        return getattr(module, function_name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'") from None


def enter(fds: list[int]) -> None:
    """Go into a sandbox made for this fork: control groups, then the namespaces in their order; give up what rights that gave. Descriptors:
    channel, log, six namespaces, entrances of control groups."""
    channel, log, *namespaces = fds[:8]
    libc = ctypes.CDLL(None, use_errno=True)
    for entrance in fds[8:]:
        os.write(entrance, b"0")
    for namespace in namespaces:
        if libc.setns(namespace, 0) != 0:
            os.write(log, f"setns: {os.strerror(ctypes.get_errno())}\n".encode())
            os._exit(1)
    os.chdir("/var/task")
    # A new process is the first inside; what it starts and leaves behind becomes a child of the sandbox's first process.
    if os.fork() != 0 or os.fork() != 0:
        os._exit(0)
    for capability in range(64):
        if libc.prctl(24, ctypes.c_ulong(capability), 0, 0, 0) != 0:
            break
    libc.capset(ctypes.byref((ctypes.c_uint32 * 2)(0x2008_0522, 0)), ctypes.byref((ctypes.c_uint32 * 6)()))
    libc.prctl(4, ctypes.c_ulong(1), 0, 0, 0)
    os.setsid()
    os.dup2(log, 1)
    os.dup2(log, 2)
    for fd in fds[1:]:
        os.close(fd)
    os.dup2(channel, 3, inheritable=False)
    if channel != 3:
        os.close(channel)


def warm_up() -> None:
    """While waiting for a function: go through the motions of starting one, so that the memory they write to is no longer shared."""
    before = dict(os.environ)
    os.environ.update({f"_{number}": to_json({"number": number}) for number in range(40)})
    json.loads(to_json({"environment": dict(os.environ)}))
    os.environ.clear()
    os.environ.update(before)
    time.tzset()
    prepare_path({})
    try:
        find_handler("_no_such_module.handler")
    except Fault:
        sys.path_importer_cache.clear()


def run(channel: socket.socket, configuration: dict[str, Any]) -> NoReturn:
    """Serve invocations until the process ends. An exit that the function asks for ends it as in any Python program."""
    try:
        Runtime(channel, configuration).serve()
    except SystemExit as request:
        code = request.code
        if isinstance(code, str):
            sys.stderr.write(code + "\n")
        os._exit(code if isinstance(code, int) else int(code is not None))
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def main() -> NoReturn:
    """Started as a program: descriptor 3 is the channel, the environment is in place, the sandbox has read the configuration."""
    run(socket.socket(fileno=3), {"environment": dict(os.environ)})


if __name__ == "__main__":
    main()
