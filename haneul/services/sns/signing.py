"""The key that signs notifications, and its certificate: made for this cloud when first needed, the key sealed in the store.

Developer Guide, "Verifying the signatures of Amazon SNS messages": SHA1withRSA (version 1) or SHA256withRSA (version 2).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import md5

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from haneul.clock import DAY, SECOND, Clock
from haneul.core.cloud import Cloud
from haneul.core.lazy import LazyModule
from haneul.store.keys import pack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

hashes = LazyModule("cryptography.hazmat.primitives.hashes")
padding = LazyModule("cryptography.hazmat.primitives.asymmetric.padding")
rsa = LazyModule("cryptography.hazmat.primitives.asymmetric.rsa")
serialization = LazyModule("cryptography.hazmat.primitives.serialization")
x509 = LazyModule("cryptography.x509")

_KEY = pack(("sns-signing-key",))
_PURPOSE = "sns-signing-key"
_RSA_BITS = 2_048
_LASTS = 36_500 * DAY
_SERIAL_BYTES = 16
# Which fields are signed, in the order of their names; those that a message does not have are left out.
_SIGNED = ("Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type")


class SigningKey(msgspec.Struct):
    """`name` is the certificate's, as it stands in URLs; `certificate` is PEM, `sealed` the private key's PKCS #8 DER, sealed."""

    name: str
    certificate: bytes
    sealed: bytes


class Signer:
    """Signs, and knows the certificate by which that can be verified."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._row = b""
        self._opened: tuple[SigningKey, RSAPrivateKey] | None = None

    def certificate(self, name: str) -> bytes | None:
        """The certificate of that name, if it is this cloud's."""
        row = self._cloud.store.get(_KEY)
        key = decode(row, SigningKey) if row is not None else None
        return key.certificate if key is not None and key.name == name else None

    async def sign(self, fields: Mapping[str, str], version: str) -> tuple[str, str]:
        """The signature of a notification's fields in base64, and the name of the certificate."""
        key, private = await self._ready()
        text = "".join(f"{name}\n{fields[name]}\n" for name in _SIGNED if name in fields)
        digest = hashes.SHA256() if version == "2" else hashes.SHA1()
        signature = private.sign(text.encode("utf-8", "surrogatepass"), padding.PKCS1v15(), digest)
        return base64.b64encode(signature).decode(), key.name

    async def _ready(self) -> tuple[SigningKey, RSAPrivateKey]:
        row = self._cloud.store.get(_KEY)
        if row is None:
            row = await self._make()
        if self._opened is None or self._row != row:
            key = decode(row, SigningKey)
            der = self._cloud.vault.unseal(key.sealed, _PURPOSE)
            self._row, self._opened = row, (key, serialization.load_der_private_key(der or b"", None))
        return self._opened

    async def _make(self) -> bytes:
        cloud = self._cloud
        private, certificate = await asyncio.to_thread(_new_key, int.from_bytes(cloud.ids.bytes(_SERIAL_BYTES), "big") >> 1, cloud.clock)
        der = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        name = f"SimpleNotificationService-{md5(certificate, usedforsecurity=False).hexdigest()}.pem"
        fresh = encode(SigningKey(name, certificate, cloud.vault.seal(der, _PURPOSE)))

        def work(tx: Transaction) -> bytes:
            # Another delivery may have been quicker.
            there = tx.get(_KEY)
            if there is None:
                tx.put(_KEY, fresh)
            return there or fresh

        return await cloud.store.transact(work)


def _new_key(serial: int, clock: Clock) -> tuple[RSAPrivateKey, bytes]:
    private: RSAPrivateKey = rsa.generate_private_key(65_537, _RSA_BITS)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com"), x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Haneul")])
    begin = datetime.fromtimestamp((clock.now() - DAY) // SECOND, UTC)
    end = datetime.fromtimestamp((clock.now() + _LASTS) // SECOND, UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(serial)
    certificate = builder.not_valid_before(begin).not_valid_after(end).sign(private, hashes.SHA256())
    return private, certificate.public_bytes(serialization.Encoding.PEM)
