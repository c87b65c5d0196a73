"""Copies of a bucket's objects: taken through S3's own operations, kept as rows and files of the recovery point, and put back."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

import msgspec

from haneul.core.bodies import blob_body, chunks_of
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.services.backup.records import JOB_SPACE, PART_SPACE, Job, job_key, key, put_job
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

Ask = Callable[..., Awaitable[dict[str, Any]]]
# Bodies up to here lie in the copy's row, larger ones in files.
INLINE_BYTES_MAX = 64 * 1024
_LISTED_AT_ONCE = 100
# What of a GetObject's answer a PutObject takes back.
_KEPT = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "WebsiteRedirectLocation", "Metadata", "StorageClass")


class Copy(msgspec.Struct):
    """One object: its headers and metadata as PutObject takes them, its tags, and its body, sealed here or in a blob."""

    name: str
    headers: dict[str, Any]
    tags: list[dict[str, str]]
    size: int
    body: bytes = b""
    blob: str = ""


def _prefix(account: str, region: str, point_arn: str) -> bytes:
    return key(PART_SPACE, account, region, point_arn)


def _place(point_arn: str, name: str) -> str:
    """What a body in a copy's row is bound to."""
    return f"backup {point_arn} {name}"


async def copy_some(cloud: Cloud, job: Job, bucket: str, ask: Ask) -> bool:
    """Copy the next objects behind the job's cursor; whether there are more."""
    listed = await ask("ListObjectsV2", Bucket=bucket, MaxKeys=_LISTED_AT_ONCE, **({"StartAfter": job.cursor} if job.cursor else {}))
    for one in listed.get("Contents") or ():
        await _copy(cloud, job, bucket, one["Key"], ask)
    return bool(listed.get("IsTruncated"))


async def _copy(cloud: Cloud, job: Job, bucket: str, name: str, ask: Ask) -> None:
    try:
        found = await ask("GetObject", Bucket=bucket, Key=name)
    except ServiceError as problem:
        if problem.code != "InvalidRequest":
            raise
        job.cursor = name  # An object under its owner's key (SSE-C), which the service cannot read: it is left out.
        return
    headers = {part: found[part] for part in _KEPT if part in found}
    tags = (await ask("GetObjectTagging", Bucket=bucket, Key=name))["TagSet"] if found.get("TagCount") else []
    copy = Copy(name, headers, tags, 0)
    body = found.get("Body", b"")
    if isinstance(body, bytes) and len(body) <= INLINE_BYTES_MAX:
        copy.body, copy.size = cloud.vault.seal_body(body, _place(job.point_arn, name)), len(body)
    else:
        writer = await cloud.blobs.create()
        try:
            async for data in chunks_of(body):
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


def copies(cloud: Cloud, account: str, region: str, point_arn: str, behind: str, count: int) -> list[Copy]:
    """The next copies behind the object `behind`."""
    prefix = _prefix(account, region, point_arn)
    start, end = prefix_range(prefix)
    if behind:
        start = prefix + pack((behind,)) + b"\x00"
    return [decode(raw, Copy) for _, raw in cloud.store.range(start, end, count)]


async def put_back(cloud: Cloud, point_arn: str, copy: Copy, bucket: str, ask: Ask) -> None:
    """Write an object as it was into a bucket."""
    body: bytes | AsyncIterable[bytes]
    if copy.blob:
        body = chunks_of(await blob_body(cloud.blobs, copy.blob, 0, copy.size))
    else:
        body = cloud.vault.open_body(copy.body, _place(point_arn, copy.name))
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
