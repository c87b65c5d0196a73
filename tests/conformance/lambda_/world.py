"""The clouds that conformance cases of Lambda run in."""

from __future__ import annotations

import itertools
import json
import os
from contextlib import ExitStack
from typing import Any

import boto3

from tests.lambda_.build import ECHO, TRUST, package
from tests.support.python import PYTHON
from tests.support.running import Running


class World:
    """Makes what cases need, with names of its own, and deletes it in the end."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._prefix = f"haneul-conformance-{os.getpid()}"
        self._functions: list[str] = []
        self._stack = ExitStack()
        self._role = ""

    def client(self, service: str) -> Any:
        raise NotImplementedError

    def __enter__(self) -> World:
        iam = self.client("iam")
        self._role = iam.create_role(RoleName=self._prefix, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        self._stack.callback(lambda: iam.delete_role(RoleName=self._prefix))
        iam.get_waiter("role_exists").wait(RoleName=self._prefix)
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._functions:
            self.client("lambda").delete_function(FunctionName=name)
        self._stack.close()

    def name(self) -> str:
        """A name that nothing has."""
        return f"{self._prefix}-{next(self._numbers)}"

    def function(self, code: str = ECHO, **settings: Any) -> str:
        """A Python function that is ready; its name."""
        client, name = self.client("lambda"), self.name()
        wanted = {"FunctionName": name, "Runtime": PYTHON, "Handler": "index.handler", "Role": self._role, "Code": {"ZipFile": package({"index.py": code})}, **settings}
        for attempt in itertools.count():
            try:
                client.create_function(**wanted)
                break
            except client.exceptions.InvalidParameterValueException as error:
                # A role that has just been made is not known everywhere at once.
                if attempt == 30 or "cannot be assumed" not in str(error):
                    raise
        self._functions.append(name)
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        return name

    def invoke(self, name: str, event: Any = None, **options: Any) -> dict[str, Any]:
        """The answer, with the payload read."""
        answer: dict[str, Any] = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event if event is not None else {}), **options)
        answer["Payload"] = answer["Payload"].read()
        return answer

    @property
    def role(self) -> str:
        return self._role


class HaneulWorld(World):
    """A Haneul of its own."""

    def __enter__(self) -> World:
        self._running = self._stack.enter_context(Running())
        return super().__enter__()

    def client(self, service: str) -> Any:
        return self._running.client(service)


class AwsWorld(World):
    """The account that boto3 finds credentials for."""

    def client(self, service: str) -> Any:
        return boto3.client(service)
