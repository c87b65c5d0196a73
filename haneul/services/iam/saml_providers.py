"""SAML identity providers: CreateSAMLProvider, GetSAMLProvider, ListSAMLProviders, UpdateSAMLProvider, DeleteSAMLProvider."""

from __future__ import annotations

import re

from haneul.clock import DAY
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, tag_list
from haneul.services.iam.errors import already_exists, invalid_input, quota_exceeded
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.limits import SAML_PROVIDERS_MAX
from haneul.services.iam.provider_records import saml_arn, saml_provider
from haneul.services.iam.records import SamlProvider
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.tags import new_tags
from haneul.store.port import Transaction
from haneul.store.records import decode

# A provider is good for a hundred years after its metadata was last set, as AWS shows it.
_VALID = 36_500 * DAY
_DESCRIPTOR = re.compile(r"<(?:[\w-]+:)?EntityDescriptor[\s>]")


def _checked_metadata(document: str) -> str:
    """The metadata document, when it is one: an entity descriptor that names its entity and has a certificate for signatures."""
    if _DESCRIPTOR.search(document) is None or "entityID=" not in document or "X509Certificate" not in document:
        raise invalid_input("Could not parse metadata")
    return document


def _refuse_encryption(request: Shape) -> None:
    for name in ("AddPrivateKey", "RemovePrivateKey"):
        if name in request:
            raise NotBuilt(f"the parameter {name} of SAML providers")
    if request.get("AssertionEncryptionMode", "Allowed") != "Allowed":
        raise NotBuilt("the parameter AssertionEncryptionMode of SAML providers")


@iam_operation("CreateSAMLProvider", partial="encrypted assertions")
async def create_saml_provider(call: Call, request: Shape) -> Shape:
    """Keep an identity provider's metadata."""
    _refuse_encryption(request)
    now = call.now
    provider = SamlProvider(
        name=request["Name"],
        uuid=unique_id(call.cloud.ids, "ASPA"),
        metadata=_checked_metadata(request["SAMLMetadataDocument"]),
        created_at=now,
        valid_until=now + _VALID,
        tags=new_tags(request),
    )

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        key = directory.key("saml-provider", provider.name.lower())
        if tx.get(key) is not None:
            raise already_exists(f"SAMLProvider {provider.name} already exists")
        if sum(1 for _ in directory.rows("saml-provider")) >= SAML_PROVIDERS_MAX:
            raise quota_exceeded("SAMLProvidersPerAccount", SAML_PROVIDERS_MAX)
        directory.put(key, provider)
        directory.count("providers", 1)

    await call.cloud.store.transact(work)
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
        "PrivateKeyList": [],
    }


@iam_operation("ListSAMLProviders")
async def list_saml_providers(call: Call, request: Shape) -> Shape:
    """All providers."""
    providers = [decode(value, SamlProvider) for _, value in directory_of(call).rows("saml-provider")]
    return {"SAMLProviderList": [{"Arn": saml_arn(call.account, one.name), "ValidUntil": one.valid_until, "CreateDate": one.created_at} for one in providers]}


@iam_operation("UpdateSAMLProvider", partial="encrypted assertions")
async def update_saml_provider(call: Call, request: Shape) -> Shape:
    """Replace the metadata."""
    _refuse_encryption(request)
    now = call.now

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        provider, key = saml_provider(directory, request["SAMLProviderArn"])
        if "SAMLMetadataDocument" in request:
            provider.metadata = _checked_metadata(request["SAMLMetadataDocument"])
            provider.valid_until = now + _VALID
        directory.put(key, provider)

    await call.cloud.store.transact(work)
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
