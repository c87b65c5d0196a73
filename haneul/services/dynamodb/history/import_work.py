"""Filling a table from a bucket's objects, in bounded steps. After a crash the object that was begun is read again up to where the table has come.

(Developer Guide: "DynamoDB data import from Amazon S3: how it works".)
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterable
from typing import IO, TYPE_CHECKING, Any, cast

import msgspec
import orjson

from haneul.clock import MILLISECOND
from haneul.core.bodies import readable
from haneul.core.call import call_as
from haneul.core.caller import Caller
from haneul.core.errors import AccessDenied, SerializationError, ServiceError
from haneul.core.http import FileBody
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.billing.metrics import IMPORTED
from haneul.services.dynamodb.history.export_records import bucket_failure, forget_later, job_key
from haneul.services.dynamodb.history.import_formats import Layout, Parsed, Unpacked, items_in, take
from haneul.services.dynamodb.history.restore_work import finish
from haneul.services.dynamodb.rows import encode_row, row_item
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TableRecord, table_key
from haneul.services.dynamodb.throughput.table_counts import check_room
from haneul.services.dynamodb.values import ITEM_BYTES_MAX, Item, check_item
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

IMPORT_SPACE = "dynamodb-import"
# The keys of all of an account and region, in the order of time.
IMPORT_TIME_SPACE = "dynamodb-import-time"
# The imports that are under way.
RUNNING_SPACE = "dynamodb-import-running"
READ = "dynamodb-import"
LOG_GROUP = "/aws-dynamodb/imports"
STEP_ITEMS = 200
# Errors beyond these are counted, not logged.
LOGGED_MAX = 10_000
OBJECTS_MAX = 50_000
_TERABYTE = 10**12
_LARGE_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
_LISTED_AT_ONCE = 1000
_SOME_ITEMS_FAILED = "Some of the items failed validation checks and were not imported. Please check CloudWatch error logs for more details."
_IN_MEMORY_BYTES = 8 << 20
_SERVER_FAULT = 500


class Import(msgspec.Struct):
    """An import, and how far it has come: the table is there (`made`), the objects up to `done_key` are read, and `done_items` items of the next.

    Times in nanoseconds.
    """

    id: str
    status: str
    table: TableRecord
    parameters: dict[str, Any]
    source: dict[str, str]
    format: str
    compression: str
    csv: dict[str, Any]
    token: str
    caller: Caller
    started_at: int
    ended_at: int = 0
    done_key: str = ""
    done_items: int = 0
    bytes_read: int = 0
    items_read: int = 0
    items_written: int = 0
    errors: int = 0
    objects: int = 0
    failure_code: str = ""
    failure_message: str = ""
    made: bool = False
    # All objects together, once they have been counted.
    source_bytes: int = 0

    @property
    def arn(self) -> str:
        return f"{self.table.arn}/import/{self.id}"


def key_of_import(found: Import) -> bytes:
    return job_key(IMPORT_SPACE, found.table.account, found.table.region, found.table.name, found.id)


def time_key(account: str, region: str, table: str, job: str) -> bytes:
    return pack((IMPORT_TIME_SPACE, account, region, job, table))


def running_key(found: Import) -> bytes:
    return pack((RUNNING_SPACE, found.table.account, found.table.region, found.id))


def promise(service: DynamoDb, tx: Transaction, found: Import) -> None:
    """Carry an import on, once the state that it is in has been seen; in place of what was promised of it before."""
    payload = {**lifecycle.payload_of(found.table), "import": found.id}
    service.cloud.outbox.put(tx, READ, payload, due=service.cloud.clock.now() + lifecycle.TRANSITION, key=found.arn)


async def read(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Carry an import on: make its table once the bucket has been reached, then go to the end.

    It is COMPLETED once every item is written; FAILED when some were not, when the bucket or the logs refuse the caller, or when there is a table of its name.
    """
    raw = service.cloud.store.get(job_key(IMPORT_SPACE, payload["account"], payload["region"], payload["name"], payload["import"]))
    found = decode(raw, Import) if raw is not None else None
    if found is None or found.status != "IN_PROGRESS":
        return
    reader = _Reader(service, found)
    try:
        if not found.made:
            await reader.begin_log()
            found.source_bytes = await reader.survey()
            await _make_table(service, found)
            return
        while objects := await reader.list_objects():
            for key in objects:
                await reader.read_object(key)
        found.status = "COMPLETED"
        if found.errors:
            found.status, found.failure_code, found.failure_message = "FAILED", "ItemValidationError", _SOME_ITEMS_FAILED
    except _Refused as problem:
        found.status, found.failure_code, found.failure_message = "FAILED", problem.code, problem.message
    except (ServiceError, AccessDenied) as problem:
        if isinstance(problem, ServiceError) and (problem.status or 400) >= _SERVER_FAULT:
            raise  # The bucket's service is in trouble: the outbox tries again.
        found.status = "FAILED"
        found.failure_code, found.failure_message = bucket_failure(problem, service.cloud.ids)
    finally:
        await reader.close()
    found.ended_at = service.cloud.clock.now()

    def end(tx: Transaction) -> None:
        tx.put(key_of_import(found), encode(found))
        tx.delete(running_key(found))
        forget_later(service, tx, key_of_import(found), time_key(found.table.account, found.table.region, found.table.name, found.id))
        target = lifecycle.read_record(tx, payload)
        if target is None:
            return
        if found.status == "FAILED" and not found.items_read:
            # What was refused before any data came leaves no table (Developer Guide: "Import format quotas and validation").
            lifecycle.plan(service, tx, lifecycle.DROP, target)
        else:
            finish(tx, target)

    await service.cloud.store.transact(end)
    service.cloud.usage.add(payload["account"], payload["region"], "dynamodb", IMPORTED, payload["name"], found.bytes_read)


async def _make_table(service: DynamoDb, found: Import) -> None:
    """Make the table, and plan to fill it; _Refused when somebody else has made one of its name, or the account has no room for it or for so much data at a time."""
    after = msgspec.structs.replace(found, made=True)

    def work(tx: Transaction) -> None:
        record = found.table
        if tx.get(table_key(record.account, record.region, record.name)) is not None:
            raise _Refused("TableAlreadyExists", f"Table already exists: {record.name}")
        try:
            check_room(service, tx, record)
        except ServiceError as problem:
            raise _Refused(problem.code.removesuffix("Exception"), problem.message) from None
        _check_bytes(tx, found)
        lifecycle.write_record(tx, record)
        tx.put(key_of_import(found), encode(after))
        promise(service, tx, found)

    await service.cloud.store.transact(work)


def _check_bytes(tx: Transaction, found: Import) -> None:
    """_Refused when the imports of the region have more to read together than they may. (Developer Guide: "Import format quotas and validation".)"""
    account, region = found.table.account, found.table.region
    terabytes = 15 if region in _LARGE_REGIONS else 1
    total = found.source_bytes
    for key, place in tx.range(*prefix_range(pack((RUNNING_SPACE, account, region)))):
        other = tx.get(place) if key != running_key(found) else None
        if other is not None:
            total += decode(other, Import).source_bytes
    if total > terabytes * _TERABYTE:
        raise _Refused("LimitExceeded", f"The size of all objects that are imported at a time is limited to {terabytes} TB in {region}; with this import it would be {total} bytes.")


class _Refused(Exception):
    """What ends an import, besides its bucket: its code, and what is told of it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Reader:
    """Reads the objects of one import into its table."""

    def __init__(self, service: DynamoDb, found: Import) -> None:
        self._service = service
        self._import = found
        self._table = Table(found.table)
        options = found.csv
        self._layout = Layout(found.format, options.get("Delimiter", ","), list(options.get("HeaderList", ())), found.table.attributes)
        self._logs_to = ""

    async def close(self) -> None:
        """Nothing more will be read."""
        await asyncio.get_running_loop().run_in_executor(None, self._layout.ion.close)

    async def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        caller = self._import.caller
        return await call_as(self._service.cloud, operation, request, region=self._import.table.region, account=caller.account, caller=caller)

    def _place(self) -> dict[str, Any]:
        source = self._import.source
        place: dict[str, Any] = {"Bucket": source["S3Bucket"]}
        if "S3BucketOwner" in source:
            place["ExpectedBucketOwner"] = source["S3BucketOwner"]
        return place

    async def _list(self, after: str) -> tuple[list[dict[str, Any]], bool]:
        """Objects under the prefix, behind a key, and whether there are more."""
        request = {**self._place(), "Prefix": self._import.source.get("S3KeyPrefix", ""), "MaxKeys": _LISTED_AT_ONCE}
        if after:
            request["StartAfter"] = after
        answer = await self._call("s3:ListObjectsV2", request)
        return answer.get("Contents") or [], answer.get("IsTruncated", False)

    async def survey(self) -> int:
        """The bytes of all objects; _Refused when there are more objects than one import may have."""
        count, size, last, more = 0, 0, "", True
        while more:
            listed, more = await self._list(last)
            count += len(listed)
            size += sum(one["Size"] for one in listed)
            last = listed[-1]["Key"] if listed else ""
            if count > OBJECTS_MAX:
                raise _Refused("LimitExceeded", f"An import is limited to {OBJECTS_MAX} objects, and there are more under this prefix: put their items into fewer, larger objects.")
        return size

    async def list_objects(self) -> list[str]:
        """The next objects under the prefix; empty ones (folders, marks) hold no items."""
        while True:
            listed, more = await self._list(self._import.done_key)
            some = [one["Key"] for one in listed if one["Size"]]
            if some or not more:
                return some
            self._import.done_key = listed[-1]["Key"]

    async def read_object(self, key: str) -> None:
        """Read one object to its end, a step of items at a time."""
        gone = ""
        try:
            body = (await self._call("s3:GetObject", {**self._place(), "Key": key}))["Body"]
        except ServiceError as problem:
            if problem.code != "NoSuchKey":
                raise
            gone = problem.message
        if gone:
            # It was there when the objects were listed, and counts as an item that is none.
            await self._write(key, 0, [ValueError(gone)], done=True, size=0)
            return
        loop = asyncio.get_running_loop()
        file = await _file_of(body)
        content = Unpacked(file, self._import.compression)
        items = items_in(content, self._layout)
        skip, at = self._import.done_items, 0
        try:
            while True:
                step = await loop.run_in_executor(None, take, items, STEP_ITEMS)
                if at >= skip:
                    await self._write(key, at, step, done=len(step) < STEP_ITEMS, size=content.size)
                at += len(step)
                if len(step) < STEP_ITEMS:
                    return
        finally:
            file.close()

    async def _write(self, key: str, at: int, step: list[Parsed], *, done: bool, size: int) -> None:
        """Put a step's items into the table, and note how far it is."""
        found, table = self._import, self._table
        good: list[tuple[bytes, bytes, Item]] = []
        problems: list[tuple[int, str]] = []
        for offset, parsed in enumerate(step):
            try:
                if isinstance(parsed, ValueError):
                    raise parsed
                good.append(_checked(table, parsed))
            except (ServiceError, SerializationError) as problem:
                problems.append((at + offset, problem.message))
            except ValueError as problem:
                problems.append((at + offset, str(problem)))
        if problems and found.errors < LOGGED_MAX:
            await self._log(key, problems)
        after = msgspec.structs.replace(
            found,
            items_read=found.items_read + len(step),
            items_written=found.items_written + len(good),
            errors=found.errors + len(problems),
            done_items=0 if done else at + len(step),
            done_key=key if done else found.done_key,
            objects=found.objects + done,
            bytes_read=found.bytes_read + (size if done else 0),
        )

        def work(tx: Transaction) -> None:
            for row, new_row, item in good:
                old_row = tx.get(row)
                old = row_item(old_row) if old_row is not None and not table.plain else None
                self._service.put_row(tx, table, row, old_row, old, new_row, item)
            tx.put(key_of_import(found), encode(after))

        await self._service.cloud.store.transact(work)
        for name in found.__struct_fields__:
            setattr(found, name, getattr(after, name))

    async def _log(self, key: str, problems: list[tuple[int, str]]) -> None:
        """Tell of items that were not imported, in the caller's logs."""
        found = self._import
        now = self._service.cloud.clock.now() // MILLISECOND
        events = []
        for at, message in problems:
            pointer = {"bucket": found.source["S3Bucket"], "key": key, "itemIndex": at}
            text = orjson.dumps({"itemS3Pointer": pointer, "importArn": found.arn, "errorMessages": [message]}).decode()
            events.append({"timestamp": now, "message": text})
        stream = f"{found.id}/error"
        if not self._logs_to:
            await self._make_log_stream(stream)
            self._logs_to = stream
        await self._call_logs("PutLogEvents", {"logGroupName": LOG_GROUP, "logStreamName": stream, "logEvents": events})

    async def begin_log(self) -> None:
        """Make the log of the import, for which the caller needs permission even when there is nothing to tell."""
        await self._call_logs("CreateLogGroup", {"logGroupName": LOG_GROUP})
        await self._make_log_stream(f"{self._import.id}/info")

    async def _make_log_stream(self, stream: str) -> None:
        await self._call_logs("CreateLogStream", {"logGroupName": LOG_GROUP, "logStreamName": stream})

    async def _call_logs(self, operation: str, request: dict[str, Any]) -> None:
        """Call an operation of the logs, which may have been carried out already before a crash. Logs that are in trouble stop no import."""
        try:
            await self._call(f"logs:{operation}", request)
        except AccessDenied as problem:
            raise _Refused("AccessDeniedException", problem.message) from None
        except ServiceError:
            return


def _checked(table: Table, item: Item) -> tuple[bytes, bytes, Item]:
    """An item's place and row. ServiceError or SerializationError for one that a PutItem would refuse."""
    size = check_item(item)
    if size > ITEM_BYTES_MAX:
        raise ValueError("Item size has exceeded the maximum allowed size")
    table.key.check_item(item)
    for index in table.indexes:
        index.key.check_index_values(item, index.name)
    return table.prefix + table.key.suffix(item), encode_row(size, orjson.dumps(item)), item


async def _file_of(body: bytes | FileBody | AsyncIterable[bytes]) -> IO[bytes]:
    """An object's body as something that a thread can read."""
    if isinstance(body, bytes | FileBody):
        return readable(body)
    spool = cast(IO[bytes], tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))  # noqa: SIM115 - closed by the reader
    async for part in body:
        spool.write(part)
    spool.seek(0)
    return spool
