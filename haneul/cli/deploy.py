"""`haneul deploy`: a function out of one file or folder, with its role, in one step."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

from haneul.cli.connection import Connection, add_connection_options
from haneul.cli.output import Trouble, show

_BASIC_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
_TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
_PYTHON = f"python3.{sys.version_info.minor}"  # The Python that runs Haneul is there on every machine.
_RUNTIMES = {".py": _PYTHON, ".js": "nodejs24.x", ".mjs": "nodejs24.x", ".cjs": "nodejs24.x"}
_ENTRIES = {".py": ("lambda_handler", "handler"), ".js": ("handler",), ".mjs": ("handler",), ".cjs": ("handler",)}
_POLL_SECONDS = 0.05
_POLLS = 1200


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of this file."""
    command = commands.add_parser(
        "deploy",
        help="make a function out of a file or folder",
        description="Make or update a function out of one file or a folder. Its role is made with permission to log, unless --role names another.",
    )
    command.add_argument("path", help="handler.py, index.mjs, or a folder with one of them")
    command.add_argument("--name", help="the function's name (default: that of the file or folder)")
    command.add_argument("--handler", help="MODULE.FUNCTION (default: found in the file)")
    command.add_argument("--runtime", help=f"{_PYTHON}, nodejs24.x … (default: by the file's ending; for Python the one that Haneul itself runs on)")
    command.add_argument("--memory", type=int, default=128, metavar="MB", help="128 to 10240 (default: 128)")
    command.add_argument("--timeout", type=int, default=3, metavar="SECONDS", help="1 to 900 (default: 3)")
    command.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="an environment variable; may be given several times")
    command.add_argument("--role", help="ARN of the role the function gets (default: haneul-NAME, made when missing)")
    command.add_argument("--url", action="store_true", help="give it a URL that anybody may call (AuthType NONE)")
    add_connection_options(command)
    command.set_defaults(run=deploy)


def deploy(options: argparse.Namespace) -> int:
    """Pack, make the role, create or update the function, and its URL."""
    path = Path(options.path)
    entry = find_entry(path)
    name = options.name or (path.resolve().name if path.is_dir() else path.stem)
    handler = options.handler or f"{entry.stem}.{_entry_function(entry)}"
    runtime = options.runtime or _RUNTIMES[entry.suffix]
    variables = dict(_variable(text) for text in options.env)
    connection = Connection(options)
    try:
        role = options.role or _make_role(connection.client("iam"), f"haneul-{name}")
        client = connection.client("lambda")
        arn = _put_function(client, name, pack(path), dict(Runtime=runtime, Handler=handler, Role=role, MemorySize=options.memory, Timeout=options.timeout, Environment={"Variables": variables}))
        facts = {"function": name, "arn": arn, "runtime": runtime, "handler": handler, "role": role}
        if options.url:
            facts["url"] = _make_url(client, name)
    except connection.failures as error:
        raise Trouble(str(error)) from error
    show(facts)
    return 0


def find_entry(path: Path) -> Path:
    """The file that holds the handler."""
    if path.is_file():
        if path.suffix not in _RUNTIMES:
            raise Trouble(f"{path} is neither Python (.py) nor JavaScript (.js, .mjs, .cjs)")
        return path
    if not path.is_dir():
        raise Trouble(f"there is no {path}")
    for stem in ("lambda_function", "handler", "app", "index", "main"):
        for suffix in _RUNTIMES:
            if (path / (stem + suffix)).is_file():
                return path / (stem + suffix)
    raise Trouble(f"no handler.py, app.py, index.mjs or the like in {path}; name it with --handler and --runtime inside a single file")


def _entry_function(entry: Path) -> str:
    text = entry.read_text(errors="replace")
    for name in _ENTRIES[entry.suffix]:
        if re.search(rf"\b{name}\b", text):
            return name
    raise Trouble(f"{entry} defines none of {', '.join(_ENTRIES[entry.suffix])}; say --handler {entry.stem}.FUNCTION")


def _variable(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise Trouble(f"--env takes NAME=VALUE, not {text!r}")
    return name, value


def pack(path: Path) -> bytes:
    """A zip of the file, or of the folder without caches and hidden files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if path.is_file():
            archive.write(path, path.name)
        else:
            for file in sorted(path.rglob("*")):
                inside = file.relative_to(path)
                if file.is_file() and "__pycache__" not in inside.parts and not any(part.startswith(".") for part in inside.parts):
                    archive.write(file, str(inside))
    return buffer.getvalue()


def _make_role(iam: Any, name: str) -> str:
    try:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    except iam.exceptions.NoSuchEntityException:
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]["Arn"]
        iam.attach_role_policy(RoleName=name, PolicyArn=_BASIC_POLICY)
        return str(arn)


def _put_function(client: Any, name: str, code: bytes, configuration: dict[str, Any]) -> str:
    try:
        client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        client.create_function(FunctionName=name, Code={"ZipFile": code}, **configuration)
    else:
        client.update_function_code(FunctionName=name, ZipFile=code)
        _wait(client, name)
        client.update_function_configuration(FunctionName=name, **configuration)
    return _wait(client, name)


def _wait(client: Any, name: str) -> str:
    for _ in range(_POLLS):
        found = client.get_function_configuration(FunctionName=name)
        if found.get("State") == "Failed" or found.get("LastUpdateStatus") == "Failed":
            raise Trouble(str(found.get("StateReason") or found.get("LastUpdateStatusReason")))
        if found.get("State", "Active") == "Active" and found.get("LastUpdateStatus", "Successful") == "Successful":
            return str(found["FunctionArn"])
        time.sleep(_POLL_SECONDS)
    raise Trouble(f"{name} does not become active")


def _make_url(client: Any, name: str) -> str:
    try:
        url = client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    except client.exceptions.ResourceConflictException:
        url = client.get_function_url_config(FunctionName=name)["FunctionUrl"]
    for statement, action, extra in (
        ("haneul-url", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("haneul-url-invoke", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        try:
            client.add_permission(FunctionName=name, StatementId=statement, Action=action, Principal="*", **extra)
        except client.exceptions.ResourceConflictException:
            continue
    return str(url)
