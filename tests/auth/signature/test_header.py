"""Signatures in the Authorization header. botocore signs; what it signs must be accepted, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.credentials import Credentials

from haneul.clock import MINUTE, SECOND, Clock
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from tests.auth.signature.support import ACCOUNT, EXAMPLE_TIME, KEY, SECRET, Bench, copy, read

JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.ListTables"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

# service → (method, url, body, headers) as its SDK sends them.
REQUESTS = {
    "dynamodb": ("POST", "http://dynamodb.us-east-1.amazonaws.com/", b'{"Limit": 1}', JSON),
    "sqs": ("POST", "http://localhost:4566/", b"{}", {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.ListQueues"}),
    "iam": ("POST", "http://localhost:4566/", b"Action=ListUsers&Version=2010-05-08", FORM),
    "sts": ("POST", "http://localhost:4566/", b"Action=GetCallerIdentity&Version=2011-06-15", FORM),
    "lambda": ("GET", "http://localhost:4566/2015-03-31/functions/a%3Ab?Qualifier=1", b"", {}),
    "apigateway": ("GET", "http://localhost:4566/restapis", b"", {}),
    "s3": ("PUT", "http://localhost:4566/bucket/a%20key", b"body", {"x-amz-meta-colour": "blue"}),
}


@pytest.mark.parametrize("service", REQUESTS)
async def test_what_botocore_signs_is_accepted(bench: Bench, service: str) -> None:
    """Because every SDK signs like botocore."""
    method, url, body, headers = REQUESTS[service]
    request = bench.sign(service, method, url, body, headers)
    identity = bench.who(request, service)
    assert (identity.caller.kind, identity.caller.account, identity.caller.access_key_id, identity.region) == ("root", ACCOUNT, KEY, "us-east-1")
    assert await read(request) == body


PATHS = ["/", "/a b", "/a%20b", "/a+b", "/a%2Bb", "/a%2Fb", "/ünï/ço∂é", "/%C3%BC", "/~-_.", "/!*'()", "/a:b@c$d,e;f=g&h", "/a%25b", "/100%", "/a//b", "//a", "/a/", "/a//"]


@pytest.mark.parametrize("path", [*PATHS, "/./a", "/a/../b", "/a/./b/..", "/..", "/a/..", "/a/b/../../../c"])
@pytest.mark.parametrize("service", ["lambda", "s3"])
def test_odd_paths_verify(bench: Bench, service: str, path: str) -> None:
    """Because S3 signs a path as it stands, encoded once; the others normalise it (RFC 3986, 5.2.4) and encode it twice."""
    url = "http://localhost:4566" + "".join(char if char.isascii() and char != " " else "".join(f"%{byte:02X}" for byte in char.encode()) for char in path)
    if service == "s3" and path == "/100%":
        url = url.replace("%", "%25")  # A lone percent sign is no URL: S3 reads it as one, botocore does not send it.
    if service == "s3" and path == "/!*'()":
        url = "http://localhost:4566/%21%2A%27%28%29"  # As botocore writes these; browsers leave them bare, see the next test.
    if service == "s3":
        url = url.replace("+", "%2B").replace(":b@c$d,e;f=g&h", "%3Ab%40c%24d%2Ce%3Bf%3Dg%26h")
    assert bench.who(bench.sign(service, "GET", url), service).caller.access_key_id == KEY


def test_s3_paths_mean_the_same_however_they_are_encoded(bench: Bench) -> None:
    """Because proxies and browsers encode more or fewer characters than the signer did; S3 decodes before it compares."""
    request = bench.sign("s3", "GET", "http://localhost:4566/b/%21%27%28%29%2A~%C3%BC")
    for sent in ("/b/!'()*~%C3%BC", "/b/%21%27%28%29%2A%7E%c3%bc"):
        again = copy(request)
        again.raw_path = sent
        assert bench.who(again, "s3").caller.access_key_id == KEY


@pytest.mark.parametrize(
    "query",
    [
        "a=1&b=2",
        "b=2&a=1",
        "a=2&a=1",
        "a=&b=",
        "acl",
        "acl&versionId=x",
        "prefix=a%20b",
        "prefix=a%2Bb%2Fc%3D%26",
        "prefix=%C3%BC",
        "a=~-_.",
        "A=1&a=2",
        "k=1&k-x=2&k.y=3&k0=4",
        "a=b%25c",
    ],
)
@pytest.mark.parametrize("service", ["lambda", "s3"])
def test_odd_queries_verify(bench: Bench, service: str, query: str) -> None:
    """Because parameters are signed sorted and encoded in the one right way, however they were sent."""
    assert bench.who(bench.sign(service, "GET", f"http://localhost:4566/x?{query}"), service).caller.access_key_id == KEY


def test_a_plus_in_a_query_is_a_space(bench: Bench) -> None:
    """Because forms write a space so, and S3 signs what it means."""
    request = bench.sign("s3", "GET", "http://localhost:4566/b?prefix=a%20b")
    request.query = "prefix=a+b"
    assert bench.who(request, "s3").caller.access_key_id == KEY


@pytest.mark.parametrize("value", ["  a   b  ", "a,b", "x" * 2000, "tab\there", "ümlaut"])
def test_header_values_are_signed_trimmed(bench: Bench, value: str) -> None:
    """Because whitespace in headers is not significant, and anything else is."""
    request = bench.sign("s3", "GET", "http://localhost:4566/b", headers={"x-amz-meta-a": value})
    assert bench.who(copy(request), "s3").caller.access_key_id == KEY
    request.headers["x-amz-meta-a"] += "!"
    assert bench.refusal(request, "s3")[0] == "SignatureDoesNotMatch"


# ---- who may sign


def test_development_keys_name_accounts(bench: Bench) -> None:
    """Because the ecosystem's local tools sign with test/test, or with an account's number."""
    for key, account in (("test", ACCOUNT), ("123456789012", "123456789012")):
        caller = bench.who(bench.sign("sts", credentials=Credentials(key, "test")), "sts").caller
        assert (caller.kind, caller.account, caller.arn) == ("root", account, f"arn:aws:iam::{account}:root")


@pytest.mark.parametrize(("key", "secret", "code"), [("test", "wrong", "SignatureDoesNotMatch"), ("12345678901", "test", "InvalidClientTokenId"), ("１２３４５６７８９０１２", "test", "InvalidClientTokenId")])
def test_other_development_keys_are_refused(bench: Bench, key: str, secret: str, code: str) -> None:
    """Because a wrong secret is refused like any other, and an account's number has twelve ASCII digits."""
    request = bench.sign("sts", credentials=Credentials("test", secret))
    request.headers["authorization"] = request.headers["authorization"].replace("Credential=test/", f"Credential={key}/")
    assert bench.refusal(request, "sts")[:2] == (code, 403)


@pytest.mark.parametrize("remote", ["10.0.0.7", "192.168.1.5", "::ffff:10.0.0.7", "2001:db8::1", "sandbox", "function:abc"])
def test_development_keys_work_from_this_machine_only(bench: Bench, remote: str) -> None:
    """Because their secret is known to everybody, sandboxed functions included."""
    request = bench.sign("sts", credentials=Credentials("test", "test"))
    request.remote = remote
    assert bench.refusal(request, "sts")[0] == "InvalidClientTokenId"
    for near in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
        again = copy(request)
        again.remote = near
        assert bench.who(again, "sts").caller.kind == "root"


def test_development_keys_can_be_switched_off(tmp_path: Path) -> None:
    """Because a cloud that others reach must not have them."""
    strict = Bench(tmp_path, dev_keys=False)
    assert strict.refusal(strict.sign("sts", credentials=Credentials("test", "test")), "sts")[0] == "InvalidClientTokenId"
    assert strict.who(strict.sign("sts"), "sts").caller.kind == "root"


def test_no_credentials_is_anonymous(bench: Bench) -> None:
    """Because some operations and buckets are public; the permission decides."""
    request = bench.sign("s3", "GET", "http://localhost:4566/b?prefix=X-Amz-Algorithm")
    del request.headers["authorization"]
    assert bench.who(request, "s3").caller.kind == "anonymous"
    request.headers["authorization"] = ""
    assert bench.who(request, "s3").caller.kind == "anonymous"


# ---- what is wrong, in each family's words: (JSON, REST-JSON, query, S3)

FAMILIES = ("dynamodb", "lambda", "iam", "s3")


def wrong(bench: Bench, problem: str, service: str) -> HttpRequest:
    """A request of `service` with one fault."""
    method, url, body, headers = REQUESTS[service]
    if problem == "unknown-key":
        return bench.sign(service, method, url, body, headers, credentials=Credentials("AKIANOBODY", "x"))
    if problem == "token":
        return bench.sign(service, method, url, body, headers, credentials=Credentials(KEY, SECRET, "bm9uc2Vuc2U="))
    if problem == "secret":
        return bench.sign(service, method, url, body, headers, credentials=Credentials(KEY, "x"))
    if problem == "service":
        return bench.sign(service, method, url, body, headers, signing_name="ec2")
    if problem == "old":
        return bench.sign(service, method, url, body, headers, at=EXAMPLE_TIME - 15 * MINUTE - SECOND)
    if problem == "early":
        return bench.sign(service, method, url, body, headers, at=EXAMPLE_TIME + 15 * MINUTE + SECOND)
    request = bench.sign(service, method, url, body, headers)
    authorization = request.headers["authorization"]
    if problem == "no date":
        del request.headers["x-amz-date"]
    elif problem == "bad date":
        request.headers["x-amz-date"] = "2013-05-24T00:00:00Z"
    else:
        old, new = {
            "algorithm": ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
            "no signature": (authorization[authorization.index(", Signature=") :], ""),
            "parts": ("/us-east-1/", "/"),
            "terminal": ("aws4_request", "aws4_reques"),
            "scope date": ("/20130524/", "/20130523/"),
            "scope day": ("/20130524/", "/20130532/"),
            "region": ("/us-east-1/", "/us-east-1:999999999999:x/"),
            "host": ("host;", ""),
            "signature": (authorization[-64:], "0" * 64),
            "odd signature": (authorization[-64:], "é"),
        }[problem]
        request.headers["authorization"] = authorization.replace(old, new)
    return request


@pytest.mark.parametrize("service", FAMILIES)
@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ("unknown-key", (("UnrecognizedClientException", 400), ("UnrecognizedClientException", 403), ("InvalidClientTokenId", 403), ("InvalidAccessKeyId", 403))),
        ("token", (("UnrecognizedClientException", 400), ("UnrecognizedClientException", 403), ("InvalidClientTokenId", 403), ("InvalidToken", 400))),
        ("secret", (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("SignatureDoesNotMatch", 403))),
        ("signature", (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("SignatureDoesNotMatch", 403))),
        ("odd signature", (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("SignatureDoesNotMatch", 403))),
        ("service", (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("AuthorizationHeaderMalformed", 400))),
        ("scope date", (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("AuthorizationHeaderMalformed", 400))),
        ("old", (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("RequestTimeTooSkewed", 403))),
        ("early", (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("RequestTimeTooSkewed", 403))),
        ("no date", (("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403), ("IncompleteSignature", 400), ("AccessDenied", 403))),
        ("bad date", (("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403), ("IncompleteSignature", 400), ("AccessDenied", 403))),
        ("algorithm", (("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403), ("IncompleteSignature", 400), ("InvalidArgument", 400))),
        ("host", (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("AccessDenied", 403))),
        *(
            (problem, (("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403), ("IncompleteSignature", 400), ("AuthorizationHeaderMalformed", 400)))
            for problem in ("no signature", "parts", "terminal", "scope day", "region")
        ),
    ],
)
def test_each_family_has_its_own_codes(bench: Bench, service: str, problem: str, expected: tuple[tuple[str, int], ...]) -> None:
    """Because SDKs decide by code and status what to do: refresh credentials, correct their clock, or give up."""
    code, status, message = bench.refusal(wrong(bench, problem, service), service)
    assert (code, status) == expected[FAMILIES.index(service)]
    assert message


@pytest.mark.parametrize(
    ("problem", "service", "message"),
    [
        ("secret", "dynamodb", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."),
        ("secret", "s3", "The request signature we calculated does not match the signature you provided. Check your key and signing method."),
        ("unknown-key", "dynamodb", "The security token included in the request is invalid."),
        ("unknown-key", "s3", "The AWS Access Key Id you provided does not exist in our records."),
        ("old", "iam", "Signature expired: 20130523T234459Z is now earlier than 20130523T234500Z (20130524T000000Z - 15 min.)"),
        ("early", "iam", "Signature not yet current: 20130524T001501Z is still later than 20130524T001500Z (20130524T000000Z + 15 min.)"),
        ("old", "s3", "The difference between the request time and the current time is too large."),
        ("service", "dynamodb", "Credential should be scoped to correct service: 'dynamodb'. "),
        ("service", "s3", 'The authorization header is malformed; incorrect service "ec2". This endpoint belongs to "s3".'),
        ("scope date", "lambda", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20130523' != '20130524', from '20130524T000000Z'."),
        ("scope date", "s3", 'The authorization header is malformed; Invalid credential date "20130523". This date is not the same as X-Amz-Date: "20130524".'),
        ("scope day", "s3", 'The authorization header is malformed; incorrect date format "20130532". This date in the credential must be in the format "yyyyMMdd".'),
        ("parts", "s3", 'The authorization header is malformed; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'),
        ("terminal", "s3", 'The authorization header is malformed; incorrect terminal "aws4_reques". This endpoint uses "aws4_request".'),
        ("no signature", "s3", "The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature."),
        ("algorithm", "s3", "Unsupported Authorization Type"),
        ("host", "s3", "There were headers present in the request which were not signed"),
        ("no date", "s3", "AWS authentication requires a valid Date or x-amz-date header"),
        ("token", "s3", "The provided token is malformed or otherwise invalid."),
    ],
)
def test_messages_are_the_real_ones(bench: Bench, problem: str, service: str, message: str) -> None:
    """Because people search for these sentences."""
    assert bench.refusal(wrong(bench, problem, service), service)[2] == message


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("dynamodb", ("MissingAuthenticationTokenException", 400)),
        ("lambda", ("MissingAuthenticationTokenException", 403)),
        ("iam", ("MissingAuthenticationToken", 403)),
        ("s3", ("AccessDenied", 403)),
    ],
)
def test_missing_credentials_in_each_family(bench: Bench, service: str, expected: tuple[str, int]) -> None:
    """Because an unsigned request is told so in the protocol that it speaks."""
    method, url, body, headers = REQUESTS[service]
    error = bench.authority.missing_credentials(bench.sign(service, method, url, body, headers), service)
    assert (error.code, error.status) == expected


def test_s3_explains_a_mismatch(bench: Bench) -> None:
    """Because the canonical request that S3 sends back is how people find what their signer does differently."""
    request = wrong(bench, "secret", "s3")
    with pytest.raises(ServiceError) as caught:
        bench.who(request, "s3")
    fields = caught.value.fields
    assert fields["AWSAccessKeyId"] == KEY and fields["CanonicalRequest"].startswith("PUT\n/bucket/a%20key\n\nhost:localhost:4566\n")
    assert bytes.fromhex(fields["StringToSignBytes"]).decode() == fields["StringToSign"]


# ---- time


@pytest.mark.parametrize(("seconds", "fits"), [(-901, False), (-900, True), (0, True), (900, True), (901, False)])
def test_a_quarter_of_an_hour_of_skew_is_allowed(bench: Bench, seconds: int, fits: bool) -> None:
    """Because clocks differ, and a captured request must not work for long (AWS: 15 minutes, inclusive)."""
    request = bench.sign("dynamodb", at=EXAMPLE_TIME + seconds * SECOND)
    if fits:
        assert bench.who(request, "dynamodb").caller.kind == "root"
    else:
        assert bench.refusal(request, "dynamodb")[0] == "InvalidSignatureException"


@pytest.mark.parametrize(("seconds", "fits"), [(-930, False), (-870, True), (870, True), (930, False)])
def test_the_machine_time_is_as_good_as_the_clouds(bench: Bench, seconds: int, fits: bool) -> None:
    """Because SDKs outside keep the machine's time while the cloud's clock has been moved."""
    request = bench.sign("s3", "GET", at=Clock.machine_now() + seconds * SECOND)
    if fits:
        assert bench.who(request, "s3").caller.kind == "root"
    else:
        assert bench.refusal(request, "s3")[0] == "RequestTimeTooSkewed"


# ---- bodies


@pytest.mark.parametrize("service", ["dynamodb", "iam"])
def test_another_body_does_not_fit(bench: Bench, service: str) -> None:
    """Because the body's hash is signed, whether a header says so or not."""
    method, url, body, headers = REQUESTS[service]
    request = bench.sign(service, method, url, body, headers)
    request.body = body + b" "
    assert bench.refusal(request, service)[0] in ("InvalidSignatureException", "SignatureDoesNotMatch")


def test_another_body_is_told_apart_by_s3(bench: Bench) -> None:
    """Because S3 signs the hash that the header states, and compares the body with it."""
    request = bench.sign("s3", "PUT", "http://localhost:4566/b/k", b"body")
    request.body = b"bodY"
    assert bench.refusal(request, "s3")[:2] == ("XAmzContentSHA256Mismatch", 400)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (None, ("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")),
        ("e3b0", ("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.")),
    ],
)
def test_s3_wants_a_body_hash(bench: Bench, stated: str | None, expected: tuple[str, str]) -> None:
    """Because S3 signs what the header says of the body."""
    request = bench.sign("s3", "PUT", "http://localhost:4566/b/k", b"body")
    del request.headers["x-amz-content-sha256"]
    if stated is not None:
        request.headers["x-amz-content-sha256"] = stated
    code, status, message = bench.refusal(request, "s3")
    assert ((code, message), status) == (expected, 400)


@pytest.mark.parametrize("name", ["x-amz-acl", "x-amz-meta-colour", "x-amz-copy-source", "content-md5"])
def test_s3_wants_such_headers_signed(bench: Bench, name: str) -> None:
    """Because whoever passes a signed request on must not be able to make it do something else."""
    request = bench.sign("s3", "PUT", "http://localhost:4566/b/k", b"body")
    request.headers[name] = "x"
    with pytest.raises(ServiceError) as caught:
        bench.who(request, "s3")
    assert (caught.value.code, caught.value.fields) == ("AccessDenied", {"HeadersNotSigned": name})


@pytest.mark.parametrize("name", ["content-type", "range", "if-match", "cache-control", "x-amzn-trace-id", "user-agent"])
def test_s3_does_not_mind_other_headers(bench: Bench, name: str) -> None:
    """Because proxies add such headers."""
    request = bench.sign("s3", "GET", "http://localhost:4566/b/k")
    request.headers[name] = "x"
    assert bench.who(request, "s3").caller.kind == "root"


@pytest.mark.parametrize(
    ("authorization", "code", "message"),
    [
        ("Bearer x", "InvalidArgument", "Unsupported Authorization Type"),
        ("nonsense", "InvalidArgument", "Authorization header is invalid -- one and only one ' ' (space) required"),
    ],
)
def test_s3_names_other_mechanisms(bench: Bench, authorization: str, code: str, message: str) -> None:
    """Because a client that signs otherwise should be told what to change."""
    request = bench.sign("s3", "GET", "http://localhost:4566/b/k")
    request.headers["authorization"] = authorization
    assert bench.refusal(request, "s3") == (code, 400, message)


def test_s3_takes_one_mechanism_at_a_time(bench: Bench) -> None:
    """Because two signatures on one request could mean two callers."""
    request = bench.presign("s3")
    request.headers["authorization"] = "AWS4-HMAC-SHA256 x"
    assert bench.refusal(request, "s3")[2].startswith("Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter,")
