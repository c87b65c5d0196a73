"""What one AWS managed policy is made of, and short ways to write its statements."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JsonStatement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """An AWS managed policy's default version.

    `path` is the ARN's part between `policy` and the name (`/`, `/service-role/`, `/job-function/`). `partial` marks a policy of which only the
    part that concerns Haneul's services stands here. `created_at` is the version's date in ISO 8601.
    """

    name: str
    path: str
    description: str
    version_id: str
    created_at: str
    document: Mapping[str, Any] = field(repr=False)
    partial: bool = False

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::aws:policy{self.path}{self.name}"

    @property
    def policy_id(self) -> str:
        """A stable unique id, as `PolicyId` shows it: it follows from the name."""
        return "ANPA" + base64.b32encode(hashlib.sha256(self.name.encode()).digest()).decode()[:17]

    @property
    def text(self) -> str:
        """The document as JSON."""
        return json.dumps(self.document, indent=4)


def managed(
    name: str,
    description: str,
    *statements: JsonStatement,
    path: str = "/",
    version_id: str = "v1",
    created_at: str = "2015-02-06T18:40:00Z",
    partial: bool = False,
) -> ManagedPolicy:
    """A managed policy of these statements."""
    return ManagedPolicy(name, path, description, version_id, created_at, {"Version": "2012-10-17", "Statement": list(statements)}, partial)


def actions(service: str, names: str) -> list[str]:
    """`actions("logs", "CreateLogGroup PutLogEvents")` is both with their prefix."""
    return [f"{service}:{name}" for name in names.split()]


def allow(*allowed: str | list[str], on: str | list[str] = "*", sid: str = "", when: dict[str, Any] | None = None) -> JsonStatement:
    """A statement that allows actions (names, or lists of them)."""
    statement: JsonStatement = {"Sid": sid} if sid else {}
    listed = [name for some in allowed for name in ([some] if isinstance(some, str) else some)]
    statement |= {"Effect": "Allow", "Action": listed, "Resource": on}
    return statement | ({"Condition": when} if when else {})


def passing_roles(*services: str, operator: str = "StringEquals", on: str = "*") -> JsonStatement:
    """A statement that allows to pass roles to these services."""
    return allow("iam:PassRole", on=on, when={operator: {"iam:PassedToService": list(services)}})


def creating_linked_roles(*services: str, operator: str = "StringEquals", on: str = "*") -> JsonStatement:
    """A statement that allows to create these services' linked roles."""
    return allow("iam:CreateServiceLinkedRole", on=on, when={operator: {"iam:AWSServiceName": list(services)}})
