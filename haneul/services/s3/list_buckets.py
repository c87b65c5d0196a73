"""ListBuckets and GetBucketLocation."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import operation
from haneul.core.paging import make_token, read_token
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn
from haneul.services.s3.errors import invalid_argument
from haneul.services.s3.keys import owned_key
from haneul.services.s3.state import find_bucket, owner, state_of
from haneul.store.keys import pack, prefix_range, unpack

BUCKETS_A_PAGE_MAX = 10_000
_ALL = "arn:aws:s3:::*"


def _authorize(call: Call) -> None:
    """The action is about all buckets, as examples of policies write them; a denial names no resource."""
    try:
        call.authorize("s3:ListAllMyBuckets", _ALL)
    except AccessDenied as problem:
        raise AccessDenied(problem.message.replace(f" on resource: {_ALL}", "")) from None


@operation("s3:ListBuckets", action="s3:ListAllMyBuckets", authorized_inside=True)
async def list_buckets(call: Call, request: Shape) -> Shape:
    """The account's buckets by name, of all regions. API Reference: ListBuckets."""
    if call.caller.kind == "anonymous":
        raise ServiceError("AccessDenied", "Access Denied", 403)
    _authorize(call)
    limit = request.get("MaxBuckets", BUCKETS_A_PAGE_MAX)
    if not 1 <= limit <= BUCKETS_A_PAGE_MAX:
        raise invalid_argument(f"Argument max-buckets must be an integer between 1 and {BUCKETS_A_PAGE_MAX}.", "max-buckets", limit)
    start, end = prefix_range(pack(("s3-owned", call.account)))
    token = request.get("ContinuationToken")
    if token is not None:
        position = read_token(token)
        if not position:
            raise invalid_argument("The continuation token provided is incorrect", "ContinuationToken", token)
        start = owned_key(call.account, position.decode("utf-8", "replace")) + b"\x00"
    prefix, region = request.get("Prefix") or "", request.get("BucketRegion")
    state = state_of(call)
    shown: list[Shape] = []
    answer: Shape = {"Buckets": shown, "Owner": owner(call.account)}
    for key, _ in call.cloud.store.iterate(start, end):
        bucket = state.bucket(str(unpack(key)[2]))
        if bucket is None or not bucket.name.startswith(prefix) or (region is not None and bucket.region != region):
            continue
        if len(shown) == limit:
            answer["ContinuationToken"] = make_token(shown[-1]["Name"].encode())
            break
        one: Shape = {"Name": bucket.name, "CreationDate": bucket.created, "BucketArn": bucket.arn}
        if "MaxBuckets" in request or token is not None or region is not None or prefix:
            one["BucketRegion"] = bucket.region
        shown.append(one)
    if prefix:
        answer["Prefix"] = prefix
    return answer


@operation("s3:GetBucketLocation", resource=bucket_arn)
async def get_bucket_location(call: Call, request: Shape) -> Shape:
    """The bucket's region; nothing for us-east-1. API Reference: GetBucketLocation."""
    region = find_bucket(call, request).region
    return {} if region == "us-east-1" else {"LocationConstraint": region}
