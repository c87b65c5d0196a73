"""Lifecycle rules: expiration of objects, old versions, lone delete markers and unfinished uploads.

S3 User Guide, "Lifecycle configuration elements". Rules run every midnight UTC, when what became due during the day is due: an outbox entry for
each bucket with rules, which sets itself again. Transitions to other storage classes are not built.
"""

from __future__ import annotations

from haneul.clock import DAY
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn
from haneul.services.s3.errors import invalid_argument, invalid_request, malformed_xml, not_configured
from haneul.services.s3.expiry import sweep_bucket
from haneul.services.s3.keys import bucket_key
from haneul.services.s3.state import State, bucket_in, find_bucket
from haneul.services.s3.times import midnight_after
from haneul.store.port import Transaction
from haneul.store.records import encode

KIND = "s3:lifecycle"
RULES_MAX = 1000
_ID_CHARACTERS_MAX = 255
NEWER_VERSIONS_MAX = 100
_SIZES = "TransitionDefaultMinimumObjectSize"
_SIZES_DEFAULT = "all_storage_classes_128K"


@operation("s3:PutBucketLifecycleConfiguration", action="s3:PutLifecycleConfiguration", resource=bucket_arn, partial="expirations and aborts; no transitions")
async def put_bucket_lifecycle_configuration(call: Call, request: Shape) -> Shape:
    """Replace the bucket's rules. API Reference: PutBucketLifecycleConfiguration."""
    rules = (request.get("LifecycleConfiguration") or {}).get("Rules") or []
    if not rules or len(rules) > RULES_MAX:
        raise malformed_xml()
    for rule in rules:
        _check(rule)
        rule.setdefault("ID", call.cloud.ids.uuid())
    names = [rule["ID"] for rule in rules]
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise invalid_argument("Rule ID must be unique. Found same ID for more than one rule", "ID", repeated)
    sizes: str = request.get(_SIZES) or _SIZES_DEFAULT
    if sizes not in (_SIZES_DEFAULT, "varies_by_storage_class"):
        raise invalid_request(f"Invalid {_SIZES} found: {sizes}")
    await _change(call, request["Bucket"], rules, sizes)
    return {_SIZES: sizes}


def _check(rule: Shape) -> None:
    if rule.get("Status") not in ("Enabled", "Disabled"):
        raise malformed_xml()
    if "Prefix" not in rule and "Filter" not in rule:
        raise malformed_xml()
    if "Prefix" in rule and "Filter" in rule:
        raise malformed_xml()
    if len(rule.get("ID", "")) > _ID_CHARACTERS_MAX:
        raise invalid_argument(f"ID length should not exceed allowed limit of {_ID_CHARACTERS_MAX}", "ID", rule["ID"])
    if rule.get("Transitions") or rule.get("NoncurrentVersionTransitions"):
        raise NotBuilt("lifecycle transitions of S3")
    if not any(name in rule for name in ("Expiration", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")):
        raise invalid_request("At least one action needs to be specified in a rule")
    expiration = rule.get("Expiration") or {}
    if "Expiration" in rule and len(expiration) != 1:
        raise malformed_xml()
    for action, needed in (("NoncurrentVersionExpiration", "NoncurrentDays"), ("AbortIncompleteMultipartUpload", "DaysAfterInitiation")):
        if action in rule and needed not in rule[action]:
            raise malformed_xml()
    _check_filter(rule, expiration)
    days = [expiration.get("Days"), (rule.get("NoncurrentVersionExpiration") or {}).get("NoncurrentDays")]
    days.append((rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation"))
    if any(number is not None and number <= 0 for number in days):
        raise invalid_argument("'Days' for Expiration action must be a positive integer", "Days", min(n for n in days if n is not None))
    if "Date" in expiration and expiration["Date"] % DAY:
        raise invalid_argument("'Date' must be at midnight GMT", "Date", expiration["Date"])


def _check_filter(rule: Shape, expiration: Shape) -> None:
    """Which versions a filter may pick, given what is to be done to them: a delete marker and an unfinished upload have no tags."""
    chosen = rule.get("Filter") or {}
    if len(chosen) > 1:
        raise malformed_xml()
    both = chosen.get("And") or {}
    if "Tag" in chosen or both.get("Tags"):
        for name, given in (("AbortIncompleteMultipartUpload", rule), ("ExpiredObjectDeleteMarker", expiration)):
            if given.get(name):
                raise invalid_request(f"{name} cannot be specified with Tags.")
    newer = (rule.get("NoncurrentVersionExpiration") or {}).get("NewerNoncurrentVersions")
    if newer is not None and not 1 <= newer <= NEWER_VERSIONS_MAX:
        message = f"'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer that is at most {NEWER_VERSIONS_MAX}"
        raise invalid_argument(message, "NewerNoncurrentVersions", newer)


async def _change(call: Call, name: str, rules: list[Shape] | None, sizes: str = "") -> None:
    outbox = call.cloud.outbox

    def work(tx: Transaction) -> None:
        bucket = bucket_in(tx, name)
        bucket.lifecycle, bucket.lifecycle_sizes = rules, sizes
        tx.put(bucket_key(name), encode(bucket))
        if rules is None:
            outbox.cancel(tx, KIND, bucket.id)
        else:
            outbox.put(tx, KIND, {"bucket": name, "bucket_id": bucket.id}, due=midnight_after(call.now + 1), key=bucket.id)

    await call.cloud.store.transact(work)


@operation("s3:GetBucketLifecycleConfiguration", action="s3:GetLifecycleConfiguration", resource=bucket_arn)
async def get_bucket_lifecycle_configuration(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketLifecycleConfiguration."""
    bucket = find_bucket(call, request)
    if bucket.lifecycle is None:
        raise not_configured("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", bucket.name)
    return {"Rules": bucket.lifecycle, _SIZES: bucket.lifecycle_sizes or _SIZES_DEFAULT}


@operation("s3:DeleteBucketLifecycle", action="s3:PutLifecycleConfiguration", resource=bucket_arn)
async def delete_bucket_lifecycle(call: Call, request: Shape) -> None:
    """API Reference: DeleteBucketLifecycle."""
    await _change(call, request["Bucket"], None)


async def sweep(state: State, payload: Shape) -> None:
    """Carry out a bucket's rules, and come back at the next midnight."""
    bucket = state.bucket(payload["bucket"])
    if bucket is None or bucket.id != payload["bucket_id"] or bucket.lifecycle is None:
        return
    await sweep_bucket(state, bucket)
    clock = state.cloud.clock

    def again(tx: Transaction) -> None:
        try:
            fresh = bucket_in(tx, bucket.name, bucket.id)
        except ServiceError:
            return
        if fresh.lifecycle is not None:
            state.cloud.outbox.put(tx, KIND, payload, due=midnight_after(clock.now() + 1), key=bucket.id)

    await state.cloud.store.transact(again)
