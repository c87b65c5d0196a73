"""The Ruby runtime: handlers, context, log, errors (AWS Lambda Developer Guide, "Building with Ruby")."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from haneul.runtime.interpreters import discover
from haneul.runtime.port import Outcome
from tests.runtime.conftest import DRIVERS, Functions

_RUBIES = sorted(name for name in discover() if name.startswith("ruby"))
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.skipif(not _RUBIES, reason="no Ruby on this machine")]


async def run(functions: Functions, source: str, event: Any = None, *, files: dict[str, str] | None = None, **settings: Any) -> Outcome:
    defaults: dict[str, Any] = {"runtime": _RUBIES[-1], "handler": "app.handler"}
    return await functions.run(files={"app_dot_rb": source, **(files or {})}, event=event, **{**defaults, **settings})


async def result(functions: Functions, source: str, event: Any = None, **settings: Any) -> Any:
    outcome = await run(functions, source, event, **settings)
    assert outcome.status == "success", (outcome.payload, outcome.log)
    return json.loads(outcome.payload)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_every_driver(functions: Functions) -> None:
    """A Ruby function runs under each, and remembers between invocations."""
    source = "$n = 0\ndef handler(event:, context:)\n  puts 'hello'\n  [event, $n += 1, RUBY_VERSION]\nend"
    environment = await functions.create(files={"app_dot_rb": source}, runtime=_RUBIES[-1])
    first, second = [await functions.invoke(environment, {"ü": [1, 2.5, None, "\U0001f600"]}) for _ in range(2)]
    event, number, version = json.loads(first.payload)
    assert (event, number) == ({"ü": [1, 2.5, None, "\U0001f600"]}, 1) and version.startswith(_RUBIES[-1].removeprefix("ruby"))
    assert json.loads(second.payload)[1] == 2 and second.log == b"hello\n"


async def test_handlers(functions: Functions) -> None:
    """A method of the file, or of a class or module in it; files in folders; files of one's own can be required."""
    deep = "require 'helper'\nmodule A\n  class B\n    def self.run(event:, context:) = HELP\n  end\nend"
    assert await result(functions, "", files={"deep__mod_dot_rb": deep, "helper_dot_rb": "HELP = 'helped'"}, handler="deep/mod.A::B.run") == "helped"
    assert await result(functions, "def handler(event:, context:)\nend") is None


async def test_context(functions: Functions) -> None:
    """Every documented member of the context."""
    source = """def handler(event:, context:)
      [context.aws_request_id, context.function_name, context.function_version, context.invoked_function_arn, context.memory_limit_in_mb, context.log_group_name,
       context.log_stream_name, context.get_remaining_time_in_millis.between?(5000, 10000), context.identity['cognitoIdentityId'], context.client_context['custom']['k'],
       ENV['_X_AMZN_TRACE_ID'], Dir.pwd, ENV['AWS_EXECUTION_ENV']]
    end"""
    environment = await functions.create(files={"app_dot_rb": source}, runtime=_RUBIES[-1])
    outcome = await functions.invoke(environment, client_context='{"custom": {"k": "v"}}', cognito_identity='{"cognitoIdentityId": "i"}', trace_id="Root=1")
    expected = ["id-1", "f", "$LATEST", "arn:invoked", "512", "/aws/lambda/f", "2026/01/01/[$LATEST]0123", True, "i", "v", "Root=1", "/var/task"]
    assert json.loads(outcome.payload) == [*expected, f"AWS_Lambda_{_RUBIES[-1]}"]


async def test_logger(functions: Functions) -> None:
    """Loggers to standard output name the request; a message is one entry, line breaks included. With the JSON format it is an object."""
    source = "require 'logger'\ndef handler(event:, context:)\n  Logger.new($stdout).warn(\"two\\nlines\")\n  Logger.new(File::NULL).info('elsewhere')\nend"
    outcome = await run(functions, source)
    assert re.fullmatch(rb"W, \[\S+ #\d+\] id-1  WARN -- : two\nlines\n", outcome.log) and len(functions.lines) == 1
    entry = json.loads((await run(functions, source, log_format="JSON", log_level="WARN")).log)
    assert (entry["level"], entry["message"], entry["requestId"]) == ("WARN", "two\nlines", "id-1")
    assert (await run(functions, source, log_format="JSON", log_level="ERROR")).log == b""


@pytest.mark.parametrize(
    ("source", "status", "kind"),
    [
        ("def handler(event:, context:)\n  raise ArgumentError, 'no'\nend", "error", "Function<ArgumentError>"),
        ("def handler(event:, context:)\n  missing\nend", "error", "Function<NameError>"),
        ("def handler(event:, context:)\n  exit 3\nend", "exited", "Runtime.ExitError"),
        ("def handler(event:, context:)\n  raise NoMemoryError\nend", "error", "Function<NoMemoryError>"),
        ("raise 'at init'", "init_error", "Init<RuntimeError>"),
        ("require 'nope'", "init_error", "Init<LoadError>"),
        ("def handler(", "init_error", "Init<SyntaxError>"),
        ("def handler(event:, context:)\n  'x' * 7_000_000\nend", "response_too_large", "Function.ResponseSizeTooLarge"),
    ],
)
async def test_errors(functions: Functions, source: str, status: str, kind: str) -> None:
    """Exceptions by their class's name, with the phase around it."""
    outcome = await run(functions, source)
    assert (outcome.status, json.loads(outcome.payload)["errorType"]) == (status, kind)


async def test_trace(functions: Functions) -> None:
    """The trace holds nothing of the runtime; the log has the document."""
    outcome = await run(functions, "def handler(event:, context:)\n  raise 'no'\nend")
    document = json.loads(outcome.payload)
    assert document["errorMessage"] == "no" and len(document["stackTrace"]) == 1 and document["stackTrace"][0].startswith("/var/task/app.rb:2:in")
    assert outcome.log.startswith(b'Error raised from handler method\n{\n  "errorMessage": "no"') and len(functions.lines) == 1


@pytest.mark.parametrize("driver", DRIVERS)
async def test_gems_of_the_package(functions: Functions) -> None:
    """What Bundler has put into vendor/bundle is found."""
    place = f"vendor__bundle__ruby__{_RUBIES[-1].removeprefix('ruby')}.0"
    specification = "Gem::Specification.new { |s| s.name = 'tiny'; s.version = '1.0'; s.summary = s.author = 'x'; s.require_paths = ['lib'] }"
    files = {f"{place}__specifications__tiny-1.0.gemspec": specification, f"{place}__gems__tiny-1.0__lib__tiny_dot_rb": "TINY = 7"}
    assert await result(functions, "require 'tiny'\ndef handler(event:, context:) = TINY", files=files) == 7
