"""Server certificates and SSH public keys: what IAM keeps for other services."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.iam.identities import User, allow, refused
from tests.support.running import ACCOUNT, Running

ENDS = datetime(2040, 1, 1, tzinfo=UTC)


class Issued:
    """A certificate with its key, signed by another or by itself."""

    def __init__(self, name: str, issuer: Issued | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        signer = issuer or self
        builder = x509.CertificateBuilder().subject_name(self.name).issuer_name(signer.name).public_key(self.key.public_key())
        builder = builder.serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(ENDS)
        self.body = builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
        encryption = serialization.NoEncryption()
        self.private = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def test_life_of_a_server_certificate(iam: Any) -> None:
    """Uploaded, shown without its key, listed by path, renamed, tagged and deleted."""
    root = Issued("root")
    one = Issued("www.example.com", root)
    made = iam.upload_server_certificate(
        ServerCertificateName="www", Path="/cloudfront/", CertificateBody=one.body, PrivateKey=one.private, CertificateChain=root.body, Tags=[{"Key": "team", "Value": "blue"}]
    )
    shown = made["ServerCertificateMetadata"]
    assert shown["Arn"] == f"arn:aws:iam::{ACCOUNT}:server-certificate/cloudfront/www"
    assert shown["ServerCertificateId"].startswith("ASCA") and shown["Expiration"] == ENDS
    assert made["Tags"] == [{"Key": "team", "Value": "blue"}]
    found = iam.get_server_certificate(ServerCertificateName="www")["ServerCertificate"]
    assert (found["CertificateBody"], found["CertificateChain"], found["ServerCertificateMetadata"]) == (one.body, root.body, shown)
    assert "PRIVATE" not in str(found)
    assert iam.get_account_summary()["SummaryMap"]["ServerCertificates"] == 1
    message = refused("EntityAlreadyExists", iam.upload_server_certificate, ServerCertificateName="www", CertificateBody=one.body, PrivateKey=one.private)
    assert message == "The Server Certificate with name www already exists."
    iam.update_server_certificate(ServerCertificateName="www", NewServerCertificateName="web", NewPath="/")
    assert [one["Arn"] for one in iam.list_server_certificates()["ServerCertificateMetadataList"]] == [f"arn:aws:iam::{ACCOUNT}:server-certificate/web"]
    assert iam.list_server_certificates(PathPrefix="/cloudfront/")["ServerCertificateMetadataList"] == []
    iam.tag_server_certificate(ServerCertificateName="web", Tags=[{"Key": "stage", "Value": "test"}])
    iam.untag_server_certificate(ServerCertificateName="web", TagKeys=["team"])
    assert iam.list_server_certificate_tags(ServerCertificateName="web")["Tags"] == [{"Key": "stage", "Value": "test"}]
    iam.delete_server_certificate(ServerCertificateName="web")
    assert refused("NoSuchEntity", iam.get_server_certificate, ServerCertificateName="web") == "The Server Certificate with name web cannot be found."
    assert iam.get_account_summary()["SummaryMap"]["ServerCertificates"] == 0


def test_certificates_that_are_refused(iam: Any) -> None:
    """What is no certificate or key, does not belong together, or is not signed by its chain."""
    one, other = Issued("one"), Issued("other")
    cases = [
        ("MalformedCertificate", "text", one.private, "", "Unable to parse certificate. Please ensure the certificate is in PEM format."),
        ("MalformedCertificate", one.body, "text", "", "Unable to parse private key"),
        ("KeyPairMismatch", one.body, other.private, "", ""),
        ("MalformedCertificate", one.body, one.private, other.body, "Unable to validate certificate chain."),
        ("MalformedCertificate", one.body, one.private, "text", "Unable to validate certificate chain."),
    ]
    for code, body, private, chain, message in cases:
        parameters = {"CertificateBody": body, "PrivateKey": private} | ({"CertificateChain": chain} if chain else {})
        assert refused(code, iam.upload_server_certificate, ServerCertificateName="refused", **parameters).startswith(message)


def test_permissions_are_about_the_certificate(cloud: Running, iam: Any) -> None:
    """By its ARN, path included, and by its tags."""
    one = Issued("mine")
    user = User(cloud, "certifier", allow("iam:*ServerCertificate", on=f"arn:aws:iam::{ACCOUNT}:server-certificate/mine/*"))
    client = user.client("iam")
    client.upload_server_certificate(ServerCertificateName="mine", Path="/mine/", CertificateBody=one.body, PrivateKey=one.private)
    client.get_server_certificate(ServerCertificateName="mine")
    refused("AccessDenied", client.upload_server_certificate, ServerCertificateName="yours", CertificateBody=one.body, PrivateKey=one.private)
    user.may(allow("iam:GetServerCertificate", when={"StringEquals": {"aws:ResourceTag/team": "blue"}}))
    refused("AccessDenied", client.get_server_certificate, ServerCertificateName="mine")
    iam.tag_server_certificate(ServerCertificateName="mine", Tags=[{"Key": "team", "Value": "blue"}])
    client.get_server_certificate(ServerCertificateName="mine")


def ssh_line(bits: int = 2048) -> str:
    key = rsa.generate_private_key(65_537, bits).public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def test_life_of_an_ssh_public_key(cloud: Running, iam: Any) -> None:
    """Uploaded, shown in both encodings, made inactive, deleted; a user with one stays."""
    user = User(cloud, "sshing", allow("iam:ListSSHPublicKeys", on=f"arn:aws:iam::{ACCOUNT}:user/sshing"))
    line = ssh_line()
    made = iam.upload_ssh_public_key(UserName="sshing", SSHPublicKeyBody=f"{line} me@home")["SSHPublicKey"]
    assert made["SSHPublicKeyId"].startswith("APKA") and (made["Status"], made["SSHPublicKeyBody"]) == ("Active", f"{line} me@home")
    assert made["Fingerprint"] == hashlib.md5(base64.b64decode(line.split()[1])).digest().hex(":")
    which = {"UserName": "sshing", "SSHPublicKeyId": made["SSHPublicKeyId"]}
    assert iam.get_ssh_public_key(**which, Encoding="SSH")["SSHPublicKey"]["SSHPublicKeyBody"] == line
    pem = iam.get_ssh_public_key(**which, Encoding="PEM")["SSHPublicKey"]["SSHPublicKeyBody"]
    assert pem.startswith("-----BEGIN PUBLIC KEY-----")
    refused("DuplicateSSHPublicKey", iam.upload_ssh_public_key, UserName="sshing", SSHPublicKeyBody=pem)
    iam.update_ssh_public_key(**which, Status="Inactive")
    refused("InvalidInput", iam.update_ssh_public_key, **which, Status="Expired")
    assert [(one["SSHPublicKeyId"], one["Status"]) for one in user.client("iam").list_ssh_public_keys()["SSHPublicKeys"]] == [(made["SSHPublicKeyId"], "Inactive")]
    iam.delete_user_policy(UserName="sshing", PolicyName="inline")
    iam.delete_access_key(UserName="sshing", AccessKeyId=user.key)
    refused("DeleteConflict", iam.delete_user, UserName="sshing")
    iam.delete_ssh_public_key(**which)
    refused("NoSuchEntity", iam.delete_ssh_public_key, **which)
    iam.delete_user(UserName="sshing")


@pytest.mark.parametrize(("body", "code"), [("text", "UnrecognizedPublicKeyEncoding"), ("ssh-rsa AAAA", "InvalidPublicKey"), (ssh_line(1024), "InvalidPublicKey")])
def test_ssh_public_keys_that_are_refused(iam: Any, body: str, code: str) -> None:
    """What is no key, or a short one."""
    if not any(user["UserName"] == "unsshed" for user in iam.list_users()["Users"]):
        iam.create_user(UserName="unsshed")
    refused(code, iam.upload_ssh_public_key, UserName="unsshed", SSHPublicKeyBody=body)


def test_five_ssh_public_keys(iam: Any) -> None:
    """IAM User Guide, "IAM and AWS STS quotas"."""
    iam.create_user(UserName="five")
    for _ in range(5):
        iam.upload_ssh_public_key(UserName="five", SSHPublicKeyBody=ssh_line())
    refused("LimitExceeded", iam.upload_ssh_public_key, UserName="five", SSHPublicKeyBody=ssh_line())
