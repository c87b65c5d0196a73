"""What DynamoDB's endpoint answers to requests that are no call of an operation, before it looks who sends them."""

from __future__ import annotations

import re
from collections.abc import Awaitable

from zlib_ng.zlib_ng import crc32

from haneul.core.cloud import Cloud
from haneul.core.http import HttpRequest, HttpResponse

JSON = "application/x-amz-json-1.0"
_TYPES = (JSON, "application/json")
_UNKNOWN = b"<UnknownOperationException/>\n"
_REGION_OF_HOST = re.compile(r"(?:^|\.)dynamodb\.([a-z]{2}(?:-[a-z]+)+-\d)\.", re.IGNORECASE)


def answer_other(cloud: Cloud, request: HttpRequest) -> Awaitable[HttpResponse] | None:
    """The answer to a GET, on whatever path, which asks after the endpoint's health, and to what is not JSON; None for what may be an operation's call."""
    if request.method == "GET":
        found = _REGION_OF_HOST.search(request.host)
        region = found[1].lower() if found is not None else cloud.settings.region
        return _plain(cloud, 200, f"healthy: dynamodb.{region}.amazonaws.com ".encode())  # The space belongs to it.
    if request.method == "POST":
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind in _TYPES or "smithy-protocol" in request.headers or not (request.body or request.stream is not None):
            return None
    return _plain(cloud, 404, _UNKNOWN)


async def _plain(cloud: Cloud, status: int, body: bytes) -> HttpResponse:
    return HttpResponse(status, {"x-amzn-RequestId": cloud.ids.uuid(), "x-amz-crc32": str(crc32(body))}, body)
