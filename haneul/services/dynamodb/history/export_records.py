"""What is kept of exports, and how exports and imports are described and found again by their tokens."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from haneul.clock import DAY, HOUR, Ids
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.errors import AccessDenied, ServiceError
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
# How many are listed at once where the request does not say it; it may say 25.
PAGE = 10
# What an incremental export is billed for at least, however little has changed.
BILLED_CHANGES_MIN = 10_000_000
_TOKEN_DIGITS_MIN = 112
_REQUEST_ID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

Shape = dict[str, Any]


class Export(msgspec.Struct):
    """An export, and how far it has come: everything before `cursor` is written, in `files` files. Times in nanoseconds.

    `since` is the beginning of an incremental export's span, 0 for a full export; `past.time` is its end, or the moment of a full one. `filter` is the
    FilterSpecification, empty for none; its key condition holds for keys (behind the table's prefix) from `low` to before `high`, which is empty without
    one. `items` are those written, `size_bytes` what was looked at for them. `type_given` is the ExportType of the request, which descriptions repeat.
    `lows` are where the table's partitions began, but for the first, of a full export of all of them: each has files of its own.
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
    type_given: str = ""
    lows: list[bytes] = []

    @property
    def arn(self) -> str:
        return f"{self.table.arn}/export/{self.id}"

    @property
    def folder(self) -> str:
        """What the keys of its manifests begin with, in the bucket."""
        return f"{self.root}{self.id}/"

    @property
    def root(self) -> str:
        between = "" if not self.prefix or self.prefix.endswith("/") else "/"
        return f"{self.prefix}{between}AWSDynamoDB/"

    @property
    def billed_bytes(self) -> int:
        return max(self.size_bytes, BILLED_CHANGES_MIN) if self.since else self.size_bytes


def job_key(space: str, account: str, region: str, table: str, job: str) -> bytes:
    """Where an export or import lies: those of one table together, in the order of time."""
    return pack((space, account, region, table, job))


def key_of_export(export: Export) -> bytes:
    return job_key(EXPORT_SPACE, export.table.account, export.table.region, export.table.name, export.id)


def running_key(export: Export) -> bytes:
    return pack((RUNNING_SPACE, export.table.account, export.table.region, export.id))


def own(call: Call, arn: str) -> str:
    """An ARN that is not another account's; no policy lets anybody from there come to a table's exports and imports.

    (Developer Guide: "DynamoDB API operations supported by resource-based policies".)
    """
    found = parse_arn(arn)
    if found is not None and found.service == "dynamodb" and found.account != call.account:
        raise AccessDenied("Access is denied")
    return arn


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


def forget_later(service: DynamoDb, tx: Transaction, *keys: bytes) -> None:
    """Drop a finished job's record once it is no longer listed."""
    service.cloud.outbox.put(tx, lifecycle.PURGE, {"prefixes": list(keys)}, due=service.cloud.clock.now() + LISTED)


def page_token(kind: str, table: str, job: str) -> str:
    """Where the next page of a list of exports or imports begins, as the model wants it: hexadecimal digits, 112 or more, in sixteens."""
    digits = f"{kind}/{table}/{job}".encode().hex()
    return digits.ljust(max(_TOKEN_DIGITS_MIN, -(-len(digits) // 16) * 16), "0")


def read_page_token(kind: str, token: str) -> tuple[str, str]:
    """The table and the id of the last job of the page before; ValidationException for what is no token of this kind of list."""
    try:
        found, table, job = bytes.fromhex(token).rstrip(b"\x00").decode().split("/")
    except ValueError:
        found = table = job = ""
    if found != kind or page_token(kind, table, job) != token:
        raise validation(f"Invalid Request: Provided nextToken is invalid: {token}")
    return table, job


def bucket_failure(problem: ServiceError | AccessDenied, ids: Ids) -> tuple[str, str]:
    """FailureCode and FailureMessage of a job that its bucket refused: the bucket's answer, as the client of S3 that the service uses tells of it."""
    code, status = (problem.code, problem.status or 400) if isinstance(problem, ServiceError) else ("AccessDenied", 403)
    answered = f"Request ID: {ids.text(16, _REQUEST_ID)}; S3 Extended Request ID: {b64encode(ids.bytes(56)).decode()}; Proxy: null"
    return f"S3{code}", f"{problem.message} (Service: Amazon S3; Status Code: {status}; Error Code: {code}; {answered})"
