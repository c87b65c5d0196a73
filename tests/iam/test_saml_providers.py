"""SAML identity providers: their metadata, and the keys for their encrypted assertions."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.iam.identities import refused
from tests.support.running import ACCOUNT, Running
from tests.support.saml_idp import IdentityProvider, new_key, pem


@pytest.fixture(scope="module")
def metadata() -> str:
    return IdentityProvider().metadata


def test_saml_providers(iam: Any, metadata: str) -> None:
    """Kept by name with their metadata."""
    arn = iam.create_saml_provider(Name="Idp", SAMLMetadataDocument=metadata)["SAMLProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:saml-provider/Idp"
    found = iam.get_saml_provider(SAMLProviderArn=arn)
    assert (found["SAMLMetadataDocument"], found["AssertionEncryptionMode"], found["PrivateKeyList"]) == (metadata, "Allowed", [])
    assert len(found["SAMLProviderUUID"]) == 22
    assert [one["Arn"] for one in iam.list_saml_providers()["SAMLProviderList"]] == [arn]
    iam.delete_saml_provider(SAMLProviderArn=arn)
    assert refused("NoSuchEntity", iam.get_saml_provider, SAMLProviderArn=arn) == f"Manifest not found for arn {arn}"


def test_metadata_that_is_none(iam: Any, metadata: str) -> None:
    """No XML, a document type, no entity, no certificate, or one that is none."""
    body = metadata[metadata.index("<ds:X509Certificate>") : metadata.index("</ds:X509Certificate>")]
    for wrong in (
        "x" * 1000,
        f'<!DOCTYPE a [<!ENTITY x "y">]>{metadata}',
        metadata.replace("entityID", "entityId"),
        metadata.replace("IDPSSODescriptor", "SPSSODescriptor"),
        metadata.replace('use="signing"', 'use="encryption"'),
        metadata.replace(body, "<ds:X509Certificate>" + "A" * 1000),
    ):
        assert refused("InvalidInput", iam.create_saml_provider, Name="Bad", SAMLMetadataDocument=wrong) == "Could not parse metadata"


def test_private_keys(cloud: Running, iam: Any, metadata: str) -> None:
    """Two at most, added and removed one at a time; where encryption is required the last one stays. None lies readable in the store."""
    first, second = pem(new_key()), pem(new_key())
    arn = iam.create_saml_provider(Name="Keys", SAMLMetadataDocument=metadata, AddPrivateKey=first, AssertionEncryptionMode="Required")["SAMLProviderArn"]

    def update(**params: Any) -> Any:
        return iam.update_saml_provider(SAMLProviderArn=arn, **params)

    def keys() -> list[str]:
        return [one["KeyId"] for one in iam.get_saml_provider(SAMLProviderArn=arn)["PrivateKeyList"]]

    (old,) = keys()
    assert refused("InvalidInput", update, RemovePrivateKey=old).startswith("Failed to remove private key.")
    update(AddPrivateKey=second)
    assert refused("LimitExceeded", update, AddPrivateKey=first) == "Private key limit of 2 is reached."
    message = "Unable to add and remove private keys in the same request. Set a value for only one of the two parameters."
    assert refused("InvalidInput", update, AddPrivateKey=first, RemovePrivateKey=old) == message
    update(RemovePrivateKey=old)
    assert old not in keys()
    message = "Failed to remove private key because the Key ID does not match a private key."
    assert refused("InvalidInput", update, RemovePrivateKey=old) == message
    update(RemovePrivateKey=keys()[0], AssertionEncryptionMode="Allowed")
    message = "Unable to set assertion encryption mode to Required because no private key is provided."
    assert refused("InvalidInput", update, AssertionEncryptionMode="Required") == message
    message = "Unable to update identity provider. No updates are defined for metadata or encryption assertion."
    assert refused("InvalidInput", update) == message
    update(AddPrivateKey=first)
    assert not any(b"PRIVATE KEY" in value for _, value in cloud.app.cloud.store.range(b"\x00", b"\xff", 10_000))


def test_keys_that_are_none(iam: Any, metadata: str) -> None:
    """RSA keys in PEM without a passphrase are taken, and nothing else."""
    key = new_key()
    locked = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"p")).decode()
    curve = ec.generate_private_key(ec.SECP256R1())
    elliptic = curve.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    for wrong in ("no key", locked, elliptic):
        assert refused("InvalidInput", iam.create_saml_provider, Name="Bad", SAMLMetadataDocument=metadata, AddPrivateKey=wrong) == "Invalid private key."


def test_what_is_not_built_says_so(iam: Any, metadata: str) -> None:
    """Trusted identity propagation is refused, not swallowed."""
    provider = {"SubjectSourceKey": "sub"}
    refused("NotImplemented", iam.create_saml_provider, Name="Bad", SAMLMetadataDocument=metadata, ContextProvider=provider)


def test_organizations_features(iam: Any) -> None:
    """No account here is in an organization."""
    for operation in (
        iam.enable_organizations_root_sessions,
        iam.disable_organizations_root_sessions,
        iam.enable_organizations_root_credentials_management,
        iam.disable_organizations_root_credentials_management,
        iam.list_organizations_features,
    ):
        refused("OrganizationNotFoundException", operation)
