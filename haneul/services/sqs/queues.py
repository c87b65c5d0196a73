"""What a queue is: its record in the store, its keys, and the names it goes by.

Keys, each as a tuple:

- `("sqs-queue", account, region, name)` → `QueueRecord`
- `("sqs-deleted", account, region, name)` → when it was deleted, for the 60 seconds in which the name stays taken
- `("sqs-source", account, region, dead-letter queue's name, source queue's name)` → nothing: who names whom as dead-letter queue
- `("sqs-data", account, region, id, generation, …)` → messages (`standard.py`, `fifo.py`). Purging begins a new generation, so that it costs
  one transaction; what lies below the old one is removed in the background. Generation 0 holds what a purge leaves alone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec
import orjson

from haneul.clock import SECOND
from haneul.core.arn import make_arn, parse_arn
from haneul.core.call import Call
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import Shape
from haneul.services.sqs import errors
from haneul.store.keys import pack

QUEUES = "sqs-queue"
DELETED = "sqs-deleted"
SOURCES = "sqs-source"
DATA = "sqs-data"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")
_FIFO_SUFFIX = ".fifo"
_URL_MAX = 2_048


class QueueRecord(msgspec.Struct):
    """A queue as the store keeps it. Times in nanoseconds; `attributes` as their texts on the wire, defaults included."""

    id: str
    created_at: int
    modified_at: int
    attributes: dict[str, str]
    tags: dict[str, str]
    generation: int = 1
    purged_at: int = 0


class Place(NamedTuple):
    """Where a queue is: the three parts of its identity."""

    account: str
    region: str
    name: str

    @property
    def key(self) -> bytes:
        return pack((QUEUES, *self))

    @property
    def arn(self) -> str:
        return make_arn("sqs", self.region, self.account, self.name)


class Redrive(NamedTuple):
    """A redrive policy: where a message goes that has been received `receives_max` times in vain."""

    target: Place
    receives_max: int


class Queue:
    """A queue ready for use: the record's texts as numbers, its key prefixes packed. Never changes."""

    __slots__ = (
        "arn",
        "content_deduplication",
        "counters_key",
        "data_prefix",
        "deduplication_per_group",
        "deduplication_prefix",
        "delay",
        "fifo",
        "id",
        "message_bytes_max",
        "place",
        "record",
        "redrive",
        "retention",
        "sealed",
        "topic",
        "visibility_timeout",
        "wait_time",
    )

    def __init__(self, place: Place, record: QueueRecord) -> None:
        attributes = record.attributes
        self.place = place
        self.record = record
        self.id = record.id
        self.arn = place.arn
        self.topic = f"queue:{self.arn}"
        self.fifo = place.name.endswith(_FIFO_SUFFIX)
        self.delay = int(attributes["DelaySeconds"]) * SECOND
        self.visibility_timeout = int(attributes["VisibilityTimeout"]) * SECOND
        self.retention = int(attributes["MessageRetentionPeriod"]) * SECOND
        self.wait_time = int(attributes["ReceiveMessageWaitTimeSeconds"]) * SECOND
        self.message_bytes_max = int(attributes["MaximumMessageSize"])
        self.content_deduplication = attributes.get("ContentBasedDeduplication") == "true"
        self.deduplication_per_group = attributes.get("DeduplicationScope") == "messageGroup"
        self.sealed = attributes.get("SqsManagedSseEnabled") == "true" or "KmsMasterKeyId" in attributes
        self.redrive = read_redrive(attributes.get("RedrivePolicy", ""))
        base = (DATA, place.account, place.region, record.id)
        self.data_prefix = pack((*base, record.generation))
        self.counters_key = pack((*base, record.generation, "c"))
        self.deduplication_prefix = pack((*base, 0))


def read_redrive(text: str) -> Redrive | None:
    """A stored (and therefore sound) redrive policy."""
    if not text:
        return None
    policy = orjson.loads(text)
    target = place_of_arn(policy["deadLetterTargetArn"])
    return Redrive(target, int(policy["maxReceiveCount"])) if target is not None else None


# ---- names


def is_queue_name(name: str) -> bool:
    """Whether a name is one that a queue can have: 1 to 80 letters, digits, `-` and `_`; the suffix `.fifo` counts."""
    return len(name) <= 80 and _NAME.match(name.removesuffix(_FIFO_SUFFIX)) is not None


def place_of_arn(arn: str) -> Place | None:
    """The queue that an ARN names, or None for a text that names none."""
    parts = parse_arn(arn)
    if parts is None or parts.service != "sqs" or not parts.region or not parts.account or not is_queue_name(parts.resource):
        return None
    return Place(parts.account, parts.region, parts.resource)


class Located(NamedTuple):
    """A queue's place and its ARN."""

    place: Place
    arn: str


@lru_cache(maxsize=8192)
def _locate(url: str, region: str) -> Located | None:
    """The queue that the last two parts of a URL's path name; the rest differs between endpoints and does not matter."""
    try:
        parts = [unquote(part) for part in urlsplit(url).path.split("/") if part]
    except ValueError:
        return None
    if len(parts) < 2 or len(parts[-2]) != 12 or not (parts[-2].isascii() and parts[-2].isdigit()):
        return None
    place = Place(parts[-2], region, parts[-1])
    return Located(place, place.arn)


def _located(call: Call, request: Shape) -> Located:
    url = request.get("QueueUrl")
    if not url:
        raise errors.missing("QueueUrl")
    found = _locate(url, call.region) if len(url) <= _URL_MAX else None
    if found is None:
        raise ServiceError("InvalidAddress", f"The address {url[:_URL_MAX]} is not valid for this endpoint.")
    return found


def place_of(call: Call, request: Shape) -> Place:
    """The queue that a request's QueueUrl names."""
    return _located(call, request).place


def queue_url(call: Call, place: Place) -> str:
    """The URL of a queue as seen by the caller: at the host that it called."""
    settings = call.cloud.settings
    if call.http is not None and call.http.host:
        origin = f"{'https' if call.http.secure else 'http'}://{call.http.host}"
    else:
        origin = f"http://{settings.host}:{settings.port}"
    return f"{origin}/{place.account}/{place.name}"


def queue_arn(call: Call, request: Shape) -> str:
    """The resource of an operation on a queue given by its URL."""
    return _located(call, request).arn


def own_queue_arn(call: Call, request: Shape) -> str:
    """The same for operations that no policy can open to other accounts (SQS Developer Guide, "Grant cross-account permissions")."""
    place = place_of(call, request)
    if place.account != call.account:
        action = call.operation.action
        raise AccessDenied(f"User: {call.caller.arn or 'anonymous'} is not authorized to perform: {action} on resource: {place.arn}")
    return place.arn
