"""Opening encrypted assertions (XML Encryption 1.1; SAML 2.0 Core, 2.3.4) with a provider's private keys.

Key transport is RSA-OAEP only: RSA 1.5 lets a stranger who is told of failures open what he cannot read.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from haneul.core.lazy import LazyModule
from haneul.services.sts.errors import invalid_identity_token
from haneul.services.sts.saml_xml import Element, parse

serialization = LazyModule("cryptography.hazmat.primitives.serialization")

_NAMES = {"xenc": "http://www.w3.org/2001/04/xmlenc#", "xenc11": "http://www.w3.org/2009/xmlenc11#", "ds": "http://www.w3.org/2000/09/xmldsig#"}
_OAEP_OLD = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
_OAEP = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "http://www.w3.org/2000/09/xmldsig#sha1": hashes.SHA1,
    "http://www.w3.org/2001/04/xmlenc#sha256": hashes.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384,
    "http://www.w3.org/2001/04/xmlenc#sha512": hashes.SHA512,
}
_MASKS: dict[str, type[hashes.HashAlgorithm]] = {
    "http://www.w3.org/2009/xmlenc11#mgf1sha1": hashes.SHA1,
    "http://www.w3.org/2009/xmlenc11#mgf1sha256": hashes.SHA256,
    "http://www.w3.org/2009/xmlenc11#mgf1sha384": hashes.SHA384,
    "http://www.w3.org/2009/xmlenc11#mgf1sha512": hashes.SHA512,
}
# Algorithm → bytes of its key.
_CBC = {f"http://www.w3.org/2001/04/xmlenc#aes{bits}-cbc": bits // 8 for bits in (128, 192, 256)}
_GCM = {f"http://www.w3.org/2009/xmlenc11#aes{bits}-gcm": bits // 8 for bits in (128, 192, 256)}
_BLOCK_BYTES = 16
_NONCE_BYTES = 12
_KEYS_TRIED_MAX = 8


def opened_assertion(encrypted: Element, private_keys: tuple[bytes, ...]) -> Element:
    """The assertion in an EncryptedAssertion. InvalidIdentityToken, in the same words whatever the reason, when no key opens it."""
    data = encrypted.find("xenc:EncryptedData", _NAMES)
    method = _algorithm(data, "xenc:EncryptionMethod")
    size = _CBC.get(method) or _GCM.get(method)
    if data is None or size is None:
        raise _closed()
    content = _cipher_value(data)
    for transported in encrypted.findall(".//xenc:EncryptedKey", _NAMES)[:_KEYS_TRIED_MAX]:
        for pem in private_keys:
            key = _content_key(transported, pem)
            plain = _plain(method, key, content) if key is not None and len(key) == size else None
            root = parse(plain) if plain is not None else None
            if root is not None:
                return root
    raise _closed()


def _closed() -> Exception:
    return invalid_identity_token("The encrypted SAML assertion could not be decrypted.")


def _algorithm(parent: Element | None, path: str) -> str:
    found = parent.find(path, _NAMES) if parent is not None else None
    return str(found.get("Algorithm", "")) if found is not None else ""


def _cipher_value(parent: Element) -> bytes:
    text = parent.findtext("xenc:CipherData/xenc:CipherValue", "", _NAMES)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _closed() from None


def _content_key(transported: Element, pem: bytes) -> bytes | None:
    private: Any = serialization.load_pem_private_key(pem, None)
    scheme = _oaep(transported)
    if scheme is None or not isinstance(private, RSAPrivateKey):
        return None
    try:
        return private.decrypt(_cipher_value(transported), scheme)
    except ValueError:
        return None


def _oaep(transported: Element) -> padding.OAEP | None:
    """The padding that an EncryptedKey names; the older of the two algorithms has its mask made with SHA-1."""
    method = _algorithm(transported, "xenc:EncryptionMethod")
    if method not in (_OAEP, _OAEP_OLD):
        return None
    digest = _HASHES.get(_algorithm(transported, "xenc:EncryptionMethod/ds:DigestMethod") or "http://www.w3.org/2000/09/xmldsig#sha1")
    named = _algorithm(transported, "xenc:EncryptionMethod/xenc11:MGF") if method == _OAEP else ""
    mask = _MASKS.get(named or "http://www.w3.org/2009/xmlenc11#mgf1sha1")
    if digest is None or mask is None:
        return None
    return padding.OAEP(padding.MGF1(mask()), digest(), None)


def _plain(method: str, key: bytes, content: bytes) -> bytes | None:
    if method in _GCM:
        try:
            return AESGCM(key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            return None
    if len(content) < 2 * _BLOCK_BYTES or len(content) % _BLOCK_BYTES:
        return None
    opening = Cipher(algorithms.AES(key), modes.CBC(content[:_BLOCK_BYTES])).decryptor()
    plain = opening.update(content[_BLOCK_BYTES:]) + opening.finalize()
    # Only the last byte of this padding means anything: how many bytes it takes.
    return plain[: -plain[-1]] if 1 <= plain[-1] <= _BLOCK_BYTES else None
