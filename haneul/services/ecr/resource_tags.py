"""TagResource, UntagResource, ListTagsForResource."""

from __future__ import annotations

from collections.abc import Callable

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.ecr import errors
from haneul.services.ecr.limits import RESOURCE_TAGS_MAX
from haneul.services.ecr.names import Place, place_of_arn
from haneul.services.ecr.records import Repository, put_repository, repository_in
from haneul.store.port import Transaction


def checked_tags(known: dict[str, str], tags: list[Shape]) -> dict[str, str]:
    """`known` with the tags of a request added."""
    merged = dict(known)
    for tag in tags:
        key, value = tag["Key"], tag["Value"]
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise ServiceError("InvalidTagParameterException", f"Invalid parameter at 'tags' failed to satisfy constraint: the tag '{key}' is not valid", 400)
        merged[key] = value
    if len(merged) > RESOURCE_TAGS_MAX:
        raise ServiceError("TooManyTagsException", f"The maximum number of tags that a repository can have is {RESOURCE_TAGS_MAX}.", 400)
    return merged


def _resource(call: Call, request: Shape) -> str:
    return str(request["resourceArn"])


def _place(request: Shape) -> Place:
    place = place_of_arn(request["resourceArn"])
    if place is None:
        raise errors.invalid("resourceArn", "must be the ARN of a repository")
    return place


@operation("ecr:TagResource", resource=_resource)
async def tag_resource(call: Call, request: Shape) -> Shape:
    """Add tags to a repository. Amazon ECR API Reference, TagResource."""
    place = _place(request)

    def change(repository: Repository) -> None:
        repository.tags = checked_tags(repository.tags, request["tags"])

    await change_repository(call, place, change)
    return {}


@operation("ecr:UntagResource", resource=_resource)
async def untag_resource(call: Call, request: Shape) -> Shape:
    """Remove tags from a repository."""
    gone = frozenset(request["tagKeys"])

    def change(repository: Repository) -> None:
        repository.tags = {key: value for key, value in repository.tags.items() if key not in gone}

    await change_repository(call, _place(request), change)
    return {}


@operation("ecr:ListTagsForResource", resource=_resource)
async def list_tags_for_resource(call: Call, request: Shape) -> Shape:
    """The tags of a repository."""
    repository = repository_in(call.cloud.store, _place(request))
    return {"tags": [{"Key": key, "Value": value} for key, value in repository.tags.items()]}


async def change_repository(call: Call, place: Place, change: Callable[[Repository], None]) -> Repository:
    """Change a repository's record in one transaction; the record as it was before."""

    def work(tx: Transaction) -> Repository:
        before, repository = repository_in(tx, place), repository_in(tx, place)
        change(repository)
        put_repository(tx, place, repository)
        return before

    return await call.cloud.store.transact(work)
