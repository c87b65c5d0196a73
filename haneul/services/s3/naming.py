"""Names of buckets (S3 User Guide, "General purpose bucket naming rules")."""

from __future__ import annotations

import re

from haneul.core.errors import ServiceError

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
