"""Whether a policy document may be stored: the checks of IAM, in its order and with its messages.

Identity policies (and boundaries, session and service control policies, which have the same form) are checked as CreatePolicy and PutUserPolicy do;
trust policies as CreateRole does, and resource policies with the same messages, which S3, SQS and the others wrap in their own error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from haneul.auth.policy.conditions import date_ns, operator_name
from haneul.auth.policy.principals import PRINCIPAL_TYPES, is_federated_principal, is_principal

PolicyKind = Literal["identity", "resource", "trust", "boundary", "session", "scp"]

SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"

_VERSIONS = ("2008-10-17", "2012-10-17")
_TOP_ELEMENTS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal", "NotPrincipal"})
_PARTITIONS = frozenset({"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc", "*"})
_IAM_PATHS = (
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
)
# Kinds of resources that are newer than the message that lists the others.
_IAM_PATHS_NEWER = ("delegation-request/",)
_SID = re.compile(r"[0-9A-Za-z]*\Z")
_VENDOR = re.compile(r"[a-zA-Z0-9\-.]*\Z")
_COGNITO = "cognito-identity.amazonaws.com"


class MalformedPolicy(Exception):
    """A policy document that cannot be accepted. IAM answers MalformedPolicyDocument with this message; other services have their own code for it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def read_document(document: str | dict[str, Any], kind: PolicyKind, *, current_version_required: bool) -> dict[str, Any]:
    """The document as JSON values, after every check for its kind. Raises MalformedPolicy."""
    of_resource = kind in ("resource", "trust")
    if isinstance(document, str):
        if kind == "trust" and document[:1].isspace():
            raise MalformedPolicy("JSON strings must not have leading spaces")
        invalid = "This policy contains invalid Json" if of_resource else SYNTAX
        document = _parse(document, invalid)
    if not isinstance(document, dict):
        raise MalformedPolicy("Syntax error in policy." if of_resource else SYNTAX)
    if of_resource:
        _check_resource_policy(document, trust=kind == "trust")
    else:
        _check_identity_policy(document, current_version_required=current_version_required)
    return document


def _parse(text: str, invalid: str) -> Any:
    def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise MalformedPolicy(f"Statement/policy already contains instance of {name}")
            found[name] = value
        return found

    def refuse(constant: str) -> Any:
        raise MalformedPolicy(invalid)

    try:
        return json.loads(text, object_pairs_hook=without_doubles, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedPolicy(invalid) from error


# ---- identity policies


def _check_identity_policy(document: Mapping[str, Any], *, current_version_required: bool) -> None:
    statements = _check_syntax(document)
    if current_version_required and document.get("Version") != "2012-10-17":
        raise MalformedPolicy("Policy document must be version 2012-10-17 or greater.")
    if any("Principal" in statement or "NotPrincipal" in statement for statement in statements):
        raise MalformedPolicy("Policy document should not specify a principal.")
    for statement in statements:
        _check_legacy(statement)
    resource_error = next((error for resource in _resources(statements) if (error := _resource_error(resource))), "")
    if not resource_error and any(_is_legacy_failure(resource) for resource in _resources(statements)):
        raise MalformedPolicy(LEGACY)
    _check_sids(statements)
    for statement in statements:
        if not _has_entries(statement, "Action") and not _has_entries(statement, "NotAction"):
            raise MalformedPolicy("Policy statement must contain actions.")
    if resource_error:
        raise MalformedPolicy(resource_error)
    for statement in statements:
        for action in _listed(statement, "Action") + _listed(statement, "NotAction"):
            _check_action(action)
    for statement in statements:
        if not _has_entries(statement, "Resource") and not _has_entries(statement, "NotResource"):
            raise MalformedPolicy("Policy statement must contain resources.")


def _check_syntax(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not _TOP_ELEMENTS.issuperset(document) or document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise MalformedPolicy(SYNTAX)
    if not isinstance(document.get("Id", ""), str):
        raise MalformedPolicy(SYNTAX)
    written = document.get("Statement")
    statements = [written] if isinstance(written, dict) else written
    if not isinstance(statements, list) or not statements or not all(_is_statement(statement) for statement in statements):
        raise MalformedPolicy(SYNTAX)
    return statements


def _is_statement(statement: Any) -> bool:
    if not isinstance(statement, dict) or not _STATEMENT_ELEMENTS.issuperset(statement):
        return False
    if ("Action" in statement and "NotAction" in statement) or ("Resource" in statement and "NotResource" in statement):
        return False
    effect = statement.get("Effect")
    if not isinstance(effect, str) or effect.lower() not in ("allow", "deny") or not isinstance(statement.get("Sid", ""), str):
        return False
    lists = ("Action", "NotAction", "Resource", "NotResource")
    return all(_is_text_or_texts(statement[name]) for name in lists if name in statement) and _is_condition(statement.get("Condition", {}))


def _is_text_or_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _is_condition(condition: Any) -> bool:
    if not isinstance(condition, dict):
        return False
    for name, keys in condition.items():
        if not isinstance(keys, dict) or (keys and operator_name(name) is None):
            return False
        for values in keys.values():
            listed = values if isinstance(values, list) else [values]
            if not all(isinstance(value, str | bool | int | float) for value in listed):
                return False
    return True


def _check_legacy(statement: Mapping[str, Any]) -> None:
    if statement["Effect"] not in ("Allow", "Deny"):
        raise MalformedPolicy(LEGACY)
    for name, keys in statement.get("Condition", {}).items():
        operator = operator_name(name)
        if operator is None or not operator.base.startswith("Date"):
            continue
        for values in keys.values():
            if any(date_ns(str(value)) is None for value in (values if isinstance(values, list) else [values])):
                raise MalformedPolicy(LEGACY)


def _check_sids(statements: Sequence[Mapping[str, Any]]) -> None:
    sids = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if any(_SID.match(sid) is None for sid in sids):
        raise MalformedPolicy("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
    if len(set(sids)) != len(sids):
        raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.")


def _check_action(action: str) -> None:
    vendor, *rest = action.split(":")
    if not rest and vendor != "*":
        raise MalformedPolicy("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    if len(rest) > 1:
        raise MalformedPolicy("Actions/Condition can contain only one colon.")
    if vendor != "*" and _VENDOR.match(vendor) is None:
        raise MalformedPolicy(f"Vendor {vendor} is not valid")


def _resources(statements: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for statement in statements:
        yield from _listed(statement, "Resource")
        yield from _listed(statement, "NotResource")


def _resource_error(resource: str) -> str:
    """What is wrong with a resource's form; empty when nothing is (or when it is left to the legacy parsing)."""
    if resource == "*":
        return ""
    _, colon, rest = resource.partition(":")
    if not colon:
        return f'Resource {resource} must be in ARN format or "*".'
    partition, colon, rest = rest.partition(":")
    if partition not in _PARTITIONS:
        fields = rest.split(":", 3) if rest else []
        arn = ":".join(["arn", partition, *(fields + ["*"] * (4 - len(fields)))])
        return f'Partition "{partition}" is not valid for resource "{arn}".'
    if not resource.startswith("arn:"):
        return f'Resource {resource} must be in ARN format or "*".'
    if not colon:
        return "Resource vendor must be fully qualified and cannot contain regexes."
    service, _, rest = rest.partition(":")
    if "*" in service and service != "*":
        return "Resource vendor must be fully qualified and cannot contain regexes."
    region, _, rest = rest.partition(":")
    account, _, path = rest.partition(":")
    if service == "iam" and region not in ("", "*"):
        return f"IAM resource {resource} cannot contain region information."
    if service == "s3" and region not in ("", "*") and not account and path:
        return f"Resource {resource} can not contain region information."
    if service == "iam" and path and not path.startswith(_IAM_PATHS + _IAM_PATHS_NEWER) and not any(wild in path.partition("/")[0] for wild in "*?$"):
        return 'IAM resource path must either be "*" or start with ' + ", ".join(_IAM_PATHS) + "."
    return ""


def _is_legacy_failure(resource: str) -> bool:
    return resource != "*" and ((resource.count(":") < 5 and "::" in resource) or resource.split(":", 3)[2] == "")


# ---- resource policies and trust policies


def _check_resource_policy(document: Mapping[str, Any], *, trust: bool) -> None:
    for name in document:
        if name not in _TOP_ELEMENTS:
            raise MalformedPolicy(f"Unknown field {name}")
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise MalformedPolicy("The policy must contain a valid version string")
    if not isinstance(document.get("Id", ""), str):
        raise MalformedPolicy("Syntax error in policy.")
    if "Statement" not in document:
        raise MalformedPolicy("Missing required field Statement")
    written = document["Statement"]
    statements = [written] if isinstance(written, dict) else written
    if not isinstance(statements, list):
        raise MalformedPolicy("Syntax error in policy.")
    if not statements:
        raise MalformedPolicy("Could not parse the policy: Statement is empty!")
    for statement in statements:
        _check_resource_statement(statement, trust=trust)
    sids = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if len(set(sids)) != len(sids):
        raise MalformedPolicy("The Statement Ids in the policy are not unique")


def _check_resource_statement(statement: Any, *, trust: bool) -> None:
    if not isinstance(statement, dict):
        raise MalformedPolicy("Syntax error in policy.")
    for name in statement:
        if name not in _STATEMENT_ELEMENTS:
            raise MalformedPolicy(f"Unknown field {name}")
    if "Effect" not in statement:
        raise MalformedPolicy("Missing required field Effect")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise MalformedPolicy(f"Invalid effect: {statement['Effect']}")
    _check_principal(statement, trust=trust)
    lists_are_sound = all(_is_text_or_texts(statement.get(name, [])) for name in ("Action", "NotAction", "Resource", "NotResource"))
    both = ("Action" in statement and "NotAction" in statement) or ("Resource" in statement and "NotResource" in statement)
    if both or not lists_are_sound or not _is_condition(statement.get("Condition", {})) or not isinstance(statement.get("Sid", ""), str):
        raise MalformedPolicy("Syntax error in policy.")
    actions = _listed(statement, "Action") + _listed(statement, "NotAction")
    if not actions:
        raise MalformedPolicy("Missing required field Action")
    if not trust:
        return
    if not all(action.lower().startswith("sts:") for action in actions):
        raise MalformedPolicy("AssumeRole policy may only specify STS AssumeRole actions.")
    if "Resource" in statement:
        raise MalformedPolicy("Has prohibited field Resource")
    if "NotResource" in statement:
        raise MalformedPolicy("AssumeRole policy must not contain resources.")


def _check_principal(statement: Mapping[str, Any], *, trust: bool) -> None:
    if trust and "NotPrincipal" in statement:
        allows = statement["Effect"] == "Allow"
        raise MalformedPolicy("Allow with NotPrincipal is not allowed." if allows else "AssumeRole policy must not contain NotPrincipal field.")
    if "Principal" in statement and "NotPrincipal" in statement:
        raise MalformedPolicy("Syntax error in policy.")
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise MalformedPolicy("Missing required field Principal")
    principal = statement["Principal" if "Principal" in statement else "NotPrincipal"]
    if isinstance(principal, str):
        if trust:
            raise MalformedPolicy('AssumeRolepolicy contained an invalid principal: "STAR":"*".' if principal == "*" else "Principal must be a JSON object.")
        if principal != "*":
            raise MalformedPolicy("Invalid principal in policy")
        return
    if not isinstance(principal, dict):
        raise MalformedPolicy("Syntax error in policy.")
    if not principal:
        raise MalformedPolicy("Missing required field Principal cannot be empty!")
    for kind, values in principal.items():
        if kind not in PRINCIPAL_TYPES or (trust and kind == "CanonicalUser"):
            raise MalformedPolicy(f'Invalid principal in policy: "{kind}"')
        if not _is_text_or_texts(values):
            raise MalformedPolicy("Syntax error in policy.")
        for value in _listed(principal, kind):
            if trust and kind == "Federated" and not is_federated_principal(value):
                raise MalformedPolicy("Federated principals must be valid domain names or SAML metadata ARNs")
            if not is_principal(kind, value):
                raise MalformedPolicy(f'Invalid principal in policy: "{kind.upper()}":"{value}"')
    if trust and _COGNITO in _listed(principal, "Federated") and not statement.get("Condition"):
        raise MalformedPolicy("A condition block must be present for the Cognito provider")


# ---- small helpers


def _listed(element: Mapping[str, Any], name: str) -> list[str]:
    values = element.get(name, [])
    return [values] if isinstance(values, str) else list(values)


def _has_entries(statement: Mapping[str, Any], name: str) -> bool:
    return name in statement and bool(_listed(statement, name) or statement[name] == "")
