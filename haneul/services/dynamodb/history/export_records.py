"""What is kept of exports, and how exports and imports are described and found again by their tokens."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from haneul.clock import DAY, HOUR
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.history.past import Past
from haneul.services.dynamodb.tables import TableRecord
from haneul.store.keys import pack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

EXPORT_SPACE = "dynamodb-export"
EXPORT_FILE_SPACE = "dynamodb-export-file"
# The exports that are under way.
RUNNING_SPACE = "dynamodb-export-running"
TOKEN_SPACE = "dynamodb-job-token"
# How long a client token is remembered, and how long what is finished is listed (API Reference: "ExportTableToPointInTime", "ListExports").
TOKEN_LIFE = 8 * HOUR
LISTED = 90 * DAY

Shape = dict[str, Any]


class Export(msgspec.Struct):
    """An export, and how far it has come: everything before `cursor` is written, in `files` files. Times in nanoseconds.

    `since` is the beginning of an incremental export's span, 0 for a full export; `past.time` is its end, or the moment of a full one. `filter` is the
    FilterSpecification, empty for none; its key condition holds for keys (behind the table's prefix) from `low` to before `high`, which is empty without
    one. `items` are those written, `size_bytes` what was looked at for them.
    """

    id: str
    status: str
    table: TableRecord
    past: Past
    since: int
    view: str
    format: str
    bucket: str
    bucket_owner: str
    prefix: str
    encryption: str
    token: str
    caller: Caller
    started_at: int
    ended_at: int = 0
    cursor: bytes = b""
    files: int = 0
    written: bool = False
    items: int = 0
    size_bytes: int = 0
    failure_code: str = ""
    failure_message: str = ""
    filter: dict[str, Any] = {}
    low: bytes = b""
    high: bytes = b""

    @property
    def arn(self) -> str:
        return f"{self.table.arn}/export/{self.id}"

    @property
    def folder(self) -> str:
        """What the keys of its manifests begin with, in the bucket."""
        return f"{self.root}{self.id}/"

    @property
    def root(self) -> str:
        return f"{self.prefix}/AWSDynamoDB/" if self.prefix else "AWSDynamoDB/"


def job_key(space: str, account: str, region: str, table: str, job: str) -> bytes:
    """Where an export or import lies: those of one table together, in the order of time."""
    return pack((space, account, region, table, job))


def key_of_export(export: Export) -> bytes:
    return job_key(EXPORT_SPACE, export.table.account, export.table.region, export.table.name, export.id)


def running_key(export: Export) -> bytes:
    return pack((RUNNING_SPACE, export.table.account, export.table.region, export.id))


def find_job(reader: Reader, call: Call, arn: str, kind: str, space: str) -> bytes | None:
    """The stored record that an ARN `…:table/NAME/export/ID` (or `import`) names; ValidationException for an ARN of something else."""
    found = parse_arn(arn)
    parts = found.resource.split("/") if found is not None else []
    if found is None or found.service != "dynamodb" or len(parts) != 4 or parts[0] != "table" or parts[2] != kind:
        raise validation(f"Invalid {kind.capitalize()} ARN")
    if found.region != call.region:
        return None
    return reader.get(job_key(space, found.account, found.region, parts[1], parts[3]))


class Token(msgspec.Struct):
    """A client token that was used: for which request, until when, and what came of it."""

    digest: bytes
    ends_at: int
    arn: str


def digest_of(request: Shape) -> bytes:
    """What tells one request from another."""
    return blake2b(orjson.dumps(request, option=orjson.OPT_SORT_KEYS, default=str), digest_size=16).digest()


def token_used(reader: Reader, call: Call, kind: str, token: str) -> Token | None:
    """What a token was used for in the last eight hours."""
    raw = reader.get(pack((TOKEN_SPACE, call.account, call.region, kind, token)))
    found = decode(raw, Token) if raw is not None else None
    return found if found is not None and found.ends_at > call.now else None


def repeated(reader: Reader, call: Call, kind: str, space: str, token: str, digest: bytes, conflict: Callable[[str], ServiceError]) -> bytes | None:
    """The stored record of the job that this token has begun already, None for a new one; raises what `conflict` makes when it was for another request."""
    used = token_used(reader, call, kind, token)
    if used is None:
        return None
    if used.digest != digest:
        raise conflict(f"{kind.capitalize()} conflict: Duplicate request detected with conflicting parameters")
    return find_job(reader, call, used.arn, kind, space)


def remember_token(service: DynamoDb, tx: Transaction, call: Call, kind: str, token: str, digest: bytes, arn: str) -> None:
    """Keep a token for eight hours."""
    key = pack((TOKEN_SPACE, call.account, call.region, kind, token))
    ends_at = call.now + TOKEN_LIFE
    tx.put(key, encode(Token(digest, ends_at, arn)))
    service.cloud.outbox.put(tx, lifecycle.PURGE, {"prefixes": [key]}, due=ends_at, key=f"{kind}/{call.account}/{call.region}/{token}")


def forget_later(service: DynamoDb, tx: Transaction, key: bytes) -> None:
    """Drop a finished job's record once it is no longer listed."""
    service.cloud.outbox.put(tx, lifecycle.PURGE, {"prefixes": [key]}, due=service.cloud.clock.now() + LISTED)
