"""The two OAuth 2.0 providers whose access tokens STS takes, Login with Amazon and Facebook: their tokens say nothing themselves, so the provider is asked.

STS API Reference, AssumeRoleWithWebIdentity (ProviderId); IAM User Guide, "IAM and AWS STS condition context keys".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from haneul.core.errors import ServiceError
from haneul.services.sts.errors import invalid_identity_token, validation_error
from haneul.services.sts.fetching import Refused, fetch_object, unreachable

AMAZON = "www.amazon.com"
FACEBOOK = "graph.facebook.com"


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Whom an access token is of, and for which application it was made. `keys` are the provider's condition keys, without its name."""

    subject: str
    application: str
    keys: dict[str, str]


@dataclass
class OAuthProviders:
    """Asks a provider whose token it is. `addresses` are where the providers answer."""

    addresses: dict[str, str] = field(default_factory=lambda: {AMAZON: "https://api.amazon.com", FACEBOOK: "https://graph.facebook.com"})

    async def holder(self, provider: str, token: str) -> TokenHolder:
        """Errors: ValidationError for another provider, IDPRejectedClaim for a token that it does not know, IDPCommunicationError."""
        ask = {AMAZON: self._amazon, FACEBOOK: self._facebook}.get(provider)
        if ask is None:
            raise validation_error(f"Unsupported ProviderId: {provider}")
        try:
            return await asyncio.to_thread(ask, token)
        except Refused:
            raise ServiceError("IDPRejectedClaim", "The identity provider rejected the access token.", 403) from None

    def _amazon(self, token: str) -> TokenHolder:
        found = self._object(AMAZON, "/auth/o2/tokeninfo", token)
        user, application = _text(found, "user_id"), _text(found, "app_id")
        return TokenHolder(user, application, {"user_id": user, "app_id": application})

    def _facebook(self, token: str) -> TokenHolder:
        application = _text(self._object(FACEBOOK, "/app", token), "id")
        user = _text(self._object(FACEBOOK, "/me", token), "id")
        return TokenHolder(user, application, {"id": user, "app_id": application})

    def _object(self, provider: str, path: str, token: str) -> dict[str, Any]:
        if not token.isascii():
            raise invalid_identity_token("The access token provided is not valid.")
        return fetch_object(f"{self.addresses[provider]}{path}?{urlencode({'access_token': token})}")


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise unreachable()
    return value
