"""Bytes that are no HTTP, or HTTP that means harm: each gets a refusal, and the cloud goes on."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.hostile.attack import Target, status_of

pytestmark = pytest.mark.process

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"

# What is sent, and the status it gets; 0 when the server just closes.
MALFORMED = {
    "nothing": (b"", 0),
    "a line break": (b"\r\n\r\n", 0),
    "zeros": (bytes(1000), 400),
    "noise": (bytes(range(256)) * 20, 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 403),
    "no path": (b"GET HTTP/1.1\r\n\r\n", 400),
    "a method of another kind": (b"B\xc3\xa4R / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "a header without a name": (b"GET / HTTP/1.1\r\n: a\r\n\r\n", 400),
    "a folded header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
    "a zero in a header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400),
    "a carriage return in a header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "two signatures": (b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256 x\r\nAuthorization: AWS4-HMAC-SHA256 y\r\n\r\n", 400),
    "two targets": (HEAD + b"X-Amz-Target: DynamoDB_20120810.ListTables\r\nx-amz-target: DynamoDB_20120810.DeleteTable\r\nContent-Length: 2\r\n\r\n{}", 400),
    "two lengths": (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "length and chunks": (HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /_haneul/health HTTP/1.1\r\n\r\n", 400),
    "chunks of another kind": (HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "chunks that are not last": (HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    "a negative length": (HEAD + b"Content-Length: -1\r\n\r\n", 400),
    "a length with a sign": (HEAD + b"Content-Length: +3\r\n\r\nabc", 400),
    "a length in hexadecimal": (HEAD + b"Content-Length: 0x3\r\n\r\nabc", 400),
    "an enormous length": (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    "a chunk of no size": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "an enormous chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400),
    "a negative chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
    "an enormous header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", 431),
    "an enormous path": (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a header's name without end": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a" * 200_000, 431),
    "a thousand headers": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(1000)) + b"\r\n", 431),
    "compressed chunks": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_request_is_refused(target: Target, kind: str) -> None:
    """Because requests that two readers understand differently are how proxies are fooled (RFC 9112, 11)."""
    data, status = MALFORMED[kind]
    answer = target.raw(data)
    assert status_of(answer) == status
    assert answer.count(b"HTTP/1.1 ") <= 1, "one request, one answer"
    target.is_well()


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 100\r\n\r\nonly this",
        HEAD + b"Content-Length: 3000000\r\n\r\n" + bytes(1000),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\nonly this",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        HEAD + b"Content-Le",
        b"GE",
    ],
)
def test_a_request_that_breaks_off(target: Target, data: bytes) -> None:
    """Because networks break; half a request is not carried out, nor kept."""
    assert status_of(target.raw(data)) in (0, 400, 403, 405, 408, 501)
    target.is_well()


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/bucket/../../etc/passwd",
        "/bucket/%00",
        "/bucket/..%5c..%5cwindows",
        "//etc/passwd",
        "/_haneul/../../etc/passwd",
        "/_haneul/root-key/../health",
        "/_haneul/%72oot-key",
        "/_aws/execute-api/../../x",
        "/restapis/a/b/_user_request_/../../c",
        "/_aws/lambda-url/../x",
        "/%ff%fe",
        "/%",
        "/%zz",
        "/?" + "a=b&" * 5000,
        "/2015-03-31/functions/..%2f..%2fetc/invocations",
        "/123456789012/../000000000000/queue",
    ],
)
def test_paths_that_climb(target: Target, path: str) -> None:
    """Because no path reaches a file of this machine, nor administration by another name."""
    for method in (b"GET", b"PUT", b"POST", b"DELETE"):
        answer = target.raw(method + b" " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        assert b"root:" not in answer and b"root_secret" not in answer
        assert 300 <= status_of(answer) < 500 or status_of(answer) in (501, 200)
    target.is_well()


HOSTS = ["", "..", "a" * 300, "[::1", "[::1]:x", "a:b:c", "localhost:99999", "%00", "\xe4.localhost", "..s3.amazonaws.com", "a..b.execute-api.localhost", "x.lambda-url.us-east-1.on.aws", "${jndi}"]


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_of_all_kinds(target: Target, host: str) -> None:
    """Because the Host header decides where a request goes, and anybody may write it."""
    answer = target.raw(b"GET / HTTP/1.1\r\nHost: " + host.encode("latin-1") + b"\r\n\r\n")
    assert 200 <= status_of(answer) < 500 or status_of(answer) == 501
    target.is_well()


@pytest.mark.parametrize("value", ["%0d%0aX-Injected:%20yes", "%0aX-Injected:%20yes", "a%0d%0a%0d%0a<html>"])
def test_headers_cannot_be_injected(target: Target, value: str) -> None:
    """Because S3 puts parameters of the URL into headers of the answer."""
    target.request("PUT", "/injected", sign="s3")
    target.request("PUT", "/injected/k", b"x", sign="s3")
    for name in ("response-content-type", "response-content-disposition", "response-cache-control"):
        status, headers, _ = target.request("GET", f"/injected/k?{name}={value}", sign="s3")
        assert "x-injected" not in headers and status < 500
    target.is_well()


def test_administration_is_not_for_other_sites(target: Target) -> None:
    """Because a page in a browser on this machine must not be able to read root's key or empty the cloud."""
    for headers in (b"Host: localhost\r\nOrigin: http://evil.example\r\n", b"Host: evil.example\r\n", b"Host: localhost.evil.example\r\n"):
        for line in (b"GET /_haneul/root-key", b"POST /_haneul/reset", b"POST /_haneul/stop", b"POST /_haneul/clock"):
            answer = target.raw(line + b" HTTP/1.1\r\n" + headers + b"Content-Length: 0\r\n\r\n")
            assert status_of(answer) == 403 and b"secret" not in answer
    target.is_well()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense", b'{"advance": -1}', b'{"advance": "-1s"}', b'{"advance": null}', b'{"advance": 1e400}', b'{"advance": "99999999999999999999d"}', b"\xff", b'{"advance": {"a": []}}'])
def test_the_clock_takes_durations_only(target: Target, body: bytes) -> None:
    """Because a clock that jumps beyond all bounds could not be set right again."""
    status, _, answer = target.request("POST", "/_haneul/clock", body)
    assert status == 400 and b"error" in answer
    target.is_well()


# ---- many


async def test_ten_thousand_connections(target: Target) -> None:
    """Because connections are cheap for whoever opens them; some send nothing, some a little, some a request."""
    before = target.memory_mb
    sends = (b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET /_haneul/health HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00")
    limit = asyncio.Semaphore(250)

    async def one(number: int) -> None:
        async with limit:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", target.port)
                writer.write(sends[number % len(sends)])
                await writer.drain()
                if number % 2:
                    writer.transport.abort()
                else:
                    writer.close()
            except ConnectionResetError:
                pass

    await asyncio.gather(*(one(number) for number in range(10_000)))
    await asyncio.to_thread(target.is_well)
    assert target.memory_mb < before + 40


def test_slow_senders_do_not_hold_up_others(target: Target) -> None:
    """Because a hundred half requests must cost their senders more than anybody else."""
    slow = []
    try:
        for number in range(300):
            connection = socket.create_connection(("127.0.0.1", target.port), timeout=ANSWER)
            connection.sendall((HEAD, HEAD + b"Content-Length: 50000000\r\n\r\n" + bytes(70_000), b"GET /_haneul/hea", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab")[number % 4])
            slow.append(connection)
        for _ in range(20):
            target.is_well()
        for connection in slow:
            if connection.fileno() >= 0:
                try:
                    connection.sendall(b"x")
                except OSError:
                    pass
        target.is_well()
    finally:
        for connection in slow:
            connection.close()


ANSWER = 8.0


def test_clients_that_do_not_read(target: Target) -> None:
    """Because whoever asks for much and takes nothing must not fill the memory with answers."""
    body = b"x" * 4_000_000
    target.request("PUT", "/unread", sign="s3")
    target.request("PUT", "/unread/k", body, sign="s3")
    path = target.presigned("/unread/k")
    assert len(target.request("GET", path)[2]) == len(body)
    before = target.memory_mb
    deaf = []
    try:
        for _ in range(40):
            connection = socket.create_connection(("127.0.0.1", target.port), timeout=ANSWER)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode() * 20)
            connection.sendall(b"GET /_haneul/status HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200)
            deaf.append(connection)
        target.is_well()
        assert target.memory_mb < before + 60
    finally:
        for connection in deaf:
            connection.close()
    target.is_well()


def test_descriptors_are_given_back(target: Target) -> None:
    """Because a descriptor lost with each broken connection is an end in sight."""
    target.is_well()
    before = target.descriptors
    for data in (HEAD + b"Content-Length: 3000000\r\n\r\n" + bytes(1000), b"\x16\x03\x01", MALFORMED["length and chunks"][0]):
        for _ in range(50):
            target.raw(data)
    target.is_well()
    assert target.descriptors <= before + 5
