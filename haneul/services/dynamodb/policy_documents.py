"""How the policies of tables and streams are kept: in one form, however they were written, by which they are also told apart.

(API Reference: "PutResourcePolicy"; Developer Guide: "Resource-based policy considerations". The form is the one that GetResourcePolicy answers with.)
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_DOCUMENT: Final = ("Version", "Id", "Statement")
_STATEMENT: Final = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
_PRINCIPALS: Final = ("Principal", "NotPrincipal")
_LISTS: Final = ("Action", "NotAction", "Resource", "NotResource")
_OLDEST: Final = "2008-10-17"
_ACCOUNT: Final = re.compile(r"\d{12}\Z")
_STREAM: Final = re.compile(r"table/[^/]+/stream/")

Document = dict[str, Any]


def with_plain_effects(text: str) -> str:
    """A policy's text with its effects as the policy language has them: they may be written in any case. What cannot be read stays as it is."""
    try:
        document = json.loads(text)
        wrong = [one for one in statements_of(document) if one["Effect"] not in ("Allow", "Deny") and one["Effect"].title() in ("Allow", "Deny")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text
    for statement in wrong:
        statement["Effect"] = statement["Effect"].title()
    return json.dumps(document) if wrong else text


def statements_of(document: Document) -> list[Document]:
    """The statements of a document, which need not be a list."""
    written = document["Statement"]
    return written if isinstance(written, list) else [written]


def canonical(text: str) -> str:
    """A policy, already checked, as it is kept. Two policies with the same text are the same one; a version that is not given is none of it."""
    document: Document = json.loads(text)
    document["Statement"] = [_statement(one) for one in statements_of(document)]
    return _written({name: document[name] for name in _DOCUMENT if name in document})


def shown(text: str) -> str:
    """A kept policy as it is shown: with its version, which is the oldest one when none was given."""
    document: Document = json.loads(text)
    return text if "Version" in document else _written({"Version": _OLDEST, **document})


def misplaced(statement: Document, *, of_stream: bool) -> str | None:
    """A resource that the policy of a table (or `of_stream`) cannot speak of: a stream belongs into the stream's own, a table into the table's."""
    for name in ("Resource", "NotResource"):
        given = statement.get(name, [])
        for resource in [given] if isinstance(given, str) else given:
            path = resource.split(":", 5)[-1]
            if of_stream != (_STREAM.match(path) is not None) and not (of_stream and "*" in path):
                return str(resource)
    return None


def _written(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _statement(given: Document) -> Document:
    made: Document = {}
    for name in _STATEMENT:
        if name not in given:
            continue
        value = given[name]
        if name in _PRINCIPALS:
            value = {kind: _single(_principals(kind, found)) for kind, found in value.items()} if isinstance(value, dict) else value
        elif name in _LISTS:
            value = _single(value)
        elif name == "Condition":
            value = {operator: {key: _single(found) for key, found in block.items()} for operator, block in value.items()}
        made[name] = value
    return made


def _principals(kind: str, given: Any) -> Any:
    """Each once; accounts are named by their root users."""
    found = given if isinstance(given, list) else [given]
    if kind == "AWS":
        found = [f"arn:aws:iam::{one}:root" if _ACCOUNT.match(one) else one for one in found]
    return list(dict.fromkeys(found))


def _single(value: Any) -> Any:
    """What a list of one holds."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
