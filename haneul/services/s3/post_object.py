"""POST Object: an upload by a browser's form (S3 API Reference, "POST Object" and "Browser-based uploads using POST")."""

from __future__ import annotations

import logging
from urllib.parse import quote, unquote, urlencode
from xml.sax.saxutils import escape

from haneul.core.call import Call
from haneul.core.caller import ANONYMOUS
from haneul.core.errors import AccessDenied, SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.ports import Shape
from haneul.services.s3.access import conditions
from haneul.services.s3.errors import access_denied, internal_error, invalid_argument, malformed_xml
from haneul.services.s3.forms import Form, is_form
from haneul.services.s3.incoming import UPLOAD_BYTES_MAX
from haneul.services.s3.naming import url_of
from haneul.services.s3.post_policy import check_policy
from haneul.services.s3.put_object import store_object
from haneul.services.s3.state import State, find_bucket
from haneul.services.s3.tags import OBJECT_TAGS_MAX, read_tag_set

__all__ = ["is_form", "post_object"]

# Fields of the form that stand for headers of a PutObject request.
_MEMBERS = {
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-md5": "ContentMD5",
    "content-type": "ContentType",
    "x-amz-acl": "ACL",
    "x-amz-checksum-crc32": "ChecksumCRC32",
    "x-amz-checksum-crc32c": "ChecksumCRC32C",
    "x-amz-checksum-crc64nvme": "ChecksumCRC64NVME",
    "x-amz-checksum-sha1": "ChecksumSHA1",
    "x-amz-checksum-sha256": "ChecksumSHA256",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key": "SSECustomerKey",
    "x-amz-server-side-encryption-customer-key-md5": "SSECustomerKeyMD5",
    "x-amz-storage-class": "StorageClass",
    "x-amz-tagging": "Tagging",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
}
_ENCRYPTION_HEADERS = {
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key-MD5": "SSECustomerKeyMD5",
}
_META = "x-amz-meta-"
_log = logging.getLogger("haneul")


async def post_object(state: State, request: HttpRequest) -> HttpResponse:
    """Store the file of a form, as the form's own policy allows; without one, as anybody."""
    request_id = state.cloud.ids.uuid()
    try:
        return await _post(state, request, request_id)
    except ServiceError as error:
        problem = error
    except AccessDenied as error:
        problem = ServiceError("AccessDenied", error.message, 403)
    except Exception as error:  # The boundary, as in the pipeline: whatever happened becomes an answer.
        _log.exception("request %s to s3 failed inside", request_id, exc_info=error)
        problem = internal_error()
    return state.cloud.codec_for("s3").error(None, problem, request_id, request)


async def _post(state: State, request: HttpRequest, request_id: str) -> HttpResponse:
    cloud = state.cloud
    bucket, _, key_in_path = unquote(request.path.lstrip("/")).partition("/")
    if not bucket or key_in_path:
        raise ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405, fields={"Method": "POST", "ResourceType": "OBJECT"})
    form = Form(request)
    await form.read_fields()
    fields = form.fields
    if "key" not in fields:
        raise invalid_argument("Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.", "key", "")
    fields["key"] = fields["key"].replace("${filename}", form.filename.rpartition("/")[2].rpartition("\\")[2])
    if not fields["key"]:
        raise invalid_argument("User key must have a length greater than 0.", "key", "")
    call, sizes = _begin(state, request, request_id, fields, bucket)
    wanted = _parameters(fields, bucket)
    if "tagging" in fields:
        wanted["Tagging"] = urlencode(_tags_of_document(state, fields["tagging"]))
    try:
        call.authorize("s3:PutObject", f"{find_bucket(call, wanted).arn}/{wanted['Key']}", conditions(call, wanted))
    except AccessDenied:
        if call.caller.kind == "anonymous":
            raise access_denied() from None
        raise
    wanted["Body"] = form.file(*sizes)
    done = await store_object(call, wanted, "ObjectCreated:Post")
    cloud.usage.add(call.account, call.region, "s3", "Requests", "PostObject")
    return _answer(request, request_id, fields, bucket, done)


def _begin(state: State, request: HttpRequest, request_id: str, fields: dict[str, str], bucket: str) -> tuple[Call, tuple[int, int]]:
    """Who sends the form, and how large its file may be."""
    cloud = state.cloud
    caller, region, context, sizes = ANONYMOUS, "", {}, (0, UPLOAD_BYTES_MAX)
    old = "awsaccesskeyid" in fields and "signature" in fields  # Signature Version 2, which SDKs still make forms with in the older regions.
    if "policy" in fields:
        if not old and "x-amz-signature" not in fields:
            raise invalid_argument("Bucket POST must contain a field named 'X-Amz-Signature'.  If it is specified, please check the order of the fields.", "X-Amz-Signature", "")
        identity = cloud.authority.authenticate_form(fields, "s3", request.remote)
        caller, region, context = identity.caller, identity.region, dict(identity.context)
        sizes = check_policy(fields["policy"], fields, bucket, cloud.clock.now())
    elif old or "x-amz-signature" in fields:
        raise access_denied()
    # The operation sees the form's fields as if they were headers.
    headers = {name: value for name, value in request.headers.items() if name in ("host", "content-length", "user-agent", "referer")}
    if "expires" in fields:
        headers["expires"] = fields["expires"]
    seen = HttpRequest("POST", request.path, "", headers, remote=request.remote, secure=request.secure)
    call = Call(cloud, cloud.operations["s3:PutObject"], caller, region or cloud.settings.region, request_id, http=seen, context=context)
    return call, sizes


def _parameters(fields: dict[str, str], bucket: str) -> Shape:
    """The form as the parameters of a PutObject."""
    wanted: Shape = {"Bucket": bucket, "Key": fields["key"]}
    for name, value in fields.items():
        if name in _MEMBERS:
            wanted[_MEMBERS[name]] = value
    metadata = {name[len(_META) :]: value for name, value in fields.items() if name.startswith(_META)}
    if metadata:
        wanted["Metadata"] = metadata
    return wanted


def _tags_of_document(state: State, text: str) -> dict[str, str]:
    """The tags of a form's field, which is the document that PutObjectTagging takes. Errors: MalformedXML, InvalidTag."""
    codec = state.cloud.codec_for("s3")
    request = HttpRequest("PUT", "/bucket/key", "tagging", body=text.encode())
    try:
        tagging = codec.parse(codec.match(request), request).get("Tagging")
    except SerializationError:
        raise malformed_xml() from None
    return read_tag_set(tagging, OBJECT_TAGS_MAX, "Object")


def _answer(request: HttpRequest, request_id: str, fields: dict[str, str], bucket: str, done: Shape) -> HttpResponse:
    key, etag = fields["key"], done["ETag"]
    location = url_of(request, bucket, quote(key))
    headers = {"x-amz-request-id": request_id, "ETag": etag, "Location": location}
    headers.update({header: done[name] for header, name in _ENCRYPTION_HEADERS.items() if name in done})
    if "VersionId" in done:
        headers["x-amz-version-id"] = done["VersionId"]
    redirect = fields.get("success_action_redirect") or fields.get("redirect")
    if redirect and redirect.startswith(("http://", "https://")):
        headers["Location"] = quote(redirect, safe="%/:?#[]@!$&'()*+,;=~") + ("&" if "?" in redirect else "?") + urlencode({"bucket": bucket, "key": key, "etag": etag})
        return HttpResponse(303, headers)
    status = fields.get("success_action_status")
    if status == "201":
        headers["content-type"] = "application/xml"
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<PostResponse><Location>{escape(location)}</Location><Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key><ETag>{escape(etag)}</ETag></PostResponse>"
        )
        return HttpResponse(201, headers, text.encode())
    return HttpResponse(200 if status == "200" else 204, headers)
