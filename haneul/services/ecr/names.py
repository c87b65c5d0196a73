"""Which repository a request means."""

from __future__ import annotations

import re
from typing import NamedTuple

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.ecr import errors
from haneul.store.keys import pack

NAME = re.compile(r"(?=.{2,256}\Z)[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,299}")


class Place(NamedTuple):
    """A repository: the account (the registry's id), the region and its name. It may not exist."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.name}"

    def key(self, kind: str, *rest: str) -> bytes:
        """The key of something that belongs to the repository."""
        return pack(("ecr", self.account, self.region, kind, self.name, *rest))


def registry_of(call: Call, request: Shape) -> str:
    """The account whose registry is meant: the caller's own unless the request names another."""
    registry: str = request.get("registryId") or call.account
    return registry


def place_of(call: Call, request: Shape) -> Place:
    return Place(registry_of(call, request), call.region, request["repositoryName"])


def repository_resource(call: Call, request: Shape) -> str:
    """The ARN that permissions are asked for."""
    return place_of(call, request).arn


def place_of_arn(text: str) -> Place | None:
    arn = parse_arn(text)
    if arn is None or arn.service != "ecr" or not arn.resource.startswith("repository/"):
        return None
    return Place(arn.account, arn.region, arn.resource.removeprefix("repository/"))


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a repository."""
    if NAME.fullmatch(name) is None:
        raise errors.invalid("repositoryName", "must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'")


def repository_uri(call: Call, place: Place) -> str:
    """What clients push to: the host by which this cloud was reached. The real service's own host names are understood as well."""
    return f"{registry_host(call, place.account, place.region)}/{place.name}"


def registry_host(call: Call, account: str, region: str) -> str:
    host = call.http.host if call.http is not None else ""
    if host.endswith((".amazonaws.com", ".on.aws")):
        return f"{account}.dkr.ecr.{region}.amazonaws.com"
    settings = call.cloud.settings
    return host or f"{settings.host}:{settings.port}"
