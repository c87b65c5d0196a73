"""Tags in requests, wherever the services' models put them: the one place that condition keys (`aws:RequestTag/KEY`, `aws:TagKeys`) are read from.

IAM User Guide, "Controlling access to AWS resources using tags".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TAGS = ("Tags", "tags", "BackupVaultTags", "BackupPlanTags", "RecoveryPointTags")
_KEYS = ("TagKeys", "tagKeys", "TagKeyList")
# Where S3 has the tags of a new bucket.
_WITHIN = "CreateBucketConfiguration"


def tags_in(request: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a request wants to put on something. What is no tag is left to the operation to complain of."""
    given: Any = None
    for name in _TAGS:
        given = request.get(name)
        if given:
            break
    if isinstance(given, dict):
        return {key: value or "" for key, value in given.items() if isinstance(key, str)}
    if isinstance(given, list):
        return {tag["Key"]: tag.get("Value") or "" for tag in given if isinstance(tag, dict) and isinstance(tag.get("Key"), str)}
    within = request.get(_WITHIN)
    return tags_in(within) if isinstance(within, dict) else {}


def tag_keys_in(request: Mapping[str, Any]) -> list[str]:
    """The keys of the tags that a request wants to put on something or take from it."""
    for name in _KEYS:
        given = request.get(name)
        if given:
            return [key for key in given if isinstance(key, str)]
    found = list(tags_in(request))
    # CloudWatch Logs calls keys to be taken away `tags`, too.
    return found or [key for key in request.get("tags") or () if isinstance(key, str)]


def tag_conditions(tags: Mapping[str, str]) -> dict[str, Any]:
    """The condition keys of tags that come otherwise than in the request (a session's, in a token)."""
    if not tags:
        return {}
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()} | {"aws:TagKeys": list(tags)}


def value_of(tags: Mapping[str, str], key: str) -> str | None:
    """The value of the tag whose key, in lower case, is `key`: names of condition keys know no case."""
    for name, value in tags.items():
        if name.lower() == key:
            return value
    return None
