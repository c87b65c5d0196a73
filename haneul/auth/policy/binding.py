"""Principals in the policies of resources and roles: kept by their unique ids, shown by their ARNs.

IAM User Guide, "AWS JSON policy elements: Principal": when a policy is saved the ARN of a user or role becomes its unique id, so that whoever gets
a deleted one's name later is not trusted; the ARN is shown while there is who has the id, and the id after that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from haneul.auth.policy.validate import MalformedPolicy

_IN_IAM = re.compile(r"arn:aws:iam::\d{12}:(?!root\Z)|A(?:IDA|ROA)[A-Z0-9]{12,}(?::|\Z)")
_ID = re.compile(r"\"A(?:IDA|ROA)[A-Z0-9]{12,}\"")


def bound(text: str, find: Callable[[str], str | None]) -> str:
    """A policy's text as it is kept. `find` gives what is kept for a user's or role's ARN or id, None for one that there is not (MalformedPolicy)."""

    def one(value: str) -> str:
        if not isinstance(value, str) or _IN_IAM.match(value) is None:
            return value
        found = find(value)
        if found is None:
            raise MalformedPolicy(f'Invalid principal in policy: "AWS":"{value}"')
        return found

    return _replaced(text, one)


def shown(text: str, find: Callable[[str], str | None]) -> str:
    """A kept policy's text as it is shown. `find` gives the ARN of an id, None when nobody has it any more."""
    return _replaced(text, lambda value: find(value) or value) if _ID.search(text) is not None else text


def _replaced(text: str, one: Callable[[str], str]) -> str:
    """The text with the principals that are not services and the like replaced; letter for letter the same when none is."""
    document = json.loads(text)
    statements = document["Statement"]
    changed = False
    for statement in [statements] if isinstance(statements, dict) else statements:
        if not isinstance(statement, dict):  # Services that look at policies less closely leave it to the evaluation.
            continue
        for name in ("Principal", "NotPrincipal"):
            principal: Any = statement.get(name)
            given = principal.get("AWS") if isinstance(principal, dict) else None
            if given is None:
                continue
            values = [one(value) for value in given] if isinstance(given, list) else one(given)
            if values != given:
                principal["AWS"] = values
                changed = True
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) if changed else text
