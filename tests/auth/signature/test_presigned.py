"""Presigned URLs and POST forms: signatures that people pass on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.credentials import Credentials

from haneul.clock import MINUTE, SECOND, Clock
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from tests.auth.signature.support import EXAMPLE_TIME, KEY, SECRET, Bench, copy

URL = "http://bucket.s3.amazonaws.com/a%20key?versionId=x"


def replaced(old: str, new: str) -> Callable[[HttpRequest], None]:
    def change(request: HttpRequest) -> None:
        assert old in request.query
        request.query = request.query.replace(old, new)

    return change


@pytest.mark.parametrize("service", ["s3", "sts", "sqs", "lambda"])
def test_what_botocore_presigns_is_accepted(bench: Bench, service: str) -> None:
    """Because links to objects, and tokens made of a signed GetCallerIdentity, are such URLs."""
    identity = bench.who(bench.presign(service), service)
    assert (identity.caller.access_key_id, identity.context["s3:authtype"]) == (KEY, "REST-QUERY-STRING")


def test_the_documentations_example(tmp_path: Path) -> None:
    """Because "Authenticating Requests: Using Query Parameters" gives this URL with its signature."""
    bench = Bench(tmp_path)
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
        "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    request = HttpRequest("GET", "/test.txt", query, {"host": "examplebucket.s3.amazonaws.com"})
    assert bench.who(request, "s3").caller.access_key_id == KEY


def test_the_documentations_header_examples(bench: Bench) -> None:
    """Because "Signature Calculations for the Authorization Header: Single Chunk" gives these requests with their signatures."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    examples = [
        ("/", "lifecycle=", {}, "host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/", "max-keys=2&prefix=J", {}, "host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ("/test.txt", "", {"range": "bytes=0-9"}, "host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    ]
    for path, query, more, names, signature in examples:
        headers = {"host": "examplebucket.s3.amazonaws.com", "x-amz-content-sha256": empty, "x-amz-date": "20130524T000000Z", **more}
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={names},Signature={signature}"
        assert bench.who(HttpRequest("GET", path, query, headers), "s3").caller.access_key_id == KEY


MISMATCH = ("SignatureDoesNotMatch", 403)
PARAMETERS = ("AuthorizationQueryParametersError", 400)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (replaced("versionId=x", "versionId=y"), MISMATCH),
        (replaced("versionId=x", "versionId=x&more=1"), MISMATCH),
        (replaced("versionId=x&", ""), MISMATCH),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires=3601"), MISMATCH),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires=3600&X-Amz-Expires=7200"), MISMATCH),
        (replaced("X-Amz-Signature=", "X-Amz-Signature=%C3%A9"), MISMATCH),
        (lambda request: setattr(request, "raw_path", "/another%20key"), MISMATCH),
        (lambda request: setattr(request, "method", "PUT"), MISMATCH),
        (lambda request: setattr(request, "method", "DELETE"), MISMATCH),
        (lambda request: request.headers.update(host="other.s3.amazonaws.com"), MISMATCH),
        (lambda request: request.headers.update({"x-amz-acl": "public-read"}), ("AccessDenied", 403)),
        (replaced("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="), ("AccessDenied", 403)),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires=604801"), PARAMETERS),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires=-1"), PARAMETERS),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires=--1"), PARAMETERS),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires=%C2%B2"), PARAMETERS),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires=" + "9" * 5000), PARAMETERS),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires=1h"), PARAMETERS),
        (replaced("X-Amz-Expires=3600", "X-Amz-Expires="), PARAMETERS),
        (replaced("X-Amz-Expires=3600&", ""), PARAMETERS),
        (replaced("&X-Amz-SignedHeaders=host", ""), PARAMETERS),
        (replaced("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=AWS4-HMAC-SHA1"), PARAMETERS),
        (replaced("X-Amz-Date=20130524T000000Z", "X-Amz-Date=2013-05-24"), PARAMETERS),
        (replaced("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130525T000000Z"), ("AccessDenied", 403)),
        (replaced("%2Fs3%2F", "%2Fec2%2F"), PARAMETERS),
        (replaced("%2Fus-east-1%2F", "%2F"), PARAMETERS),
        (replaced(KEY, "AKIANOBODY"), ("InvalidAccessKeyId", 403)),
    ],
)
def test_a_changed_url_is_refused(bench: Bench, change: Callable[[HttpRequest], None], expected: tuple[str, int]) -> None:
    """Because whoever is given a link may do that one thing, and nothing else."""
    request = bench.presign("s3", "GET", URL)
    assert bench.who(copy(request), "s3").caller.kind == "root"
    change(request)
    code, status, _ = bench.refusal(request, "s3")
    assert (code, status) == expected


def test_a_signed_header_must_come_as_signed(bench: Bench) -> None:
    """Because a link that prescribes a content type must not take another."""
    request = bench.presign("s3", "PUT", URL, {"x-amz-meta-colour": "red"})
    assert bench.who(copy(request), "s3").caller.kind == "root"
    request.headers["x-amz-meta-colour"] = "blue"
    assert bench.refusal(request, "s3")[:2] == MISMATCH
    del request.headers["x-amz-meta-colour"]
    assert bench.refusal(request, "s3")[:2] == MISMATCH


# ---- time


def expired(bench: Bench, request: HttpRequest) -> bool:
    try:
        bench.who(copy(request), "s3")
    except ServiceError as error:
        assert (error.code, error.message) == ("AccessDenied", "Request has expired")
        return True
    return False


@pytest.mark.parametrize("expires", [1, 60, 604_800])
def test_a_url_ends_when_it_says(bench: Bench, expires: int) -> None:
    """Because X-Amz-Expires counts from X-Amz-Date, to the second, up to a week."""
    request = bench.presign("s3", expires=expires)
    bench.move(expires)
    assert not expired(bench, request)
    bench.move(1)
    assert expired(bench, request)


def test_what_an_expired_url_is_told(bench: Bench) -> None:
    """Because S3 names both times in its answer."""
    request = bench.presign("s3", expires=60)
    bench.move(61)
    with pytest.raises(ServiceError) as caught:
        bench.who(request, "s3")
    assert caught.value.fields == {"X-Amz-Expires": "60", "Expires": "2013-05-24T00:01:00Z", "ServerTime": "2013-05-24T00:01:01Z"}


@pytest.mark.parametrize("seconds", [900, 901])
def test_a_url_may_be_a_little_early(bench: Bench, seconds: int) -> None:
    """Because the signer's clock may be ahead, but links for next week are not valid today."""
    request = bench.presign("s3", at=EXAMPLE_TIME + seconds * SECOND)
    if seconds <= 900:
        assert bench.who(request, "s3").caller.kind == "root"
    else:
        assert bench.refusal(request, "s3") == ("AccessDenied", 403, "Request is not yet valid")


@pytest.mark.parametrize("days_ahead", [0, 35])
def test_a_url_signed_outside_ends_by_this_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days_ahead: int) -> None:
    """Because clients sign with the machine's time, and a test that moves the cloud's clock wants to see the link end."""
    machine = [EXAMPLE_TIME]
    monkeypatch.setattr("time.time_ns", lambda: machine[0])
    bench = Bench(tmp_path)
    bench.move(days_ahead * 86_400)
    machine[0] += 2 * SECOND
    request = bench.presign("s3", expires=3600, at=machine[0])
    assert not expired(bench, request)
    machine[0] += SECOND
    bench.move(3500)
    assert not expired(bench, request)
    bench.move(103)
    assert expired(bench, request)


def test_a_running_clock_judges_the_same(tmp_path: Path) -> None:
    """Because a served cloud's clock runs, ahead of the machine's by what it was moved."""
    bench = Bench(tmp_path)
    clock = bench.clock = Clock()
    bench.authority._verifier._clock = clock
    clock.set_offset(35 * 24 * 60 * MINUTE)
    request = bench.presign("s3", expires=3600, at=Clock.machine_now())
    assert not expired(bench, request)
    signed_by_ours = bench.presign("s3", expires=3600, at=clock.now())
    assert not expired(bench, signed_by_ours)


# ---- forms


def test_a_form_signed_by_botocore_is_accepted(bench: Bench) -> None:
    """Because browsers upload with such forms (S3: "Authenticating Requests in Browser-Based Uploads Using POST")."""
    identity = bench.authority.authenticate_form(bench.sign_form(), "s3", "203.0.113.9")
    assert (identity.caller.access_key_id, identity.region, identity.context["s3:authtype"]) == (KEY, "us-east-1", "POST")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("policy", "e30=", "SignatureDoesNotMatch"),
        ("x-amz-signature", "0" * 64, "SignatureDoesNotMatch"),
        ("x-amz-signature", "ü", "SignatureDoesNotMatch"),
        ("x-amz-credential", "AKIANOBODY/20130524/us-east-1/s3/aws4_request", "InvalidAccessKeyId"),
        ("x-amz-credential", f"{KEY}/20130524/us-east-1/s3", "AccessDenied"),
        ("x-amz-credential", f"{KEY}/20130524/us-east-1/sqs/aws4_request", "AuthorizationHeaderMalformed"),
        ("x-amz-credential", f"{KEY}/20130523/us-east-1/s3/aws4_request", "AuthorizationHeaderMalformed"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA1", "AccessDenied"),
        ("x-amz-date", "yesterday", "AccessDenied"),
        ("x-amz-security-token", "bm9uc2Vuc2U=", "InvalidToken"),
    ],
)
def test_a_changed_form_is_refused(bench: Bench, field: str, value: str, code: str) -> None:
    """Because the policy says what may be uploaded, and the signature guards it."""
    with pytest.raises(ServiceError) as caught:
        bench.authority.authenticate_form({**bench.sign_form(), field: value}, "s3", "127.0.0.1")
    assert caught.value.code == code


def test_a_form_from_outside_cannot_use_development_keys(bench: Bench) -> None:
    """Because their secret is known to everybody."""
    fields = bench.sign_form(credentials=Credentials("test", "test"))
    assert bench.authority.authenticate_form(fields, "s3", "127.0.0.1").caller.kind == "root"
    with pytest.raises(ServiceError) as caught:
        bench.authority.authenticate_form(fields, "s3", "203.0.113.9")
    assert caught.value.code == "InvalidAccessKeyId"


def test_a_secret_key_signs_nothing_for_another_key(bench: Bench) -> None:
    """Because a signature is bound to the key that it names."""
    request = bench.presign("s3", credentials=Credentials("test", SECRET))
    assert bench.refusal(request, "s3")[:2] == MISMATCH
