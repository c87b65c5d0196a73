"""Static websites: a bucket behind its website host (S3 User Guide, "Hosting a static website using Amazon S3")."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import quote, unquote

from haneul.core.call import Call
from haneul.core.caller import ANONYMOUS
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.ports import Shape
from haneul.services.s3.customer_keys import key_to_read
from haneul.services.s3.errors import no_such_bucket
from haneul.services.s3.get_object import find_object, parse_range
from haneul.services.s3.metadata import DEFAULT_CONTENT_TYPE
from haneul.services.s3.outgoing import Source, body_of
from haneul.services.s3.preconditions import check_read
from haneul.services.s3.records import Bucket, Object
from haneul.services.s3.state import State
from haneul.services.s3.times import http_date, read_http_date

_HEADERS = {
    "CacheControl": "Cache-Control",
    "ContentDisposition": "Content-Disposition",
    "ContentEncoding": "Content-Encoding",
    "ContentLanguage": "Content-Language",
    "Expires": "Expires",
}


async def serve(state: State, request: HttpRequest, name: str) -> HttpResponse:
    """A page of the website: what everybody may read of the bucket. Errors are pages too."""
    request_id = state.cloud.ids.uuid()
    try:
        if request.method not in ("GET", "HEAD"):
            raise ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
        bucket = state.bucket(name)
        if bucket is None:
            raise no_such_bucket(name)
        if bucket.website is None:
            raise ServiceError("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration", 404)
        return await _page(state, request, bucket, bucket.website, request_id)
    except ServiceError as error:
        return _error_page(error, request_id)


async def _page(state: State, request: HttpRequest, bucket: Bucket, website: Shape, request_id: str) -> HttpResponse:
    path = unquote(request.path)[1:]
    if "RedirectAllRequestsTo" in website:
        return _redirect(request, website["RedirectAllRequestsTo"], path)
    for rule in website.get("RoutingRules") or ():
        if "HttpErrorCodeReturnedEquals" not in (rule.get("Condition") or {}) and _applies(rule, path, 0):
            return _rule_redirect(request, rule, path)
    call = Call(state.cloud, state.cloud.operations["s3:GetObject"], ANONYMOUS, bucket.region, request_id, http=request)
    suffix = website["IndexDocument"]["Suffix"]
    try:
        return await _object(state, call, bucket, path + suffix if not path or path.endswith("/") else path)
    except (ServiceError, AccessDenied) as problem:
        error = problem if isinstance(problem, ServiceError) else ServiceError("AccessDenied", "Access Denied", 403)
    if error.status == 304:
        raise error
    if path and not path.endswith("/") and _exists(call, bucket, f"{path}/{suffix}"):
        return HttpResponse(302, {"Location": "/" + quote(path) + "/"})
    for rule in website.get("RoutingRules") or ():
        if _applies(rule, path, error.status or 0):
            return _rule_redirect(request, rule, path)
    if "ErrorDocument" in website:
        try:
            page = await _object(state, call, bucket, website["ErrorDocument"]["Key"], of_error=True)
        except (ServiceError, AccessDenied):
            raise error from None
        page.status = error.status or 404
        return page
    raise error


async def _object(state: State, call: Call, bucket: Bucket, key: str, *, of_error: bool = False) -> HttpResponse:
    """One object as a page, or the part of it that a browser asks for (of videos). The usual permission decides: s3:GetObject for everybody.
    The page of an error is always whole."""
    _, found = find_object(call, {"Bucket": bucket.name, "Key": key}, "s3:GetObject", "s3:GetObjectVersion")
    key_to_read({}, found.customer_key, state.cloud.ids)  # No browser brings a key.
    redirect = found.headers.get("WebsiteRedirectLocation")
    if redirect is not None:
        return HttpResponse(301, {"Location": redirect})
    assert call.http is not None
    asked = call.http.headers if not of_error else {}
    check_read(_conditions(asked), found, bool(bucket.versioning))
    part = parse_range(asked["range"], found.size) if "range" in asked else None
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{found.etag}"', "Last-Modified": http_date(found.modified), "Content-Type": _content_type(found)}
    headers.update({_HEADERS[name]: value for name, value in found.headers.items() if name in _HEADERS})
    headers.update({f"x-amz-meta-{name}": value for name, value in found.metadata.items()})
    first, length = part or (0, found.size)
    headers["Content-Length"] = str(length)
    if part is not None:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{found.size}"
    response = HttpResponse(200 if part is None else 206, headers)
    if call.http.method != "HEAD":
        response.body = await body_of(state, Source(bucket, key, found, None), first, length)
    return response


def _conditions(asked: Mapping[str, str]) -> Shape:
    """The conditions of a browser's request, as GetObject has them."""
    found: Shape = {name: asked[header] for header, name in (("if-match", "IfMatch"), ("if-none-match", "IfNoneMatch")) if header in asked}
    for header, name in (("if-modified-since", "IfModifiedSince"), ("if-unmodified-since", "IfUnmodifiedSince")):
        if header in asked:
            found[name] = read_http_date(asked[header])
    return found


def _content_type(found: Object) -> str:
    return found.headers.get("ContentType", DEFAULT_CONTENT_TYPE)


def _exists(call: Call, bucket: Bucket, key: str) -> bool:
    try:
        find_object(call, {"Bucket": bucket.name, "Key": key}, "s3:GetObject", "s3:GetObjectVersion")
    except (ServiceError, AccessDenied):
        return False
    return True


def _applies(rule: Shape, path: str, status: int) -> bool:
    condition = rule.get("Condition") or {}
    code = condition.get("HttpErrorCodeReturnedEquals")
    return (code is None or code == str(status)) and path.startswith(condition.get("KeyPrefixEquals") or "")


def _rule_redirect(request: HttpRequest, rule: Shape, path: str) -> HttpResponse:
    to = rule["Redirect"]
    if "ReplaceKeyWith" in to:
        path = to["ReplaceKeyWith"]
    elif "ReplaceKeyPrefixWith" in to:
        path = to["ReplaceKeyPrefixWith"] + path[len((rule.get("Condition") or {}).get("KeyPrefixEquals") or "") :]
    return _redirect(request, to, path, int(to.get("HttpRedirectCode", 301)))


def _redirect(request: HttpRequest, to: Shape, path: str, status: int = 301) -> HttpResponse:
    protocol = to.get("Protocol") or ("https" if request.secure else "http")
    return HttpResponse(status, {"Location": f"{protocol}://{to.get('HostName') or request.host}/{quote(path)}"})


def _error_page(error: ServiceError, request_id: str) -> HttpResponse:
    status = error.status or 400
    if status == 304:
        return HttpResponse(304, error.headers)
    title = f"{status} {error.code}"
    text = (
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n<li>Code: {escape(error.code)}</li>\n"
        f"<li>Message: {escape(error.message)}</li>\n<li>RequestId: {request_id}</li>\n</ul>\n<hr/>\n</body>\n</html>\n"
    )
    return HttpResponse(status, {"Content-Type": "text/html; charset=utf-8", "x-amz-request-id": request_id}, text.encode())
