"""Tags of APIs, stages, API keys and usage plans."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.apigateway.errors import bad_request, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.records import Home, home_of, load, save
from haneul.store.port import Reader, Transaction

_TAGS_MAX = 50
_RESOURCE = re.compile(
    r"arn:aws[a-z-]*:apigateway:(?P<region>[a-z0-9-]*):\d*:/(?:restapis/(?P<stage_api>[^/]+)/stages/(?P<stage>[^/]+)|restapis/(?P<api>[^/]+)"
    r"|apikeys/(?P<key>[^/]+)|usageplans/(?P<plan>[^/]+))"
)


def check_tags(tags: dict[str, str]) -> None:
    """Whether something may have these tags."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise bad_request("Tag keys cannot start with aws:, which is reserved for system use")
    if len(tags) > _TAGS_MAX:
        raise bad_request(f"A resource can have no more than {_TAGS_MAX} tags")


def _place(arn: str) -> tuple[str, ...]:
    """Kind and ids of the document that an ARN names."""
    found = _RESOURCE.fullmatch(unquote(arn))
    if found is None:
        raise bad_request("Invalid Resource ARN specified")
    if found["stage"]:
        return ("stage", found["stage_api"], found["stage"])
    return next((kind, found[kind]) for kind in ("api", "key", "plan") if found[kind])


def inherited_tags(reader: Reader, home: Home, arn: str) -> dict[str, str] | None:
    """The tags that policies see on what an ARN of the management API names: its own, laid over those of what it belongs to.

    Source: API Gateway Developer Guide, "Tag inheritance in the Amazon API Gateway V1 API".
    """
    path = arn.split(":", 5)[-1]
    if path.startswith("/tags/"):
        path = unquote(path.removeprefix("/tags/")).split(":", 5)[-1]
    parts = [unquote(part) for part in path.split("/")[1:]]
    if len(parts) < 2:
        return None
    kind = {"restapis": "api", "apikeys": "key", "usageplans": "plan"}.get(parts[0])
    found = load(reader, home, kind, parts[1]) if kind is not None else None
    if found is None:
        return None
    tags: dict[str, str] = dict(found.get("tags", {}))
    if kind == "api" and parts[2:3] == ["stages"] and len(parts) > 3:
        stage = load(reader, home, "stage", parts[1], parts[3])
        tags |= stage.get("tags", {}) if stage is not None else {}
    return tags


async def _change(call: Call, arn: str, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    home, place = home_of(call), _place(arn)

    def work(tx: Transaction) -> None:
        document = load(tx, home, *place)
        if document is None:
            raise not_found("Invalid Resource identifier specified")
        document["tags"] = change(document.get("tags", {}))
        check_tags(document["tags"])
        save(tx, home, document, *place)

    await call.cloud.store.transact(work)


@api_operation("TagResource", "PUT", "/tags/{resourceArn}")
async def tag_resource(call: Call, request: Shape) -> None:
    """Add tags, or give them new values."""
    await _change(call, request["resourceArn"], lambda tags: {**tags, **request["tags"]})


@api_operation("UntagResource", "DELETE", "/tags/{resourceArn}")
async def untag_resource(call: Call, request: Shape) -> None:
    """Take tags away."""
    await _change(call, request["resourceArn"], lambda tags: {key: value for key, value in tags.items() if key not in request["tagKeys"]})


@api_operation("GetTags", "GET", "/tags/{resourceArn}")
async def get_tags(call: Call, request: Shape) -> Shape:
    """The tags of a resource."""
    document = load(call.cloud.store, home_of(call), *_place(request["resourceArn"]))
    if document is None:
        raise not_found("Invalid Resource identifier specified")
    return {"tags": document.get("tags", {})}
