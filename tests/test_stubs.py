"""The stubs that `make stubs` generates for editors: they say what the wire really gives, and mypy understands them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from haneul.core.service import Service
from haneul.services.registry import service_classes
from haneul.wire import ServiceCodec, load_service
from tests.wire.oracle import Values, client_model, client_request

ROOT = Path(__file__).parent.parent
SERVICES = sorted(service_classes(), key=lambda one: one.name)
# Names of old, which arrive as the operation that took their place; directory buckets have hosts of their own.
ALIASES = {"GetBucketLifecycle", "GetBucketNotification", "PutBucketLifecycle", "PutBucketNotification", "ListDirectoryBuckets"}


@cache
def stubs() -> Any:
    """scripts/stubs.py, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "scripts" / "stubs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def stub(service: type[Service]) -> dict[str, Any]:
    """The names of a service's stub, as if it were a module."""
    module = types.ModuleType(f"stub_of_{service.name}")
    sys.modules[module.__name__] = module  # Where typing looks names up.
    exec("from __future__ import annotations\n" + stubs().Stub(service).text(), module.__dict__)
    return module.__dict__


def fits(value: Any, kind: Any) -> bool:
    """Whether a value has the type that an annotation names."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if origin is typing.NotRequired:
        return fits(value, arguments[0])
    if origin in (types.UnionType, typing.Union):
        return any(fits(value, one) for one in arguments)
    if origin is list:
        return type(value) is list and all(fits(one, arguments[0]) for one in value)
    if origin is dict:
        return type(value) is dict and all(type(key) is str and fits(one, arguments[1]) for key, one in value.items())
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind)
        return type(value) is dict and all(key in hints and fits(one, hints[key]) for key, one in value.items())
    return type(value) is kind


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
def test_the_wire_gives_what_the_stubs_say(service: type[Service]) -> None:
    """Because a type that is not true is worse than none: everything that a client can send is read, and looked at."""
    names, model = stub(service), load_service(service.name)
    codec = ServiceCodec(model, service.quirks)
    protocol = model.protocols[0]
    for seed, operation in enumerate(sorted(set(model.operations) - ALIASES)):
        shape = client_model(service.name, protocol).operation_model(operation).input_shape
        if shape is None:
            assert not names[f"{operation}Input"].__annotations__
            continue
        params = Values(seed, protocol, output=False).structure(shape)
        request = client_request(service.name, operation, params, protocol)
        parsed = codec.parse(codec.match(request), request)
        assert parsed.keys() >= params.keys() - {name for name, value in params.items() if value in ({}, [], b"", "")}
        assert fits(parsed, names[f"{operation}Input"]), operation


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
def test_members_and_what_is_required_are_the_models(service: type[Service]) -> None:
    """Because what a service must be sent, or must answer, is what an editor is asked for."""
    names, model = stub(service), client_model(service.name, load_service(service.name).protocols[0])
    for operation in model.operation_names:
        modelled = model.operation_model(operation)
        for side, shape in (("Input", modelled.input_shape), ("Output", modelled.output_shape)):
            found = names[operation + side]
            hints = typing.get_type_hints(found, include_extras=True)
            required = {name for name, kind in hints.items() if typing.get_origin(kind) is not typing.NotRequired}
            assert set(hints) == set(shape.members if shape is not None else ())
            assert required == set(shape.required_members if shape is not None else ())
            assert f"API Reference, {operation}." in (found.__doc__ or "") or hints.keys() & {"from"}  # Names of Python's own leave no place for a docstring.


def test_mypy_understands_them(tmp_path: Path) -> None:
    """Because a stub that is wrong is dropped by editors without a word; a mistake in an operation is found by them."""
    stubs().write(tmp_path / "haneul_shapes", SERVICES)
    user = tmp_path / "user.py"
    user.write_text("from haneul_shapes.sqs import SendMessageInput\n\ndef f(request: SendMessageInput) -> str:\n    return request['QueueUrl'] + str(request['QueueURL'])\n")
    configuration = tmp_path / "mypy.ini"
    configuration.write_text(f"[mypy]\nstrict = true\nmypy_path = {tmp_path}:{ROOT}\ncache_dir = {tmp_path}/cache\n[mypy-haneul.*]\nfollow_imports = silent\n")
    files = [str(path) for path in (user, *(tmp_path / "haneul_shapes").glob("*.pyi"))]
    done = subprocess.run([sys.executable, "-m", "mypy", "--config-file", str(configuration), *files], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    problems = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(problems) == 1 and 'has no key "QueueURL"' in problems[0], done.stdout + done.stderr
