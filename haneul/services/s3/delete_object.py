"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import AccessDenied, NotBuilt
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import Conditions, authorize, may_match
from haneul.services.s3.errors import invalid_argument, invalid_request, malformed_xml, no_such_key, precondition_failed
from haneul.services.s3.events import Origin
from haneul.services.s3.metadata import refuse_unbuilt
from haneul.services.s3.preconditions import matches
from haneul.services.s3.records import NULL, Bucket, newest, order_of_version
from haneul.services.s3.state import bucket_in, find_bucket, state_of
from haneul.services.s3.writing import Deleted, delete_current, delete_version
from haneul.store.port import Transaction

KEYS_MAX = 1000


@operation("s3:DeleteObject", authorized_inside=True, partial="no MFA delete or object lock")
async def delete_object(call: Call, request: Shape) -> Shape:
    """Delete an object: the object itself, or, in a versioned bucket, by a delete marker; with a version id, that version for good.

    A key that is not there is no error. API Reference: DeleteObject.
    """
    version_id = request.get("VersionId")
    bucket = authorize(call, "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion", request)
    may_match(call, request, request.get("IfMatch"))
    refuse_unbuilt(request)
    for name in ("IfMatchLastModifiedTime", "IfMatchSize"):
        if name in request:
            raise NotBuilt(f"the parameter {name} of s3:DeleteObject (directory buckets)")
    _check_version_id(version_id)
    key: str = request["Key"]

    def work(tx: Transaction) -> tuple[Bucket, Deleted]:
        fresh = bucket_in(tx, bucket.name, bucket.id)
        if "IfMatch" in request:
            _check_match(tx, fresh, key, request["IfMatch"])
        return fresh, _delete(tx, call, fresh, key, version_id)

    bucket, done = await call.cloud.store.transact(work)
    shown: Shape = {}
    if done.marker:
        shown["DeleteMarker"] = True
    if bucket.versioning and (done.version_id or done.marker_version_id):
        shown["VersionId"] = done.version_id or done.marker_version_id
    return shown


def _check_version_id(version_id: str | None) -> None:
    if version_id is not None and version_id != NULL and order_of_version(version_id) is None:
        raise invalid_argument("Invalid version id specified", "versionId", version_id)


def _check_match(tx: Transaction, bucket: Bucket, key: str, header: str) -> None:
    current = newest(tx, bucket, key)
    if current is None or current.marker:
        raise no_such_key(key)
    if not matches(header, current.etag):
        raise precondition_failed("If-Match")


def _delete(tx: Transaction, call: Call, bucket: Bucket, key: str, version_id: str | None) -> Deleted:
    state, origin = state_of(call), Origin.of(call)
    if version_id is None:
        return delete_current(tx, state, bucket, key, origin)
    return delete_version(tx, state, bucket, key, version_id, origin)


@operation("s3:DeleteObjects", action="s3:DeleteObject", authorized_inside=True, partial="no MFA delete or object lock")
async def delete_objects(call: Call, request: Shape) -> Shape:
    """Delete up to 1000 keys in one transaction; each key is allowed or refused by itself. API Reference: DeleteObjects."""
    bucket = find_bucket(call, request)
    refuse_unbuilt(request)
    if call.http is not None and not any(name == "content-md5" or name == "x-amz-trailer" or name.startswith("x-amz-checksum-") for name in call.http.headers):
        raise invalid_request("Missing required header for this request: Content-MD5")
    wanted = request.get("Delete") or {}
    objects: list[Shape] = wanted.get("Objects") or []
    if not objects or len(objects) > KEYS_MAX or any("Key" not in one for one in objects):
        raise malformed_xml()
    errors: list[Shape] = []
    granted: list[Shape] = []
    for one in objects:
        problem = _refusal(call, bucket, one)
        if problem is None:
            granted.append(one)
        else:
            errors.append(problem)

    def work(tx: Transaction) -> list[Shape]:
        fresh = bucket_in(tx, bucket.name, bucket.id)
        done: list[Shape] = []
        for one in granted:
            if "ETag" in one:
                current = newest(tx, fresh, one["Key"])
                if current is None or current.marker or not matches(one["ETag"], current.etag):
                    message = "At least one of the pre-conditions you specified did not hold"
                    done.append({"_error": True, "Key": one["Key"], "Code": "PreconditionFailed", "Message": message})
                    continue
            done.append(_show(one, _delete(tx, call, fresh, one["Key"], one.get("VersionId"))))
        return done

    results = await call.cloud.store.transact(work) if granted else []
    for result in [one for one in results if one.pop("_error", False)]:
        results.remove(result)
        errors.append(result)
    answer: Shape = {} if wanted.get("Quiet") else {"Deleted": results}
    if errors:
        answer["Errors"] = errors
    return answer


def _refusal(call: Call, bucket: Bucket, one: Shape) -> Shape | None:
    """Why this key may not be deleted."""
    version_id = one.get("VersionId")
    problem: Shape = {"Key": one["Key"]}
    if version_id is not None:
        problem["VersionId"] = version_id
        if version_id != NULL and order_of_version(version_id) is None:
            return {**problem, "Code": "NoSuchVersion", "Message": "The specified version does not exist."}
    for name in ("LastModifiedTime", "Size"):
        if name in one:
            raise NotBuilt(f"the parameter {name} of s3:DeleteObjects (directory buckets)")
    try:
        action = "s3:DeleteObject" if version_id is None else "s3:DeleteObjectVersion"
        asked = {"Bucket": bucket.name, **one}
        if "ETag" in one:  # What the header If-Match is to DeleteObject.
            asked["IfMatch"] = one["ETag"]
        call.authorize(action, f"{bucket.arn}/{one['Key']}", Conditions(call, asked))
        may_match(call, {"Bucket": bucket.name, "Key": one["Key"]}, one.get("ETag"))
    except AccessDenied as error:
        return {**problem, "Code": "AccessDenied", "Message": error.message}
    return None


def _show(one: Shape, done: Deleted) -> Shape:
    shown: Shape = {"Key": one["Key"]}
    if done.version_id:
        shown["VersionId"] = done.version_id
    if done.marker:
        shown["DeleteMarker"] = True
        shown["DeleteMarkerVersionId"] = done.marker_version_id
    return shown
