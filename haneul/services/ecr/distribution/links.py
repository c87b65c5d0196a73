"""Links to layers, as GetDownloadUrlForLayer gives them: good for an hour, for whoever has one. They lead to this cloud's own registry."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from urllib.parse import parse_qs

import orjson

from haneul.clock import HOUR, SECOND
from haneul.core.bodies import blob_body
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.http import HttpRequest, HttpResponse
from haneul.services.ecr.names import registry_host
from haneul.services.ecr.records import find_blob

LINKS = "/v2/_layers/"
_PURPOSE = "ecr-layer-link"
_GOOD_FOR = HOUR


def layer_link(call: Call, digest: str) -> str:
    expires = (call.now + _GOOD_FOR) // SECOND
    token = urlsafe_b64encode(call.cloud.vault.seal(orjson.dumps([digest, expires]), _PURPOSE)).decode()
    scheme = "https" if call.http is not None and call.http.secure else "http"
    return f"{scheme}://{registry_host(call, call.account, call.region)}{LINKS}{digest}?token={token}"


async def answer_link(cloud: Cloud, request: HttpRequest) -> HttpResponse:
    """What a link leads to."""
    token = parse_qs(request.query).get("token", [""])[0]
    try:
        plain = cloud.vault.unseal(urlsafe_b64decode(token), _PURPOSE)
    except (BadBase64, ValueError):
        plain = None
    if plain is None:
        return _refused("The link was not made by this cloud.")
    digest, expires = orjson.loads(plain)
    if expires * SECOND <= cloud.clock.now():
        return _refused("Request has expired")
    blob = find_blob(cloud.store, digest)
    if blob is None:
        return HttpResponse(404, {"Content-Type": "text/plain"}, b"The layer is gone.")
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
    return HttpResponse(200, headers, await blob_body(cloud.blobs, blob.blob_id, 0, blob.size))


def _refused(message: str) -> HttpResponse:
    return HttpResponse(403, {"Content-Type": "text/plain"}, message.encode())
