"""Links to code, as GetFunction and GetLayerVersion give them: good for ten minutes, for whoever has one.

They lead to this cloud's own endpoint, under the path of function URLs with a label that no function URL can have.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from urllib.parse import parse_qs

import orjson

from haneul.clock import MINUTE, SECOND
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.http import HttpRequest, HttpResponse
from haneul.services.lambda_.code import CodeStore

LABEL = "code"
_PURPOSE = "lambda-download"
_GOOD_FOR = 10 * MINUTE


def code_location(call: Call, sha256: str) -> str:
    """A link to a package."""
    expires = (call.now + _GOOD_FOR) // SECOND
    token = urlsafe_b64encode(call.cloud.vault.seal(orjson.dumps([sha256, expires]), _PURPOSE)).decode()
    settings = call.cloud.settings
    host = call.http.host if call.http is not None and call.http.host else f"{settings.host}:{settings.port}"
    scheme = "https" if call.http is not None and call.http.secure else "http"
    return f"{scheme}://{host}/_aws/lambda-url/{LABEL}/{sha256}.zip?token={token}"


async def answer_download(cloud: Cloud, code: CodeStore, request: HttpRequest) -> HttpResponse:
    """What a link leads to."""
    token = parse_qs(request.query).get("token", [""])[0]
    try:
        plain = cloud.vault.unseal(urlsafe_b64decode(token), _PURPOSE)
    except (BadBase64, ValueError):
        plain = None
    if plain is None:
        return _refused("The link was not made by this cloud.")
    sha256, expires = orjson.loads(plain)
    if expires * SECOND <= cloud.clock.now():
        return _refused("Request has expired")
    found = await code.download(sha256)
    if found is None:
        return HttpResponse(404, {"Content-Type": "text/plain"}, b"The code is gone.")
    size, body = found
    return HttpResponse(200, {"Content-Type": "application/zip", "Content-Length": str(size)}, body)


def _refused(message: str) -> HttpResponse:
    return HttpResponse(403, {"Content-Type": "text/plain"}, message.encode())
