"""Policy documents, checked and compiled for evaluation.

The language: IAM User Guide, "IAM JSON policy elements reference" and "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haneul.auth.policy.conditions import Condition, compile_condition, operator_name
from haneul.auth.policy.context import Context
from haneul.auth.policy.patterns import Patterns, Template, UnresolvedVariable, has_variables, split_pattern
from haneul.auth.policy.positions import StatementSpan, statement_spans
from haneul.auth.policy.principals import Naming, Principals
from haneul.auth.policy.validate import MalformedPolicy, PolicyKind, read_document

__all__ = ["MalformedPolicy", "Policy", "PolicyKind", "Statement", "deny_everything", "parse_policy"]

_REMEMBERED_ACTIONS_MAX = 2048


class Statement:
    """One statement, ready to be asked whether it speaks of a request. Never changes."""

    __slots__ = (
        "actions",
        "actions_inverted",
        "allow",
        "any_resource",
        "conditions",
        "depends_on_request",
        "index",
        "principals",
        "principals_inverted",
        "resources",
        "resources_inverted",
        "sid",
        "templates",
    )

    def __init__(self, source: Mapping[str, Any], index: int, *, variables: bool) -> None:
        self.sid: str = source.get("Sid", "")
        self.index = index
        self.allow: bool = source["Effect"] == "Allow"
        self.actions_inverted = "NotAction" in source
        actions = _strings(source["NotAction" if self.actions_inverted else "Action"])
        self.actions = Patterns(split_pattern(action.lower(), variables=False) for action in actions)
        self.resources_inverted = "NotResource" in source
        # A trust policy and some services' policies name no resource: they speak of the one that they are attached to.
        resources = _strings(source.get("NotResource" if self.resources_inverted else "Resource", "*"))
        split = [split_pattern(resource, variables=variables, arn=True) for resource in resources]
        self.resources = Patterns(pieces for pieces in split if not has_variables(pieces))
        self.templates = tuple(Template(pieces) for pieces in split if has_variables(pieces))
        self.any_resource = self.resources.everything and not self.resources_inverted and not self.templates
        self.conditions = _compile_conditions(source.get("Condition", {}), variables=variables)
        self.principals_inverted = "NotPrincipal" in source
        principal = source.get("NotPrincipal" if self.principals_inverted else "Principal")
        self.principals = Principals(_entries(principal)) if principal is not None else None
        self.depends_on_request = bool(self.conditions or self.templates)

    def speaks_of_action(self, action: str) -> bool:
        """Whether the Action (or NotAction) element covers an action, given in lower case."""
        return self.actions.match(action) != self.actions_inverted

    def covers(self, resource: str, context: Context) -> bool:
        """Whether the Resource and Condition elements cover the request for one resource (the action is already known to fit)."""
        if self.any_resource and not self.conditions:
            return True
        if not self.depends_on_request:
            return self.resources.match(resource) != self.resources_inverted
        try:
            if not self._covers_resource(resource, context):
                return False
            for condition in self.conditions:
                if not condition.holds(context):
                    return False
        except UnresolvedVariable:
            return False
        return True

    def _covers_resource(self, resource: str, context: Context) -> bool:
        if self.resources.match(resource):
            return not self.resources_inverted
        unresolved: UnresolvedVariable | None = None
        for template in self.templates:
            try:
                if template.match(resource, context.single):
                    return not self.resources_inverted
            except UnresolvedVariable as error:
                unresolved = error
        if unresolved is not None and self.resources_inverted:
            raise unresolved
        return self.resources_inverted

    def naming(self, caller: Any) -> Naming:
        """How directly the Principal (or NotPrincipal) element speaks of the caller. A statement without either speaks of everyone."""
        if self.principals is None:
            return Naming.DIRECT
        if not self.principals_inverted:
            return self.principals.naming(caller)
        if self.allow:
            return Naming.DIRECT if self.principals.naming(caller) is Naming.NOT else Naming.NOT
        return Naming.NOT if self.principals.exempts(caller) else Naming.DIRECT


class Policy:
    """One policy document. Never changes; it remembers which of its statements speak of an action, for the actions asked so far."""

    __slots__ = ("_by_action", "document", "kind", "source", "statements", "version")

    def __init__(self, kind: PolicyKind, source: str, document: Mapping[str, Any]) -> None:
        self.kind = kind
        self.source = source
        self.document = document
        self.version: str = document.get("Version", "2008-10-17")
        written = document["Statement"]
        statements = [written] if isinstance(written, dict) else written
        variables = self.version != "2008-10-17"
        self.statements = tuple(Statement(statement, index, variables=variables) for index, statement in enumerate(statements))
        self._by_action: dict[str, tuple[tuple[Statement, ...], tuple[Statement, ...]]] = {}

    def about(self, action: str) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
        """The statements that deny and those that allow an action (given in lower case), whatever the resource."""
        found = self._by_action.get(action)
        if found is None:
            if len(self._by_action) >= _REMEMBERED_ACTIONS_MAX:
                self._by_action.clear()
            speaking = [statement for statement in self.statements if statement.speaks_of_action(action)]
            found = tuple(one for one in speaking if not one.allow), tuple(one for one in speaking if one.allow)
            self._by_action[action] = found
        return found

    def spans(self) -> tuple[StatementSpan, ...]:
        """Where each statement stands in the document's text, as SimulatePrincipalPolicy reports it; empty for a policy parsed from a dict."""
        return statement_spans(self.source)


def parse_policy(document: str | dict[str, Any], kind: PolicyKind, *, current_version_required: bool = False) -> Policy:
    """Check a policy document and compile it.

    `kind` says where the policy stands and so which elements it must and must not have. Managed policies ask for `current_version_required`
    (Version 2012-10-17), while inline ones may be older. Raises MalformedPolicy with the service's message.
    """
    return Policy(kind, document if isinstance(document, str) else "", read_document(document, kind, current_version_required=current_version_required))


def deny_everything(kind: PolicyKind) -> Policy:
    """What to use in place of a stored policy that cannot be read any more: its denies are unknown, so nothing may pass."""
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    return Policy(kind, "", document)


def _strings(value: str | Sequence[str]) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value


def _entries(principal: str | Mapping[str, str | Sequence[str]]) -> Mapping[str, Sequence[str]]:
    if isinstance(principal, str):
        return {"AWS": (principal,)}
    return {kind: _strings(values) for kind, values in principal.items()}


def _compile_conditions(source: Mapping[str, Mapping[str, Any]], *, variables: bool) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    for written, keys in source.items():
        name = operator_name(written)
        for key, values in keys.items():
            if name is not None:
                conditions.append(compile_condition(name, key, _condition_values(values), variables=variables))
    return tuple(conditions)


def _condition_values(values: Any) -> list[str]:
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in (values if isinstance(values, list) else [values])]
