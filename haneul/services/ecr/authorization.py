"""GetAuthorizationToken: passwords for the registry's own protocol, which stand for whoever asked for them."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64

import msgspec

from haneul.clock import SECOND
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.operation import Shape, operation
from haneul.services.ecr.limits import TOKEN_SECONDS
from haneul.services.ecr.names import registry_host
from haneul.store.vault import Vault

USER = "AWS"
_PURPOSE = "ecr-authorization"


class Pass(msgspec.Struct):
    """What a password carries, sealed: nothing of it is in the store. `expires_at` in nanoseconds."""

    caller: Caller
    region: str
    expires_at: int


def make_password(vault: Vault, content: Pass) -> str:
    return urlsafe_b64encode(vault.seal(msgspec.msgpack.encode(content), _PURPOSE)).decode()


def read_password(vault: Vault, password: str) -> Pass | None:
    """What a password stands for, expired or not; None when it was not made by this cloud."""
    try:
        plain = vault.unseal(urlsafe_b64decode(password), _PURPOSE)
    except (BadBase64, ValueError):
        return None
    return msgspec.msgpack.decode(plain, type=Pass) if plain is not None else None


@operation("ecr:GetAuthorizationToken")
async def get_authorization_token(call: Call, request: Shape) -> Shape:
    """A password for the user AWS, good for twelve hours, with the permissions that its maker has at the time of each use.
    Amazon ECR API Reference, GetAuthorizationToken."""
    expires = (call.now // SECOND + TOKEN_SECONDS) * SECOND
    password = make_password(call.cloud.vault, Pass(call.caller, call.region, expires))
    token = b64encode(f"{USER}:{password}".encode()).decode()
    scheme = "https" if call.http is None or call.http.secure or call.http.host.endswith(".amazonaws.com") else "http"
    registries = request.get("registryIds") or [call.account]
    data = [
        {"authorizationToken": token, "expiresAt": expires, "proxyEndpoint": f"{scheme}://{registry_host(call, registry, call.region)}"} for registry in registries
    ]
    return {"authorizationData": data}
