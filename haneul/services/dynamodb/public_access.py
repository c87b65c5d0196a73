"""Policies that let in anybody at all, which no table may have (Developer Guide: "Blocking public access with resource-based policies in DynamoDB")."""

from __future__ import annotations

from typing import Any

_OPERATORS = frozenset(("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"))
# fmt: off
_KEYS = frozenset((
    "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount", "aws:sourcearn", "aws:sourcevpc",
    "aws:sourcevpce", "aws:userid", "aws:principalservicename", "aws:principalservicenameslist", "aws:ec2instancesourcevpc", "aws:sourceorgid",
    "aws:sourceorgpaths",
))
# fmt: on
_IS_SERVICE = "aws:principalisawsservice"


def is_public(statement: dict[str, Any]) -> bool:
    """Whether a statement allows everybody something, and no condition of it pins the request down to values without wildcards."""
    if statement["Effect"] != "Allow":
        return False
    principal = statement.get("Principal")
    everybody = "NotPrincipal" in statement or principal == "*" or (isinstance(principal, dict) and "*" in _texts(principal.get("AWS")))
    blocks = statement.get("Condition", {})
    return everybody and not any(_limits(name.lower(), key.lower(), _texts(values)) for name, block in blocks.items() for key, values in block.items())


def _limits(operator: str, key: str, values: list[str]) -> bool:
    operator = operator.removeprefix("foranyvalue:")
    if operator == "bool":
        return key == _IS_SERVICE and [value.lower() for value in values] == ["true"]
    return operator in _OPERATORS and key in _KEYS and not any(sign in value for value in values for sign in ("*", "?", "${"))


def _texts(values: Any) -> list[str]:
    return [str(one) for one in (values if isinstance(values, list) else [values])]
