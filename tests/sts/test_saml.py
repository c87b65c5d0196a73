"""AssumeRoleWithSAML, with an identity provider that signs real responses."""

from __future__ import annotations

import base64
import copy
import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from lxml import etree

from tests.iam.identities import allow, policy, refused, session_client, trust
from tests.support.running import ACCOUNT, Running
from tests.support.saml_idp import ENDPOINT, ENTITY, NAMES, IdentityProvider, Said, coded, new_key, pem

PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/Corp"
QUALIFIER = base64.b64encode(hashlib.sha1(f"{ENTITY}{ACCOUNT}/Corp".encode()).digest()).decode()
Change = Callable[[Any], Any]


def role_arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


@pytest.fixture(scope="module")
def idp(cloud: Running) -> IdentityProvider:
    """Trusted by the account, with roles for its users."""
    made = IdentityProvider()
    iam = cloud.client("iam")
    iam.create_saml_provider(Name="Corp", SAMLMetadataDocument=made.metadata)
    plain = trust({"Federated": PROVIDER}, "sts:AssumeRoleWithSAML", when={"StringEquals": {"saml:aud": ENDPOINT}})
    tagging = trust({"Federated": PROVIDER}, "sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity")
    for name, document in (("saml", plain), ("saml-tags", tagging)):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy(allow("iam:ListUsers")))
    return made


@pytest.fixture
def sts(cloud: Running) -> Iterator[Any]:
    """A client that signs nothing."""
    client = boto3.client("sts", region_name="us-east-1", endpoint_url=cloud.endpoint, config=Config(signature_version=UNSIGNED, retries={"max_attempts": 0}))
    yield client
    client.close()


@pytest.fixture
def enter(cloud: Running, idp: IdentityProvider, sts: Any) -> Callable[..., Any]:
    """Sign in: what the assertion says may be changed, and the document, before and after it is signed."""

    def do(role: str = "saml", before: Change = lambda document: document, after: Change = lambda document: document, params: Any = None, **said: Any) -> Any:
        said.setdefault("roles", [f"{role_arn(role)},{PROVIDER}"])
        document = after(idp.with_signed_assertion(before(idp.response(Said(**said), cloud.clock.seconds()))))
        return sts.assume_role_with_saml(RoleArn=role_arn(role), PrincipalArn=PROVIDER, SAMLAssertion=coded(document), **(params or {}))

    return do


def test_an_assertion_becomes_a_session(cloud: Running, enter: Any) -> None:
    """Every member of the answer, and what the session may."""
    answer = enter()
    assert (answer["Subject"], answer["SubjectType"], answer["Issuer"], answer["Audience"]) == ("ann@example.com", "persistent", ENTITY, ENDPOINT)
    assert answer["NameQualifier"] == QUALIFIER
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/saml/ann"
    assert "PackedPolicySize" not in answer
    assert int(answer["Credentials"]["Expiration"].timestamp()) == cloud.clock.seconds() + 3600
    session_client(cloud, "iam", answer["Credentials"]).list_users()
    assert enter(name_format=None)["SubjectType"] == "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"


def test_the_whole_response_may_be_signed(cloud: Running, idp: IdentityProvider, sts: Any) -> None:
    """Its signature covers the assertion."""
    document = idp.sign(idp.response(Said([f"{PROVIDER},{role_arn('saml')}"]), cloud.clock.seconds()))
    assert sts.assume_role_with_saml(RoleArn=role_arn("saml"), PrincipalArn=PROVIDER, SAMLAssertion=coded(document))["Subject"] == "ann@example.com"
    document.find("saml:Assertion", NAMES).find("saml:Subject/saml:NameID", NAMES).text = "root@example.com"
    refused("InvalidIdentityToken", sts.assume_role_with_saml, RoleArn=role_arn("saml"), PrincipalArn=PROVIDER, SAMLAssertion=coded(document))


@pytest.mark.parametrize("audience", ["urn:amazon:webservices", ENDPOINT, "https://eu-west-1.signin.aws.amazon.com/saml"])
def test_audiences(enter: Any, audience: str) -> None:
    """AWS by any of its names."""
    enter(audience=audience)


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("InvalidIdentityToken", "Issuer not present in specified provider", {"issuer": "https://elsewhere.example.com"}),
        ("InvalidIdentityToken", "Response does not contain the required audience.", {"audience": "urn:other"}),
        ("InvalidIdentityToken", "Recipient of SubjectConfirmationData does not match the AWS sign-in endpoint", {"recipient": "https://evil.example.com/saml"}),
        ("InvalidIdentityToken", "RoleSessionName is required in AuthnResponse", {"session_name": None}),
        ("InvalidIdentityToken", "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}", {"session_name": "Ann Example"}),
        (
            "InvalidIdentityToken",
            'Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with "aws:"',
            {"attributes": {"SourceIdentity": ["a b"]}},
        ),
        ("InvalidIdentityToken", "Role is required in AuthnResponse", {"roles": []}),
        ("InvalidIdentityToken", "SessionDuration in AuthnResponse must be an integer between 900 and 43200", {"attributes": {"SessionDuration": ["60"]}}),
        (
            "InvalidIdentityToken",
            "A session tag in AuthnResponse must have a key of 1 to 128 and one value of at most 256 characters",
            {"attributes": {"PrincipalTag:team": ["red", "blue"]}},
        ),
        ("InvalidIdentityToken", "The SAML assertion is not valid yet", {"not_before": 3600, "ends": 7200}),
        ("ExpiredTokenException", "Response has expired", {"ends": -1}),
        ("ExpiredTokenException", "Response has expired", {"session_ends": -1}),
        ("ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance", {"issued": -301, "ends": 600}),
        (
            "IDPRejectedClaim",
            "The identity provider reported that authentication failed: urn:oasis:names:tc:SAML:2.0:status:Responder",
            {"status": "urn:oasis:names:tc:SAML:2.0:status:Responder"},
        ),
        ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML", {"roles": [f"{role_arn('saml-tags')},{PROVIDER}"]}),
    ],
)
def test_refused_assertions(enter: Any, code: str, message: str, said: Any) -> None:
    """Signed, but not for this, not now, or not as AWS wants it."""
    assert refused(code, enter, **said) == message


def test_assertions_grow_old_by_the_clock(fresh_cloud: Running) -> None:
    """The cloud's own, which can be moved."""
    made, iam = IdentityProvider(), fresh_cloud.client("iam")
    iam.create_saml_provider(Name="Corp", SAMLMetadataDocument=made.metadata)
    iam.create_role(RoleName="saml", AssumeRolePolicyDocument=trust({"Federated": PROVIDER}, "sts:AssumeRoleWithSAML"))
    said = Said([f"{role_arn('saml')},{PROVIDER}"])
    text = coded(made.with_signed_assertion(made.response(said, fresh_cloud.clock.seconds())))
    call = {"RoleArn": role_arn("saml"), "PrincipalArn": PROVIDER, "SAMLAssertion": text}
    sts = fresh_cloud.client("sts")
    fresh_cloud.advance("3m")
    sts.assume_role_with_saml(**call)
    fresh_cloud.advance("1m")
    assert refused("ExpiredTokenException", sts.assume_role_with_saml, **call) == "Response has expired"


def test_duration(cloud: Running, enter: Any) -> None:
    """The assertion makes a session shorter, never longer than the request asks or the role allows."""

    def seconds(**more: Any) -> int:
        return int(enter(**more)["Credentials"]["Expiration"].timestamp()) - cloud.clock.seconds()

    assert seconds(attributes={"SessionDuration": ["1800"]}) == 1800
    assert seconds(attributes={"SessionDuration": ["7200"]}) == 3600
    assert seconds(session_ends=1200) == 1200
    assert seconds(params={"DurationSeconds": 900}) == 900
    refused("ValidationError", enter, params={"DurationSeconds": 3601})


def test_tags_and_source_identity(cloud: Running, enter: Any) -> None:
    """They need the trust policy's word; transitive tags and the source identity go on to the next role."""
    attributes = {"PrincipalTag:team": ["red"], "PrincipalTag:cost": ["7"], "TransitiveTagKeys": ["team"], "SourceIdentity": ["ann"]}
    assert refused("AccessDenied", enter, attributes=attributes) == "Not authorized to perform sts:TagSession"
    answer = enter("saml-tags", attributes=attributes)
    assert answer["SourceIdentity"] == "ann"
    assert answer["PackedPolicySize"] > 0
    iam = cloud.client("iam")
    arn = answer["AssumedRoleUser"]["Arn"]
    iam.create_role(
        RoleName="next",
        AssumeRolePolicyDocument=trust(
            {"AWS": arn}, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", when={"StringEquals": {"aws:PrincipalTag/cost": "7"}}
        ),
    )
    iam.put_role_policy(
        RoleName="next",
        PolicyName="p",
        PolicyDocument=policy(allow("iam:ListUsers", when={"StringEquals": {"aws:PrincipalTag/team": "red"}, "Null": {"aws:PrincipalTag/cost": "true"}})),
    )
    chained = session_client(cloud, "sts", answer["Credentials"]).assume_role(RoleArn=role_arn("next"), RoleSessionName="s2")
    assert chained["SourceIdentity"] == "ann"
    session_client(cloud, "iam", chained["Credentials"]).list_users()


@pytest.mark.parametrize(
    "when",
    [
        {"StringEquals": {"saml:iss": ENTITY, "saml:sub": "ann@example.com", "saml:sub_type": "persistent", "saml:doc": f"{ACCOUNT}/Corp"}},
        {"StringEquals": {"saml:namequalifier": QUALIFIER, "saml:aud": ENDPOINT, "saml:sub": "ann@example.com"}},
        {"ForAnyValue:StringEquals": {"saml:eduPersonAffiliation": "staff"}, "StringEquals": {"saml:mail": "ann@example.com"}},
        {"StringEquals": {"saml:commonName": "Ann", "aws:FederatedProvider": PROVIDER, "sts:RoleSessionName": "ann"}},
    ],
)
def test_condition_keys(cloud: Running, enter: Any, when: Any) -> None:
    """Trust policies see what the assertion says, in the user guide's names."""
    attributes = {
        "urn:oid:1.3.6.1.4.1.5923.1.1.1.1": ["student", "staff"],
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": ["ann@example.com"],
        "2.5.4.3": ["Ann"],
    }
    iam = cloud.client("iam")
    iam.create_role(RoleName="when", AssumeRolePolicyDocument=trust({"Federated": PROVIDER}, "sts:AssumeRoleWithSAML", when=when))
    enter("when", attributes=attributes)
    refused("AccessDenied", lambda: enter("when", subject="bob", session_name="bob"))
    iam.delete_role(RoleName="when")


def test_the_sessions_own_keys(cloud: Running, enter: Any) -> None:
    """saml:sub, saml:sub_type and saml:namequalifier are in every request of the session."""
    iam = cloud.client("iam")
    iam.create_role(RoleName="own", AssumeRolePolicyDocument=trust({"Federated": PROVIDER}, "sts:AssumeRoleWithSAML"))
    statement = allow("iam:ListUsers", when={"StringEquals": {"saml:sub": "ann@example.com", "saml:sub_type": "persistent"}})
    iam.put_role_policy(RoleName="own", PolicyName="p", PolicyDocument=policy(statement))
    session_client(cloud, "iam", enter("own")["Credentials"]).list_users()
    refused("AccessDenied", session_client(cloud, "iam", enter("own", subject="bob@example.com")["Credentials"]).list_users)


# ---- forgeries


def _rename(document: Any) -> Any:
    document.find(".//saml:NameID", NAMES).text = "root@example.com"
    return document


def _unsigned(document: Any) -> Any:
    signature = document.find(".//{http://www.w3.org/2000/09/xmldsig#}Signature")
    signature.getparent().remove(signature)
    return document


def _evil_copy(document: Any, identifier: str) -> Any:
    evil = copy.deepcopy(document.find("saml:Assertion", NAMES))
    evil.set("ID", identifier)
    _unsigned(evil)
    evil.find(".//saml:NameID", NAMES).text = "root@example.com"
    return evil


def _beside(document: Any) -> Any:
    """A forged assertion in front of the signed one."""
    document.insert(2, _evil_copy(document, "_evil"))
    return document


def _around(document: Any) -> Any:
    """A forged assertion that carries the signed one inside, and its signature as its own."""
    signed = document.find("saml:Assertion", NAMES)
    evil = _evil_copy(document, "_evil")
    signature = copy.deepcopy(signed.find("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    evil.insert(1, signature)
    document.replace(signed, evil)
    etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object").append(signed)
    return document


def _same_id(document: Any) -> Any:
    """As before, both with the id that the signature names."""
    document = _around(document)
    document.find("saml:Assertion", NAMES).set("ID", "_a1")
    return document


def _in_extensions(document: Any) -> Any:
    """The signed assertion put away where nobody looks, a forged one in its place."""
    signed = document.find("saml:Assertion", NAMES)
    evil = _evil_copy(document, "_evil")
    document.replace(signed, evil)
    etree.SubElement(document, "{urn:oasis:names:tc:SAML:2.0:protocol}Extensions").append(signed)
    return document


@pytest.mark.parametrize("forge", [_rename, _unsigned, _beside, _around, _same_id, _in_extensions])
def test_forged_responses(enter: Any, forge: Change) -> None:
    """Changed, stripped and wrapped documents let nobody in."""
    refused("InvalidIdentityToken", enter, after=forge)


def test_a_strangers_signature(cloud: Running, idp: IdentityProvider, sts: Any) -> None:
    """A sound signature by a key that is not in the provider's metadata, whatever certificate the document brings."""
    document = idp.with_signed_assertion(idp.response(Said([f"{role_arn('saml')},{PROVIDER}"]), cloud.clock.seconds()), new_key())
    message = refused("InvalidIdentityToken", sts.assume_role_with_saml, RoleArn=role_arn("saml"), PrincipalArn=PROVIDER, SAMLAssertion=coded(document))
    assert message == "Response signature invalid"


def test_new_keys_in_the_metadata(cloud: Running, sts: Any) -> None:
    """Several may be good at a time; after an update only those of the new document are."""
    old, new, iam = IdentityProvider(), IdentityProvider(), cloud.client("iam")
    arn = iam.create_saml_provider(Name="Rotating", SAMLMetadataDocument=old.metadata)["SAMLProviderArn"]
    iam.create_role(RoleName="rotating", AssumeRolePolicyDocument=trust({"Federated": arn}, "sts:AssumeRoleWithSAML"))
    said = Said([f"{role_arn('rotating')},{arn}"])

    def enter_by(idp: IdentityProvider) -> Any:
        text = coded(idp.with_signed_assertion(idp.response(said, cloud.clock.seconds())))
        return sts.assume_role_with_saml(RoleArn=role_arn("rotating"), PrincipalArn=arn, SAMLAssertion=text)

    enter_by(old)
    refused("InvalidIdentityToken", lambda: enter_by(new))
    descriptor = new.metadata[new.metadata.index("<md:KeyDescriptor") : new.metadata.index("<md:SingleSignOnService")]
    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=old.metadata.replace("<md:SingleSignOnService", descriptor + "<md:SingleSignOnService"))
    enter_by(old)
    enter_by(new)
    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=new.metadata)
    enter_by(new)
    refused("InvalidIdentityToken", lambda: enter_by(old))


def test_comments_cut_no_names(enter: Any) -> None:
    """A comment in a name is not there for the signature, so the name is read as a whole."""

    def commented(document: Any) -> Any:
        name = document.find(".//saml:NameID", NAMES)
        name.text = "ann@example.com"
        comment = etree.Comment("x")
        comment.tail = ".evil.example"
        name.append(comment)
        return document

    assert enter(before=commented)["Subject"] == "ann@example.com.evil.example"


@pytest.mark.parametrize(
    "document",
    [
        b"not xml",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">&x;</samlp:Response>',
        b"<!DOCTYPE a ["
        + b"".join(b'<!ENTITY e%d "%s">' % (n + 1, b"&e%d;" % n * 20) for n in range(1, 12))
        + b'<!ENTITY e1 "lol">]><samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" a="&e12;">&e12;</samlp:Response>',
        b"<a>" * 5000 + b"</a>" * 5000,
    ],
    ids=["text", "other", "external", "bomb", "deep"],
)
def test_hostile_documents(idp: IdentityProvider, sts: Any, document: bytes) -> None:
    """What is no response, or would make the parser fetch, swell or dive, is refused."""
    message = refused("InvalidIdentityToken", sts.assume_role_with_saml, RoleArn=role_arn("saml"), PrincipalArn=PROVIDER, SAMLAssertion=coded(document))
    assert message == "Response did not contain a valid SAML assertion"


def test_what_is_no_base64_and_no_provider(idp: IdentityProvider, sts: Any) -> None:
    """In the service's words."""
    call = {"RoleArn": role_arn("saml"), "PrincipalArn": PROVIDER}
    assert refused("InvalidIdentityToken", sts.assume_role_with_saml, **call, SAMLAssertion="%%%%") == "Invalid base64 SAMLResponse"
    call["PrincipalArn"] += "X"
    assert refused("InvalidIdentityToken", sts.assume_role_with_saml, **call, SAMLAssertion="AAAA") == "Specified provider doesn't exist."


# ---- encryption


def uuid_of(cloud: Running, arn: str) -> str:
    return str(cloud.client("iam").get_saml_provider(SAMLProviderArn=arn)["SAMLProviderUUID"])


@pytest.fixture(scope="module")
def encrypting(cloud: Running) -> Any:
    """A provider that requires encrypted assertions, its key, its ARN and a role for its users."""
    made, key, iam = IdentityProvider(), new_key(), cloud.client("iam")
    arn = iam.create_saml_provider(Name="Secret", SAMLMetadataDocument=made.metadata, AddPrivateKey=pem(key), AssertionEncryptionMode="Required")["SAMLProviderArn"]
    iam.create_role(RoleName="secret", AssumeRolePolicyDocument=trust({"Federated": arn}, "sts:AssumeRoleWithSAML"))
    return made, key, arn, role_arn("secret")


@pytest.mark.parametrize("method", ["aes128-cbc", "aes256-cbc", "aes128-gcm", "aes256-gcm"])
@pytest.mark.parametrize("whole", [True, False], ids=["response-signed", "assertion-signed"])
def test_encrypted_assertions(encrypting: Any, cloud: Running, sts: Any, method: str, whole: bool) -> None:
    """Opened with the provider's key, whether the signature is inside or around."""
    made, key, arn, role = encrypting
    document = made.response(Said([f"{role},{arn}"], recipient=f"{ENDPOINT}/acs/{uuid_of(cloud, arn)}"), cloud.clock.seconds())
    document = made.with_encrypted_assertion(document if whole else made.with_signed_assertion(document), key, method)
    text = coded(made.sign(document) if whole else document)
    assert sts.assume_role_with_saml(RoleArn=role, PrincipalArn=arn, SAMLAssertion=text)["Subject"] == "ann@example.com"


def test_encryption_hides_no_forgery(encrypting: Any, cloud: Running, sts: Any) -> None:
    """Anybody can encrypt with a public key; an assertion that nobody signed stays unsigned."""
    made, key, arn, role = encrypting
    said = Said([f"{role},{arn}"], recipient=f"{ENDPOINT}/acs/{uuid_of(cloud, arn)}")
    call = {"RoleArn": role, "PrincipalArn": arn}
    unsigned = made.with_encrypted_assertion(made.response(said, cloud.clock.seconds()), key)
    assert refused("InvalidIdentityToken", sts.assume_role_with_saml, **call, SAMLAssertion=coded(unsigned)) == "Response signature invalid"
    other = made.with_encrypted_assertion(made.with_signed_assertion(made.response(said, cloud.clock.seconds())), new_key())
    message = refused("InvalidIdentityToken", sts.assume_role_with_saml, **call, SAMLAssertion=coded(other))
    assert message == "The encrypted SAML assertion could not be decrypted."


def test_required_encryption(encrypting: Any, cloud: Running, sts: Any) -> None:
    """Then plain assertions are refused, and those for an endpoint that does not name the provider."""
    made, key, arn, role = encrypting
    call = {"RoleArn": role, "PrincipalArn": arn}
    named = Said([f"{role},{arn}"], recipient=f"{ENDPOINT}/acs/{uuid_of(cloud, arn)}")
    plain = made.with_signed_assertion(made.response(named, cloud.clock.seconds()))
    assert refused("InvalidIdentityToken", sts.assume_role_with_saml, **call, SAMLAssertion=coded(plain)) == "The SAML provider requires encrypted assertions."
    nameless = made.with_encrypted_assertion(made.with_signed_assertion(made.response(Said([f"{role},{arn}"]), cloud.clock.seconds())), key)
    refused("InvalidIdentityToken", sts.assume_role_with_saml, **call, SAMLAssertion=coded(nameless))


def test_the_libraries_wait_until_they_are_needed() -> None:
    """lxml and signxml take some 5 MB and 40 ms that a start without SAML does not pay."""
    code = (
        "import sys; from haneul.services.registry import service_classes; [one.operations() for one in service_classes()];"
        "sys.exit(bool({'lxml', 'signxml', 'cryptography.x509'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
