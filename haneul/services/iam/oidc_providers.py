"""OpenID Connect identity providers: Create…, Get…, List…, Delete…, their client ids and thumbprints.

Haneul trusts a provider's keys as its own issuer URL serves them, so a thumbprint that is left out is not fetched. Besides https, plain http is taken for
issuers on this machine (`localhost`, loopback addresses), because a local identity provider seldom has a certificate.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from haneul.core.call import Call
from haneul.core.errors import refuse_given
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, tag_list
from haneul.services.iam.errors import already_exists, invalid_input, quota_exceeded, validation_error
from haneul.services.iam.limits import CLIENT_IDS_PER_PROVIDER_MAX, OIDC_PROVIDERS_MAX, THUMBPRINTS_PER_PROVIDER_MAX
from haneul.services.iam.provider_records import oidc_arn, oidc_provider
from haneul.services.iam.records import OidcProvider
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.tags import new_tags
from haneul.store.port import Transaction
from haneul.store.records import decode


def _issuer_url(url: str) -> str:
    """The issuer's URL without a slash at its end; ValidationError for one that cannot be an issuer's."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    local = parts.scheme == "http" and _is_local(host)
    if not host or parts.query or parts.fragment or "@" in parts.netloc or not (parts.scheme == "https" or local):
        raise validation_error("Invalid Open ID Connect Provider URL")
    return url.rstrip("/")


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_thumbprints(thumbprints: list[str]) -> list[str]:
    if len(thumbprints) > THUMBPRINTS_PER_PROVIDER_MAX:
        raise invalid_input("Thumbprint list must contain fewer than 5 entries.")
    return thumbprints


def _checked_clients(client_ids: list[str]) -> list[str]:
    if len(client_ids) > CLIENT_IDS_PER_PROVIDER_MAX:
        raise quota_exceeded("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS_PER_PROVIDER_MAX)
    return list(dict.fromkeys(client_ids))


@iam_operation("CreateOpenIDConnectProvider", partial="trusted identity propagation (ContextProvider, IdentityCenterInstanceArn)")
async def create_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Trust an issuer's tokens, for the audiences (client ids) named."""
    refuse_given("iam:CreateOpenIDConnectProvider", request, "ContextProvider", "IdentityCenterInstanceArn")
    issuer = _issuer_url(request["Url"])
    provider = OidcProvider(
        url=issuer.partition("://")[2],
        issuer=issuer,
        client_ids=_checked_clients(request.get("ClientIDList", [])),
        thumbprints=_checked_thumbprints(request.get("ThumbprintList", [])),
        created_at=call.now,
        tags=new_tags(request),
    )

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        key = directory.key("oidc-provider", provider.url)
        if tx.get(key) is not None:
            raise already_exists(f"Provider with url {issuer} already exists.")
        if sum(1 for _ in directory.rows("oidc-provider")) >= OIDC_PROVIDERS_MAX:
            raise quota_exceeded("OpenIdConnectProvidersPerAccount", OIDC_PROVIDERS_MAX)
        directory.put(key, provider)
        directory.count("providers", 1)

    await call.cloud.store.transact(work)
    shape: Shape = {"OpenIDConnectProviderArn": oidc_arn(call.account, provider.url)}
    return shape | ({"Tags": request["Tags"]} if request.get("Tags") else {})


@iam_operation("GetOpenIDConnectProvider")
async def get_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """What is known of a provider."""
    provider, _ = oidc_provider(directory_of(call), request["OpenIDConnectProviderArn"])
    return {
        # Issuers on this machine show their scheme, as it is not the usual one.
        "Url": provider.issuer if provider.issuer.startswith("http:") else provider.url,
        "ClientIDList": provider.client_ids,
        "ThumbprintList": provider.thumbprints,
        "CreateDate": provider.created_at,
        "Tags": tag_list(provider.tags),
    }


@iam_operation("ListOpenIDConnectProviders")
async def list_open_id_connect_providers(call: Call, request: Shape) -> Shape:
    """The ARNs of all providers."""
    rows = directory_of(call).rows("oidc-provider")
    return {"OpenIDConnectProviderList": [{"Arn": oidc_arn(call.account, decode(value, OidcProvider).url)} for _, value in rows]}


@iam_operation("AddClientIDToOpenIDConnectProvider", "RemoveClientIDFromOpenIDConnectProvider", "UpdateOpenIDConnectProviderThumbprint")
async def update_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Add or remove an audience (what is there, or not there, already does no harm), or replace the thumbprints."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        provider, key = oidc_provider(directory, request["OpenIDConnectProviderArn"])
        if "ThumbprintList" in request:
            provider.thumbprints = _checked_thumbprints(request["ThumbprintList"])
        elif call.operation.name.startswith("Add"):
            provider.client_ids = _checked_clients([*provider.client_ids, request["ClientID"]])
        else:
            provider.client_ids = [one for one in provider.client_ids if one != request["ClientID"]]
        directory.put(key, provider)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteOpenIDConnectProvider")
async def delete_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Trust an issuer no longer."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        _, key = oidc_provider(directory, request["OpenIDConnectProviderArn"], "OpenId connect Provider {} cannot be found.")
        tx.delete(key)
        directory.count("providers", -1)

    await call.cloud.store.transact(work)
    return {}
