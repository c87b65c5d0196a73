"""PutImageTagMutability, and what it means for a tag."""

from __future__ import annotations

import re

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.ecr import errors
from haneul.services.ecr.names import place_of, repository_resource
from haneul.services.ecr.records import Repository, put_repository, repository_in
from haneul.store.port import Transaction

EXCLUSIONS_MAX = 5
_WILDCARDS_MAX = 2
_FILTER = re.compile(r"[0-9a-zA-Z._*-]{1,128}")


def is_immutable(repository: Repository, tag: str) -> bool:
    """Whether a tag that exists may not be moved to another image."""
    excluded = any(_fits(pattern, tag) for pattern in repository.exclusions)
    return repository.mutability.startswith("IMMUTABLE") != excluded


def _fits(pattern: str, tag: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), tag) is not None


def checked_mutability(request: Shape) -> tuple[str, list[str]]:
    """The setting and the patterns of tags that it does not hold for."""
    mutability: str = request.get("imageTagMutability", "MUTABLE")
    filters = [one["filter"] for one in request.get("imageTagMutabilityExclusionFilters") or []]
    if bool(filters) != mutability.endswith("_WITH_EXCLUSION"):
        needed = "must be specified when" if not filters else "may only be specified when"
        raise errors.invalid("imageTagMutabilityExclusionFilters", f"{needed} imageTagMutability is IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION")
    if len(filters) > EXCLUSIONS_MAX:
        raise errors.invalid("imageTagMutabilityExclusionFilters", f"Member must have length less than or equal to {EXCLUSIONS_MAX}")
    for one in filters:
        if _FILTER.fullmatch(one) is None or one.count("*") > _WILDCARDS_MAX:
            raise errors.invalid("imageTagMutabilityExclusionFilters.filter", "must be a tag with at most two wildcards (*)")
    return mutability, filters


@operation("ecr:PutImageTagMutability", resource=repository_resource)
async def put_image_tag_mutability(call: Call, request: Shape) -> Shape:
    """Say whether tags may be moved. Amazon ECR API Reference, PutImageTagMutability."""
    place = place_of(call, request)
    mutability, exclusions = checked_mutability(request)

    def work(tx: Transaction) -> None:
        repository = repository_in(tx, place)
        repository.mutability, repository.exclusions = mutability, exclusions
        put_repository(tx, place, repository)

    await call.cloud.store.transact(work)
    return {
        "registryId": place.account,
        "repositoryName": place.name,
        "imageTagMutability": mutability,
        "imageTagMutabilityExclusionFilters": request.get("imageTagMutabilityExclusionFilters") or [],
    }
