"""Trace headers, and the lineage in them by which endless loops of functions are noticed.

A header is `Root=…;Parent=…;Sampled=…;Lineage=HASH:COUNT|HASH:COUNT`: each function that an event has passed through, and how often. SDKs inside
functions pass the header on, and so do queues, buckets, asynchronous events and destinations. Source: AWS Lambda Developer Guide, "Use Lambda
recursive loop detection to prevent infinite loops"; AWS X-Ray Developer Guide, "Tracing header".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from zlib_ng.zlib_ng import crc32

from haneul.core.errors import ServiceError

HEADER = "x-amzn-trace-id"
LOOPS_MAX = 16
_HEADER_LENGTH_MAX = 1024
_FUNCTIONS_MAX = 32
_LINEAGE = re.compile(r"(?:^|;)\s*Lineage=([0-9a-f:|]*)")


@lru_cache(maxsize=4096)
def hash_of(function_arn: str) -> str:
    """What a function is called in lineages."""
    return f"{crc32(function_arn.encode()):08x}"


def lineage_of(header: str) -> dict[str, int]:
    """Hashes of functions, and how often the event has passed through them."""
    found = _LINEAGE.search(header) if "Lineage=" in header else None
    if found is None:
        return {}
    made: dict[str, int] = {}
    for one in found[1].split("|"):
        name, _, count = one.partition(":")
        if name and count.isdigit() and len(count) < 6:
            made[name] = int(count)
    return made


def loops(header: str, function_arn: str) -> int:
    """How often an event has passed through a function (by its ARN without qualifier)."""
    return lineage_of(header).get(hash_of(function_arn), 0)


def passed_on(header: str, function_arn: str) -> str:
    """The header that an invocation of a function gets: the one that came, with the function counted once more."""
    lineage = lineage_of(header[:_HEADER_LENGTH_MAX])
    name = hash_of(function_arn)
    count = lineage.pop(name, 0) + 1
    if len(lineage) >= _FUNCTIONS_MAX:
        lineage.pop(next(iter(lineage)))
    lineage[name] = count
    return f"{without_lineage(header)};Lineage={'|'.join(f'{one}:{times}' for one, times in lineage.items())}"


def without_lineage(header: str) -> str:
    return _LINEAGE.sub("", header[:_HEADER_LENGTH_MAX]) if "Lineage=" in header else header[:_HEADER_LENGTH_MAX]


def fields_of(header: str) -> dict[str, str]:
    """The fields of a header by their names, in their order."""
    return {name.strip(): value for name, equals, value in (one.partition("=") for one in header[:_HEADER_LENGTH_MAX].split(";")) if equals}


def with_fields(header: str, **fields: str) -> str:
    """A header in which these fields are what they are to be."""
    return ";".join(f"{name}={value}" for name, value in {**fields_of(header), **fields}.items())


def joined(headers: Iterable[str]) -> str:
    """One header for a batch of events: the first one's, with the greatest counts of all."""
    first, counts = "", dict[str, int]()
    for header in headers:
        first = first or without_lineage(header)
        for name, count in lineage_of(header).items():
            counts[name] = max(count, counts.get(name, 0))
    if not counts:
        return first
    return f"{first};Lineage={'|'.join(f'{name}:{count}' for name, count in counts.items())}"


def recursive(function_name: str) -> ServiceError:
    """What the caller of a function in a loop is told."""
    message = f"Lambda has detected {function_name} being invoked in a recursive loop with other AWS resources. To prevent unexpected charges, Lambda stopped the invocation."
    return ServiceError("RecursiveInvocationException", message, 400, fields={"Type": "User"})
