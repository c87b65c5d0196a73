"""Where S3 differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks

# S3 checks its parameters itself and has an error code for each mistake, instead of the framework's validation error. Anonymous requests reach
# the policy decision, because a bucket's policy may let everybody in; who is refused then
# is told no more. Documents in bodies (policies, DeleteObjects) stay below 16 MB.
QUIRKS = Quirks(
    validation=False,
    serialization_code="MalformedXML",
    access_denied="AccessDenied",
    access_denied_status=403,
    anonymous_denial="Access Denied",
    allows_anonymous=True,
    status={
        "BucketAlreadyExists": 409,
        "BucketAlreadyOwnedByYou": 409,
        "NoSuchBucket": 404,
        "NoSuchKey": 404,
        "NoSuchUpload": 404,
        "InternalFailure": 500,
    },
)
