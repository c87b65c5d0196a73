"""One request in the registry's own protocol, and how its errors are told (OCI distribution specification, "Error codes")."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import orjson

from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.cloud import Cloud
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.services.ecr.names import Place
from haneul.services.ecr.records import repository_in

VERSION_HEADER = {"Docker-Distribution-Api-Version": "registry/2.0"}

# The API's errors in the protocol's terms: code and status.
_TRANSLATED = {
    "RepositoryNotFoundException": ("NAME_UNKNOWN", 404),
    "ImageNotFoundException": ("MANIFEST_UNKNOWN", 404),
    "LayersNotFoundException": ("MANIFEST_BLOB_UNKNOWN", 404),
    "ReferencedImagesNotFoundException": ("MANIFEST_BLOB_UNKNOWN", 404),
    "ImageTagAlreadyExistsException": ("TAG_INVALID", 400),
    "InvalidLayerException": ("DIGEST_INVALID", 400),
    "UploadNotFoundException": ("BLOB_UPLOAD_UNKNOWN", 404),
    "LimitExceededException": ("TOOMANYREQUESTS", 429),
    "InvalidParameterException": ("MANIFEST_INVALID", 400),
    "AccessDeniedException": ("DENIED", 403),
}


class Problem(Exception):
    """An error in the protocol's own terms."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def response(self) -> HttpResponse:
        body = orjson.dumps({"errors": [{"code": self.code, "message": self.message}]})
        return HttpResponse(self.status, {**VERSION_HEADER, **self.headers, "Content-Type": "application/json; charset=utf-8"}, body)


def translated(error: ServiceError) -> Problem:
    """An error of the API as the protocol tells it."""
    if isinstance(error, NotBuilt):
        return Problem(501, "UNSUPPORTED", error.message)
    code, status = _TRANSLATED.get(error.code, ("UNKNOWN", error.status or 400))
    return Problem(status, code, error.message)


class Exchange:
    """One request of somebody for one repository."""

    def __init__(self, cloud: Cloud, request: HttpRequest, caller: Caller, place: Place) -> None:
        self.cloud = cloud
        self.request = request
        self.caller = caller
        self.place = place
        self.query = {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}

    def allow(self, name: str, place: Place | None = None) -> Call:
        """Check that the caller may use an operation of the API (which this request stands for) on the repository, and that there is one."""
        one = self.cloud.operations[f"ecr:{name}"]
        call = Call(self.cloud, one, self.caller, self.place.region, self.cloud.ids.uuid(), http=self.request)
        wanted = place or self.place
        call.authorize(one.action, wanted.arn)
        self.cloud.usage.add(call.account, call.region, "ecr", "Requests", name)
        repository_in(self.cloud.store, wanted)
        return call

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        if self.request.stream is None:
            if self.request.body:
                yield self.request.body
            return
        async for chunk in self.request.stream:
            yield chunk

    async def body(self, limit: int) -> bytes:
        """The whole body; MANIFEST_INVALID when it is larger than `limit`."""
        parts, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise Problem(413, "MANIFEST_INVALID", f"a manifest may have at most {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)
