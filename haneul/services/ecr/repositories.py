"""CreateRepository, DescribeRepositories, DeleteRepository."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.ecr import errors
from haneul.services.ecr.names import Place, check_name, place_of, registry_of, repository_resource, repository_uri
from haneul.services.ecr.records import Image, Repository, Upload, find_repository, put_repository, repository_in
from haneul.services.ecr.resource_tags import checked_tags
from haneul.services.ecr.service import Ecr
from haneul.services.ecr.tag_mutability import checked_mutability
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode

PAGE_DEFAULT = 100


@operation("ecr:CreateRepository", resource=repository_resource, tagging="ecr:TagResource", partial="no KMS keys; scanOnPush is kept, but nothing is scanned")
async def create_repository(call: Call, request: Shape) -> Shape:
    """Make a repository. Amazon ECR API Reference, CreateRepository."""
    if request.get("registryId") not in (None, call.account):
        raise errors.invalid("registryId", "must be the caller's own account")
    place = Place(call.account, call.region, request["repositoryName"])
    check_name(place.name)
    encryption = request.get("encryptionConfiguration") or {"encryptionType": "AES256"}
    if encryption["encryptionType"] != "AES256":
        raise NotBuilt(f"the encryption type {encryption['encryptionType']} of ecr:CreateRepository")
    mutability, exclusions = checked_mutability(request)
    tags = checked_tags({}, request.get("tags") or [])
    scanning = request.get("imageScanningConfiguration") or {}
    made = Repository(call.now, mutability, exclusions, bool(scanning.get("scanOnPush")), tags)

    def work(tx: Transaction) -> None:
        if find_repository(tx, place) is not None:
            raise errors.repository_exists(place)
        put_repository(tx, place, made)

    await call.cloud.store.transact(work)
    return {"repository": show(call, place, made)}


@operation("ecr:DescribeRepositories", authorized_inside=True)
async def describe_repositories(call: Call, request: Shape) -> Shape:
    """The repositories that are named, or a page of all of them in the order of their names. Amazon ECR API Reference, DescribeRepositories."""
    registry = registry_of(call, request)
    names = request.get("repositoryNames")
    arns = tuple(Place(registry, call.region, name).arn for name in names) if names else (Place(registry, call.region, "*").arn,)
    call.authorize("ecr:DescribeRepositories", arns)
    store = call.cloud.store
    if names:
        if "maxResults" in request or "nextToken" in request:
            raise errors.invalid("repositoryNames", "cannot be used together with maxResults or nextToken")
        places = [Place(registry, call.region, name) for name in names]
        return {"repositories": [show(call, place, repository_in(store, place)) for place in places]}
    start, end = prefix_range(pack(("ecr", registry, call.region, "repository")))
    if "nextToken" in request:
        position = read_token(request["nextToken"])
        if position is None or not start <= position < end:
            raise errors.invalid("nextToken", "is not a token of this listing")
        start = position
    limit = request.get("maxResults", PAGE_DEFAULT)
    rows = store.range(start, end, limit + 1)
    shown = [show(call, Place(registry, call.region, str(unpack(key)[4])), decode(row, Repository)) for key, row in rows[:limit]]
    out: Shape = {"repositories": shown}
    if len(rows) > limit:
        out["nextToken"] = make_token(rows[limit][0])
    return out


@operation("ecr:DeleteRepository", resource=repository_resource)
async def delete_repository(call: Call, request: Shape) -> Shape:
    """Remove a repository; with `force` its images, too. Amazon ECR API Reference, DeleteRepository."""
    place = place_of(call, request)
    service = call.service(Ecr)

    def work(tx: Transaction) -> Repository:
        repository = repository_in(tx, place)
        images = tx.iterate(*prefix_range(place.key("image")))
        if not request.get("force") and next(images, None) is not None:
            raise errors.repository_not_empty(place)
        for key, row in list(tx.iterate(*prefix_range(place.key("image")))):
            service.contents.delete_image(tx, place, str(unpack(key)[5]), decode(row, Image))
        for key, _ in list(tx.iterate(*prefix_range(place.key("layer")))):
            service.contents.unlink(tx, place, str(unpack(key)[5]))
        for key, row in list(tx.iterate(*prefix_range(place.key("upload")))):
            service.uploads.forget(tx, place, str(unpack(key)[5]), decode(row, Upload))
        for key, _ in list(tx.iterate(*prefix_range(place.key("referrer")))):
            tx.delete(key)
        service.lifecycle.unset(tx, place)
        tx.delete(place.key("preview"))
        tx.delete(place.key("repository"))
        return repository

    gone = await call.cloud.store.transact(work)
    return {"repository": show(call, place, gone)}


def show(call: Call, place: Place, repository: Repository) -> Shape:
    """A repository as the API shows it."""
    out: Shape = {
        "repositoryArn": place.arn,
        "registryId": place.account,
        "repositoryName": place.name,
        "repositoryUri": repository_uri(call, place),
        "createdAt": repository.created_at,
        "imageTagMutability": repository.mutability,
        "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    if repository.exclusions:
        out["imageTagMutabilityExclusionFilters"] = [{"filterType": "WILDCARD", "filter": pattern} for pattern in repository.exclusions]
    return out
