"""What an account's issuer of web identity tokens publishes (OpenID Connect Discovery 1.0; RFC 7517)."""

from __future__ import annotations

from typing import Any

import orjson

from haneul.core.http import HttpRequest, HttpResponse
from haneul.services.sts.token_keys import ALGORITHMS, TokenKey, TokenKeys

_KEYS_PATH = "/.well-known/jwks.json"
_CLAIMS = ["aud", "exp", "iat", "iss", "jti", "sub"]


def issuer_document(request: HttpRequest, keys: list[TokenKey], using: TokenKeys) -> HttpResponse:
    """The discovery document, or the public keys."""
    if request.method not in ("GET", "HEAD"):
        return _json(405, {"error": "method_not_allowed"})
    if not keys:
        return _json(404, {"error": "not_found"})
    if request.path == _KEYS_PATH:
        return _json(200, {"keys": [using.published(key) for key in keys]})
    if request.path != "/.well-known/openid-configuration":
        return _json(404, {"error": "not_found"})
    issuer = keys[0].issuer
    return _json(
        200,
        {
            "issuer": issuer,
            "jwks_uri": issuer + _KEYS_PATH,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(ALGORITHMS),
            "claims_supported": _CLAIMS,
        },
    )


def _json(status: int, content: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status, {"Content-Type": "application/json"}, orjson.dumps(content))
