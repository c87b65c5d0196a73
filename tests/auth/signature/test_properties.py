"""Any request that botocore signs is accepted, and no single byte of it can be changed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from tests.auth.signature.support import KEY, Bench, copy, read

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
_QUIET = settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def quoted(text: str, safe: str = "-_.~") -> str:
    """Percent-encoded, as RFC 3986 has it."""
    return "".join(chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in safe) else f"%{byte:02X}" for byte in text.encode())


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, str, bytes, dict[str, str]]:
    """Service, method, URL, body and headers."""
    service = draw(st.sampled_from(["s3", "lambda", "dynamodb", "iam"]))
    path = "/" + quoted(draw(_TEXT), "-_.~/")
    pairs = draw(st.lists(st.tuples(_TEXT.filter(bool), _TEXT), max_size=4))
    query = "&".join(f"{quoted(name)}={quoted(value)}" for name, value in pairs if not name.lower().startswith("x-amz"))
    headers = {
        f"x-amz-meta-{name}": value
        for name, value in draw(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=10), max_size=3)).items()
    }
    return service, draw(st.sampled_from(["GET", "PUT", "POST", "DELETE"])), f"http://localhost:4566{path}{'?' + query if query else ''}", draw(st.binary(max_size=40)), headers


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("vault"))


@_QUIET
@given(case=requests())
async def test_any_signed_request_is_accepted(shared: Bench, case: tuple[str, str, str, bytes, dict[str, str]]) -> None:
    """Because whatever an SDK can write into a request must not keep it from being understood."""
    service, method, url, body, headers = case
    request = shared.sign(service, method, url, body, headers)
    assert shared.who(request, service).caller.access_key_id == KEY
    assert await read(request) == body


def other(byte: str, by: int) -> str:
    """Another letter or digit in a place of one."""
    digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return digits[(digits.index(byte) + by) % len(digits)]


def places(text: str) -> list[int]:
    """Where a letter or digit stands that means itself (not a part of an escape)."""
    return [at for at, char in enumerate(text) if char.isascii() and char.isalnum() and "%" not in text[max(0, at - 2) : at]]


@_QUIET
@given(case=requests(), part=st.sampled_from(["path", "query", "body", "header", "method", "signature"]), at=st.integers(0, 1 << 16), by=st.integers(1, 61))
async def test_no_byte_can_be_changed(shared: Bench, case: tuple[str, str, str, bytes, dict[str, str]], part: str, at: int, by: int) -> None:
    """Because a signature covers the method, the path, the query, the signed headers and the body."""
    service, method, url, body, headers = case
    request = shared.sign(service, method, url, body, headers)
    assert change(request, part, at, by, service)
    with pytest.raises(ServiceError):
        shared.who(request, service)
        await read(request)


def change(request: HttpRequest, part: str, at: int, by: int, service: str) -> bool:
    """Change one letter, digit or byte of a part of the request, or skip an example that has none."""
    if part == "method":
        request.method = {"GET": "HEAD", "PUT": "POST", "POST": "PUT", "DELETE": "GET"}[request.method]
    elif part == "body":
        assume(request.body)
        index = at % len(request.body)
        request.body = request.body[:index] + bytes([request.body[index] ^ by]) + request.body[index + 1 :]
    elif part in ("path", "query"):
        text = request.raw_path if part == "path" else request.query
        assume(places(text))
        assume(part == "query" or service == "s3" or not any(piece in (".", "..") for piece in text.split("/")))
        index = places(text)[at % len(places(text))]
        changed = text[:index] + other(text[index], by) + text[index + 1 :]
        if part == "path":
            request.raw_path = changed
        else:
            request.query = changed
    else:
        signed = [name for name in request.headers if name in ("host", "x-amz-date") or name.startswith("x-amz-meta-")]
        name = "authorization" if part == "signature" else sorted(signed)[at % len(signed)]
        text = request.headers[name]
        spots = places(text)[-64:] if part == "signature" else places(text)
        assume(spots)
        index = spots[at % len(spots)]
        request.headers[name] = text[:index] + other(text[index], by) + text[index + 1 :]
    return True


@_QUIET
@given(authorization=st.text(max_size=80) | st.from_regex(r"AWS4-HMAC-SHA256 Credential=[^,]{0,40}, ?SignedHeaders=[^,]{0,20}, ?Signature=.{0,20}", fullmatch=True), date=st.text(max_size=20))
def test_any_header_is_read_or_refused(shared: Bench, authorization: str, date: str) -> None:
    """Because the header comes from outside: only errors that a client may see are allowed."""
    request = HttpRequest("GET", "/", "", {"host": "x", "authorization": authorization, "x-amz-date": date, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    for service in ("s3", "dynamodb", "lambda", "iam"):
        try:
            assert shared.who(copy(request), service).caller.kind == "anonymous" and not authorization
        except ServiceError as error:
            assert error.status in (400, 403)


@_QUIET
@given(values=st.lists(st.tuples(st.sampled_from(["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token"]), _TEXT | st.sampled_from(["AWS4-HMAC-SHA256", f"{KEY}/20130524/us-east-1/s3/aws4_request", "20130524T000000Z", "99991231T235959Z", "host", "60"])), max_size=9))
def test_any_query_is_read_or_refused(shared: Bench, values: list[tuple[str, str]]) -> None:
    """Because a URL is the easiest thing to change: only errors that a client may see are allowed."""
    query = "&".join(f"X-Amz-{name}={quoted(value)}" for name, value in values)
    for service in ("s3", "sts"):
        try:
            assert shared.who(HttpRequest("GET", "/", query, {"host": "x"}), service).caller.kind == "anonymous"
        except ServiceError as error:
            assert error.status in (400, 403)
