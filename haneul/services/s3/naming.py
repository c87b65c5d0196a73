"""Names of buckets (S3 User Guide, "General purpose bucket naming rules"), and the URLs that they are part of."""

from __future__ import annotations

import re

from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_ADDRESS = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\Z")
_PREFIXES = ("xn--", "sthree-")
_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def check_bucket_name(name: str) -> None:
    """InvalidBucketName unless the name keeps the rules."""
    good = (
        _NAME.match(name) is not None
        and ".." not in name
        and _ADDRESS.match(name) is None
        and not name.startswith(_PREFIXES)
        and not name.endswith(_SUFFIXES)
    )
    if not good:
        raise ServiceError("InvalidBucketName", "The specified bucket is not valid.", 400, fields={"BucketName": name})


def url_of(request: HttpRequest, bucket: str, path: str) -> str:
    """Where the object is that a request has made: at the host that it was sent to, which may name the bucket. `path` is the object's key, encoded."""
    named = request.host.lower().startswith(f"{bucket}.")
    return f"{'https' if request.secure else 'http'}://{request.host}/{path if named else f'{bucket}/{path}'}"
