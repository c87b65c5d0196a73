"""Outbound identity federation: Enable…, DisableOutboundWebIdentityFederation, GetOutboundWebIdentityFederationInfo.

IAM User Guide, "Federating AWS identities to external services". The issuer's URL is made once and stays: who trusts it has written it down. It ends in
the account's number, by which STS, which serves its documents, knows whose it is; and it leads to this machine, as the URLs of functions do.
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of
from haneul.services.iam.resources import iam_operation
from haneul.store.port import Transaction

_UUID_BEFORE_LAST_GROUP = 24


def _disabled() -> ServiceError:
    return ServiceError("FeatureDisabled", "Outbound web identity federation is disabled for this account.", 404)


def _new_issuer(call: Call) -> str:
    scheme = "https" if call.http is not None and call.http.secure else "http"
    label = call.cloud.ids.uuid()[:_UUID_BEFORE_LAST_GROUP] + call.account
    return f"{scheme}://{label}.tokens.sts.localhost:{call.cloud.settings.port}"


@iam_operation("EnableOutboundWebIdentityFederation")
async def enable_outbound_web_identity_federation(call: Call, request: Shape) -> Shape:
    """Let the account's identities have tokens for services elsewhere. Errors: FeatureEnabled."""
    fresh = _new_issuer(call)

    def work(tx: Transaction) -> str:
        directory = Directory(tx, call.account)
        account = directory.account_record()
        if account.issues_tokens:
            raise ServiceError("FeatureEnabled", "Outbound web identity federation is already enabled for this account.", 409)
        account.issues_tokens = True
        account.issuer = account.issuer or fresh
        directory.save_account(account)
        return account.issuer

    return {"IssuerIdentifier": await call.cloud.store.transact(work)}


@iam_operation("DisableOutboundWebIdentityFederation")
async def disable_outbound_web_identity_federation(call: Call, request: Shape) -> Shape:
    """Give out no more tokens; those that are out stay good. Errors: FeatureDisabled."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        account = directory.account_record()
        if not account.issues_tokens:
            raise _disabled()
        account.issues_tokens = False
        directory.save_account(account)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("GetOutboundWebIdentityFederationInfo")
async def get_outbound_web_identity_federation_info(call: Call, request: Shape) -> Shape:
    """The account's issuer. Errors: FeatureDisabled."""
    account = directory_of(call).account_record()
    if not account.issues_tokens:
        raise _disabled()
    return {"IssuerIdentifier": account.issuer, "JwtVendingEnabled": True}
