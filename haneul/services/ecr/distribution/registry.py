"""The registry's own protocol below /v2/: who speaks, what is wanted (OCI distribution specification 1.1)."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.services.ecr.authorization import USER, Pass, read_password
from haneul.services.ecr.contents import Contents
from haneul.services.ecr.distribution.exchange import VERSION_HEADER, Exchange, Problem, translated
from haneul.services.ecr.distribution.links import LINKS, answer_link
from haneul.services.ecr.distribution.pulls import get_blob, get_manifest, get_referrers, list_tags
from haneul.services.ecr.distribution.pushes import Pushes
from haneul.services.ecr.names import NAME, Place
from haneul.services.ecr.uploads import Uploads

Handler = Callable[[Exchange, str], Awaitable[HttpResponse]]

_PATH = re.compile(
    r"/v2/(?P<name>.+?)/(?:(?P<tags>tags/list)|manifests/(?P<manifests>[^/]+)|blobs/uploads/(?P<uploads>[^/]*)|blobs/(?P<blobs>[^/]+)|referrers/(?P<referrers>[^/]+))/?"
)


class Registry:
    """Answers requests in the registry's protocol."""

    def __init__(self, cloud: Cloud, contents: Contents, uploads: Uploads) -> None:
        self._cloud = cloud
        pushes = Pushes(cloud, contents, uploads)
        self._handlers: dict[tuple[str, str], Handler] = {
            ("GET", "tags"): list_tags,
            ("GET", "manifests"): get_manifest,
            ("HEAD", "manifests"): get_manifest,
            ("PUT", "manifests"): pushes.put_manifest,
            ("GET", "blobs"): get_blob,
            ("HEAD", "blobs"): get_blob,
            ("GET", "referrers"): get_referrers,
            ("POST", "uploads"): pushes.begin,
            ("GET", "uploads"): pushes.status,
            ("PATCH", "uploads"): pushes.append,
            ("PUT", "uploads"): pushes.complete,
            ("DELETE", "uploads"): pushes.cancel,
        }

    async def answer(self, request: HttpRequest, label: str) -> HttpResponse:
        """The response to one request. `label` is the account and region that the host names (`account/region`), or empty: then they are the caller's."""
        try:
            if request.path.startswith(LINKS) and request.method in ("GET", "HEAD"):
                return await answer_link(self._cloud, request)
            return await self._dispatch(request, label, self._authenticate(request))
        except Problem as problem:
            return problem.response()
        except AccessDenied as denied:
            return Problem(403, "DENIED", denied.message).response()
        except ServiceError as error:
            return translated(error).response()

    async def _dispatch(self, request: HttpRequest, label: str, who: Pass) -> HttpResponse:
        path = unquote(request.path)
        if path in ("/v2", "/v2/"):
            return HttpResponse(200, {**VERSION_HEADER, "Content-Type": "application/json"}, b"{}")
        if path.rstrip("/") == "/v2/_catalog":
            raise Problem(403, "DENIED", "the catalog is not shown here; use DescribeRepositories")
        found = _PATH.fullmatch(path)
        if found is None:
            raise Problem(404, "UNSUPPORTED", "there is no such page in a registry")
        if NAME.fullmatch(found["name"]) is None:
            raise Problem(400, "NAME_INVALID", f"'{found['name']}' cannot be the name of a repository")
        kind = next(kind for kind in ("tags", "manifests", "uploads", "blobs", "referrers") if found[kind] is not None)
        handler = self._handlers.get((request.method, kind))
        if handler is None:
            raise Problem(405, "UNSUPPORTED", "the operation is unsupported")
        account, _, region = label.partition("/")
        place = Place(account or who.caller.account, region or who.region, found["name"])
        return await handler(Exchange(self._cloud, request, who.caller, place), found[kind])

    def _authenticate(self, request: HttpRequest) -> Pass:
        """Who the password stands for. Without one, a client is told how to come back with it."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise self._challenge(request, "no basic auth credentials")
        try:
            user, _, password = b64decode(text.strip(), validate=True).decode().partition(":")
        except (BadBase64, ValueError):
            raise self._challenge(request, "the credentials cannot be read") from None
        who = read_password(self._cloud.vault, password) if user == USER else None
        if who is None:
            raise self._challenge(request, "Your authorization token is invalid. Reauthenticate and try again.")
        if who.expires_at <= self._cloud.clock.now():
            raise Problem(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
        return who

    def _challenge(self, request: HttpRequest, message: str) -> Problem:
        scheme = "https" if request.secure else "http"
        host = request.host if re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", request.host) else "registry"
        return Problem(401, "UNAUTHORIZED", message, {"WWW-Authenticate": f'Basic realm="{scheme}://{host}/",service="ecr.amazonaws.com"'})
