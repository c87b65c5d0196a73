"""Browsers: cross-origin requests and static websites."""

from __future__ import annotations

from json import dumps
from typing import Any

from tests.s3.support import fetch, refusal
from tests.support.running import Running

RULES = [
    {
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": ["https://*.example.com"],
        "AllowedHeaders": ["x-amz-*", "content-type"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 600,
    },
    {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]},
]


def preflight(cloud: Running, bucket: str, origin: str, method: str, headers: str = "") -> tuple[int, dict[str, str], bytes]:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return fetch(cloud, "OPTIONS", f"/{bucket}/k", headers=asked)


def test_preflights(cloud: Running, s3: Any, bucket: str) -> None:
    """The first rule that fits origin, method and every header answers; nothing fits: 403."""
    assert preflight(cloud, bucket, "https://a.example.com", "GET")[0] == 403
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    status, headers, _ = preflight(cloud, bucket, "https://a.example.com", "PUT", "X-Amz-Date, Content-Type")
    assert status == 200 and headers["access-control-allow-origin"] == "https://a.example.com"
    assert headers["access-control-allow-headers"] == "x-amz-date, content-type" and headers["access-control-max-age"] == "600"
    assert headers["access-control-allow-methods"] == "GET, PUT" and headers["access-control-allow-credentials"] == "true"
    assert preflight(cloud, bucket, "https://a.example.com", "PUT", "authorization")[0] == 403
    assert preflight(cloud, bucket, "https://other.org", "PUT")[0] == 403
    status, headers, _ = preflight(cloud, bucket, "https://other.org", "GET")
    assert status == 200 and headers["access-control-allow-origin"] == "*"
    assert preflight(cloud, bucket, "https://other.org", "PAINT")[0] == 400


def test_answers_carry_the_headers(cloud: Running, s3: Any, bucket: str) -> None:
    """Errors too: a page must be able to read why it was refused."""
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    status, headers, _ = fetch(cloud, "GET", f"/{bucket}/k", headers={"Origin": "https://a.example.com"})
    assert status == 403 and headers["access-control-allow-origin"] == "https://a.example.com"
    assert headers["access-control-expose-headers"] == "ETag"
    assert "access-control-allow-origin" not in fetch(cloud, "DELETE", f"/{bucket}/k", headers={"Origin": "https://a.example.com"})[1]


def test_rules_that_cannot_be_put(s3: Any, bucket: str) -> None:
    """Methods and wildcards are checked."""
    put = lambda **rule: lambda: s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})  # noqa: E731
    assert refusal(put(AllowedMethods=["PATCH"], AllowedOrigins=["*"])) == ("InvalidRequest", 400)
    assert refusal(put(AllowedMethods=["GET"], AllowedOrigins=["http://*.a.*"])) == ("InvalidRequest", 400)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=bucket)
    assert refusal(lambda: s3.get_bucket_cors(Bucket=bucket)) == ("NoSuchCORSConfiguration", 404)


def page(cloud: Running, bucket: str, path: str, method: str = "GET", **asked: str) -> tuple[int, dict[str, str], bytes]:
    return fetch(cloud, method, path, headers={"Host": f"{bucket}.s3-website-us-east-1.amazonaws.com", **{name.replace("_", "-"): text for name, text in asked.items()}})


def site(s3: Any, bucket: str, **more: Any) -> None:
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, **more})


def test_a_website(cloud: Running, s3: Any, bucket: str) -> None:
    """Index documents at every level, a redirect to the folder, the error document for the rest."""
    assert page(cloud, bucket, "/")[0] == 404
    site(s3, bucket, ErrorDocument={"Key": "oops.html"})
    for key in ("index.html", "sub/index.html", "oops.html", "a b.txt"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), ContentType="text/html")
    status, headers, body = page(cloud, bucket, "/")
    assert (status, body, headers["content-type"]) == (200, b"index.html", "text/html")
    assert page(cloud, bucket, "/sub/")[2] == b"sub/index.html" and page(cloud, bucket, "/a%20b.txt")[2] == b"a b.txt"
    assert page(cloud, bucket, "/sub")[0] == 302 and page(cloud, bucket, "/sub")[1]["location"] == "/sub/"
    status, _, body = page(cloud, bucket, "/missing")
    assert status in (403, 404) and body == b"oops.html"
    assert page(cloud, bucket, "/", "HEAD")[2] == b"" and page(cloud, bucket, "/", "POST")[0] == 405


def test_a_website_plays_videos(cloud: Running, s3: Any, bucket: str) -> None:
    """Browsers ask for parts of what they play, and for pages only if they are new (RFC 9110): a website answers as the bucket itself does."""
    site(s3, bucket, ErrorDocument={"Key": "oops.html"})
    s3.put_object(Bucket=bucket, Key="film", Body=b"0123456789")
    s3.put_object(Bucket=bucket, Key="oops.html", Body=b"oops")
    status, headers, body = page(cloud, bucket, "/film", Range="bytes=2-4")
    assert (status, body, headers["content-range"], headers["content-length"]) == (206, b"234", "bytes 2-4/10", "3")
    status, headers, body = page(cloud, bucket, "/film", "HEAD", Range="bytes=-1")
    assert (status, headers["content-length"], headers["accept-ranges"]) == (206, "1", "bytes")
    assert page(cloud, bucket, "/film", Range="bytes=10-")[::2] == (416, b"oops")
    assert page(cloud, bucket, "/missing", Range="bytes=0-0", If_None_Match="*")[::2] == (403, b"oops")
    modified = headers["last-modified"]
    assert page(cloud, bucket, "/film", If_Modified_Since=modified)[0] == 304
    assert page(cloud, bucket, "/film", If_Unmodified_Since="Sun Nov  6 08:49:37 1994")[0] == 412
    assert page(cloud, bucket, "/film", If_Modified_Since="yesterday", If_Unmodified_Since=modified)[0] == 200


def test_a_website_answers_pages_of_other_origins(cloud: Running, s3: Any, bucket: str) -> None:
    """The bucket's rules hold at its website as well: fonts, scripts and data are fetched from there (S3 User Guide, "Using CORS")."""
    site(s3, bucket)
    s3.put_object(Bucket=bucket, Key="font", Body=b"f")
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    asked = {"Host": f"{bucket}.s3-website-us-east-1.amazonaws.com", "Origin": "https://a.example.com", "Access-Control-Request-Method": "GET"}
    assert fetch(cloud, "GET", "/font", headers=asked)[1]["access-control-allow-origin"] == "https://a.example.com"
    assert fetch(cloud, "GET", "/missing", headers=asked)[1]["access-control-expose-headers"] == "ETag"
    status, headers, _ = fetch(cloud, "OPTIONS", "/font", headers=asked)
    assert (status, headers["access-control-allow-methods"]) == (200, "GET, PUT")
    assert fetch(cloud, "OPTIONS", "/font", headers={**asked, "Access-Control-Request-Method": "DELETE"})[0] == 403


def test_website_redirects(cloud: Running, s3: Any, bucket: str) -> None:
    """Of one object, by rules, and of everything."""
    site(s3, bucket, RoutingRules=[{"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/", "HttpRedirectCode": "302"}}])
    s3.put_object(Bucket=bucket, Key="moved", Body=b"", WebsiteRedirectLocation="/new")
    assert page(cloud, bucket, "/moved")[1]["location"] == "/new"
    status, headers, _ = page(cloud, bucket, "/docs/a")
    assert status == 302 and headers["location"].endswith("/documents/a")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}})
    assert page(cloud, bucket, "/x")[1]["location"] == "https://example.com/x"


def test_a_website_is_only_what_everybody_may_read(cloud: Running, s3: Any, bucket: str) -> None:
    """The website host has no permission of its own."""
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.put_object(Bucket=bucket, Key="index.html", Body=b"secret")
    status, _, body = page(cloud, bucket, "/")
    assert status == 403 and b"secret" not in body


def test_what_is_posted_to_a_bucket_is_a_form(cloud: Running, bucket: str) -> None:
    """Anything else is told what was expected, whoever sends it; only a query makes another operation of it."""
    for path in (f"/{bucket}", f"/{bucket}/"):
        for body, headers in ((b"", {}), (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"})):
            status, _, answer = fetch(cloud, "POST", path, body, headers)
            assert status == 412 and b"<Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message>" in answer
            assert b"<Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>" in answer
    assert fetch(cloud, "POST", f"/{bucket}/k", b"a=b")[0] == 405


def test_routing_rules_that_could_never_answer_are_refused(s3: Any, bucket: str) -> None:
    """A redirect needs a protocol and a status that browsers follow; a condition says something."""
    put = lambda **rule: lambda: s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "i"}, "RoutingRules": [rule]})  # noqa: E731
    assert refusal(put(Redirect={"HttpRedirectCode": "https"})) == ("MalformedXML", 400)
    assert refusal(put(Redirect={"HttpRedirectCode": "200"})) == ("InvalidRequest", 400)
    assert refusal(put(Redirect={"HostName": "a", "Protocol": "ftp"})) == ("InvalidRequest", 400)
    assert refusal(put(Redirect={"HostName": "a"}, Condition={"HttpErrorCodeReturnedEquals": "302"})) == ("InvalidRequest", 400)
    put(Redirect={"HostName": "a", "HttpRedirectCode": "307"}, Condition={"HttpErrorCodeReturnedEquals": "404"})()
    everything = {"RedirectAllRequestsTo": {"HostName": "a", "Protocol": "ftp"}}
    assert refusal(lambda: s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=everything)) == ("InvalidRequest", 400)
