"""The sts service: temporary credentials. A session's token carries all that the session is; what is stored are the keys of web identity tokens."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.service import Service
from haneul.services.sts.errors import access_denied
from haneul.services.sts.issuer_documents import issuer_document
from haneul.services.sts.issuer_keys import IssuerKeys
from haneul.services.sts.oauth_providers import OAuthProviders
from haneul.services.sts.quirks import STS_QUIRKS
from haneul.services.sts.token_keys import TokenKeys, label_of


class Sts(Service):
    """AWS Security Token Service."""

    name = "sts"
    quirks = STS_QUIRKS

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.issuer_keys = IssuerKeys(cloud.clock)
        self.oauth_providers = OAuthProviders()
        self.token_keys = TokenKeys(cloud)

    def resource_account(self, call: Call, arn: str) -> str | None:
        return call.account

    def admit(self, call: Call) -> None:
        """Sessions of users may assume roles, ask who they are and be scoped down, those of federated users only the latter two ("Compare AWS STS credentials")."""
        name = call.operation.name
        if name in ("GetCallerIdentity", "GetScopedCredentials") or call.operation.public or (name == "AssumeRole" and call.caller.kind != "federated"):
            return
        raise access_denied(f"Cannot call {name} with session credentials")

    async def issuer_of(self, account: str) -> str | None:
        """The URL of the account's issuer of web identity tokens; None while the account has that disabled."""
        owner = Caller(kind="root", account=account, arn=f"arn:aws:iam::{account}:root", principal_id=account)
        try:
            found = await self.cloud.invoke("iam:GetOutboundWebIdentityFederationInfo", {}, caller=owner, region=self.cloud.settings.region)
        except ServiceError as problem:
            if problem.code == "FeatureDisabled":
                return None
            raise
        return str(found["IssuerIdentifier"])

    async def serve(self, request: HttpRequest, label: str) -> HttpResponse:
        """A request to an issuer's host: its documents. Keys stay published when the account gives out no more tokens."""
        keys = self.token_keys.of(label)
        if not keys:
            issuer = await self.issuer_of(label.rpartition("-")[2])
            if issuer is not None and label_of(issuer) == label:
                keys = await self.token_keys.ensure(issuer)
        return issuer_document(request, keys, self.token_keys)
