"""Amazon Resource Names."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Arn(NamedTuple):
    """The six fields of an ARN; `resource` keeps its own colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


@lru_cache(maxsize=4096)
def parse_arn(text: str) -> Arn | None:
    """The fields of an ARN, or None for a text that is none."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2]:
        return None
    return Arn(*parts[1:])


def make_arn(service: str, region: str, account: str, resource: str) -> str:
    """The text of an ARN in the partition `aws`."""
    return f"arn:aws:{service}:{region}:{account}:{resource}"
