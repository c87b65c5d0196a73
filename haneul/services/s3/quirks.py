"""Where S3 differs from its model."""

from __future__ import annotations

from haneul.core.errors import ServiceError
from haneul.core.quirks import Quirks
from haneul.services.s3.errors import invalid_argument

_NUMBERS = ("max-buckets", "max-keys", "max-parts", "max-uploads", "part-number-marker")


def _parameter_error(name: str, text: str) -> ServiceError | None:
    """S3 says of each number in the query what it should have been."""
    if name in _NUMBERS:
        return invalid_argument(f"Provided {name} not an integer or within integer range", name, text)
    if name == "partNumber":
        return invalid_argument("Part number must be an integer between 1 and 10000, inclusive", name, text)
    return None


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
    parameter_error=_parameter_error,
    status={
        "BucketAlreadyExists": 409,
        "BucketAlreadyOwnedByYou": 409,
        "NoSuchBucket": 404,
        "NoSuchKey": 404,
        "NoSuchUpload": 404,
        "InternalFailure": 500,
    },
)
