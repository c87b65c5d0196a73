"""S3's Signature Version 2: what SDKs still presign with in the older regions unless they are told otherwise.

Source: Amazon S3 Developer Guide, "Signing and Authenticating REST Requests (Signature Version 2)".
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, unquote

from haneul.auth.signature.claims import parse_timestamp
from haneul.auth.signature.problems import SignatureProblem
from haneul.clock import SECOND
from haneul.core.http import HttpRequest

_SIGNED_PARAMETERS = frozenset(
    (
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location", "logging", "metrics", "notification",
        "object-lock", "partNumber", "policy", "replication", "requestPayment", "response-cache-control", "response-content-disposition",
        "response-content-encoding", "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
        "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    )
)  # fmt: skip
_EXPIRES = re.compile(r"[0-9]{1,10}")


@dataclass(slots=True)
class OldClaims:
    """What a request says of its version 2 signature. `date` is as sent (in a URL the second at which it ends); `at` in nanoseconds."""

    access_key_id: str
    signature: str
    date: str
    at: int
    token: str
    presigned: bool


def read_old_header(request: HttpRequest, authorization: str) -> OldClaims:
    """The claims of `Authorization: AWS key:signature`. Raises SignatureProblem."""
    key, colon, signature = authorization.removeprefix("AWS ").strip().partition(":")
    if not colon or not key:
        argument = {"ArgumentName": "Authorization", "ArgumentValue": authorization}
        raise SignatureProblem("unsupported", detail_s3="AWS authorization header is invalid.  Expected AwsAccessKeyId:signature", fields=argument)
    headers = request.headers
    date = headers.get("x-amz-date") or headers.get("date", "")
    return OldClaims(key, signature, "" if "x-amz-date" in headers else date, _moment(date), headers.get("x-amz-security-token", ""), False)


def read_old_query(query: str) -> OldClaims | None:
    """The claims of a URL presigned with version 2; None for a URL that is not. Raises SignatureProblem."""
    if "Signature=" not in query or "AWSAccessKeyId=" not in query:
        return None
    found = dict(parse_qsl(query, keep_blank_values=True))
    if "Signature" not in found or "AWSAccessKeyId" not in found:
        return None
    expires = found.get("Expires", "")
    if not expires:
        raise SignatureProblem("old-incomplete", detail_s3="Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
    if not _EXPIRES.fullmatch(expires):
        raise SignatureProblem("old-incomplete", detail_s3=f"Invalid date (should be seconds since epoch): {expires}")
    return OldClaims(found["AWSAccessKeyId"], found["Signature"], expires, int(expires) * SECOND, found.get("x-amz-security-token", ""), True)


def old_string_to_sign(request: HttpRequest, claims: OldClaims) -> str:
    """What version 2 signs: method, two headers, the time, the x-amz headers, and bucket, key and sub-resources."""
    headers = request.headers
    custom = {name: value for name, value in headers.items() if name.startswith("x-amz-")}
    named, resource = _of_query(request.query, custom if claims.presigned else None)
    lines = [request.method, named.get("content-md5", headers.get("content-md5", "")), named.get("content-type", headers.get("content-type", "")), claims.date]
    lines += [f"{name}:{value.strip()}" for name, value in sorted(custom.items())]
    return "\n".join(lines) + f"\n{request.path}{resource}"


def _of_query(query: str, custom: dict[str, str] | None) -> tuple[Mapping[str, str], str]:
    """Headers that a presigned URL carries as parameters, and the sub-resources that belong to the signed resource."""
    named: dict[str, str] = {}
    signed: list[tuple[str, str]] = []
    for piece in query.split("&") if query else ():
        name, equals, value = piece.partition("=")
        if name in _SIGNED_PARAMETERS:
            signed.append((name, equals + unquote(value.replace("+", " "))))
        elif custom is not None:
            lower = unquote(name).lower()
            if lower in ("content-md5", "content-type"):
                named[lower] = unquote(value.replace("+", " "))
            elif lower.startswith("x-amz-"):
                custom[lower] = unquote(value.replace("+", " "))
    signed.sort()
    return named, "?" + "&".join(name + value for name, value in signed) if signed else ""


def old_sign(secret: str, text: str) -> str:
    """A version 2 signature: HMAC-SHA1 in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), "sha1")).decode()


def _moment(text: str) -> int:
    try:
        if text.endswith("Z"):
            return parse_timestamp(text)
        return int(parsedate_to_datetime(text).timestamp()) * SECOND
    except (ValueError, TypeError, OverflowError, IndexError) as error:
        raise SignatureProblem("no-date") from error
