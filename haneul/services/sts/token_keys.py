"""The keys that sign web identity tokens, one for each issuer and algorithm: made when first asked for, sealed in the store, published by the issuer."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from haneul.core.cloud import Cloud
from haneul.core.lazy import LazyModule
from haneul.services.sts.web_tokens import Jwk
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

serialization = LazyModule("cryptography.hazmat.primitives.serialization")

ALGORITHMS = ("RS256", "ES384")
_SPACE = "sts-token-key"
_PURPOSE = "sts-token-key "
_RSA_BITS = 2_048
_ES384_BYTES = 48

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class TokenKey(msgspec.Struct, kw_only=True):
    """A signing key; `sealed` is its PKCS #8 DER, sealed; `issuer` the URL of whom it signs for."""

    id: str
    issuer: str
    algorithm: str
    sealed: bytes


class TokenKeys:
    """Finds, makes and uses the keys."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def of(self, label: str) -> list[TokenKey]:
        """The keys of the issuer whose host begins with `label`."""
        return [decode(value, TokenKey) for _, value in self._cloud.store.iterate(*prefix_range(pack((_SPACE, label))))]

    async def ensure(self, issuer: str) -> list[TokenKey]:
        """The keys of an issuer, one for each algorithm."""
        label = label_of(issuer)
        found = self.of(label)
        if len(found) == len(ALGORITHMS):
            return found
        ids = {algorithm: self._cloud.ids.uuid() for algorithm in ALGORITHMS}
        made = {algorithm: await asyncio.to_thread(_new_key, algorithm) for algorithm in ALGORITHMS}
        seal = self._cloud.vault.seal
        fresh = [TokenKey(id=ids[one], issuer=issuer, algorithm=one, sealed=seal(_der(made[one]), _PURPOSE + ids[one])) for one in ALGORITHMS]

        def work(tx: Transaction) -> None:
            for key in fresh:
                row = pack((_SPACE, label, key.algorithm))
                # Another request may have been quicker; a key that has signed something stays.
                if tx.get(row) is None:
                    tx.put(row, encode(key))

        await self._cloud.store.transact(work)
        return self.of(label)

    def sign(self, key: TokenKey, claims: dict[str, Any]) -> str:
        """The claims as a signed token (RFC 7515, 7519)."""
        header = {"alg": key.algorithm, "kid": key.id, "typ": "JWT"}
        signed = ".".join(_encoded(msgspec.json.encode(part)) for part in (header, claims))
        private = self._opened(key)
        if isinstance(private, rsa.RSAPrivateKey):
            signature = private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            numbers = decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(hashes.SHA384())))
            signature = b"".join(number.to_bytes(_ES384_BYTES, "big") for number in numbers)
        return f"{signed}.{_encoded(signature)}"

    def published(self, key: TokenKey) -> Jwk:
        """The public key as the issuer shows it (RFC 7517)."""
        public = self._opened(key).public_key()
        shown: Jwk = {"kid": key.id, "use": "sig", "alg": key.algorithm}
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return shown | {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        point = public.public_numbers()
        return shown | {"kty": "EC", "crv": "P-384", "x": _number(point.x, _ES384_BYTES), "y": _number(point.y, _ES384_BYTES)}

    def _opened(self, key: TokenKey) -> PrivateKey:
        der = self._cloud.vault.unseal(key.sealed, _PURPOSE + key.id)
        found = serialization.load_der_private_key(der or b"", None)
        assert isinstance(found, PrivateKey)
        return found


def label_of(issuer: str) -> str:
    """The first label of an issuer's host."""
    return (urlsplit(issuer).hostname or "").partition(".")[0]


def _new_key(algorithm: str) -> PrivateKey:
    return rsa.generate_private_key(65_537, _RSA_BITS) if algorithm == "RS256" else ec.generate_private_key(ec.SECP384R1())


def _der(key: PrivateKey) -> bytes:
    der: bytes = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return der


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int, size: int = 0) -> str:
    return _encoded(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
