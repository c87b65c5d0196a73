"""Bucket policies: their checks, and what makes one public (S3 User Guide, "Blocking public access": "The meaning of public")."""

from __future__ import annotations

import json
import re
from ipaddress import ip_network
from typing import Any

from haneul.core.actions import names_an_action
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import conditions
from haneul.services.s3.actions import ACTIONS, LISTING_KEYS, LISTINGS, OBJECT_ACTIONS, is_condition_key
from haneul.services.s3.errors import not_configured
from haneul.services.s3.keys import bucket_key
from haneul.services.s3.ownership import refuse_public_policy
from haneul.services.s3.records import Bucket
from haneul.services.s3.state import bucket_in, change_bucket, find_bucket
from haneul.store.port import Transaction
from haneul.store.records import encode

POLICY_BYTES_MAX = 20 * 1024
_TOP = frozenset({"Version", "Id", "Statement"})
_ELEMENTS = frozenset({"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"})
_PRINCIPAL_KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})
_AWS_PRINCIPAL = re.compile(r"\*\Z|\d{12}\Z|arn:[a-z-]+:(?:iam|sts|cloudfront)::(?:\d{12}|cloudfront):[^*?]+\Z|A[A-Z0-9]{15,}\Z")
# A condition on one of these, with values that are fixed, keeps everybody from being meant.
_LIMITING_KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
_OPERATOR = re.compile(
    r"(?:(?:ForAnyValue|ForAllValues):)?(?:(?:String(?:Not)?(?:Equals(?:IgnoreCase)?|Like)|(?:Numeric|Date)(?:(?:Not)?Equals|(?:Less|Greater)Than(?:Equals)?)"
    r"|Arn(?:Not)?(?:Equals|Like)|(?:Not)?IpAddress|Bool|BinaryEquals)(?:IfExists)?|Null)\Z"
)
_LIMITING_OPERATORS = frozenset({"stringequals", "stringlike", "stringequalsignorecase", "arnequals", "arnlike", "ipaddress"})


def _authorized(call: Call, request: Shape, action: str) -> Bucket:
    """The owner's root user can always mend a policy that locks everybody out."""
    bucket = find_bucket(call, request)
    if not call.caller.is_root_of(bucket.account):
        call.authorize(action, bucket.arn, conditions(call, request))
    if call.caller.account != bucket.account:
        raise ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    return bucket


@operation("s3:PutBucketPolicy", authorized_inside=True)
async def put_bucket_policy(call: Call, request: Shape) -> None:
    """Say who may do what with the bucket and its objects. Errors: MalformedPolicy, AccessDenied (a public one that is blocked). API Reference: PutBucketPolicy."""
    bucket = _authorized(call, request, "s3:PutBucketPolicy")
    text: str = request.get("Policy") or ""
    statements = check_policy(text, bucket)
    public = any(is_public(statement) for statement in statements)
    kept = _bound(call, text)

    def work(tx: Transaction) -> None:
        fresh = bucket_in(tx, bucket.name, bucket.id)
        if public:
            refuse_public_policy(fresh)
        fresh.policy, fresh.policy_is_public = kept, public
        tx.put(bucket_key(fresh.name), encode(fresh))

    await call.cloud.store.transact(work)
    call.status = 204


@operation("s3:GetBucketPolicy", authorized_inside=True)
async def get_bucket_policy(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketPolicy."""
    return {"Policy": call.cloud.authority.show_principals(_policy(_authorized(call, request, "s3:GetBucketPolicy")))}


@operation("s3:DeleteBucketPolicy", authorized_inside=True)
async def delete_bucket_policy(call: Call, request: Shape) -> None:
    """API Reference: DeleteBucketPolicy."""
    bucket = _authorized(call, request, "s3:DeleteBucketPolicy")

    def clear(fresh: Bucket) -> None:
        fresh.policy, fresh.policy_is_public = None, False

    await change_bucket(call, bucket.name, clear)


@operation("s3:GetBucketPolicyStatus", authorized_inside=True)
async def get_bucket_policy_status(call: Call, request: Shape) -> Shape:
    """Whether the policy is public. API Reference: GetBucketPolicyStatus."""
    bucket = _authorized(call, request, "s3:GetBucketPolicyStatus")
    _policy(bucket)
    return {"PolicyStatus": {"IsPublic": bucket.policy_is_public}}


def _policy(bucket: Bucket) -> str:
    if bucket.policy is None:
        raise not_configured("NoSuchBucketPolicy", "The bucket policy does not exist", bucket.name)
    return bucket.policy


def _bound(call: Call, text: str) -> str:
    """The policy as it is kept: principals by their unique ids."""
    try:
        return call.cloud.authority.bind_principals(text)
    except ServiceError as problem:
        words = "Invalid principal in policy"
        raise malformed(words if problem.message.startswith(words) else problem.message) from None


# ---- checks


def check_policy(text: str, bucket: Bucket) -> list[dict[str, Any]]:
    """The statements of a policy that may be put on the bucket; MalformedPolicy says what is wrong."""
    if len(text.encode("utf-8", "replace")) > POLICY_BYTES_MAX:
        raise ServiceError("PolicyTooLarge", f"Policy exceeds the maximum allowed document size of {POLICY_BYTES_MAX} bytes.", 400)
    if not text.startswith("{"):
        raise malformed("Policies must be valid JSON and the first byte must be '{'")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise malformed("This policy contains invalid Json") from None
    for name in document:
        if name not in _TOP:
            raise malformed(f"Unknown field {name}")
    if document.get("Version", "2008-10-17") not in ("2008-10-17", "2012-10-17"):
        raise malformed("The policy must contain a valid version string")
    if "Statement" not in document:
        raise malformed("Missing required field Statement")
    written = document["Statement"]
    statements = [written] if isinstance(written, dict) else written
    if not isinstance(statements, list) or not statements:
        raise malformed("Could not parse the policy: Statement is empty!")
    for statement in statements:
        _check_statement(statement, bucket)
    return statements


def malformed(message: str) -> ServiceError:
    return ServiceError("MalformedPolicy", message, 400)


def _check_statement(statement: Any, bucket: Bucket) -> None:
    if not isinstance(statement, dict):
        raise malformed("Syntax error in policy.")
    for name in statement:
        if name not in _ELEMENTS:
            raise malformed(f"Unknown field {name}")
    if "Effect" not in statement:
        raise malformed("Missing required field Effect")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise malformed(f"Invalid effect: {statement['Effect']}")
    for one, other in (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")):
        if one in statement and other in statement:
            raise malformed(f"Statement can not contain both {one} and {other}")
        if one not in statement and other not in statement:
            raise malformed(f"Missing required field {one}")
    _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
    actions = _texts(statement.get("Action", statement.get("NotAction")))
    if not actions or not all(names_an_action(action, "s3", ACTIONS) for action in actions):
        raise malformed("Policy has invalid action")
    resources = _texts(statement.get("Resource", statement.get("NotResource")))
    if not resources or any(not _is_of(resource, bucket) for resource in resources):
        raise malformed("Policy has invalid resource")
    for operator, block in _blocks(statement.get("Condition", {})):
        _check_condition(operator, block, actions if "Action" in statement else [])
    if "Action" in statement and "Resource" in statement:
        of_objects = any("/" in resource or resource.endswith("*") for resource in resources)
        of_bucket = any("/" not in resource for resource in resources)
        here = (OBJECT_ACTIONS if of_objects else frozenset()) | (ACTIONS - OBJECT_ACTIONS if of_bucket else frozenset())
        if not all(names_an_action(action, "s3", here) for action in actions):
            raise malformed("Action does not apply to any resource(s) in statement")


def _blocks(condition: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(condition, dict) or not all(isinstance(block, dict) for block in condition.values()):
        raise malformed("Conditions must be an object of operators, each with an object of keys")
    return list(condition.items())


def _check_condition(operator: str, block: dict[str, Any], actions: list[str]) -> None:
    """One operator, and its keys: S3 has them, and they can hold for each of the actions."""
    if _OPERATOR.match(operator) is None:
        raise malformed(f"Invalid Condition type : {operator}")
    for key, values in block.items():
        if not is_condition_key(key):
            raise malformed("Policy has an invalid condition key")
        if key.lower() in LISTING_KEYS and not all(names_an_action(action, "s3", LISTINGS) for action in actions):
            raise malformed("Conditions do not apply to combination of actions and resources in statement")
        if key.lower() == "aws:sourceip" and operator.removesuffix("IfExists") in ("IpAddress", "NotIpAddress") and not all(_is_network(value) for value in _texts(values)):
            raise malformed("Invalid IP address in Conditions")


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return "${" in text
    return True


def _is_of(resource: str, bucket: Bucket) -> bool:
    """Whether a resource is the bucket, objects in it, or a pattern for either."""
    if resource == "*":
        return True
    prefix, _, name = resource.partition(":::")
    if not re.match(r"arn:(?:aws[a-z-]*|\*):s3\Z", prefix):
        return False
    pattern = name.partition("/")[0]
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), bucket.name) is not None


def _check_principal(principal: Any) -> None:
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal:
        raise malformed("Invalid policy syntax.")
    for kind, values in principal.items():
        texts = _texts(values)
        if kind not in _PRINCIPAL_KINDS or not texts:
            raise malformed("Invalid principal in policy")
        if kind == "AWS" and any(_AWS_PRINCIPAL.match(text) is None for text in texts):
            raise malformed("Invalid principal in policy")


def _texts(value: Any) -> list[str]:
    values = [value] if isinstance(value, str) else value
    return values if isinstance(values, list) and all(isinstance(one, str) for one in values) else []


def is_public(statement: dict[str, Any]) -> bool:
    """Whether a statement lets in anybody at all: everybody is meant, and no condition pins the request down to fixed values."""
    if statement["Effect"] != "Allow":
        return False
    principal = statement.get("Principal")
    everybody = "NotPrincipal" in statement or principal == "*" or (isinstance(principal, dict) and "*" in _texts(principal.get("AWS")))
    if not everybody:
        return False
    for name, block in statement.get("Condition", {}).items():
        if name.lower().removeprefix("foranyvalue:").removeprefix("forallvalues:") not in _LIMITING_OPERATORS:
            continue
        for key, values in block.items():
            if key.lower() in _LIMITING_KEYS and all(_is_fixed(key.lower(), value) for value in _texts(values)):
                return False
    return True


def _is_fixed(key: str, value: str) -> bool:
    if "${" in value:
        return False
    if key == "aws:sourceip":  # Blocks wider than /8 (IPv4) or /32 (IPv6) are nearly everybody.
        address, _, bits = value.partition("/")
        return not bits or int(bits if bits.isdigit() else 0) >= (32 if ":" in address else 8)
    if key in ("aws:sourcearn", "aws:principalarn"):
        return "*" not in value.rpartition(":")[0] and "?" not in value
    return "*" not in value and "?" not in value
