"""What this process remembers of S3: buckets (a cache, kept fresh by the store's change feed), objects that are read often, and the files being read just now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from haneul.clock import MINUTE
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.ports import Shape
from haneul.services.s3.errors import access_denied, no_such_bucket
from haneul.services.s3.hot import HotObjects
from haneul.services.s3.keys import BUCKETS, OBJECTS, body_key, body_place, bucket_key, object_key
from haneul.services.s3.records import Bucket, Object, Piece, newest, read_bucket
from haneul.store.keys import unpack
from haneul.store.port import Transaction
from haneul.store.records import encode

if TYPE_CHECKING:
    from haneul.services.s3.service import S3

_BUCKETS_REMEMBERED: Final = 10_000
# As in `bucket.s3.eu-west-1.amazonaws.com`, and its other spellings.
_REGION_OF_HOST: Final = re.compile(r"(?:^|\.)s3(?:-fips)?[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.", re.IGNORECASE)
_RELEASE: Final = "s3:release"
_RELEASE_LATER: Final = 10 * MINUTE


class State:
    """One per running service."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._buckets: dict[str, Bucket] = {}
        self._readers: dict[str, int] = {}
        self.hot = HotObjects(cloud.vault)
        cloud.store.watch(BUCKETS, self._forget)
        cloud.store.watch(OBJECTS, self.hot.forget)
        cloud.outbox.handle(_RELEASE, self._release_again)

    # ---- buckets

    def _forget(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            self._buckets.pop(str(unpack(key)[1]), None)

    def bucket(self, name: str) -> Bucket | None:
        """The bucket of this name. Not to be changed: `change_bucket` does that."""
        found = self._buckets.get(name)
        if found is None:
            found = read_bucket(self.cloud.store, name)
            if found is not None:
                if len(self._buckets) >= _BUCKETS_REMEMBERED:
                    self._buckets.clear()
                self._buckets[name] = found
        return found

    # ---- objects

    def current(self, bucket: Bucket, key: str) -> Object | None:
        """The current version of a key, which may be a delete marker. Not to be changed."""
        if bucket.versioning:
            return newest(self.cloud.store, bucket, key)
        row_key = object_key(bucket.id, key, 0)
        row = self.cloud.store.get(row_key)
        return self.hot.read(body_place(bucket.id, key), row_key, row) if row is not None else None

    # ---- bodies

    @contextmanager
    def reading(self, pieces: Iterable[Piece]) -> Iterator[None]:
        """Files of these pieces are not removed meanwhile, even when their object is overwritten or deleted."""
        blobs = [piece.blob for piece in pieces if piece.blob]
        readers = self._readers
        for blob in blobs:
            readers[blob] = readers.get(blob, 0) + 1
        try:
            yield
        finally:
            for blob in blobs:
                if readers[blob] == 1:
                    del readers[blob]
                else:
                    readers[blob] -= 1

    def release(self, tx: Transaction, pieces: Iterable[Piece]) -> None:
        """The transaction drops these pieces; files that are being read go a little later."""
        busy: list[str] = []
        for piece in pieces:
            if piece.row:
                tx.delete(body_key(piece.row))
            elif piece.blob in self._readers:
                busy.append(piece.blob)
            else:
                self.cloud.blobs.release(tx, piece.blob)
        if busy:
            self.cloud.outbox.put(tx, _RELEASE, {"blobs": busy}, due=self.cloud.clock.now() + _RELEASE_LATER)

    async def _release_again(self, payload: Shape) -> None:
        pieces = [Piece(0, blob) for blob in payload["blobs"]]
        await self.cloud.store.transact(lambda tx: self.release(tx, pieces))


def state_of(call: Call) -> State:
    """The state of the running service that a call belongs to."""
    return cast("S3", call.cloud.services["s3"]).state


def find_bucket(call: Call, request: Shape) -> Bucket:
    """The bucket that a request names, after the checks that come before any permission: it exists, is whose the client thinks, and is in
    the region that the request was signed for (S3 User Guide, "Making requests using the REST API": redirects)."""
    name: str = request["Bucket"]
    bucket = state_of(call).bucket(name)
    if bucket is None:
        raise no_such_bucket(name)
    expected = request.get("ExpectedBucketOwner")
    if expected is not None and expected != bucket.account:
        raise access_denied()
    if call.http is not None and (bucket.region != call.region or call.caller.kind == "anonymous"):
        _check_region(call, bucket)
    return bucket


def _check_region(call: Call, bucket: Bucket) -> None:
    """What a request gets that was not signed for the bucket's region: the redirect to that region, which SDKs follow by themselves, or, where its host is the right
    one, the error that names it. A host that says no region (`localhost`, the global endpoint) is taken for one of the region that was signed for. What is signed
    for no region (not at all, or with Signature Version 2) is only redirected from the host of another one.
    """
    http = call.http
    assert http is not None
    found = _REGION_OF_HOST.search(http.host)
    here = found[1].lower() if found is not None else ""
    regional = call.caller.kind != "anonymous" and not http.headers.get("authorization", "").startswith("AWS ") and "AWSAccessKeyId=" not in http.query
    if here == bucket.region and regional:
        raise _signed_for_another(call.region, bucket.region, "authorization" in http.headers)
    if here == bucket.region or not (here or regional):
        return
    raise ServiceError(
        "PermanentRedirect",
        "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
        301,
        fields={"Endpoint": f"{bucket.name}.s3.{bucket.region}.amazonaws.com", "Bucket": bucket.name},
        headers={"x-amz-bucket-region": bucket.region},
    )


def _signed_for_another(region: str, expected: str, in_header: bool) -> ServiceError:
    rest = f"the region '{region}' is wrong; expecting '{expected}'"
    fields = {"Region": expected}
    if in_header:
        return ServiceError("AuthorizationHeaderMalformed", f"The authorization header is malformed; {rest}", 400, fields=fields)
    return ServiceError("AuthorizationQueryParametersError", f"Error parsing the X-Amz-Credential parameter; {rest}", 400, fields=fields)


def bucket_in(tx: Transaction, name: str, bucket_id: str = "") -> Bucket:
    """The bucket as a transaction sees it; NoSuchBucket when it is gone (or another one has its name, where an id is given)."""
    found = read_bucket(tx, name)
    if found is None or (bucket_id and found.id != bucket_id):
        raise no_such_bucket(name)
    return found


async def change_bucket(call: Call, name: str, change: Callable[[Bucket], None]) -> None:
    """Change a bucket's record in one transaction."""

    def work(tx: Transaction) -> None:
        bucket = bucket_in(tx, name)
        change(bucket)
        tx.put(bucket_key(name), encode(bucket))

    await call.cloud.store.transact(work)


def canonical_id(account: str) -> str:
    """An account's canonical user id: 64 hexadecimal digits, always the same ones."""
    return sha256(f"haneul canonical user {account}".encode()).hexdigest()


def owner(account: str) -> Shape:
    """The Owner element of listings."""
    return {"ID": canonical_id(account)}
