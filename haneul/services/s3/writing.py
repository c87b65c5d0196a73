"""Putting a version in its place: what overwriting, versioning and delete markers come down to. All inside one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.s3.events import Origin, announce
from haneul.services.s3.keys import null_key, object_key
from haneul.services.s3.preconditions import check_write
from haneul.services.s3.records import Bucket, Object, make_version_id, newest, null_version, one_version
from haneul.services.s3.state import State, bucket_in, state_of
from haneul.services.s3.times import whole_seconds
from haneul.store.port import Transaction
from haneul.store.records import encode

_CHANCE_BYTES = 16


@dataclass(slots=True)
class Deleted:
    """What a delete did: the version removed or the marker made; both empty when there was nothing to do in an unversioned bucket."""

    version_id: str = ""
    marker: bool = False
    marker_version_id: str = ""


def place_version(tx: Transaction, state: State, bucket: Bucket, key: str, written: Object, current: Object | None) -> None:
    """Make `written` the newest version of `key`; where the bucket keeps no versions, what it replaces goes. Sets its order and version id."""
    now = state.cloud.clock.now()
    written.order = now if current is None else max(now, current.order + 1)
    if not bucket.versioning:
        if current is not None:
            state.release(tx, current.pieces)
        tx.put(object_key(bucket.id, key, 0), encode(written))
        return
    if bucket.versioning == "Enabled":
        written.version = make_version_id(written.order, state.cloud.ids.bytes(_CHANCE_BYTES))
    else:
        remove_null_version(tx, state, bucket, key)
        tx.put(null_key(bucket.id, key), encode(written.order))
    tx.put(object_key(bucket.id, key, written.order), encode(written))


def remove_null_version(tx: Transaction, state: State, bucket: Bucket, key: str) -> None:
    found = null_version(tx, bucket, key)
    if found is not None:
        place, old = found
        state.release(tx, old.pieces)
        tx.delete(place)
        tx.delete(null_key(bucket.id, key))


def write_object(tx: Transaction, call: Call, request: Shape, bucket: Bucket, written: Object, event: str) -> Bucket:
    """Write a new version on behalf of a request: its conditions, its place, its event. The bucket as it is now."""
    state = state_of(call)
    bucket = bucket_in(tx, bucket.name, bucket.id)
    key: str = request["Key"]
    current = newest(tx, bucket, key)
    check_write(request, key, current)
    place_version(tx, state, bucket, key, written, current)
    announce(tx, state.cloud, bucket, event, key, written, Origin.of(call))
    return bucket


def delete_current(tx: Transaction, state: State, bucket: Bucket, key: str, origin: Origin, *, expired: bool = False) -> Deleted:
    """A delete that names no version: the object goes, or a delete marker comes on top of its versions."""
    prefix = "LifecycleExpiration" if expired else "ObjectRemoved"
    current = newest(tx, bucket, key)
    if not bucket.versioning:
        if current is not None:
            state.release(tx, current.pieces)
            tx.delete(object_key(bucket.id, key, 0))
            gone = Object(order=max(state.cloud.clock.now(), current.order + 1), modified=0)
            announce(tx, state.cloud, bucket, f"{prefix}:Delete", key, gone, origin)
        return Deleted()
    marker = Object(order=0, modified=whole_seconds(state.cloud.clock.now()), marker=True)
    place_version(tx, state, bucket, key, marker, current)
    announce(tx, state.cloud, bucket, f"{prefix}:DeleteMarkerCreated", key, marker, origin)
    return Deleted(marker=True, marker_version_id=marker.version_id)


def delete_version(tx: Transaction, state: State, bucket: Bucket, key: str, version_id: str, origin: Origin, *, expired: bool = False) -> Deleted:
    """Remove one version for good."""
    found = one_version(tx, bucket, key, version_id)
    if found is None:
        return Deleted(version_id=version_id)
    place, old = found
    state.release(tx, old.pieces)
    tx.delete(place)
    if not old.version:
        tx.delete(null_key(bucket.id, key))
    announce(tx, state.cloud, bucket, f"{'LifecycleExpiration' if expired else 'ObjectRemoved'}:Delete", key, old, origin)
    return Deleted(version_id=version_id, marker=old.marker, marker_version_id=version_id if old.marker else "")
