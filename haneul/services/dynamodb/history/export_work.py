"""Writing an export to its bucket: one file after another, each noted once it is there, then the manifests; after a crash the file that was begun is made again.

(Developer Guide: "DynamoDB table export output format".)
"""

from __future__ import annotations

import asyncio
import zlib
from base64 import b32encode, b64encode
from hashlib import blake2b, md5
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from haneul.core.call import call_as
from haneul.core.errors import AccessDenied, ServiceError
from haneul.services.dynamodb.billing.metrics import EXPORTED, EXPORTED_CHANGES
from haneul.services.dynamodb.errors import timestamp
from haneul.services.dynamodb.history import ion
from haneul.services.dynamodb.history.export_filters import ExportFilter
from haneul.services.dynamodb.history.export_records import (
    EXPORT_FILE_SPACE,
    EXPORT_SPACE,
    Export,
    bucket_failure,
    forget_later,
    job_key,
    key_of_export,
    running_key,
)
from haneul.services.dynamodb.history.holding import release
from haneul.services.dynamodb.history.past import Change, read_changes, read_chunk
from haneul.services.dynamodb.rows import row_body, row_item
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.values import Item
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Store, Transaction
from haneul.store.records import decode, encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

WRITE = "dynamodb-export"
# A file is closed once it holds so much, before compression.
FILE_BYTES = 16 << 20
_GZIP_WINDOW = 31
_SERVER_FAULT = 500


def payload_of(export: Export) -> dict[str, Any]:
    table = export.table
    return {"account": table.account, "region": table.region, "name": table.name, "id": export.id}


async def write(service: DynamoDb, payload: dict[str, Any]) -> None:
    """Carry an export on to its end: COMPLETED with its manifests written, or FAILED with the reason."""
    store = service.cloud.store
    key = job_key(EXPORT_SPACE, payload["account"], payload["region"], payload["name"], payload["id"])
    raw = store.get(key)
    export = decode(raw, Export) if raw is not None else None
    if export is None or export.status != "IN_PROGRESS":
        return
    try:
        if export.files == 0:
            await _put(service, export, f"{export.folder}_started", b"")
        chosen = ExportFilter(service.parsers, export) if export.filter else None
        while not export.written:
            await _write_file(service, export, chosen)
        await _write_manifests(service, export)
        export.status = "COMPLETED"
    except (ServiceError, AccessDenied) as problem:
        if isinstance(problem, ServiceError) and (problem.status or 400) >= _SERVER_FAULT and problem.code != "NotImplemented":
            raise  # The bucket's service is in trouble: the outbox tries again.
        export.status = "FAILED"
        export.failure_code, export.failure_message = bucket_failure(problem, service.cloud.ids)
    export.ended_at = service.cloud.clock.now()
    done = export

    def finish(tx: Transaction) -> None:
        tx.put(key, encode(done))
        tx.delete(running_key(done))
        release(service, tx, done.table, done.id)
        forget_later(service, tx, key)
        for place, _ in tx.range(*prefix_range(_files_prefix(done))):
            tx.delete(place)

    await store.transact(finish)
    size = done.billed_bytes if done.status == "COMPLETED" else done.size_bytes
    service.cloud.usage.add(payload["account"], payload["region"], "dynamodb", EXPORTED_CHANGES if done.since else EXPORTED, payload["name"], size)


async def _put(service: DynamoDb, export: Export, key: str, body: bytes) -> str:
    """Write one object as the caller of the export; its entity tag."""
    # Only a bucket of another account needs its owner named (API Reference: "ExportTableToPointInTime").
    owner = export.bucket_owner or export.caller.account
    request: dict[str, Any] = {"Bucket": export.bucket, "Key": key, "Body": body, "ExpectedBucketOwner": owner}
    if export.encryption:
        request["ServerSideEncryption"] = export.encryption
    table = export.table
    answer = await call_as(service.cloud, "s3:PutObject", request, region=table.region, account=export.caller.account, caller=export.caller)
    return str(answer.get("ETag", "")).strip('"')


def _files_prefix(export: Export) -> bytes:
    return pack((EXPORT_FILE_SPACE, export.table.account, export.table.region, export.id))


async def _write_file(service: DynamoDb, export: Export, chosen: ExportFilter | None) -> None:
    """Write the next data file and note it. It has items of one partition of the table, and none where that is empty."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP_WINDOW)
    loop = asyncio.get_running_loop()
    parts: list[bytes] = []
    size = items = looked_at = 0
    cursor, last = export.cursor, False
    end = next((low for low in export.lows if low > cursor), b"")
    while not last and size < FILE_BYTES:
        lines, read, cursor, last = _read_lines(service.cloud.store, export, chosen, cursor, end)
        text = b"".join(lines)
        parts.append(await loop.run_in_executor(None, packer.compress, text))
        size += len(text)
        looked_at += read
        items += len(lines)
    body = b"".join([*parts, packer.flush()])
    suffix = "json" if export.format == "DYNAMODB_JSON" else "ion"
    name = b32encode(blake2b(f"{export.id}/{export.files}".encode(), digest_size=16).digest()).decode().rstrip("=").lower()
    # What changed within spans goes into one folder for all exports to the place; a full export keeps its own.
    key = f"{export.root if export.since else export.folder}data/{name}.{suffix}.gz"
    etag = await _put(service, export, key, body)
    line = {
        "itemCount": items,
        "md5Checksum": (await loop.run_in_executor(None, _md5, body)).decode(),
        "etag": etag,
        "dataFileS3Key": key,
    }
    place = _files_prefix(export) + pack((export.files,))
    export.cursor, export.files, export.written = cursor, export.files + 1, last and not end
    export.items, export.size_bytes = export.items + items, export.size_bytes + looked_at

    def note(tx: Transaction) -> None:
        tx.put(place, orjson.dumps(line))
        tx.put(key_of_export(export), encode(export))

    await service.cloud.store.transact(note)


def _read_lines(store: Store, export: Export, chosen: ExportFilter | None, place: bytes, end: bytes) -> tuple[list[bytes], int, bytes, bool]:
    """The next lines of an export (of a full one before `end`), the bytes of all that were looked at for them, the place behind them, and whether there are no more."""
    if export.since:
        # A span begins with its first moment and ends before its last (API Reference: "IncrementalExportSpecification").
        past = msgspec.structs.replace(export.past, time=export.past.time - 1)
        changes, place, last = read_changes(store, past, export.since - 1, place)
        table = Table(export.table)
        # What came and went within the span leaves no trace (Developer Guide: "DynamoDB table export output format").
        kept = [change for change in changes if change.old_row is not None or change.new_row is not None]
        lines, read = _change_lines(export, table, chosen, kept)
    else:
        rows, place, last = read_chunk(store, export.past, place, end=end)
        lines, read = _item_lines(export, chosen, [row for _, row in rows])
    return lines, read, place, last or (chosen is not None and chosen.ends(place))


def _item_lines(export: Export, chosen: ExportFilter | None, rows: list[bytes]) -> tuple[list[bytes], int]:
    if chosen is None:
        lines = [_item_line(export, row_body(row), None if export.format == "DYNAMODB_JSON" else row_item(row)) for row in rows]
        return lines, sum(len(line) for line in lines)
    lines, read = [], 0
    for row in rows:
        item = row_item(row)
        if not chosen.reads(item):
            continue
        read += len(_item_line(export, row_body(row), item))
        if chosen.takes(item):
            shown = chosen.shown(item)
            lines.append(_item_line(export, orjson.dumps(shown), shown))
    return lines, read


def _item_line(export: Export, body: bytes, item: Item | None) -> bytes:
    """One item, as JSON (`body`) or as Ion."""
    if export.format == "ION" and item is not None:
        return f"{ion.VERSION_MARK} {{Item:{ion.write_item(item)}}}\n".encode()
    return b'{"Item":' + body + b"}\n"


def _change_lines(export: Export, table: Table, chosen: ExportFilter | None, changes: list[Change]) -> tuple[list[bytes], int]:
    """What became of items; a filter looks at their latest images, or at the old ones of those that are gone."""
    lines, read = [], 0
    for change in changes:
        old = row_item(change.old_row) if change.old_row is not None else None
        new = row_item(change.new_row) if change.new_row is not None else None
        latest = new if new is not None else old
        assert latest is not None
        if chosen is None:
            lines.append(_change_line(export, table, change, old, new))
            read += len(lines[-1])
        elif chosen.reads(latest):
            read += len(_change_line(export, table, change, old, new))
            if chosen.takes(latest):
                images = [chosen.shown(image) if image is not None else None for image in (old, new)]
                lines.append(_change_line(export, table, change, *images))
    return lines, read


def _change_line(export: Export, table: Table, change: Change, old: Item | None, new: Item | None) -> bytes:
    """What became of one item: its key, when it was last written, and the images that the view shows."""
    images: dict[str, Any] = {}
    if new is not None:
        images["NewImage"] = new
    if old is not None and export.view == "NEW_AND_OLD_IMAGES":
        images["OldImage"] = old
    keys = table.key.take(row_item(change.some_row))
    written = str(change.written_at // 1000)
    if export.format == "ION":
        shown = ",".join(f"{name}:{ion.write_item(image)}" for name, image in images.items())
        members = f"Keys:{ion.write_item(keys)},Metadata:{{WriteTimestampMicros:{written}.}}{',' if shown else ''}{shown}"
        return f"{ion.VERSION_MARK} {{Record:{{{members}}}}}\n".encode()
    return orjson.dumps({"Metadata": {"WriteTimestampMicros": {"N": written}}, "Keys": keys, **images}) + b"\n"


def _moment(time: int) -> str:
    return f"{timestamp(time)}Z"


async def _write_manifests(service: DynamoDb, export: Export) -> None:
    """The list of the files, and what the export is; each with its MD5 beside it."""
    lines = [line + b"\n" for _, line in service.cloud.store.range(*prefix_range(_files_prefix(export)))]
    summary: dict[str, Any] = {
        "version": "2023-08-01" if export.since else "2020-06-30",
        "exportArn": export.arn,
        "startTime": _moment(export.started_at),
        "endTime": _moment(service.cloud.clock.now()),
        "tableArn": export.table.arn,
        "tableId": export.table.table_id,
    }
    if export.since:
        summary.update(exportFromTime=_moment(export.since), exportToTime=_moment(export.past.time))
    else:
        summary["exportTime"] = _moment(export.past.time)
    summary.update(
        s3Bucket=export.bucket,
        s3Prefix=export.prefix or None,
        s3SseAlgorithm=export.encryption or "AES256",
        s3SseKmsKeyId=None,
        manifestFilesS3Key=f"{export.folder}manifest-files.json",
        billedSizeBytes=export.billed_bytes,
        itemCount=export.items,
        outputFormat=export.format,
        exportType="INCREMENTAL_EXPORT" if export.since else "FULL_EXPORT",
    )
    if export.since:
        summary["outputView"] = export.view
    for name, body in (("manifest-files", b"".join(lines)), ("manifest-summary", orjson.dumps(summary))):
        await _put(service, export, f"{export.folder}{name}.json", body)
        await _put(service, export, f"{export.folder}{name}.md5", _md5(body))


def _md5(body: bytes) -> bytes:
    """An MD5 as the manifests show it: in base64."""
    return b64encode(md5(body, usedforsecurity=False).digest())
