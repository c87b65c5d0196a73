"""A SAML identity provider's metadata: who it is, and the certificates of the keys that it signs with (SAML 2.0 Metadata, 2.3.2 and 2.4.1.1)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, fromstring

from haneul.core.lazy import LazyModule
from haneul.services.iam.errors import invalid_input

x509 = LazyModule("cryptography.x509")

_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_CERTIFICATE = ".//{http://www.w3.org/2000/09/xmldsig#}X509Certificate"


@dataclass(frozen=True, slots=True)
class SamlMetadata:
    """`certificates` are DER. Their dates do not count: IAM takes no notice of the expiry of certificates in metadata."""

    entity_id: str
    certificates: tuple[bytes, ...]


def read_metadata(document: str) -> SamlMetadata:
    """Metadata of one identity provider; InvalidInput for what is none, or names no key for signatures."""
    root = _parsed(document)
    found = root.find(f"{_METADATA}IDPSSODescriptor") if root.tag == f"{_METADATA}EntityDescriptor" else None
    entity_id = root.get("entityID", "")
    if found is None or not entity_id:
        raise _unreadable()
    certificates: list[bytes] = []
    for descriptor in found.iterfind(f"{_METADATA}KeyDescriptor"):
        if descriptor.get("use", "signing") == "signing":
            certificates += [_certificate(one.text or "") for one in descriptor.iterfind(_CERTIFICATE)]
    if not certificates:
        raise _unreadable()
    return SamlMetadata(entity_id, tuple(dict.fromkeys(certificates)))


def _parsed(document: str) -> Element:
    # Metadata has no use for a document type, and without one there are no entities to expand or to fetch.
    if "<!DOCTYPE" in document:
        raise _unreadable()
    try:
        return fromstring(document)
    except (ParseError, ValueError, RecursionError):
        raise _unreadable() from None


def _certificate(text: str) -> bytes:
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
        x509.load_der_x509_certificate(der).public_key()
    except (binascii.Error, ValueError, TypeError):
        raise _unreadable() from None
    return der


def _unreadable() -> Exception:
    return invalid_input("Could not parse metadata")
