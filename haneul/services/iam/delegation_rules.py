"""What a delegated policy must not ask for, and the permissions boundaries that it must hold roles to.

AWS reads these rules over templates before it takes them (IAM User Guide, "Policy evaluation guidelines"). Kept here are those that guard the customer's
account from being taken over; rules of form, and those that are a matter of judgement, are left to whoever approves the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.services.iam.delegation_records import PartnerBoundary, boundary_row, is_partner_arn, own_arn, partner_boundary
from haneul.services.iam.delegation_templates import statements_of
from haneul.services.iam.directory import Directory
from haneul.services.iam.errors import invalid_input
from haneul.store.port import Transaction
from haneul.store.records import encode

# Services whose actions a template must name in full.
_SENSITIVE = frozenset(("iam", "kms", "ram", "sso", "sso-directory", "identitystore", "organizations", "secretsmanager"))
_READS = ("iam:get", "iam:list", "iam:generate", "iam:simulate")
_MUST_BE_BOUNDED = frozenset(
    f"iam:{name}" for name in ("createrole", "attachrolepolicy", "detachrolepolicy", "putrolepolicy", "deleterolepolicy", "putrolepermissionsboundary")
)
_MUST_BE_SCOPED = frozenset(
    f"iam:{name}"
    for name in (
        "passrole",
        "createservicelinkedrole",
        "deleteservicelinkedrole",
        "deleterole",
        "updaterole",
        "updateroledescription",
        "updateassumerolepolicy",
        "createpolicy",
        "createpolicyversion",
        "deletepolicy",
        "deletepolicyversion",
        "setdefaultpolicyversion",
        "tagrole",
        "tagpolicy",
    )
)
_PASSING = "iam:passrole"
# The resource of an ARN that says by name or path which roles or policies are meant.
_CERTAIN = re.compile(r"(?:role|policy)/[^*?$]")
_ASSUMING = "sts:assumerole"
_ROLE_CREATION = "iam:createrole"
_BOUNDARY_KEY = "iam:permissionsboundary"
_OPERATORS = frozenset(("stringequals", "stringlike", "arnequals", "arnlike"))
_TOO_MUCH = frozenset(f"arn:aws:iam::aws:policy/{name}" for name in ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess"))


def checked_boundaries(policy: str) -> dict[str, bool]:
    """The boundaries that a rendered policy names, and whether roles can be made under each; InvalidInput for what a delegated policy must not allow."""
    found: dict[str, bool] = {}
    for statement in statements_of(policy):
        if statement["Effect"] == "Allow":
            boundaries, creates = _checked_statement(statement)
            found |= {arn: creates or found.get(arn, False) for arn in boundaries}
    return found


def _checked_statement(statement: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The boundaries that a statement that allows holds roles to, and whether it lets roles be made."""
    if "NotAction" in statement:
        raise invalid_input("A delegated policy must not have NotAction in a statement that allows.")
    boundaries = list(_boundaries(statement))
    actions = [action.lower() for action in _listed(statement.get("Action", []))]
    for action in actions:
        service = action.partition(":")[0]
        if "*" in service or "?" in service:
            raise invalid_input(f"Invalid action {action}: a delegated policy must name the services whose actions it allows.")
        if service in _SENSITIVE and ("*" in action or "?" in action):
            raise invalid_input(f"Invalid action {action}: a delegated policy must name actions of this service without wildcards.")
        if service == "sts" and (action.startswith(_ASSUMING) or "*" in action or "?" in action):
            _check_scoped(statement, action)
        if service != "iam" or action.startswith(_READS):
            continue
        if action in _MUST_BE_BOUNDED:
            if not boundaries:
                raise invalid_input(f"A delegated policy must hold {action} to a permissions boundary with a condition on iam:PermissionsBoundary.")
        elif action not in _MUST_BE_SCOPED:
            raise invalid_input(f"A delegated policy must not allow {action}.")
        else:
            _check_scoped(statement, action)
    return boundaries, _ROLE_CREATION in actions


def _check_scoped(statement: Mapping[str, Any], action: str) -> None:
    """Raise unless a statement speaks of certain resources only, or has a condition, which is not enough to pass a role."""
    if statement.get("Condition") and action != _PASSING:
        return
    for resource in _listed(statement.get("Resource", "*")):
        arn = parse_arn(resource)
        of_an_account = action.startswith("sts:") and arn is not None and arn.account.isdigit()
        if arn is None or not (of_an_account or _CERTAIN.match(arn.resource)):
            raise invalid_input(f"A delegated policy must hold {action} to resources by their names or paths{'' if action == _PASSING else ', or to a condition'}.")


def _boundaries(statement: Mapping[str, Any]) -> Iterator[str]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            if key.lower() != _BOUNDARY_KEY or operator.lower() not in _OPERATORS:
                continue
            for value in _listed(values):
                if value in _TOO_MUCH or any(wild in value for wild in "*?$") or not (is_partner_arn(value) or value.startswith("arn:aws:iam::aws:policy/")):
                    raise invalid_input(
                        f"{value} cannot be the permissions boundary of delegated roles: it must be the product provider's (arn:aws:iam::partner:policy/...), "
                        "or a policy managed by AWS that does not make an administrator."
                    )
                yield value


def _listed(values: Any) -> list[str]:
    return [str(value) for value in (values if isinstance(values, list) else [values])]


def register_boundaries(call: Call, tx: Transaction, boundaries: Iterable[str]) -> None:
    """Take down the provider's own boundaries, in the form in which every customer will have them; InvalidInput where there is none, or another already."""
    directory = Directory(tx, call.account)
    for arn in boundaries:
        if not is_partner_arn(arn):
            if arn not in call.cloud.authority.managed_policies():
                raise invalid_input(f"The permissions boundary {arn} does not exist.")
            continue
        document, known = directory.default_document(own_arn(arn, call.account)), partner_boundary(tx, arn)
        if known is None and document is None:
            raise invalid_input(f"The permissions boundary {arn} does not exist: there is no policy {own_arn(arn, call.account)}.")
        if known is not None and (known.account != call.account or document not in (None, known.document)):
            raise invalid_input(f"The permissions boundary {arn} is registered already, and cannot be changed. Register it under another name.")
        if known is None and document is not None:
            tx.put(boundary_row(arn), encode(PartnerBoundary(account=call.account, document=document, created_at=call.now)))


def template_document(call: Call, arn: str | None) -> str:
    """The text of a template, a managed policy of the provider's own account."""
    parsed = parse_arn(arn) if arn else None
    if arn is None or parsed is None or parsed.service != "iam" or not parsed.resource.startswith("policy/") or parsed.account != call.account:
        raise invalid_input("Permissions must have the PolicyTemplateArn of a policy template, which is a customer managed policy of the requesting account.")
    directory = Directory(call.cloud.store, call.account)
    policy = directory.policy(arn)
    version = directory.version(policy, policy.default_version) if policy is not None else None
    if version is None:
        raise invalid_input(f"The policy template {arn} does not exist.")
    return version.document
