"""Condition keys of permissions in ECR: the tags of a repository and those of a request (Service Authorization Reference, "Amazon ECR")."""

from __future__ import annotations

from typing import Any

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.ecr.names import Place, place_of, place_of_arn
from haneul.services.ecr.records import find_repository


def tags_of(call: Call, place: Place) -> dict[str, Any]:
    """What policies may ask of the repository that is meant."""
    repository = find_repository(call.cloud.store, place)
    out: dict[str, Any] = {}
    for key, value in (repository.tags if repository is not None else {}).items():
        out[f"aws:ResourceTag/{key}"] = out[f"ecr:ResourceTag/{key}"] = value
    return out


def repository_conditions(call: Call, request: Shape) -> dict[str, Any]:
    return tags_of(call, place_of(call, request))


def resource_conditions(call: Call, request: Shape) -> dict[str, Any]:
    """For operations that name the repository by its ARN, and set or take away tags."""
    place = place_of_arn(request["resourceArn"])
    tags = request.get("tags") or []
    out = {**(tags_of(call, place) if place is not None else {}), **request_tags(tags)}
    if "tagKeys" in request:
        out["aws:TagKeys"] = list(request["tagKeys"])
    return out


def new_repository_conditions(call: Call, request: Shape) -> dict[str, Any]:
    return request_tags(request.get("tags") or [])


def request_tags(tags: list[Shape]) -> dict[str, Any]:
    out: dict[str, Any] = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags}
    if tags:
        out["aws:TagKeys"] = [tag["Key"] for tag in tags]
    return out
