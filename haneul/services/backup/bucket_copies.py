"""Copies of a bucket's objects: taken through S3's own operations, kept as rows and files of the recovery point, and put back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from haneul.core.cloud import Cloud
from haneul.core.http import FileBody
from haneul.services.backup.records import JOB_SPACE, PART_SPACE, Job, job_key, key, put_job
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

Ask = Callable[..., Awaitable[dict[str, Any]]]
# Bodies up to here lie in the copy's row, larger ones in files.
INLINE_BYTES_MAX = 64 * 1024
_LISTED_AT_ONCE = 100
_CHUNK_BYTES = 1 << 20
# What of a GetObject's answer a PutObject takes back.
_KEPT = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "WebsiteRedirectLocation", "Metadata", "StorageClass")


class Copy(msgspec.Struct):
    """One object: its headers and metadata as PutObject takes them, its tags, and its body, here or in a file."""

    name: str
    headers: dict[str, Any]
    tags: list[dict[str, str]]
    size: int
    body: bytes = b""
    blob: str = ""


def _prefix(account: str, region: str, point_arn: str) -> bytes:
    return key(PART_SPACE, account, region, point_arn)


async def copy_some(cloud: Cloud, job: Job, bucket: str, ask: Ask) -> bool:
    """Copy the next objects behind the job's cursor; whether there are more."""
    listed = await ask("ListObjectsV2", Bucket=bucket, MaxKeys=_LISTED_AT_ONCE, **({"StartAfter": job.cursor} if job.cursor else {}))
    for one in listed.get("Contents") or ():
        await _copy(cloud, job, bucket, one["Key"], ask)
    return bool(listed.get("IsTruncated"))


async def _copy(cloud: Cloud, job: Job, bucket: str, name: str, ask: Ask) -> None:
    found = await ask("GetObject", Bucket=bucket, Key=name)
    headers = {part: found[part] for part in _KEPT if part in found}
    tags = (await ask("GetObjectTagging", Bucket=bucket, Key=name))["TagSet"] if found.get("TagCount") else []
    copy = Copy(name, headers, tags, 0)
    body = found.get("Body", b"")
    if isinstance(body, bytes) and len(body) <= INLINE_BYTES_MAX:
        copy.body, copy.size = body, len(body)
    else:
        writer = await cloud.blobs.create()
        try:
            async for data in _stream(body):
                writer.write(data)
            copy.blob, copy.size = await writer.finish(), writer.size
        except BaseException:
            await writer.abort()
            raise

    def keep(tx: Transaction) -> None:
        place = _prefix(job.account, job.region, job.point_arn) + pack((name,))
        _release(cloud, tx, tx.get(place))
        if copy.blob:
            cloud.blobs.adopt(tx, copy.blob)
        tx.put(place, encode(copy))
        job.cursor = name
        job.size_bytes += copy.size
        stored = tx.get(job_key(JOB_SPACE, job))
        if stored is not None and decode(stored, Job).state == "ABORTING":
            job.state = "ABORTING"  # It was stopped meanwhile.
        put_job(tx, JOB_SPACE, job)

    await cloud.store.transact(keep)


def _release(cloud: Cloud, tx: Transaction, raw: bytes | None) -> None:
    if raw is not None and (blob := decode(raw, Copy).blob):
        cloud.blobs.release(tx, blob)


async def _stream(body: bytes | FileBody | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """A body, piece by piece."""
    if isinstance(body, bytes):
        yield body
    elif isinstance(body, FileBody):
        async for data in _pieces(body.path, body.offset, body.length):
            yield data
    else:
        async for data in body:
            yield data


async def _pieces(path: str, offset: int, length: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    # The file may be removed at any moment; an open one stays readable.
    handle = os.open(path, os.O_RDONLY)
    try:
        while length:
            data = await loop.run_in_executor(None, os.pread, handle, min(length, _CHUNK_BYTES), offset)
            if not data:
                raise ConnectionError("a stored file is shorter than it should be")
            yield data
            offset, length = offset + len(data), length - len(data)
    finally:
        os.close(handle)


def copies(cloud: Cloud, account: str, region: str, point_arn: str, behind: str, count: int) -> list[Copy]:
    """The next copies behind the object `behind`."""
    prefix = _prefix(account, region, point_arn)
    start, end = prefix_range(prefix)
    if behind:
        start = prefix + pack((behind,)) + b"\x00"
    return [decode(raw, Copy) for _, raw in cloud.store.range(start, end, count)]


async def put_back(cloud: Cloud, copy: Copy, bucket: str, ask: Ask) -> None:
    """Write an object as it was into a bucket."""
    body = _pieces(str(cloud.blobs.path(copy.blob)), 0, copy.size) if copy.blob else copy.body
    await ask("PutObject", Bucket=bucket, Key=copy.name, Body=body, **copy.headers)
    if copy.tags:
        await ask("PutObjectTagging", Bucket=bucket, Key=copy.name, Tagging={"TagSet": copy.tags})


async def remove(cloud: Cloud, account: str, region: str, point_arn: str) -> None:
    """Remove all copies of a recovery point, some at a time."""
    start, end = prefix_range(_prefix(account, region, point_arn))

    def work(tx: Transaction) -> bool:
        rows = tx.range(start, end, _LISTED_AT_ONCE)
        for place, raw in rows:
            _release(cloud, tx, raw)
            tx.delete(place)
        return len(rows) == _LISTED_AT_ONCE

    while await cloud.store.transact(work):
        pass
