"""Policy templates of temporary delegation: `@{parameter}` in a policy's texts, `@Enabled` on its statements.

IAM User Guide, "Policy templates". AWS keeps templates that providers hand in by e-mail; here they are managed policies of the provider's account
(docs/decisions/0008-delegation-templates.md), below a path of their own because they are no policies yet.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.services.iam.errors import invalid_input

RENDERED_CHARACTERS_MAX = 2_048

_PLACEHOLDER = re.compile(r"@\{([^{}]*)\}")
_DIRECTIVE = "@Enabled"
_TRUE = "True"


def check_template(call: Call, document: str) -> None:
    """Raise MalformedPolicyDocument unless a document is an identity policy but for its parameters and directives."""
    try:
        template = json.loads(document)
    except (ValueError, RecursionError):
        template = None
    if isinstance(template, dict) and all(isinstance(statement.get(_DIRECTIVE, ""), str) for statement in _statements(template)):
        statements = [{name: value for name, value in statement.items() if name != _DIRECTIVE} for statement in _statements(template)]
        document = _PLACEHOLDER.sub("*", json.dumps(template | {"Statement": statements}))
    call.cloud.authority.compile_policy(document, "identity", current_version_required=True)


def rendered(call: Call, document: str, parameters: Sequence[Shape]) -> str:
    """The policy that a template makes of parameters, as JSON without white space; InvalidInput where the two do not fit."""
    values = _checked_parameters(parameters)
    template = json.loads(document)
    unknown = values.keys() - set(_names_in(template))
    if unknown:
        raise invalid_input(f"The policy template has no parameter {min(unknown)}.")
    template["Statement"] = [_filled(_without_directive(statement), values) for statement in _statements(template) if _is_enabled(statement, values)]
    text = json.dumps(template, ensure_ascii=False, separators=(",", ":"))
    if len(text) > RENDERED_CHARACTERS_MAX:
        raise invalid_input(f"The rendered policy has {len(text)} characters. The maximum is {RENDERED_CHARACTERS_MAX}.")
    try:
        call.cloud.authority.compile_policy(text, "session")
    except ServiceError as problem:
        raise invalid_input(f"The rendered policy is not valid: {problem.message}") from None
    return text


def statements_of(policy: str) -> list[dict[str, Any]]:
    """The statements of a rendered policy."""
    return _statements(json.loads(policy))


def _statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document.get("Statement")
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]


def _checked_parameters(parameters: Sequence[Shape]) -> dict[str, tuple[str, ...]]:
    """The values of each parameter. One value for a `string`, at least one for a `stringList`."""
    values: dict[str, tuple[str, ...]] = {}
    for parameter in parameters:
        name, kind, given = parameter.get("Name"), parameter.get("Type"), parameter.get("Values", [])
        if not name or not kind:
            raise invalid_input("A policy parameter must have a Name and a Type.")
        if name in values:
            raise invalid_input(f"The policy parameter {name} is given more than once.")
        if not given or (kind == "string" and len(given) != 1):
            raise invalid_input(f"The policy parameter {name} of type {kind} must have {'exactly' if kind == 'string' else 'at least'} one value.")
        values[name] = tuple(given)
    return values


def _names_in(node: Any) -> Iterator[str]:
    """The parameters that a template speaks of."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == _DIRECTIVE:
                yield str(value).removeprefix("!")
            else:
                yield from _PLACEHOLDER.findall(key)
                yield from _names_in(value)
    elif isinstance(node, list):
        for item in node:
            yield from _names_in(item)
    elif isinstance(node, str):
        yield from _PLACEHOLDER.findall(node)


def _values_of(name: str, values: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found = values.get(name)
    if found is None:
        raise invalid_input(f"The policy template needs a value for the parameter {name}.")
    return found


def _is_enabled(statement: Mapping[str, Any], values: Mapping[str, tuple[str, ...]]) -> bool:
    directive = statement.get(_DIRECTIVE)
    if directive is None:
        return True
    is_true = _values_of(directive.removeprefix("!"), values) == (_TRUE,)
    return not is_true if directive.startswith("!") else is_true


def _without_directive(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in statement.items() if name != _DIRECTIVE}


def _filled(node: Any, values: Mapping[str, tuple[str, ...]]) -> Any:
    """A part of a template with its parameters filled in. A text with lists in it becomes as many texts as they have combinations."""
    if isinstance(node, dict):
        return {_one_text(key, values): _filled(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [text for item in node for text in (_texts(item, values) if isinstance(item, str) else [_filled(item, values)])]
    if isinstance(node, str):
        texts = _texts(node, values)
        return texts[0] if len(texts) == 1 else texts
    return node


def _texts(text: str, values: Mapping[str, tuple[str, ...]]) -> list[str]:
    names = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    choices = [_values_of(name, values) for name in names]
    if math.prod(len(choice) for choice in choices) > RENDERED_CHARACTERS_MAX:
        raise invalid_input(f"The rendered policy has more than {RENDERED_CHARACTERS_MAX} characters.")
    found = []
    for combination in itertools.product(*choices):
        chosen = dict(zip(names, combination, strict=True))
        found.append(_PLACEHOLDER.sub(lambda match, chosen=chosen: chosen[match[1]], text))  # type: ignore[misc]
    return found


def _one_text(key: str, values: Mapping[str, tuple[str, ...]]) -> str:
    texts = _texts(key, values)
    if len(texts) != 1:
        raise invalid_input(f"A parameter of type stringList cannot stand in {key}.")
    return texts[0]
