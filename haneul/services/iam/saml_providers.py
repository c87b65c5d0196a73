"""SAML identity providers: CreateSAMLProvider, GetSAMLProvider, ListSAMLProviders, UpdateSAMLProvider, DeleteSAMLProvider."""

from __future__ import annotations

import asyncio

from haneul.clock import DAY
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, tag_list
from haneul.services.iam.errors import already_exists, invalid_input, quota_exceeded
from haneul.services.iam.identifiers import UNIQUE_ALPHABET
from haneul.services.iam.limits import SAML_PROVIDERS_MAX
from haneul.services.iam.provider_records import saml_arn, saml_provider
from haneul.services.iam.records import SamlProvider
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.saml_keys import change_encryption, new_private_key, shown_keys
from haneul.services.iam.saml_metadata import read_metadata
from haneul.services.iam.tags import new_tags
from haneul.store.port import Transaction
from haneul.store.records import decode

# A provider is good for a hundred years after its metadata was last set, as AWS shows it.
_VALID = 36_500 * DAY
# The model asks for 22 characters at least.
_UUID_CHARACTERS = 18
_UPDATES = frozenset({"SAMLMetadataDocument", "AssertionEncryptionMode", "AddPrivateKey", "RemovePrivateKey"})
_TRUSTED_IDENTITY_PROPAGATION = ("ContextProvider", "IdentityCenterInstanceArn", "RemoveContextProvider", "RemoveIdentityCenterInstance")


def _refuse_propagation(request: Shape) -> None:
    for name in _TRUSTED_IDENTITY_PROPAGATION:
        if request.get(name):
            raise NotBuilt(f"the parameter {name} of SAML providers")


@iam_operation("CreateSAMLProvider", partial="trusted identity propagation (ContextProvider, IdentityCenterInstanceArn)")
async def create_saml_provider(call: Call, request: Shape) -> Shape:
    """Keep an identity provider's metadata, and the private key for its encrypted assertions. Errors: InvalidInput, EntityAlreadyExists, LimitExceeded."""
    _refuse_propagation(request)
    cloud, now = call.cloud, call.now
    await asyncio.to_thread(read_metadata, request["SAMLMetadataDocument"])
    provider = SamlProvider(
        name=request["Name"],
        uuid="ASPA" + cloud.ids.text(_UUID_CHARACTERS, UNIQUE_ALPHABET),
        metadata=request["SAMLMetadataDocument"],
        created_at=now,
        valid_until=now + _VALID,
        tags=new_tags(request),
    )
    change_encryption(provider, request, new_private_key(request, cloud.vault, cloud.ids, now))

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        key = directory.key("saml-provider", provider.name.lower())
        if tx.get(key) is not None:
            raise already_exists(f"SAMLProvider {provider.name} already exists")
        if sum(1 for _ in directory.rows("saml-provider")) >= SAML_PROVIDERS_MAX:
            raise quota_exceeded("SAMLProvidersPerAccount", SAML_PROVIDERS_MAX)
        directory.put(key, provider)
        directory.count("providers", 1)

    await cloud.store.transact(work)
    shape: Shape = {"SAMLProviderArn": saml_arn(call.account, provider.name)}
    return shape | ({"Tags": request["Tags"]} if request.get("Tags") else {})


@iam_operation("GetSAMLProvider")
async def get_saml_provider(call: Call, request: Shape) -> Shape:
    """A provider with its metadata."""
    provider, _ = saml_provider(directory_of(call), request["SAMLProviderArn"])
    return {
        "SAMLProviderUUID": provider.uuid,
        "SAMLMetadataDocument": provider.metadata,
        "CreateDate": provider.created_at,
        "ValidUntil": provider.valid_until,
        "Tags": tag_list(provider.tags),
        "AssertionEncryptionMode": provider.encryption_mode,
        "PrivateKeyList": shown_keys(provider),
    }


@iam_operation("ListSAMLProviders")
async def list_saml_providers(call: Call, request: Shape) -> Shape:
    """All providers."""
    providers = [decode(value, SamlProvider) for _, value in directory_of(call).rows("saml-provider")]
    return {"SAMLProviderList": [{"Arn": saml_arn(call.account, one.name), "ValidUntil": one.valid_until, "CreateDate": one.created_at} for one in providers]}


@iam_operation("UpdateSAMLProvider", partial="trusted identity propagation (ContextProvider, IdentityCenterInstanceArn)")
async def update_saml_provider(call: Call, request: Shape) -> Shape:
    """Replace the metadata, add or remove a private key, or change whether assertions must be encrypted. Errors: InvalidInput, LimitExceeded, NoSuchEntity."""
    _refuse_propagation(request)
    cloud, now = call.cloud, call.now
    if not request.keys() & _UPDATES:
        raise invalid_input("Unable to update identity provider. No updates are defined for metadata or encryption assertion.")
    if "SAMLMetadataDocument" in request:
        await asyncio.to_thread(read_metadata, request["SAMLMetadataDocument"])
    added = new_private_key(request, cloud.vault, cloud.ids, now)

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        provider, key = saml_provider(directory, request["SAMLProviderArn"])
        change_encryption(provider, request, added)
        if "SAMLMetadataDocument" in request:
            provider.metadata = request["SAMLMetadataDocument"]
            provider.valid_until = now + _VALID
        directory.put(key, provider)

    await cloud.store.transact(work)
    return {"SAMLProviderArn": request["SAMLProviderArn"]}


@iam_operation("DeleteSAMLProvider")
async def delete_saml_provider(call: Call, request: Shape) -> Shape:
    """Forget a provider."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        _, key = saml_provider(directory, request["SAMLProviderArn"])
        tx.delete(key)
        directory.count("providers", -1)

    await call.cloud.store.transact(work)
    return {}
