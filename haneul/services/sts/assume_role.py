"""AssumeRole.

IAM User Guide, "Compare AWS STS credentials", "Pass session tags in AWS STS", "Role chaining"; STS API Reference, AssumeRole.
"""

from __future__ import annotations

from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import Shape, operation
from haneul.core.ports import TrustedRole
from haneul.services.sts.errors import access_denied, validation_error
from haneul.services.sts.sessions import (
    authorize_by_trust,
    check_duration,
    checked_mfa,
    issued,
    packed_size_percent,
    role_session,
    session_policies,
    session_tags,
)

_DURATION_SECONDS_DEFAULT = 3_600


def checked_role_arn(arn: str) -> str:
    """The account in a role's ARN; ValidationError for what is no ARN at all."""
    parsed = parse_arn(arn)
    if parsed is None or not parsed.partition.startswith("aws") or not parsed.account or not parsed.resource:
        raise validation_error(f"{arn} is invalid")
    return parsed.account


@operation("sts:AssumeRole", authorized_inside=True)
async def assume_role(call: Call, request: Shape) -> Shape:
    """Temporary credentials of a role.

    The role's trust policy must allow the caller; where it names only the caller's account, or the role is another account's, an identity policy of the
    caller must allow it too. Errors: ValidationError, AccessDenied, MalformedPolicyDocument, PackedPolicyTooLarge, InvalidParameterValue,
    InvalidContextAssertion.
    """
    arn, caller = request["RoleArn"], call.caller
    account = checked_role_arn(arn)
    if caller.kind == "root" and not _is_development_key(call):
        raise access_denied("Roles may not be assumed by root accounts.")
    policies = session_policies(call, request, account)
    tags = session_tags(caller, request.get("Tags", []), request.get("TransitiveTagKeys", []))
    packed = packed_size_percent(policies, tags.tags)
    mfa = await checked_mfa(call, request)
    role = call.cloud.authority.role(arn)
    if role is None:
        # A role that does not exist is refused in the words of one that does not trust the caller.
        raise AccessDenied(f"User: {caller.arn or caller.service} is not authorized to perform: sts:AssumeRole on resource: {arn}")
    source_identity = _authorize(call, request, role, mfa)
    seconds = request.get("DurationSeconds", _DURATION_SECONDS_DEFAULT)
    if caller.kind != "service":
        # Chaining is what a role does that assumes another. A user's session (GetSessionToken) is as free as the user.
        check_duration(seconds, role, chained=caller.kind == "role")
    # The code counts for the trust policy alone: a role's session does not say that there was one ("Secure API access with MFA").
    session = role_session(role, request["RoleSessionName"], tags, source_identity=source_identity)
    answer = issued(call, request, session, seconds, policies=policies)
    answer |= {"AssumedRoleUser": {"AssumedRoleId": session.principal_id, "Arn": session.arn}}
    if policies or tags.tags:
        answer["PackedPolicySize"] = packed
    if source_identity:
        answer["SourceIdentity"] = source_identity
    return answer


def _is_development_key(call: Call) -> bool:
    """AWS lets no root user assume a role. The habitual development keys, which AWS does not have, are spared: tools are configured with nothing else."""
    key_id = call.caller.access_key_id
    return call.cloud.settings.dev_keys and (key_id == "test" or (len(key_id) == 12 and key_id.isdigit()))


def _authorize(call: Call, request: Shape, role: TrustedRole, mfa: bool) -> str:
    """Check every permission that the request needs; returns the session's source identity, which a chained session keeps."""
    caller = call.caller
    conditions: dict[str, Any] = {"sts:RoleSessionName": request["RoleSessionName"]}
    if request.get("TransitiveTagKeys"):
        conditions["sts:TransitiveTagKeys"] = request["TransitiveTagKeys"]
    if "ExternalId" in request:
        conditions["sts:ExternalId"] = request["ExternalId"]
    if mfa:
        conditions |= {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0"}
    source_identity: str = request.get("SourceIdentity") or caller.source_identity
    if source_identity:
        conditions["sts:SourceIdentity"] = source_identity
    authorize_by_trust(call, caller, "sts:AssumeRole", role, conditions)
    # Transitive tags of the calling session are passed on by this request, too, and want the same permission.
    if request.get("Tags") or caller.transitive_tags:
        authorize_by_trust(call, caller, "sts:TagSession", role, conditions)
    if source_identity:
        if caller.source_identity and source_identity != caller.source_identity:
            raise AccessDenied(f"User: {caller.arn} is not authorized to perform: sts:SetSourceIdentity on resource: {role.arn}")
        authorize_by_trust(call, caller, "sts:SetSourceIdentity", role, conditions)
    if provided := request.get("ProvidedContexts"):
        providers = [one.get("ProviderArn", "") for one in provided]
        authorize_by_trust(call, caller, "sts:SetContext", role, conditions | {"sts:RequestContextProviders": providers})
        # Context assertions are made by IAM Identity Center, for its own users. There is none here, so nobody can have a valid one.
        raise ServiceError("InvalidContextAssertion", "The context assertion provided is not valid.", 400)
    return source_identity
