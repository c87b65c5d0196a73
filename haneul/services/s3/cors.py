"""Cross-origin requests: the bucket's configuration, preflights, and the headers on answers (S3 User Guide, "Using cross-origin resource sharing")."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import unquote

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn
from haneul.services.s3.errors import invalid_request, malformed_xml, not_configured
from haneul.services.s3.records import Bucket
from haneul.services.s3.state import State, change_bucket, find_bucket

RULES_MAX = 100
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})


@operation("s3:PutBucketCors", action="s3:PutBucketCORS", resource=bucket_arn)
async def put_bucket_cors(call: Call, request: Shape) -> None:
    """Say which pages of which origins may use the bucket. API Reference: PutBucketCors."""
    rules = (request.get("CORSConfiguration") or {}).get("CORSRules")
    if not rules or len(rules) > RULES_MAX:
        raise malformed_xml()
    for rule in rules:
        _check_rule(rule)
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "cors", rules))


def _check_rule(rule: Shape) -> None:
    if not rule.get("AllowedMethods") or not rule.get("AllowedOrigins"):
        raise malformed_xml()
    for method in rule["AllowedMethods"]:
        if method not in _METHODS:
            raise invalid_request(f"Found unsupported HTTP method in CORS config. Unsupported method is {method}")
    for origin in rule["AllowedOrigins"]:
        if origin.count("*") > 1:
            raise invalid_request(f'AllowedOrigin "{origin}" can not have more than one wildcard.')
    for header in rule.get("AllowedHeaders", ()):
        if header.count("*") > 1:
            raise invalid_request(f'AllowedHeader "{header}" can not have more than one wildcard.')
    for header in rule.get("ExposeHeaders", ()):
        if "*" in header:
            raise invalid_request(f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard for ExposeHeader.')


@operation("s3:GetBucketCors", action="s3:GetBucketCORS", resource=bucket_arn)
async def get_bucket_cors(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketCors."""
    bucket = find_bucket(call, request)
    if bucket.cors is None:
        raise not_configured("NoSuchCORSConfiguration", "The CORS configuration does not exist", bucket.name)
    return {"CORSRules": bucket.cors}


@operation("s3:DeleteBucketCors", action="s3:PutBucketCORS", resource=bucket_arn)
async def delete_bucket_cors(call: Call, request: Shape) -> None:
    """API Reference: DeleteBucketCors."""
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "cors", None))


# ---- answering browsers


def bucket_of_path(state: State, request: HttpRequest) -> Bucket | None:
    """The bucket that a request's path names."""
    name = unquote(request.path.lstrip("/").partition("/")[0])
    return state.bucket(name) if name else None


def preflight(state: State, request: HttpRequest, bucket: Bucket | None) -> HttpResponse:
    """Answer an OPTIONS request about a bucket by the first rule that fits origin, method and headers."""
    request_id = state.cloud.ids.uuid()
    origin, method = request.headers.get("origin"), request.headers.get("access-control-request-method")
    if origin is None:
        return _refuse(state, request, request_id, ServiceError("BadRequest", "Insufficient information. Origin request header needed.", 400))
    if method is None or method not in _METHODS:
        message = f"Invalid Access-Control-Request-Method: {method or 'null'}"
        return _refuse(state, request, request_id, ServiceError("BadRequest", message, 400))
    if bucket is None or bucket.cors is None:
        return _refuse(state, request, request_id, ServiceError("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.", 403))
    wanted = [name.strip().lower() for name in request.headers.get("access-control-request-headers", "").split(",") if name.strip()]
    rule = _fitting(bucket.cors, origin, method, wanted)
    if rule is None:
        message = (
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method "
            "or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
        )
        return _refuse(state, request, request_id, ServiceError("AccessForbidden", message, 403, fields={"Method": method, "ResourceType": "OBJECT"}))
    headers = {"x-amz-request-id": request_id, "x-amz-id-2": b64encode(request_id.encode()).decode(), **_headers(rule, origin)}
    if wanted:
        headers["Access-Control-Allow-Headers"] = ", ".join(wanted)
    return HttpResponse(200, headers)


def _refuse(state: State, request: HttpRequest, request_id: str, error: ServiceError) -> HttpResponse:
    return state.cloud.codec_for("s3").error(None, error, request_id, request)


def allow_origin(request: HttpRequest, response: HttpResponse, bucket: Bucket | None) -> None:
    """Add the headers that let a browser hand the answer to the page."""
    if bucket is not None and bucket.cors is not None:
        rule = _fitting(bucket.cors, request.headers["origin"], request.method, [])
        if rule is not None:
            response.headers.update(_headers(rule, request.headers["origin"]))


def _fitting(rules: list[Shape], origin: str, method: str, headers: list[str]) -> Shape | None:
    for rule in rules:
        if method not in rule["AllowedMethods"] or not any(_like(pattern, origin) for pattern in rule["AllowedOrigins"]):
            continue
        patterns = [pattern.lower() for pattern in rule.get("AllowedHeaders", ())]
        if all(any(_like(pattern, header) for pattern in patterns) for header in headers):
            return rule
    return None


def _like(pattern: str, text: str) -> bool:
    before, star, behind = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(before) + len(behind) and text.startswith(before) and text.endswith(behind)


def _headers(rule: Shape, origin: str) -> dict[str, str]:
    everybody = "*" in rule["AllowedOrigins"]
    headers = {
        "Access-Control-Allow-Origin": "*" if everybody else origin,
        "Access-Control-Allow-Methods": ", ".join(rule["AllowedMethods"]),
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if not everybody:
        headers["Access-Control-Allow-Credentials"] = "true"
    if rule.get("ExposeHeaders"):
        headers["Access-Control-Expose-Headers"] = ", ".join(rule["ExposeHeaders"])
    if rule.get("MaxAgeSeconds") is not None:
        headers["Access-Control-Max-Age"] = str(rule["MaxAgeSeconds"])
    return headers
