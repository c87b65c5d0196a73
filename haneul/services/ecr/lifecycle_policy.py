"""PutLifecyclePolicy, GetLifecyclePolicy, DeleteLifecyclePolicy, and previews of what a policy would do."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.ecr import errors
from haneul.services.ecr.image_ids import Failure, find
from haneul.services.ecr.lifecycle_rules import read_policy
from haneul.services.ecr.names import Place, place_of, repository_resource
from haneul.services.ecr.records import Preview, find_image, put_repository, repository_in
from haneul.services.ecr.service import Ecr
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

PAGE_DEFAULT = 100
_POSITION_DIGITS_MAX = 18


@operation("ecr:PutLifecyclePolicy", resource=repository_resource, partial="no rules that archive images")
async def put_lifecycle_policy(call: Call, request: Shape) -> Shape:
    """Set the policy by which images expire, within a day of when it chooses them. Amazon ECR API Reference, PutLifecyclePolicy."""
    place, text = place_of(call, request), request["lifecyclePolicyText"]
    read_policy(text)
    lifecycle = call.service(Ecr).lifecycle

    def work(tx: Transaction) -> None:
        repository = repository_in(tx, place)
        repository.lifecycle, repository.lifecycle_evaluated_at = text, 0
        put_repository(tx, place, repository)
        lifecycle.set(tx, place)

    await call.cloud.store.transact(work)
    return {"registryId": place.account, "repositoryName": place.name, "lifecyclePolicyText": text}


@operation("ecr:GetLifecyclePolicy", resource=repository_resource)
async def get_lifecycle_policy(call: Call, request: Shape) -> Shape:
    """The policy, and when it was last carried out."""
    place = place_of(call, request)
    repository = repository_in(call.cloud.store, place)
    if not repository.lifecycle:
        raise errors.lifecycle_policy_not_found(place)
    return _shown(place, repository.lifecycle, repository.lifecycle_evaluated_at)


@operation("ecr:DeleteLifecyclePolicy", resource=repository_resource)
async def delete_lifecycle_policy(call: Call, request: Shape) -> Shape:
    """Images expire no more."""
    place = place_of(call, request)
    lifecycle = call.service(Ecr).lifecycle

    def work(tx: Transaction) -> tuple[str, int]:
        repository = repository_in(tx, place)
        text, evaluated_at = repository.lifecycle, repository.lifecycle_evaluated_at
        if not text:
            raise errors.lifecycle_policy_not_found(place)
        repository.lifecycle, repository.lifecycle_evaluated_at = "", 0
        put_repository(tx, place, repository)
        lifecycle.unset(tx, place)
        return text, evaluated_at

    return _shown(place, *await call.cloud.store.transact(work))


@operation("ecr:StartLifecyclePolicyPreview", resource=repository_resource)
async def start_lifecycle_policy_preview(call: Call, request: Shape) -> Shape:
    """Find out what a policy (the repository's own unless another is given) would do now. Amazon ECR API Reference, StartLifecyclePolicyPreview."""
    place = place_of(call, request)
    repository = repository_in(call.cloud.store, place)
    text: str = request.get("lifecyclePolicyText") or repository.lifecycle
    if not text:
        raise errors.lifecycle_policy_not_found(place)
    results = call.service(Ecr).lifecycle.choose(call.cloud.store, place, text)
    await call.cloud.store.transact(lambda tx: tx.put(place.key("preview"), encode(Preview(text, results))))
    return {"registryId": place.account, "repositoryName": place.name, "lifecyclePolicyText": text, "status": "IN_PROGRESS"}


@operation("ecr:GetLifecyclePolicyPreview", resource=repository_resource)
async def get_lifecycle_policy_preview(call: Call, request: Shape) -> Shape:
    """What the last preview found. Images that have gone since are left out."""
    place = place_of(call, request)
    store = call.cloud.store
    repository_in(store, place)
    row = store.get(place.key("preview"))
    if row is None:
        raise errors.preview_not_found(place)
    preview = decode(row, Preview)
    wanted = _wanted(call, place, request)
    status = (request.get("filter") or {}).get("tagStatus", "ANY")
    position = read_token(request["nextToken"]) if "nextToken" in request else b"0"
    if position is None or not position.isdigit() or len(position) > _POSITION_DIGITS_MAX:
        raise errors.invalid("nextToken", "is not a token of this listing")
    limit = request.get("maxResults", PAGE_DEFAULT)
    out: Shape = {"registryId": place.account, "repositoryName": place.name, "lifecyclePolicyText": preview.policy, "status": "COMPLETE"}
    shown: list[Shape] = []
    for index in range(int(position), len(preview.results)):
        digest, priority = preview.results[index]
        image = find_image(store, place, digest)
        if image is None or (wanted is not None and digest not in wanted):
            continue
        if (status == "TAGGED" and not image.tags) or (status == "UNTAGGED" and image.tags):
            continue
        if len(shown) == limit:
            out["nextToken"] = make_token(str(index).encode())
            break
        one: Shape = {"imageDigest": digest, "imagePushedAt": image.pushed_at, "action": {"type": "EXPIRE"}, "appliedRulePriority": priority}
        shown.append({"imageTags": sorted(image.tags), **one} if image.tags else one)
    return {**out, "previewResults": shown, "summary": {"expiringImageTotalCount": len(preview.results)}}


def _wanted(call: Call, place: Place, request: Shape) -> set[str] | None:
    if not request.get("imageIds"):
        return None
    digests = set()
    for image_id in request["imageIds"]:
        try:
            digests.add(find(call.cloud.store, place, image_id).digest)
        except Failure:
            raise errors.image_not_found(place, image_id.get("imageDigest"), image_id.get("imageTag")) from None
    return digests


def _shown(place: Place, text: str, evaluated_at: int) -> Shape:
    out: Shape = {"registryId": place.account, "repositoryName": place.name, "lifecyclePolicyText": text}
    if evaluated_at:
        out["lastEvaluatedAt"] = evaluated_at
    return out
