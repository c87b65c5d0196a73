"""A SAML response becomes the one assertion in it that the identity provider has signed (SAML 2.0 Core, 3.3.3 and 5.4).

Whatever is read of an assertion is read from what the signature's digest was made of, never from the document that came: elements that are put
around, beside or into the signed one (signature wrapping) are simply not there.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm

from haneul.core.errors import ServiceError
from haneul.core.lazy import LazyModule
from haneul.core.ports import TrustedSamlProvider
from haneul.services.sts.errors import invalid_identity_token
from haneul.services.sts.saml_encryption import opened_assertion
from haneul.services.sts.saml_xml import Element, detached, etree, parse

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

signxml = LazyModule("signxml")
x509 = LazyModule("cryptography.x509")

PROTOCOL = "{urn:oasis:names:tc:SAML:2.0:protocol}"
ASSERTION = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
_NO_ASSERTION = "Response did not contain a valid SAML assertion"
_BAD_SIGNATURE = "Response signature invalid"
_STRONG = frozenset(f"{kind}_SHA{bits}" for kind in ("RSA", "ECDSA") for bits in (256, 384, 512)) | {f"SHA{bits}_RSA_MGF1" for bits in (256, 384, 512)}
_STRONG_DIGESTS = frozenset({"SHA256", "SHA384", "SHA512"})


def read_response(text: str, provider: TrustedSamlProvider) -> Element:
    """The assertion of a response in base64. Errors: InvalidIdentityToken, IDPRejectedClaim."""
    try:
        document = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_identity_token("Invalid base64 SAMLResponse") from None
    response = parse(document)
    if response is None or response.tag != f"{PROTOCOL}Response":
        raise invalid_identity_token(_NO_ASSERTION)
    _check_status(response)
    is_signed = response.find(_SIGNATURE) is not None
    if is_signed:
        response = _signed_part(response, provider)
    assertion = _only_assertion(response, provider)
    # What a response's signature covers is trusted; else the assertion must bring its own.
    if not is_signed:
        assertion = _signed_part(assertion, provider)
    if assertion.tag != f"{ASSERTION}Assertion":
        raise invalid_identity_token(_NO_ASSERTION)
    return assertion


def _check_status(response: Element) -> None:
    code = response.find(f"{PROTOCOL}Status/{PROTOCOL}StatusCode")
    value = code.get("Value", "") if code is not None else ""
    if value != _SUCCESS:
        raise ServiceError("IDPRejectedClaim", f"The identity provider reported that authentication failed: {value or 'no status'}", 403)


def _only_assertion(response: Element, provider: TrustedSamlProvider) -> Element:
    plain, encrypted = response.findall(f"{ASSERTION}Assertion"), response.findall(f"{ASSERTION}EncryptedAssertion")
    if len(plain) + len(encrypted) != 1:
        raise invalid_identity_token(_NO_ASSERTION)
    if encrypted:
        return opened_assertion(encrypted[0], provider.private_keys)
    if provider.encryption_required:
        raise invalid_identity_token("The SAML provider requires encrypted assertions.")
    return plain[0]


def _signed_part(element: Element, provider: TrustedSamlProvider) -> Element:
    """What the signature right below an element covers, which must be that element, signed by one of the provider's keys."""
    root = detached(element)
    if root is not None and len(root.findall(_SIGNATURE)) == 1:
        for der in provider.certificates:
            signed = _verified(root, x509.load_der_x509_certificate(der))
            if signed is not None and signed.tag == root.tag and signed.get("ID") == root.get("ID"):
                return signed
    raise invalid_identity_token(_BAD_SIGNATURE)


def _verified(root: Element, certificate: Certificate) -> Element | None:
    """The content of a signature by a certificate's key; None when it is another's, or not sound."""
    configuration = signxml.SignatureConfiguration(
        location="./",
        signature_methods=frozenset(one for one in signxml.SignatureMethod if one.name in _STRONG),
        digest_algorithms=frozenset(one for one in signxml.DigestAlgorithm if one.name in _STRONG_DIGESTS),
        ignore_ambiguous_key_info=True,
        # IAM takes no notice of the expiry of certificates in metadata.
        verification_time=certificate.not_valid_before_utc,
    )
    try:
        return signxml.XMLVerifier().verify(root, x509_cert=certificate, id_attribute="ID", expect_config=configuration).signed_xml
    except (signxml.exceptions.SignXMLException, etree.LxmlError, ValueError, TypeError, AttributeError, KeyError, UnsupportedAlgorithm):
        return None
