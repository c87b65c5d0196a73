"""The environment variables of a function's process, as "Working with Lambda environment variables" defines them."""

from __future__ import annotations

from typing import Any

from haneul.runtime.interpreters import Kind
from haneul.runtime.port import Credentials, FunctionSpec, ImageSpec

_PATH = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
_LIBRARY_PATH = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
_IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NEEDS_FRESH_PYTHON = ("LD_LIBRARY_PATH", "LD_PRELOAD", "AWS_LAMBDA_EXEC_WRAPPER")
_HARMLESS_PYTHON = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
_PYTHON_ARGUMENTS = ("-S", "-X", "utf8", "/var/runtime/bootstrap.py")


def build(kind: Kind, spec: FunctionSpec, credentials: Credentials, log_stream_name: str, api_address: str, endpoint: str) -> dict[str, Any]:
    """The configuration frame: `environment`; `argv` and `candidates` of the program to become (empty for a fork of the zygote); `channel`."""
    if spec.image is not None:
        return _for_image(kind, spec, spec.image, credentials, log_stream_name, api_address, endpoint)
    environment = {
        "PATH": _PATH,
        "LD_LIBRARY_PATH": _LIBRARY_PATH,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "SHLVL": "0",
        "AWS_ENDPOINT_URL": endpoint,
    }
    if kind.family == "node":
        major = kind.name.removeprefix("nodejs").removesuffix(".x")
        environment["NODE_PATH"] = f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
    elif kind.family == "python":
        environment["PYTHONPATH"] = "/var/runtime"
    elif kind.family == "ruby":
        version = f"{kind.name.removeprefix('ruby')}.0"  # Of the library's interface, which is the same for all releases of a version.
        environment["GEM_PATH"] = f"/var/task/vendor/bundle/ruby/{version}:/opt/ruby/gems/{version}"
        environment["RUBYLIB"] = "/var/task:/var/runtime/lib:/opt/ruby/lib"
    elif kind.family == "java":
        environment["JAVA_HOME"] = "/var/lang"
    environment.update(spec.environment)
    environment.update(_reserved(kind, spec, credentials, log_stream_name, api_address))
    argv = list(kind.argv)
    if kind.family == "python" and _needs_fresh_python(spec):
        argv = fresh_python(kind)
    elif kind.family == "node":  # V8 sizes its heap by the machine's memory unless told; this leaves some room for buffers and code.
        argv[1:1] = [f"--max-old-space-size={max(64, spec.memory_mb * 9 // 10 - 24)}"]
    elif kind.family == "java":
        argv[1:1] = _java_options(spec.memory_mb)
    candidates = list(kind.candidates)
    wrapper = spec.environment.get("AWS_LAMBDA_EXEC_WRAPPER")
    if wrapper and argv and kind.family != "provided":
        argv, candidates = [wrapper, *argv], []
    return {"environment": environment, "argv": argv, "candidates": candidates, "channel": kind.channel}


def _for_image(
    kind: Kind, spec: FunctionSpec, image: ImageSpec, credentials: Credentials, log_stream_name: str, api_address: str, endpoint: str
) -> dict[str, Any]:
    """As for a runtime of ours, but the image's own variables are the ground, and its program is looked for in its own PATH; `directory` is where it starts."""
    environment = {
        "PATH": _IMAGE_PATH,
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "AWS_ENDPOINT_URL": endpoint,
        **image.environment,
        **spec.environment,
        **_reserved(kind, spec, credentials, log_stream_name, api_address),
    }
    argv = list(image.argv)
    candidates = argv[:1] if "/" in argv[0] else [f"{folder}/{argv[0]}" for folder in environment["PATH"].split(":") if folder.startswith("/")]
    return {"environment": environment, "argv": argv, "candidates": candidates, "channel": False, "directory": image.directory}


def _java_options(memory_mb: int) -> list[str]:
    """As the managed runtimes start it: a heap that leaves room for the rest, no more compilation than pays off in a short life, shared classes."""
    heap_mb = max(48, memory_mb - max(64, memory_mb * 3 // 20))
    return [f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData"]


def fresh_python(kind: Kind) -> list[str]:
    """The command of a function's process that is not forked off a zygote of its Python."""
    return [kind.executable, *_PYTHON_ARGUMENTS]


def _needs_fresh_python(spec: FunctionSpec) -> bool:
    """Some variables count only when an interpreter starts: then it cannot be a fork of one that runs already."""
    return any(name in _NEEDS_FRESH_PYTHON or (name.startswith("PYTHON") and name not in _HARMLESS_PYTHON) for name in spec.environment)


def _reserved(kind: Kind, spec: FunctionSpec, credentials: Credentials, log_stream_name: str, api_address: str) -> dict[str, str]:
    out = {
        "_HANDLER": spec.handler,
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_LAMBDA_FUNCTION_NAME": spec.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.function_version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group or f"/aws/lambda/{spec.function_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream_name,
        "AWS_LAMBDA_INITIALIZATION_TYPE": spec.initialization_type,
        "AWS_LAMBDA_RUNTIME_API": api_address,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
    }
    if kind.family != "provided":
        out["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{kind.name}"
    if spec.log_format == "JSON":
        out["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
    if spec.log_level:
        out["AWS_LAMBDA_LOG_LEVEL"] = spec.log_level
    return out
