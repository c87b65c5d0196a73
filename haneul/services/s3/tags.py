"""Tags of objects and buckets: their forms and limits (S3 User Guide, "Categorizing your storage using tags")."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from haneul.core.errors import ServiceError
from haneul.core.ports import Shape
from haneul.services.s3.errors import invalid_argument, malformed_xml

OBJECT_TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
KEY_CHARACTERS_MAX = 128
VALUE_CHARACTERS_MAX = 256
_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*\Z")


def tags_of_header(header: str) -> dict[str, str]:
    """The tags of an x-amz-tagging header: a query string. Nothing is checked."""
    tags: dict[str, str] = {}
    for part in header.split("&"):
        if part:
            name, _, value = part.partition("=")
            tags[unquote_plus(name)] = unquote_plus(value)
    return tags


def read_tag_header(header: str | None) -> dict[str, str]:
    """The tags of an x-amz-tagging header, checked."""
    if not header:
        return {}
    names = [unquote_plus(part.partition("=")[0]) for part in header.split("&") if part]
    if len(set(names)) != len(names):
        message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."
        raise invalid_argument(message, "x-amz-tagging", header)
    tags = tags_of_header(header)
    check_tags(tags, OBJECT_TAGS_MAX, "Object")
    return tags


def read_tag_set(tagging: Shape | None, tags_max: int, what: str) -> dict[str, str]:
    """The tags of a Tagging document, checked. `what` is Object or Bucket."""
    if tagging is None or "TagSet" not in tagging:
        raise malformed_xml()
    tags: dict[str, str] = {}
    for tag in tagging["TagSet"]:
        if "Key" not in tag or "Value" not in tag:
            raise malformed_xml()
        if tag["Key"] in tags:
            raise ServiceError("InvalidTag", "Cannot provide multiple Tags with the same key", 400, fields={"TagKey": tag["Key"]})
        tags[tag["Key"]] = tag["Value"]
    check_tags(tags, tags_max, what)
    return tags


def check_tags(tags: dict[str, str], tags_max: int, what: str) -> None:
    if len(tags) > tags_max:
        raise ServiceError("BadRequest", f"{what} tags cannot be greater than {tags_max}", 400)
    for name, value in tags.items():
        if not name or len(name) > KEY_CHARACTERS_MAX or _ALLOWED.match(name) is None:
            raise ServiceError("InvalidTag", "The TagKey you have provided is invalid", 400, fields={"TagKey": name})
        if len(value) > VALUE_CHARACTERS_MAX or _ALLOWED.match(value) is None:
            raise ServiceError("InvalidTag", "The TagValue you have provided is invalid", 400, fields={"TagKey": name, "TagValue": value})
        if name.lower().startswith("aws:"):
            raise ServiceError("InvalidTag", "System tags cannot be added/updated by requester", 400, fields={"TagKey": name})


def show_tags(tags: dict[str, str]) -> list[Shape]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]
