"""What a signed assertion says: of whom, for whom, until when, and the attributes that AWS knows.

IAM User Guide, "Configure SAML assertions for the authentication response".
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from haneul.clock import MINUTE, SECOND
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.core.ports import TrustedSamlProvider
from haneul.services.sts.errors import invalid_identity_token
from haneul.services.sts.saml_response import ASSERTION
from haneul.services.sts.saml_xml import Element, text_of

_ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"
_TAG = f"{_ATTRIBUTES}PrincipalTag:"
_FORMATS = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
_UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_ENDPOINT = re.compile(r"https://(?:[a-z]{2}(?:-[a-z]+)+-\d\.)?signin\.aws\.amazon\.com/saml(?:/acs/(?P<provider>[A-Z0-9]+))?\Z")
_AUDIENCE = "urn:amazon:webservices"
_SESSION_NAME = re.compile(r"[a-zA-Z_0-9+=,.@-]{2,64}\Z")
_TAG_KEY_CHARACTERS_MAX = 128
_TAG_VALUE_CHARACTERS_MAX = 256
_REDEEMED_WITHIN = 5 * MINUTE
_SKEW = 5 * MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_EDU = "urn:oid:1.3.6.1.4.1.5923.1."
_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
# Attributes that are condition keys of trust policies, those with many values and those with one.
_LISTS = {
    f"{_EDU}1.1.1": "eduPersonAffiliation",
    f"{_EDU}1.1.2": "eduPersonNickname",
    f"{_EDU}1.1.4": "eduPersonOrgUnitDN",
    f"{_EDU}1.1.7": "eduPersonEntitlement",
    f"{_EDU}1.1.9": "eduPersonScopedAffiliation",
    f"{_EDU}1.1.10": "eduPersonTargetedID",
    f"{_EDU}1.1.11": "eduPersonAssurance",
    f"{_EDU}2.1.2": "eduOrgHomePageURI",
    f"{_EDU}2.1.3": "eduOrgIdentityAuthNPolicyURI",
    f"{_EDU}2.1.4": "eduOrgLegalName",
    f"{_EDU}2.1.5": "eduOrgSuperiorURI",
    f"{_EDU}2.1.6": "eduOrgWhitePagesURI",
    "urn:oid:2.5.4.3": "cn",
}
_SINGLE = {
    f"{_EDU}1.1.3": "eduPersonOrgDN",
    f"{_EDU}1.1.5": "eduPersonPrimaryAffiliation",
    f"{_EDU}1.1.6": "eduPersonPrincipalName",
    f"{_EDU}1.1.8": "eduPersonPrimaryOrgUnitDN",
    f"{_CLAIMS}name": "name",
    "http://schemas.xmlsoap.org/claims/CommonName": "commonName",
    f"{_CLAIMS}givenname": "givenName",
    f"{_CLAIMS}surname": "surname",
    f"{_CLAIMS}emailaddress": "mail",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid": "uid",
    "2.5.4.3": "commonName",
    "2.5.4.4": "surname",
    "2.4.5.42": "givenName",
    "2.5.4.45": "x500UniqueIdentifier",
    "0.9.2342.19200300100.1.1": "uid",
    "0.9.2342.19200300100.1.3": "mail",
    "0.9.2342.19200300.100.1.45": "organizationStatus",
}


@dataclass(frozen=True, slots=True)
class SamlIdentity:
    """Whom an assertion speaks of. `roles` are pairs (role, provider); `conditions` the keys `saml:…` of trust policies; times in nanoseconds, 0 for none."""

    subject: str
    subject_type: str
    issuer: str
    recipient: str
    name_qualifier: str
    roles: frozenset[tuple[str, str]]
    session_name: str
    source_identity: str
    session_seconds: int | None
    session_ends_at: int
    tags: list[Shape]
    transitive: list[str]
    conditions: Mapping[str, Any]

    @property
    def session_keys(self) -> dict[str, str]:
        """The condition keys that permissions policies see in every request of the session."""
        return {"saml:namequalifier": self.name_qualifier, "saml:sub": self.subject, "saml:sub_type": self.subject_type}


def read_claims(assertion: Element, provider: TrustedSamlProvider, now: int) -> SamlIdentity:
    """What the assertion says, once it has been found to be this provider's, for AWS, and of now. Errors: InvalidIdentityToken, ExpiredTokenException."""
    issuer = text_of(assertion.find(f"{ASSERTION}Issuer"))
    if issuer != provider.entity_id:
        raise invalid_identity_token("Issuer not present in specified provider")
    _check_conditions(assertion, now)
    recipient = _confirmed_recipient(assertion, provider, now)
    if now - _time(assertion, "IssueInstant", required=True) > _REDEEMED_WITHIN:
        raise _expired("Token must be redeemed within 5 minutes of issuance")
    name = assertion.find(f"{ASSERTION}Subject/{ASSERTION}NameID")
    subject = text_of(name)
    if not subject:
        raise invalid_identity_token("NameID is required in AuthnResponse")
    subject_type = name.get("Format", _UNSPECIFIED).removeprefix(_FORMATS)
    digest = hashlib.sha1(f"{issuer}{provider.account}/{provider.name}".encode(), usedforsecurity=False).digest()
    qualifier = base64.b64encode(digest).decode()
    statement = assertion.find(f"{ASSERTION}AuthnStatement")
    if statement is None:
        raise invalid_identity_token("AuthnStatement is required in AuthnResponse")
    session_ends_at = _time(statement, "SessionNotOnOrAfter")
    if session_ends_at and session_ends_at <= now:
        raise _expired("Response has expired")
    attributes = _attributes(assertion)
    conditions = _mapped(attributes) | {
        "saml:aud": recipient,
        "saml:iss": issuer,
        "saml:sub": subject,
        "saml:sub_type": subject_type,
        "saml:namequalifier": qualifier,
        "saml:doc": f"{provider.account}/{provider.name}",
    }
    return SamlIdentity(
        subject=subject,
        subject_type=subject_type,
        issuer=issuer,
        recipient=recipient,
        name_qualifier=qualifier,
        roles=_roles(attributes),
        session_name=_session_name(attributes),
        source_identity=_source_identity(attributes),
        session_seconds=_session_seconds(attributes),
        session_ends_at=session_ends_at,
        tags=_tags(attributes),
        transitive=attributes.get(f"{_ATTRIBUTES}TransitiveTagKeys", []),
        conditions=conditions,
    )


def _expired(message: str) -> ServiceError:
    return ServiceError("ExpiredTokenException", message, 400)


def _time(element: Element, name: str, *, required: bool = False) -> int:
    """A time of an element, 0 where it has none."""
    text = element.get(name)
    if text is None and not required:
        return 0
    try:
        found = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise invalid_identity_token(f"{name} of the SAML assertion is missing or is no time") from None
    return (found.replace(tzinfo=found.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1) * (SECOND // 1_000_000)


def _check_times(element: Element, now: int, *, end_required: bool = False) -> None:
    if _time(element, "NotBefore") > now + _SKEW:
        raise invalid_identity_token("The SAML assertion is not valid yet")
    ends_at = _time(element, "NotOnOrAfter", required=end_required)
    if ends_at and ends_at <= now:
        raise _expired("Response has expired")


def _check_conditions(assertion: Element, now: int) -> None:
    """Its times, and that AWS is among the audiences of every restriction."""
    conditions = assertion.find(f"{ASSERTION}Conditions")
    restrictions = conditions.findall(f"{ASSERTION}AudienceRestriction") if conditions is not None else []
    if not restrictions:
        raise invalid_identity_token("Response does not contain the required audience.")
    _check_times(conditions, now)
    for restriction in restrictions:
        named = [text_of(one) for one in restriction.findall(f"{ASSERTION}Audience")]
        if not any(one == _AUDIENCE or _ENDPOINT.match(one) for one in named):
            raise invalid_identity_token("Response does not contain the required audience.")


def _confirmed_recipient(assertion: Element, provider: TrustedSamlProvider, now: int) -> str:
    """The endpoint for which the bearer's assertion is. Where assertions must be encrypted it names the provider, and never another one."""
    confirmations = assertion.findall(f"{ASSERTION}Subject/{ASSERTION}SubjectConfirmation")
    data = confirmations[0].find(f"{ASSERTION}SubjectConfirmationData") if len(confirmations) == 1 else None
    if data is None or confirmations[0].get("Method") != _BEARER:
        raise invalid_identity_token("Exactly one bearer SubjectConfirmation with SubjectConfirmationData is required in AuthnResponse")
    _check_times(data, now, end_required=True)
    recipient = data.get("Recipient", "")
    endpoint = _ENDPOINT.match(recipient)
    named = endpoint["provider"] if endpoint is not None else None
    if endpoint is None or (named or provider.uuid) != provider.uuid or (provider.encryption_required and named is None):
        raise invalid_identity_token("Recipient of SubjectConfirmationData does not match the AWS sign-in endpoint")
    return str(recipient)


def _attributes(assertion: Element) -> dict[str, list[str]]:
    """Attribute values by name; a name that comes twice has the values of both."""
    found: dict[str, list[str]] = {}
    for attribute in assertion.iterfind(f"{ASSERTION}AttributeStatement/{ASSERTION}Attribute"):
        values = found.setdefault(attribute.get("Name", ""), [])
        values += [text_of(value) for value in attribute.findall(f"{ASSERTION}AttributeValue")]
    return found


def _mapped(attributes: dict[str, list[str]]) -> dict[str, Any]:
    keys: dict[str, Any] = {}
    for name, values in attributes.items():
        if name in _LISTS:
            keys.setdefault(f"saml:{_LISTS[name]}", values)
        elif name in _SINGLE and values:
            keys.setdefault(f"saml:{_SINGLE[name]}", values[0])
    return keys


def _one(attributes: dict[str, list[str]], name: str) -> str | None:
    values = attributes.get(f"{_ATTRIBUTES}{name}", [])
    if len(values) > 1:
        raise invalid_identity_token(f"{name} in AuthnResponse must have exactly one value")
    return values[0] if values else None


def _roles(attributes: dict[str, list[str]]) -> frozenset[tuple[str, str]]:
    pairs = set()
    for value in attributes.get(f"{_ATTRIBUTES}Role", []):
        arns = [one.strip() for one in value.split(",")]
        if len(arns) != 2:
            raise invalid_identity_token("Role in AuthnResponse must be a pair of a role's and a SAML provider's ARN")
        # Identity providers write them in either order.
        pairs.add((arns[1], arns[0]) if ":saml-provider/" in arns[0] else (arns[0], arns[1]))
    if not pairs:
        raise invalid_identity_token("Role is required in AuthnResponse")
    return frozenset(pairs)


def _session_name(attributes: dict[str, list[str]]) -> str:
    name = _one(attributes, "RoleSessionName")
    if not name:
        raise invalid_identity_token("RoleSessionName is required in AuthnResponse")
    if not _SESSION_NAME.match(name):
        raise invalid_identity_token("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    return name


def _source_identity(attributes: dict[str, list[str]]) -> str:
    name = _one(attributes, "SourceIdentity")
    if name is None:
        return ""
    if not _SESSION_NAME.match(name) or name.startswith("aws:"):
        raise invalid_identity_token('Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"')
    return name


def _session_seconds(attributes: dict[str, list[str]]) -> int | None:
    text = _one(attributes, "SessionDuration")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 900 <= int(text) <= 43_200):
        raise invalid_identity_token("SessionDuration in AuthnResponse must be an integer between 900 and 43200")
    return int(text)


def _tags(attributes: dict[str, list[str]]) -> list[Shape]:
    tags = []
    for name, values in attributes.items():
        if name.startswith(_TAG):
            key = name.removeprefix(_TAG)
            if len(values) != 1 or not 1 <= len(key) <= _TAG_KEY_CHARACTERS_MAX or len(values[0]) > _TAG_VALUE_CHARACTERS_MAX:
                raise invalid_identity_token("A session tag in AuthnResponse must have a key of 1 to 128 and one value of at most 256 characters")
            tags.append({"Key": key, "Value": values[0]})
    return tags
