"""Server certificates: UploadServerCertificate, GetServerCertificate, ListServerCertificates, UpdateServerCertificate, DeleteServerCertificate.

No service here takes one from IAM yet; their private keys are sealed and never shown.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.lazy import LazyModule
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, tag_list
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.pages import page_of_rows
from haneul.services.iam.records import SERVER_CERTIFICATE, ServerCertificate, arn_of
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.tags import new_tags
from haneul.store.port import Transaction
from haneul.store.records import decode

serialization = LazyModule("cryptography.hazmat.primitives.serialization")
x509 = LazyModule("cryptography.x509")

_PURPOSE = "iam-server-certificate "


def _malformed(message: str) -> ServiceError:
    return ServiceError("MalformedCertificate", message, 400)


def _checked(body: str, private_key: str, chain: str) -> int:
    """When the certificate expires (nanoseconds). MalformedCertificate and KeyPairMismatch for parts that are none, or do not belong together."""
    try:
        certificate = x509.load_pem_x509_certificate(body.encode())
    except ValueError:
        raise _malformed("Unable to parse certificate. Please ensure the certificate is in PEM format.") from None
    try:
        key: Any = serialization.load_pem_private_key(private_key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _malformed("Unable to parse private key. Please ensure the key is in PEM format and not encrypted.") from None
    if key.public_key() != certificate.public_key():
        raise ServiceError("KeyPairMismatch", "The public key certificate and the private key do not match.", 400)
    if chain:
        _check_chain(certificate, chain)
    expires: datetime = certificate.not_valid_after_utc
    return int(expires.timestamp()) * SECOND


def _check_chain(certificate: Any, chain: str) -> None:
    """Each certificate is signed by the next."""
    index = -1
    try:
        for issuer in x509.load_pem_x509_certificates(chain.encode()):
            certificate.verify_directly_issued_by(issuer)
            certificate, index = issuer, index + 1
    except (ValueError, TypeError, InvalidSignature):
        raise _malformed(
            "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any "
            f"intermediaries in order. The index within the chain of the invalid certificate is: {index}"
        ) from None


def _shown(call: Call, one: ServerCertificate) -> Shape:
    return {
        "Path": one.path,
        "ServerCertificateName": one.name,
        "ServerCertificateId": one.id,
        "Arn": arn_of(call.account, SERVER_CERTIFICATE, one),
        "UploadDate": one.created_at,
        "Expiration": one.expires_at,
    }


@iam_operation("UploadServerCertificate")
async def upload_server_certificate(call: Call, request: Shape) -> Shape:
    """Keep a certificate, its chain and its private key. Errors: MalformedCertificate, KeyPairMismatch, EntityAlreadyExists, LimitExceeded."""
    body, chain = request["CertificateBody"], request.get("CertificateChain", "")
    expires_at = await asyncio.to_thread(_checked, body, request["PrivateKey"], chain)
    identity = unique_id(call.cloud.ids, SERVER_CERTIFICATE.id_prefix)
    made = ServerCertificate(
        name=request["ServerCertificateName"],
        id=identity,
        path=request.get("Path", "/"),
        created_at=call.now,
        tags=new_tags(request),
        body=body,
        chain=chain,
        sealed_key=call.cloud.vault.seal(request["PrivateKey"].encode(), _PURPOSE + identity),
        expires_at=expires_at,
    )
    await call.cloud.store.transact(lambda tx: Directory(tx, call.account).add(SERVER_CERTIFICATE, made))
    return {"ServerCertificateMetadata": _shown(call, made)} | ({"Tags": tag_list(made.tags)} if made.tags else {})


@iam_operation("GetServerCertificate")
async def get_server_certificate(call: Call, request: Shape) -> Shape:
    """A certificate with its chain."""
    found = directory_of(call).named(SERVER_CERTIFICATE, request["ServerCertificateName"])
    shape: Shape = {"ServerCertificateMetadata": _shown(call, found), "CertificateBody": found.body, "Tags": tag_list(found.tags)}
    return {"ServerCertificate": shape | ({"CertificateChain": found.chain} if found.chain else {})}


@iam_operation("ListServerCertificates")
async def list_server_certificates(call: Call, request: Shape) -> Shape:
    """Certificates in the order of their names, a page at a time."""
    prefix = request.get("PathPrefix", "/")

    def take(_: bytes, value: bytes) -> Shape | None:
        one = decode(value, ServerCertificate)
        return _shown(call, one) if one.path.startswith(prefix) else None

    found, more = page_of_rows(call.cloud.store, directory_of(call), (SERVER_CERTIFICATE.space,), request, take)
    return {"ServerCertificateMetadataList": found, **more}


@iam_operation("UpdateServerCertificate")
async def update_server_certificate(call: Call, request: Shape) -> Shape:
    """Change a certificate's name or path."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        found = directory.named(SERVER_CERTIFICATE, request["ServerCertificateName"])
        directory.rename(SERVER_CERTIFICATE, found, request.get("NewServerCertificateName"), request.get("NewPath"))

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteServerCertificate")
async def delete_server_certificate(call: Call, request: Shape) -> Shape:
    """Remove a certificate and its key."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        directory.remove(SERVER_CERTIFICATE, directory.named(SERVER_CERTIFICATE, request["ServerCertificateName"]))

    await call.cloud.store.transact(work)
    return {}
