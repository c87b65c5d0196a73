"""AssumeRoleWithSAML: a role for whom a SAML identity provider vouches. The request itself is not signed.

STS API Reference, AssumeRoleWithSAML; IAM User Guide, "SAML 2.0 federation", "Configure SAML assertions for the authentication response".
"""

from __future__ import annotations

import asyncio

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.errors import AccessDenied
from haneul.core.operation import Shape, operation
from haneul.core.ports import TrustedSamlProvider
from haneul.services.sts.assume_role import checked_role_arn
from haneul.services.sts.errors import invalid_identity_token
from haneul.services.sts.saml_claims import SamlIdentity, read_claims
from haneul.services.sts.saml_response import read_response
from haneul.services.sts.sessions import (
    authorize_by_trust,
    check_duration,
    issued,
    packed_size_percent,
    role_session,
    session_policies,
    session_tags,
    tag_conditions,
)

_ACTION = "sts:AssumeRoleWithSAML"
_DURATION_SECONDS_DEFAULT = 3_600


@operation(_ACTION, public=True)
async def assume_role_with_saml(call: Call, request: Shape) -> Shape:
    """Temporary credentials of a role that the assertion names and whose trust policy allows the provider.

    Errors: InvalidIdentityToken, ExpiredTokenException, IDPRejectedClaim, AccessDenied, MalformedPolicyDocument, PackedPolicyTooLarge, ValidationError.
    """
    arn, authority = request["RoleArn"], call.cloud.authority
    account = checked_role_arn(arn)
    provider = authority.saml_provider(request["PrincipalArn"])
    if provider is None:
        raise invalid_identity_token("Specified provider doesn't exist.")
    identity = await asyncio.to_thread(_identity, request["SAMLAssertion"], provider, call.now)
    policies = session_policies(call, request, account)
    # Whoever holds an assertion is nobody in AWS yet, as with a web identity's token.
    caller = Caller(kind="web-identity", account="", arn="", principal_id=identity.subject, federated_provider=provider.arn)
    tags = session_tags(caller, identity.tags, identity.transitive)
    packed = packed_size_percent(policies, tags.tags)
    role = authority.role(arn)
    if role is None or (arn, provider.arn) not in identity.roles:
        raise AccessDenied(f"Not authorized to perform {_ACTION}")
    conditions = {"sts:RoleSessionName": identity.session_name, "aws:FederatedProvider": provider.arn, **identity.conditions}
    conditions |= tag_conditions(identity.tags, identity.transitive)
    actions = [_ACTION]
    if identity.tags:
        actions.append("sts:TagSession")
    if identity.source_identity:
        conditions["sts:SourceIdentity"] = identity.source_identity
        actions.append("sts:SetSourceIdentity")
    for action in actions:
        authorize_by_trust(call, caller, action, role, conditions)
    seconds = request.get("DurationSeconds", _DURATION_SECONDS_DEFAULT)
    check_duration(seconds, role, chained=False)
    session = role_session(
        role,
        identity.session_name,
        tags,
        source_identity=identity.source_identity,
        federated_provider=provider.arn,
        session_keys=identity.session_keys,
    )
    answer = issued(call, request, session, seconds, policies=policies, expires_at=_end(identity, seconds, call.now))
    answer |= {"AssumedRoleUser": {"AssumedRoleId": session.principal_id, "Arn": session.arn}}
    answer |= {"Subject": identity.subject, "SubjectType": identity.subject_type, "Issuer": identity.issuer}
    answer |= {"Audience": identity.recipient, "NameQualifier": identity.name_qualifier}
    if policies or identity.tags:
        answer["PackedPolicySize"] = packed
    if identity.source_identity:
        answer["SourceIdentity"] = identity.source_identity
    return answer


def _identity(text: str, provider: TrustedSamlProvider, now: int) -> SamlIdentity:
    """Verify and read; in a thread, because signatures and big documents take their time."""
    return read_claims(read_response(text, provider), provider, now)


def _end(identity: SamlIdentity, seconds: int, now: int) -> int:
    """When the session ends: the assertion can make it shorter than the request asks, not longer."""
    if identity.session_seconds is not None:
        seconds = min(seconds, identity.session_seconds)
    end = (now // SECOND + seconds) * SECOND
    return min(end, identity.session_ends_at) if identity.session_ends_at else end
