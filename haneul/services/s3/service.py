"""Amazon S3."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.ports import Shape
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.services.s3 import events, website
from haneul.services.s3.checksums import check_document
from haneul.services.s3.cors import allow_origin, bucket_of_path, preflight
from haneul.services.s3.errors import precondition_failed
from haneul.services.s3.lifecycle import KIND as LIFECYCLE
from haneul.services.s3.lifecycle import sweep
from haneul.services.s3.post_object import is_form, post_object
from haneul.services.s3.purge import KIND as PURGE
from haneul.services.s3.purge import purge
from haneul.services.s3.quirks import QUIRKS
from haneul.services.s3.state import State


class S3(Service):
    """Buckets and objects. `state` is what this process remembers."""

    name: ClassVar[str] = "s3"
    quirks: ClassVar[Quirks] = QUIRKS

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.state = State(cloud)
        cloud.outbox.handle(events.KIND, self._deliver)
        cloud.outbox.handle(LIFECYCLE, self._sweep)
        cloud.outbox.handle(PURGE, self._purge)

    async def _deliver(self, payload: Shape) -> None:
        await events.deliver(self.cloud, payload)

    async def _sweep(self, payload: Shape) -> None:
        await sweep(self.state, payload)

    async def _purge(self, payload: Shape) -> None:
        await purge(self.state, payload)

    def resource_policy(self, call: Call, arn: str) -> str | None:
        """The bucket's policy. One that lets everybody in, in a bucket that restricts such policies, counts only for the owner's account and services."""
        bucket = self.state.bucket(_bucket_of(arn))
        if bucket is None or bucket.policy is None:
            return None
        if bucket.restricts_public_policy and call.caller.kind != "service" and call.caller.account != bucket.account:
            return None
        return bucket.policy

    def resource_account(self, call: Call, arn: str) -> str | None:
        bucket = self.state.bucket(_bucket_of(arn))
        return bucket.account if bucket is not None else None

    async def answer(self, request: HttpRequest, pipeline: Callable[[HttpRequest, Service], Awaitable[HttpResponse]]) -> HttpResponse:
        """What S3 adds to the pipeline: browsers' preflights and forms, which are no operations of the model, and headers on every answer."""
        if request.method == "OPTIONS":
            response = preflight(self.state, request, bucket_of_path(self.state, request))
        elif request.method == "POST" and is_form(request):
            response = await post_object(self.state, request)
        elif (request.method == "POST" and not request.query and (problem := _refused_post(request.path)) is not None) or (request.query and (problem := _refusal(request)) is not None):
            response = self.cloud.codec_for(self.name).error(None, problem, self.cloud.ids.uuid(), request)
        else:
            response = await pipeline(request, self)
        response.headers["Server"] = "AmazonS3"
        if "origin" in request.headers and request.method != "OPTIONS":
            allow_origin(request, response, bucket_of_path(self.state, request))
        return response

    async def serve(self, request: HttpRequest, label: str) -> HttpResponse:
        """The static website of the bucket `label`, for pages of other origins too."""
        if request.method == "OPTIONS":
            return preflight(self.state, request, self.state.bucket(label))
        response = await website.serve(self.state, request, label)
        if "origin" in request.headers:
            allow_origin(request, response, self.state.bucket(label))
        return response


def _refusal(request: HttpRequest) -> ServiceError | None:
    """What is wrong with a request whatever it asks for: a document that is not the one it states.

    Documents come to subresources, which stand in the query; bodies of objects and parts are checked as they are taken in.
    """
    if request.body and "uploadId" not in request.query and not request.headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
        try:
            check_document(request.headers, request.body)
        except ServiceError as error:
            return error
    return None


def _refused_post(path: str) -> ServiceError | None:
    """What a POST that names no operation in its query and is no form gets from a bucket or an object; None for neither."""
    bucket, _, key = path[1:].partition("/")
    if key:
        return ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405, fields={"Method": "POST", "ResourceType": "OBJECT"})
    return precondition_failed("Bucket POST must be of the enclosure-type multipart/form-data") if bucket else None


def _bucket_of(arn: str) -> str:
    return arn[13:].partition("/")[0]
