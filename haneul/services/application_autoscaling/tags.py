"""TagResource, UntagResource, ListTagsForResource: tags of scalable targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.application_autoscaling.errors import invalid
from haneul.services.application_autoscaling.records import TARGETS, Place, Target, save_target, target_arn
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

_TAGS_MAX = 50


def checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that a user may give."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("Tag keys must not begin with aws:")
    if len(tags) > _TAGS_MAX:
        raise _too_many()
    return dict(tags)


def _too_many() -> ServiceError:
    return ServiceError("TooManyTagsException", f"A scalable target can have no more than {_TAGS_MAX} tags.", 400)


def _find(reader: Reader, call: Call, arn: str) -> tuple[Place, Target]:
    for key, value in reader.iterate(*prefix_range(pack((TARGETS, call.account, call.region)))):
        place, target = Place(*(str(part) for part in unpack(key)[1:6])), decode(value, Target)
        if target_arn(place, target) == arn:
            return place, target
    raise ServiceError("ResourceNotFoundException", f"The specified resource doesn't exist: {arn}", 400)


def _change(call: Call, arn: str, change: Callable[[dict[str, str]], dict[str, str]], tx: Transaction) -> None:
    place, target = _find(tx, call, arn)
    target.tags = change(target.tags)
    if len(target.tags) > _TAGS_MAX:
        raise _too_many()
    save_target(tx, place, target)


@operation("application-autoscaling:TagResource", resource=lambda call, request: request["ResourceARN"])
async def tag_resource(call: Call, request: Shape) -> None:
    """Add tags to a target, or give them new values."""
    tags = checked_tags(request["Tags"])
    await call.cloud.store.transact(partial(_change, call, request["ResourceARN"], lambda known: {**known, **tags}))


@operation("application-autoscaling:UntagResource", resource=lambda call, request: request["ResourceARN"])
async def untag_resource(call: Call, request: Shape) -> None:
    """Take tags from a target."""
    keys = request["TagKeys"]
    change = partial(_change, call, request["ResourceARN"], lambda known: {key: value for key, value in known.items() if key not in keys})
    await call.cloud.store.transact(change)


@operation("application-autoscaling:ListTagsForResource", resource=lambda call, request: request["ResourceARN"])
async def list_tags_for_resource(call: Call, request: Shape) -> Shape:
    """The tags of a target."""
    return {"Tags": _find(call.cloud.store, call, request["ResourceARN"])[1].tags}
