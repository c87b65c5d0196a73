"""Writing to a repository by the registry's protocol: uploads in one piece or many, mounts from other repositories, manifests."""

from __future__ import annotations

import re

from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied
from haneul.core.http import HttpResponse
from haneul.services.ecr.contents import Contents
from haneul.services.ecr.distribution.exchange import VERSION_HEADER, Exchange, Problem
from haneul.services.ecr.limits import MANIFEST_BYTES_MAX
from haneul.services.ecr.manifests import read_manifest
from haneul.services.ecr.names import DIGEST, NAME, TAG, Place
from haneul.services.ecr.records import find_layer, find_repository, repository_in
from haneul.services.ecr.uploads import OutOfOrder, Uploads
from haneul.store.port import Transaction

_UPLOAD_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CONTENT_RANGE = re.compile(r"(?:bytes )?([0-9]{1,18})-([0-9]{1,18})(?:/.*)?")


class Pushes:
    """The handlers of what writes."""

    def __init__(self, cloud: Cloud, contents: Contents, uploads: Uploads) -> None:
        self._cloud = cloud
        self._contents = contents
        self._uploads = uploads

    # ---- blobs

    async def begin(self, exchange: Exchange, rest: str) -> HttpResponse:
        """POST /v2/NAME/blobs/uploads/: begin an upload; with `digest` do it all at once; with `mount` and `from` take the blob from elsewhere."""
        if rest:
            raise Problem(405, "UNSUPPORTED", "the operation is unsupported")
        exchange.allow("InitiateLayerUpload")
        digest = exchange.query.get("digest")
        mount, source = exchange.query.get("mount"), exchange.query.get("from")
        if mount and source and await self._mount(exchange, mount, source):
            return self._created(exchange, mount)
        if digest is not None:
            _check_digest(digest)
        upload_id = await self._uploads.begin(exchange.place)
        if digest is None:
            return self._under_way(exchange, upload_id, 0)
        try:
            return await self._finish(exchange, upload_id, digest)
        except BaseException:
            await self._uploads.cancel(exchange.place, upload_id)
            raise

    async def _mount(self, exchange: Exchange, digest: str, source: str) -> bool:
        """Take a blob of another repository that the caller may read; False when that cannot be, and it is to be uploaded."""
        if DIGEST.fullmatch(digest) is None or NAME.fullmatch(source) is None:
            return False
        place = exchange.place
        other = Place(place.account, place.region, source)
        if find_repository(self._cloud.store, other) is None or find_layer(self._cloud.store, other, digest) is None:
            return False
        try:
            exchange.allow("GetDownloadUrlForLayer", other)
        except AccessDenied:
            return False

        def work(tx: Transaction) -> bool:
            repository_in(tx, place)
            return find_layer(tx, other, digest) is not None and self._contents.link_known(tx, place, digest)

        return await self._cloud.store.transact(work)

    async def status(self, exchange: Exchange, upload_id: str) -> HttpResponse:
        """GET an upload: how much has arrived."""
        exchange.allow("UploadLayerPart")
        size = self._uploads.find(self._cloud.store, exchange.place, _checked_id(upload_id)).size
        return HttpResponse(204, self._headers(exchange, upload_id, size))

    async def append(self, exchange: Exchange, upload_id: str) -> HttpResponse:
        """PATCH an upload: the next part, where Content-Range says, or at the end."""
        exchange.allow("UploadLayerPart")
        size = await self._append(exchange, _checked_id(upload_id))
        return self._under_way(exchange, upload_id, size)

    async def _append(self, exchange: Exchange, upload_id: str) -> int:
        header = exchange.request.headers.get("content-range")
        start = None
        if header is not None:
            found = _CONTENT_RANGE.fullmatch(header)
            if found is None:
                raise Problem(416, "BLOB_UPLOAD_INVALID", "the Content-Range cannot be understood")
            start = int(found[1])
        try:
            return await self._uploads.append(exchange.place, upload_id, exchange.chunks(), start)
        except OutOfOrder as problem:
            raise Problem(416, "BLOB_UPLOAD_INVALID", str(problem), self._headers(exchange, upload_id, problem.size)) from None

    async def complete(self, exchange: Exchange, upload_id: str) -> HttpResponse:
        """PUT an upload with `digest`, and with the last part, or all of it, in the body."""
        exchange.allow("CompleteLayerUpload")
        digest = exchange.query.get("digest", "")
        _check_digest(digest)
        return await self._finish(exchange, _checked_id(upload_id), digest)

    async def _finish(self, exchange: Exchange, upload_id: str, digest: str) -> HttpResponse:
        exchange.allow("CompleteLayerUpload")
        await self._append(exchange, upload_id)
        try:
            await self._uploads.complete(exchange.place, upload_id, digest)
        except OutOfOrder as problem:
            raise Problem(416, "BLOB_UPLOAD_INVALID", str(problem)) from None
        return self._created(exchange, digest)

    async def cancel(self, exchange: Exchange, upload_id: str) -> HttpResponse:
        """DELETE an upload."""
        exchange.allow("UploadLayerPart")
        await self._uploads.cancel(exchange.place, _checked_id(upload_id))
        return HttpResponse(204, dict(VERSION_HEADER))

    def _under_way(self, exchange: Exchange, upload_id: str, size: int) -> HttpResponse:
        return HttpResponse(202, {**self._headers(exchange, upload_id, size), "Content-Length": "0"})

    def _headers(self, exchange: Exchange, upload_id: str, size: int) -> dict[str, str]:
        return {
            **VERSION_HEADER,
            "Location": f"/v2/{exchange.place.name}/blobs/uploads/{upload_id}",
            "Docker-Upload-UUID": upload_id,
            "Range": f"0-{max(0, size - 1)}",
        }

    def _created(self, exchange: Exchange, digest: str) -> HttpResponse:
        headers = {**VERSION_HEADER, "Location": f"/v2/{exchange.place.name}/blobs/{digest}", "Docker-Content-Digest": digest, "Content-Length": "0"}
        return HttpResponse(201, headers)

    # ---- manifests

    async def put_manifest(self, exchange: Exchange, reference: str) -> HttpResponse:
        """PUT /v2/NAME/manifests/REFERENCE. The same manifest again, under the same tag, is no error here."""
        exchange.allow("PutImage")
        place = exchange.place
        media_type = exchange.request.headers.get("content-type", "").partition(";")[0].strip()
        data = await exchange.body(MANIFEST_BYTES_MAX)
        manifest = read_manifest(data, media_type or None)
        tag = None
        if ":" in reference:
            if reference != manifest.digest:
                raise Problem(400, "DIGEST_INVALID", f"the digest of the manifest is '{manifest.digest}'")
        elif TAG.fullmatch(reference) is None:
            raise Problem(400, "TAG_INVALID", f"'{reference}' cannot be a tag")
        else:
            tag = reference
        await self._cloud.store.transact(lambda tx: self._contents.put_image(tx, place, data, manifest, tag))
        headers = {**VERSION_HEADER, "Location": f"/v2/{place.name}/manifests/{manifest.digest}", "Docker-Content-Digest": manifest.digest, "Content-Length": "0"}
        if manifest.subject:
            headers["OCI-Subject"] = manifest.subject
        return HttpResponse(201, headers)


def _check_digest(digest: str) -> None:
    if DIGEST.fullmatch(digest) is None:
        raise Problem(400, "DIGEST_INVALID", f"'{digest}' is no digest that is kept here")


def _checked_id(upload_id: str) -> str:
    if _UPLOAD_ID.fullmatch(upload_id) is None:
        raise Problem(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    return upload_id
