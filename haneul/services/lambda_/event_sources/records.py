"""What the store keeps of event source mappings."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import Space
from haneul.store.keys import pack

_ARN = re.compile(r"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):event-source-mapping:(?P<uuid>[0-9a-f-]{36})")


class Mapping(msgspec.Struct):
    """A source of events and the function that gets them. Times are nanoseconds; -1 means without limit."""

    uuid: str
    account: str
    region: str
    function_name: str
    qualifier: str | None
    source_arn: str
    enabled: bool
    created_at: int
    last_modified: int
    batch_size: int
    window_seconds: int = 0
    starting_position: str = ""
    parallelization: int = 1
    bisect: bool = False
    retries: int = -1
    record_age_seconds: int = -1
    on_failure: str = ""
    reports_item_failures: bool = False
    concurrency_max: int | None = None
    filters: list[str] = []
    tags: dict[str, str] = {}
    last_result: str = "No records processed"
    tumbling_seconds: int = 0
    metrics: list[str] = []

    @property
    def target(self) -> Target:
        return Target(self.account, self.region, self.function_name, self.qualifier)

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:event-source-mapping:{self.uuid}"

    @property
    def space(self) -> Space:
        return ("lambda", self.account, self.region)

    @property
    def source_service(self) -> str:
        """`sqs` or `dynamodb`."""
        return self.source_arn.split(":")[2]

    @property
    def source_region(self) -> str:
        return self.source_arn.split(":")[3]


class Checkpoint(msgspec.Struct):
    """How far a stream's shard has been processed: the last sequence number that is done with ("" before the first).

    Of a tumbling window that is open: its start (nanoseconds, 0 for none) and the function's state in it, as JSON.
    """

    sequence_number: str
    window_start: int = 0
    window_state: bytes = b"{}"


def mapping_key(space: Space, uuid: str) -> bytes:
    return pack((*space, "mapping", uuid))


def mapping_index_key(uuid: str) -> bytes:
    """All mappings of this cloud: what pollers are made of at the start. Written with every change of a mapping."""
    return pack(("lambda-mapping", uuid))


def by_function_key(mapping: Mapping) -> bytes:
    return pack((*mapping.space, "mapping-by-function", mapping.function_name, mapping.uuid))


def by_source_key(mapping: Mapping) -> bytes:
    return pack((*mapping.space, "mapping-by-source", mapping.source_arn, mapping.uuid))


def checkpoints_prefix(mapping: Mapping) -> bytes:
    return pack((*mapping.space, "checkpoint", mapping.uuid))


def checkpoint_key(mapping: Mapping, shard_id: str) -> bytes:
    return checkpoints_prefix(mapping) + pack((shard_id,))


def parse_mapping_arn(arn: str) -> tuple[str, str, str] | None:
    """Region, account and UUID of a mapping's ARN; None for other texts."""
    found: Any = _ARN.fullmatch(arn)
    return (found["region"], found["account"], found["uuid"]) if found else None
