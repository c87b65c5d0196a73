"""What lifecycle rules do to a bucket when they run: which versions, markers and uploads are due, and their removal in small transactions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from haneul.clock import DAY
from haneul.core.ports import Shape
from haneul.services.s3.due import fits, prefix_of
from haneul.services.s3.events import Origin
from haneul.services.s3.keys import objects_base, text_in, text_start, uploads_base
from haneul.services.s3.purge import drop_upload
from haneul.services.s3.records import Bucket, Object, Upload, newest, read_bucket
from haneul.services.s3.state import State
from haneul.services.s3.times import midnight_after
from haneul.services.s3.writing import delete_current, delete_version
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

_AT_ONCE = 256


@dataclass(slots=True)
class Due:
    """One thing to remove: the current version (`version_id` None) or one version of a key, if it is still the same."""

    key: str
    version_id: str | None
    order: int


async def sweep_bucket(state: State, bucket: Bucket) -> None:
    """Remove what the bucket's enabled rules say is due by now."""
    now = state.cloud.clock.now()
    rules = [rule for rule in bucket.lifecycle or () if rule["Status"] == "Enabled"]
    prefix = _common_prefix([prefix_of(rule) for rule in rules])
    base = objects_base(bucket.id)
    start, end = prefix_range(text_start(base, prefix))
    batch: list[Due] = []
    versions: list[Object] = []
    at_key: str | None = None
    for number, (row_key, value) in enumerate(state.cloud.store.iterate(start, end)):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)  # A bucket may hold millions of objects: requests go on meanwhile.
        key, _ = text_in(row_key, base)
        if key != at_key and at_key is not None:
            batch += _due_of_key(bucket, rules, at_key, versions, now)
            versions = []
            if len(batch) >= _AT_ONCE:
                await _remove(state, bucket, batch)
                batch = []
        at_key = key
        versions.append(decode(value, Object))
    if at_key is not None:
        batch += _due_of_key(bucket, rules, at_key, versions, now)
    if batch:
        await _remove(state, bucket, batch)
    await _abort_uploads(state, bucket, rules, now)


def _common_prefix(prefixes: list[str]) -> str:
    if not prefixes:
        return ""
    first, last = min(prefixes), max(prefixes)
    at = 0
    while at < len(first) and at < len(last) and first[at] == last[at]:
        at += 1
    return first[:at]


def _due_of_key(bucket: Bucket, rules: list[Shape], key: str, versions: list[Object], now: int) -> list[Due]:
    """What is due of one key; its versions come newest first."""
    current, older = versions[0], versions[1:]
    due: list[Due] = []
    gone: set[int] = set()
    for rule in rules:
        expiry = rule.get("NoncurrentVersionExpiration")
        if expiry is None:
            continue
        kept = expiry.get("NewerNoncurrentVersions", 0)
        for at, found in enumerate(older):
            # A version has not been current since the next newer one was made.
            since = versions[at].modified
            if at >= kept and found.order not in gone and fits(rule, key, found) and midnight_after(since + expiry["NoncurrentDays"] * DAY) <= now:
                gone.add(found.order)
                due.append(Due(key, found.version_id, found.order))
    left = len(older) - len(gone)
    for rule in rules:
        expiration = rule.get("Expiration") or {}
        if not expiration or not fits(rule, key, current):
            continue
        if current.marker:
            old_enough = "Days" in expiration and midnight_after(current.modified + expiration["Days"] * DAY) <= now
            if left == 0 and (expiration.get("ExpiredObjectDeleteMarker") or old_enough):
                due.append(Due(key, current.version_id, current.order))
                break
        elif ("Days" in expiration and midnight_after(current.modified + expiration["Days"] * DAY) <= now) or ("Date" in expiration and expiration["Date"] <= now):
            due.append(Due(key, None, current.order))
            break
    return due


async def _remove(state: State, bucket: Bucket, batch: list[Due]) -> None:
    origin = Origin("s3.amazonaws.com", "s3.amazonaws.com", state.cloud.ids.uuid())

    def work(tx: Transaction) -> None:
        fresh = read_bucket(tx, bucket.name)
        if fresh is None or fresh.id != bucket.id:
            return
        for one in batch:
            if one.version_id is not None:
                delete_version(tx, state, fresh, one.key, one.version_id, origin, expired=True)
            elif _is_current(tx, fresh, one):
                delete_current(tx, state, fresh, one.key, origin, expired=True)

    await state.cloud.store.transact(work)


def _is_current(tx: Transaction, bucket: Bucket, one: Due) -> bool:
    """Whether the key still has the version that was due: it may have been overwritten since."""
    found = newest(tx, bucket, one.key)
    return found is not None and not found.marker and found.order == one.order


async def _abort_uploads(state: State, bucket: Bucket, rules: list[Shape], now: int) -> None:
    aborting = [rule for rule in rules if "AbortIncompleteMultipartUpload" in rule]
    if not aborting:
        return
    for row_key, value in state.cloud.store.iterate(*prefix_range(uploads_base(bucket.id))):
        upload = decode(value, Upload)
        for rule in aborting:
            days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
            if upload.key.startswith(prefix_of(rule)) and midnight_after(upload.initiated + days * DAY) <= now:
                await state.cloud.store.transact(lambda tx, key=row_key, one=upload.id: drop_upload(tx, state, key, one) if tx.get(key) is not None else None)  # type: ignore[misc]
                break
