"""Where S3 differs from its model."""

from __future__ import annotations

from urllib.parse import parse_qsl

from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from haneul.core.quirks import Quirks
from haneul.services.s3.errors import internal_error, invalid_argument

_NUMBERS = ("max-buckets", "max-keys", "max-parts", "max-uploads", "part-number-marker")
# What a presigned URL's query has of its own, and headers that S3 passes over there: they are about the body, which nobody knew when the URL was signed.
_STAY_IN_QUERY = (
    "x-amz-algorithm",
    "x-amz-checksum-",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expires",
    "x-amz-sdk-",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-trailer",
)


def _headers_of_query(request: HttpRequest) -> bool:
    """Metadata, tags and the like of an upload, which SDKs write into the URL instead of leaving them to the one who uploads."""
    if "Signature=" not in request.query:
        return False
    found = [(name.lower(), text) for name, text in parse_qsl(request.query, keep_blank_values=True) if name[:6].lower() == "x-amz-"]
    moved = {name: text for name, text in found if not name.startswith(_STAY_IN_QUERY) and name not in request.headers}
    request.headers.update(moved)
    return bool(moved)


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
    internal_error="InternalError",
    internal_message=internal_error().message,
    allows_anonymous=True,
    headers_of_query=_headers_of_query,
    parameter_error=_parameter_error,
    status={
        "BucketAlreadyExists": 409,
        "BucketAlreadyOwnedByYou": 409,
        "NoSuchBucket": 404,
        "NoSuchKey": 404,
        "NoSuchUpload": 404,
    },
)
