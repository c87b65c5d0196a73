"""A SAML identity provider: it has metadata, signs responses as signxml does, and encrypts assertions."""

from __future__ import annotations

import base64
import datetime
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree
from signxml import XMLSigner
from signxml.algorithms import CanonicalizationMethod

ENDPOINT = "https://signin.aws.amazon.com/saml"
ENTITY = "https://idp.example.com/saml"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
NAMES = {"samlp": "urn:oasis:names:tc:SAML:2.0:protocol", "saml": "urn:oasis:names:tc:SAML:2.0:assertion"}
_ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"
_XENC = "http://www.w3.org/2001/04/xmlenc#"
_XENC11 = "http://www.w3.org/2009/xmlenc11#"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    """A certificate that has expired long ago: IAM takes no notice of that."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp.example.com")])
    begin = datetime.datetime(2020, 1, 1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    return made.not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=30)).sign(key, hashes.SHA256())


@dataclass
class Said:
    """What an assertion says. Times are seconds from now; `attributes` are names below AWS's prefix, or whole ones."""

    roles: list[str]
    subject: str = "ann@example.com"
    name_format: str | None = PERSISTENT
    issuer: str = ENTITY
    audience: str = "urn:amazon:webservices"
    recipient: str = ENDPOINT
    issued: int = 0
    not_before: int = -10
    ends: int = 240
    session_ends: int | None = None
    session_name: str | None = "ann"
    status: str = "urn:oasis:names:tc:SAML:2.0:status:Success"
    attributes: dict[str, list[str]] = field(default_factory=dict)


class IdentityProvider:
    def __init__(self) -> None:
        self.key = new_key()
        self.certificate = certificate(self.key)
        body = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        self.metadata = (
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{ENTITY}">'
            '<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data>'
            f"<ds:X509Certificate>{body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            f'<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="{ENTITY}/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>'
        )

    def response(self, said: Said, now: int) -> Any:
        """A response with one assertion, unsigned."""

        def at(seconds: int) -> str:
            return datetime.datetime.fromtimestamp(now + seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

        name_format = f' Format="{said.name_format}"' if said.name_format else ""
        until = f' SessionNotOnOrAfter="{at(said.session_ends)}"' if said.session_ends is not None else ""
        given = {"Role": said.roles} | ({"RoleSessionName": [said.session_name]} if said.session_name is not None else {}) | said.attributes
        attributes = "".join(
            f'<saml:Attribute Name="{name if ":" in name.partition("PrincipalTag:")[0] or name[0].isdigit() else _ATTRIBUTES + name}">'
            + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for name, values in given.items()
            if values
        )
        return etree.fromstring(
            f'<samlp:Response xmlns:samlp="{NAMES["samlp"]}" xmlns:saml="{NAMES["saml"]}" ID="_r1" Version="2.0" IssueInstant="{at(said.issued)}">'
            f'<saml:Issuer>{said.issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{said.status}"/></samlp:Status>'
            f'<saml:Assertion ID="_a1" Version="2.0" IssueInstant="{at(said.issued)}"><saml:Issuer>{said.issuer}</saml:Issuer>'
            f"<saml:Subject><saml:NameID{name_format}>{said.subject}</saml:NameID>"
            f'<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{at(said.ends)}"'
            f' Recipient="{said.recipient}"/></saml:SubjectConfirmation></saml:Subject>'
            f'<saml:Conditions NotBefore="{at(said.not_before)}" NotOnOrAfter="{at(said.ends)}"><saml:AudienceRestriction>'
            f"<saml:Audience>{said.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
            f'<saml:AuthnStatement AuthnInstant="{at(said.issued)}"{until}/><saml:AttributeStatement>{attributes}</saml:AttributeStatement>'
            "</saml:Assertion></samlp:Response>"
        )

    def sign(self, element: Any, key: rsa.RSAPrivateKey | None = None) -> Any:
        """The element with a signature right below it."""
        signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
        key = key or self.key
        return signer.sign(element, key=pem(key).encode(), cert=[certificate(key)], reference_uri=f"#{element.get('ID')}", id_attribute="ID")

    def with_signed_assertion(self, response: Any, key: rsa.RSAPrivateKey | None = None) -> Any:
        assertion = response.find("saml:Assertion", NAMES)
        response.replace(assertion, self.sign(etree.fromstring(etree.tostring(assertion)), key))
        return response

    def with_encrypted_assertion(self, response: Any, key: rsa.RSAPrivateKey, method: str = "aes256-gcm") -> Any:
        assertion = response.find("saml:Assertion", NAMES)
        response.replace(assertion, encrypted(etree.tostring(assertion), key, method))
        return response


def encrypted(plain: bytes, key: rsa.RSAPrivateKey, method: str) -> Any:
    """An EncryptedAssertion: AES-GCM with the newer key transport, AES-CBC with the older."""
    content_key, start = os.urandom(32 if "256" in method else 16), os.urandom(16)
    if method.endswith("gcm"):
        space, content = _XENC11, start[:12] + AESGCM(content_key).encrypt(start[:12], plain, None)
        scheme, transport = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None), f"{_XENC11}rsa-oaep"
        inner = f'<ds:DigestMethod Algorithm="{_XENC}sha256"/><x11:MGF xmlns:x11="{_XENC11}" Algorithm="{_XENC11}mgf1sha256"/>'
    else:
        filling = 16 - len(plain) % 16
        sealing = Cipher(algorithms.AES(content_key), modes.CBC(start)).encryptor()
        space, content = _XENC, start + sealing.update(plain + bytes(filling - 1) + bytes([filling])) + sealing.finalize()
        scheme, transport, inner = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None), f"{_XENC}rsa-oaep-mgf1p", ""
    transported = base64.b64encode(key.public_key().encrypt(content_key, scheme)).decode()
    return etree.fromstring(
        f'<saml:EncryptedAssertion xmlns:saml="{NAMES["saml"]}" xmlns:x="{_XENC}" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><x:EncryptedData>'
        f'<x:EncryptionMethod Algorithm="{space}{method}"/><ds:KeyInfo><x:EncryptedKey><x:EncryptionMethod Algorithm="{transport}">{inner}</x:EncryptionMethod>'
        f"<x:CipherData><x:CipherValue>{transported}</x:CipherValue></x:CipherData></x:EncryptedKey></ds:KeyInfo>"
        f"<x:CipherData><x:CipherValue>{base64.b64encode(content).decode()}</x:CipherValue></x:CipherData></x:EncryptedData></saml:EncryptedAssertion>"
    )


def coded(document: Any) -> str:
    """As requests carry it."""
    return base64.b64encode(document if isinstance(document, bytes) else etree.tostring(document)).decode()
