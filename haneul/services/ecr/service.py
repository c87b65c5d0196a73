"""Amazon ECR: images in the store and among the blobs, by the API and by the registry's own protocol."""

from __future__ import annotations

from collections.abc import Mapping

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.service import Service
from haneul.services.ecr.contents import UNUSED_LAYER, Contents
from haneul.services.ecr.distribution.registry import Registry
from haneul.services.ecr.lifecycle import EVALUATE, Lifecycle
from haneul.services.ecr.names import place_of_arn
from haneul.services.ecr.quirks import ECR
from haneul.services.ecr.records import find_repository
from haneul.services.ecr.uploads import ABANDONED_UPLOAD, Uploads


class Ecr(Service):
    """The service. `contents`, `uploads` and `lifecycle` are what the API's operations and the registry's protocol share."""

    name = "ecr"
    resource_tag_prefix = "ecr"
    quirks = ECR

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.contents = Contents(cloud)
        self.uploads = Uploads(cloud, self.contents)
        self.lifecycle = Lifecycle(cloud, self.contents)
        self._registry = Registry(cloud, self.contents, self.uploads)
        cloud.outbox.handle(UNUSED_LAYER, self.contents.expire_layer)
        cloud.outbox.handle(ABANDONED_UPLOAD, self.uploads.expire)
        cloud.outbox.handle(EVALUATE, self.lifecycle.evaluate)

    def resource_policy(self, call: Call, arn: str) -> str | None:
        place = place_of_arn(arn)
        repository = find_repository(self.cloud.store, place) if place is not None else None
        return repository.policy or None if repository is not None else None

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        place = place_of_arn(arn)
        repository = find_repository(self.cloud.store, place) if place is not None else None
        return repository.tags if repository is not None else None

    async def serve(self, request: HttpRequest, label: str) -> HttpResponse:
        """A request in the registry's own protocol (the OCI distribution specification). `label` is `account/region`, empty where the host tells neither."""
        return await self._registry.answer(request, label)
