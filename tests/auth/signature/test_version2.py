"""S3's Signature Version 2, which boto3 still presigns with in the older regions unless it is told otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from unittest.mock import patch

import botocore.auth
import pytest
from botocore.auth import HmacV1Auth, HmacV1PostAuth, HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from haneul.clock import HOUR, SECOND
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from tests.auth.signature.support import EXAMPLE_TIME, KEY, SECRET, Bench, as_http, copy
from tests.auth.signature.test_sessions import ROLE, credentials_of


def presign(url: str, method: str = "GET", headers: dict[str, str] | None = None, *, at: int = EXAMPLE_TIME, expires: int = 3600, credentials: Credentials | None = None) -> HttpRequest:
    request = AWSRequest(method, url, dict(headers or {}), auth_path=None)
    with patch.object(time, "time", lambda: at / SECOND):
        HmacV1QueryAuth(credentials or Credentials(KEY, SECRET), expires).add_auth(request)
    made = as_http(request, b"")
    for name in ("date", "content-type", "content-md5", *[one for one in made.headers if one.startswith("x-amz-")]):
        made.headers.pop(name, None)  # They went into the URL.
    return made


def sign(url: str, method: str = "GET", headers: dict[str, str] | None = None, *, date: str = "Fri, 24 May 2013 00:00:00 GMT", credentials: Credentials | None = None) -> HttpRequest:
    request = AWSRequest(method, url, dict(headers or {}))
    with patch.object(botocore.auth, "formatdate", lambda usegmt: date):
        HmacV1Auth(credentials or Credentials(KEY, SECRET)).add_auth(request)
    return as_http(request, b"")


URLS = [
    "http://localhost:4566/bucket/key",
    "http://localhost:4566/bucket/a%20b%2Bc/%C3%BC",
    "http://localhost:4566/bucket/key?versionId=x&response-content-disposition=attachment%3B%20filename%3D%22a%22",
    "http://localhost:4566/bucket?acl",
    "http://localhost:4566/bucket?list-type=2&prefix=a",
    "http://localhost:4566/bucket/key?uploadId=u&partNumber=1",
    "http://localhost:4566/",
]


@pytest.mark.parametrize("url", URLS)
def test_what_botocore_signs_is_accepted(bench: Bench, url: str) -> None:
    """Because `generate_presigned_url` without configuration makes such URLs in us-east-1."""
    for request in (presign(url), sign(url, headers={"x-amz-meta-b": "2", "x-amz-meta-a": " 1 ", "Content-Type": "text/plain"})):
        identity = bench.who(request, "s3")
        assert (identity.caller.access_key_id, identity.region, identity.context["s3:signatureversion"]) == (KEY, "", "AWS")


def test_a_presigned_url_carries_headers(bench: Bench) -> None:
    """Because a type or a session token is signed as a parameter of the URL."""
    request = presign(URLS[0], "PUT", {"Content-Type": "image/png", "x-amz-acl": "private"})
    assert "content-type=image%2Fpng" in request.query
    assert bench.who(copy(request), "s3").context["s3:authtype"] == "REST-QUERY-STRING"
    request.query = request.query.replace("image%2Fpng", "text%2Fhtml")
    assert bench.refusal(request, "s3")[0] == "SignatureDoesNotMatch"


def test_buckets_in_the_host_name_are_part_of_what_is_signed(bench: Bench) -> None:
    """Because version 2 signs bucket and key, however they are written; the router has put the bucket into the path."""
    request = presign("http://localhost:4566/bucket/key")
    request.headers["host"], request.raw_path = "bucket.s3.amazonaws.com", "/key"
    assert bench.who(request, "s3").caller.access_key_id == KEY


def changed(name: str, value: str) -> Callable[[HttpRequest], None]:
    return lambda request: setattr(request, name, value)


@pytest.mark.parametrize(
    "change",
    [
        changed("method", "PUT"),
        changed("path", "/bucket/other"),
        lambda request: setattr(request, "query", request.query + "&acl"),
        lambda request: setattr(request, "query", request.query.replace("versionId=x", "versionId=y")),
        lambda request: setattr(request, "query", request.query.replace("Expires=1", "Expires=2")),
        lambda request: setattr(request, "query", request.query.replace("Signature=", "Signature=%C3%A9")),
        lambda request: request.headers.update({"x-amz-acl": "public-read"}),
        lambda request: request.headers.update({"content-type": "text/html"}),
    ],
)
def test_a_changed_url_is_refused(bench: Bench, change: Callable[[HttpRequest], None]) -> None:
    """Because whoever is given a link may do that one thing."""
    request = presign("http://localhost:4566/bucket/key?versionId=x")
    assert bench.who(copy(request), "s3").caller.kind == "root"
    change(request)
    assert bench.refusal(request, "s3")[:2] == ("SignatureDoesNotMatch", 403)


@pytest.mark.parametrize("expires", ["", "soon", "-1", "1e9", "99999999999999999999"])
def test_an_end_that_is_no_second(bench: Bench, expires: str) -> None:
    """Because Expires is seconds since the epoch."""
    request = HttpRequest("GET", "/b/k", f"AWSAccessKeyId={KEY}&Signature=x&Expires={expires}", {"host": "x"})
    assert bench.refusal(request, "s3")[:2] == ("AccessDenied", 403)


@pytest.mark.parametrize("authorization", ["AWS ", "AWS x", "AWS :x", "AWS é:ü"])
def test_a_header_that_says_nothing(bench: Bench, authorization: str) -> None:
    """Because the header comes from outside."""
    request = HttpRequest("GET", "/b/k", "", {"host": "x", "authorization": authorization, "date": "Fri, 24 May 2013 00:00:00 GMT"})
    assert bench.refusal(request, "s3")[0] in ("InvalidArgument", "InvalidAccessKeyId")


@pytest.mark.parametrize(("date", "code"), [("Fri, 24 May 2013 00:15:01 GMT", "RequestTimeTooSkewed"), ("Thu, 23 May 2013 23:44:59 GMT", "RequestTimeTooSkewed"), ("now", "AccessDenied"), ("Fri, 99 May 2013", "AccessDenied")])
def test_the_time_must_be_about_right(bench: Bench, date: str, code: str) -> None:
    """Because a captured request must not work for long."""
    assert bench.refusal(sign(URLS[0], date=date), "s3")[0] == code


def test_a_url_ends_when_it_says(bench: Bench) -> None:
    """Because links are made for a time."""
    request = presign(URLS[0], expires=60)
    bench.move(60)
    assert bench.who(copy(request), "s3").caller.kind == "root"
    bench.move(1)
    assert bench.refusal(request, "s3") == ("AccessDenied", 403, "Request has expired")


def test_a_url_signed_outside_works_after_the_clock_was_moved(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because SDKs keep the machine's time; the URL does not say when it was signed, so it is taken to be made for an hour."""
    machine = [EXAMPLE_TIME]
    monkeypatch.setattr("time.time_ns", lambda: machine[0])
    bench.clock._moves = [(EXAMPLE_TIME, bench.clock.now())]
    bench.move(35 * 86_400)
    machine[0] += 2 * SECOND
    request = presign(URLS[0], at=machine[0], expires=HOUR // SECOND)
    assert bench.who(copy(request), "s3").caller.kind == "root"
    machine[0] += SECOND
    bench.move(3603)
    assert bench.refusal(request, "s3")[2] == "Request has expired"


def test_session_tokens(bench: Bench) -> None:
    """Because functions presign with their role's credentials."""
    keys = bench.sessions.mint(ROLE, 3600, (), None)
    assert bench.who(presign(URLS[0], credentials=credentials_of(keys)), "s3").caller.arn == ROLE.arn
    assert bench.who(sign(URLS[0], credentials=credentials_of(keys)), "s3").caller.arn == ROLE.arn
    assert bench.refusal(presign(URLS[0], credentials=Credentials(keys.access_key_id, keys.secret_access_key)), "s3")[0] == "InvalidAccessKeyId"


def test_forms(bench: Bench) -> None:
    """Because `generate_presigned_post` signs them so, too."""
    request = AWSRequest("POST", "http://bucket.s3.amazonaws.com/")
    HmacV1PostAuth(Credentials(KEY, SECRET)).add_auth(request)
    fields = {name.lower(): value for name, value in request.context["s3-presign-post-fields"].items()}
    assert bench.authority.authenticate_form(fields, "s3", "203.0.113.9").caller.access_key_id == KEY
    for change in ({"policy": "e30="}, {"signature": "x"}, {"awsaccesskeyid": "AKIANOBODY"}):
        with pytest.raises(ServiceError):
            bench.authority.authenticate_form({**fields, **change}, "s3", "203.0.113.9")


def test_only_s3_takes_it(bench: Bench) -> None:
    """Because the other services never did for these requests."""
    request = sign("http://localhost:4566/")
    assert bench.refusal(copy(request), "lambda")[:2] == ("IncompleteSignatureException", 403)
    assert bench.who(presign("http://localhost:4566/"), "lambda").caller.kind == "anonymous"
