"""JSON Web Tokens of identity providers (RFC 7519, 7515, 7518): reading them, and verifying their signatures with an issuer's published keys."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from haneul.services.sts.errors import invalid_identity_token

Jwk = dict[str, Any]

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
# Algorithm → curve and the bytes of each of the signature's two numbers.
_CURVES: dict[str, tuple[str, type[ec.EllipticCurve], int]] = {
    "ES256": ("P-256", ec.SECP256R1, 32),
    "ES384": ("P-384", ec.SECP384R1, 48),
    "ES512": ("P-521", ec.SECP521R1, 66),
}
_RSA = frozenset({"RS256", "RS384", "RS512"})
_RSA_BITS_MIN = 2_048
_NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"


@dataclass(frozen=True)
class WebToken:
    """A token whose signature has not been verified yet."""

    algorithm: str
    key_id: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def read_token(text: str) -> WebToken:
    """The parts of a token; InvalidIdentityToken for what is none, or is signed in a way that STS does not take (`none`, shared secrets)."""
    parts = text.split(".")
    if len(parts) != 3:
        raise invalid_identity_token(_NOT_A_JWT)
    try:
        header, claims = json.loads(_decoded(parts[0])), json.loads(_decoded(parts[1]))
        signature = _decoded(parts[2])
    except (ValueError, RecursionError, binascii.Error):
        raise invalid_identity_token(_NOT_A_JWT) from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise invalid_identity_token(_NOT_A_JWT)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or (algorithm not in _RSA and algorithm not in _CURVES):
        raise invalid_identity_token("The ID Token provided is signed with an algorithm that is not supported.")
    return WebToken(algorithm, str(header.get("kid", "")), claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def candidate_keys(token: WebToken, keys: list[Jwk]) -> list[Jwk]:
    """The issuer's keys that may have signed the token: the one of its key id, or all where it names none."""
    kind = "RSA" if token.algorithm in _RSA else "EC"
    fitting = [key for key in keys if key.get("kty") == kind and key.get("use", "sig") == "sig" and key.get("alg", token.algorithm) == token.algorithm]
    return [key for key in fitting if key.get("kid", "") == token.key_id] if token.key_id else fitting


def is_signed_by(token: WebToken, key: Jwk) -> bool:
    """Whether the signature is that of a key. A key that cannot be read has signed nothing."""
    digest = _HASHES[token.algorithm[2:]]()
    try:
        if token.algorithm in _RSA:
            public = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
            if public.key_size < _RSA_BITS_MIN:
                return False
            public.verify(token.signature, token.signed, padding.PKCS1v15(), digest)
            return True
        name, curve, size = _CURVES[token.algorithm]
        if key.get("crv") != name or len(token.signature) != 2 * size:
            return False
        point = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), curve()).public_key()
        r, s = int.from_bytes(token.signature[:size], "big"), int.from_bytes(token.signature[size:], "big")
        point.verify(encode_dss_signature(r, s), token.signed, ec.ECDSA(digest))
        return True
    except (InvalidSignature, KeyError, ValueError, TypeError):
        return False


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")
