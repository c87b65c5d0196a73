"""Requests that are read without the parser are what the parser would have made of them."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

from hypothesis import example, given
from hypothesis import strategies as st

from haneul.clock import Clock
from haneul.core.http import HttpRequest, HttpResponse
from haneul.front.connection import Connection
from haneul.front.incoming import HeaderNames
from haneul.front.quick import QuickReader
from haneul.front.server import Server

NAMES = [b"Host", b"host", b"Content-Length", b"Connection", b"Transfer-Encoding", b"Expect", b"Upgrade", b"X-Amz-Date", b"Authorization", b"X-A", b"X A", b"", b"\xff"]
VALUES = [b"a.b:1", b"0", b"3", b"03", b"+3", b"-1", b"3 ", b"9" * 12, b"9" * 5000, b"4, 4", b"chunked", b"close", b"keep-alive", b"Keep-Alive, x", b"100-continue", b"", b" ", b"a\tb", b"\x00", b"\x7f", b"\xc3\xa9", b"\xff", b"a\nb", b"a\rb", b"x: y", b"h2c", b"Upgrade"]
METHODS = [b"GET", b"POST", b"PUT", b"HEAD", b"PATCH", b"BREW", b"get", b"CONNECT", b"PRI"]
TARGETS = [b"/", b"/a/b?c=d&e", b"//x", b"/a%20b", b"/?", b"*", b"http://h/p?q", b"a", b"/\xc3\xa4", b"/a b", b"/#f", b"/\x00", b'/"<>', b""]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"http/1.1", b""]
USUAL = b"POST / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nAuthorization: s\r\nX-Amz-Date: d\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc"

headers = st.tuples(st.sampled_from(NAMES), st.sampled_from([b": ", b": ", b": ", b":", b" : ", b":  ", b""]), st.sampled_from(VALUES)).map(b"".join)
heads = st.tuples(
    st.tuples(st.sampled_from(METHODS), st.sampled_from(TARGETS), st.sampled_from(VERSIONS)).map(b" ".join), st.lists(headers, max_size=5), st.sampled_from([True, True, True, False])
)
made = st.tuples(heads, st.sampled_from([b"", b"abc", b"abcd"]), st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])).map(
    lambda parts: parts[2].join([parts[0][0], *([b"Host: h"] if parts[0][2] else []), *parts[0][1]]) + 2 * parts[2] + parts[1]
)
changed = st.tuples(st.integers(0, len(USUAL) - 1), st.binary(max_size=2), st.integers(0, 2)).map(lambda one: USUAL[: one[0]] + one[1] + USUAL[one[0] + one[2] :])


async def _handler(_: HttpRequest) -> HttpResponse:
    raise AssertionError("nothing is answered here")


def received(server: Server, *reads: bytes) -> tuple[list[Any], list[bytes]]:
    """The requests that one connection has received, and what was written for those that it refuses."""
    transport = Mock()
    transport.get_extra_info.return_value = None
    transport.is_closing.return_value = transport.can_write_eof.return_value = False
    connection = Connection(server, _handler, "here")
    connection.connection_made(transport)
    for read in filter(None, reads):
        connection.data_received(read)
    requests = [
        (one.method, one.path, one.raw_path, one.query, one.host, one.headers, list(one.raw_headers()), one.body, one.stream is not None, one.keep_alive, one.expects_continue)
        for one in connection._ready  # type: ignore[attr-defined]
    ]
    written = [call.args[0] for call in transport.write.call_args_list]
    connection.connection_lost(None)
    return requests, written


async def compare(data: bytes, cut: int) -> bool:
    """Whether `data` was read without the parser; it is the same for both, as it is when it comes after another request, or before one."""
    server, parsing = Server(_handler, Clock()), Server(_handler, Clock())
    parsing.quick_reader = QuickReader(HeaderNames())  # It never learns a name, so all is left to the parser.
    received(server, USUAL[:1], USUAL[1:])
    alone = server.quick_reader.read(data, Connection(server, _handler, "here"))
    for reads in ((data,), (data[:cut], data[cut:]), (USUAL, data), (USUAL[:9], USUAL[9:], data), (data, USUAL), (data[:cut], data[cut:] + USUAL), (USUAL + data,), (USUAL, data + USUAL)):
        assert received(server, *reads) == received(parsing, *reads), reads
    return alone is not None


@given(st.one_of(made, changed), st.integers(1, 200))
@example(b"\r\n" + USUAL, 1)
@example(USUAL.replace(b"abc", b"abcGET / HTTP/1.1\r\n\r\n"), 30)
@example(USUAL.replace(b"Content-Length: 3", b"Content-Length: 3\r\nContent-Length: 3"), 30)
@example(USUAL.replace(b"X-A: 1", b"X-A: 1\r\nx-a: 2"), 30)
@example(USUAL.replace(b"Host: h\r\n", b""), 30)
@example(USUAL.replace(b"keep-alive", b"Upgrade\r\nUpgrade: h2c"), 30)
@example(b"GET http://h/p?q HTTP/1.1\r\nHost: g\r\n\r\n", 30)
def test_both_ways_of_reading_agree(data: bytes, cut: int) -> None:
    """Because a request that two readers understand differently is how one is smuggled past whoever checks it."""
    asyncio.run(compare(data, cut))


def test_what_is_read_without_the_parser() -> None:
    """Usual requests are, once the parser has read the names in them; what is not of the plainest form is not."""

    async def quick(*changes: tuple[bytes, bytes]) -> bool:
        data = USUAL
        for old, new in changes:
            assert old in data
            data = data.replace(old, new)
        return await compare(data, 40)

    def usual(*changes: tuple[bytes, bytes]) -> bool:
        return asyncio.run(quick(*changes))

    assert usual()
    assert usual((b"X-Amz-Date: d", b"X-Amz-Date: another"), (b"POST /", b"PUT /a?b=c"))
    assert usual((b"POST", b"GET"), (b"Content-Length: 3\r\n", b""), (b"abc", b""))
    for old, new in (
        (b"X-A: 1", b"X-B: 1"), (b"Host: h\r\n", b""), (b"X-A: 1", b"Host: h"), (b"X-A: 1", b"X-A:1"), (b"X-A: 1", b"X-A: \xc3\xa9"), (b"X-A: 1", b"X-A: 1\nX-A: 2"),
        (b"keep-alive", b"close"), (b"abc", b"ab"), (b"abc", b"abcd"), (b"HTTP/1.1", b"HTTP/1.0"), (b"POST /", b"POST /\xff"), (b"POST", b"BREW"), (b"3\r\n", b"+3\r\n"),
        (b"Content-Length: 3\r\n", b""), (b"X-A: 1", b"Transfer-Encoding: chunked"), (b"X-A: 1", b"Expect: 100-continue"), (b"\r\n\r\n", b"\n\n"),
    ):  # fmt: skip
        assert not usual((old, new)), (old, new)


def test_secrets_are_not_remembered() -> None:
    """Of lines that come again and again, those with a signature, a token or a key are taken apart each time, and so are targets with a query."""

    async def lines() -> list[bytes]:
        server = Server(_handler, Clock())
        secret = USUAL.replace(b"X-A: 1", b"X-Amz-Security-Token: t\r\nCookie: c\r\nX-Api-Key: k\r\nX-Amz-Server-Side-Encryption-Customer-Key: e\r\nX-Amz-Mfa: m\r\nX-My-Auth: a").replace(b"POST /", b"POST /?X-Amz-Signature=s")
        received(server, secret[:1], secret[1:])
        received(server, secret)
        return sorted([*server.quick_reader._lines, *server.quick_reader._starts])  # type: ignore[attr-defined]

    assert asyncio.run(lines()) == [b"Connection: keep-alive", b"Content-Length: 3", b"Host: h", b"X-Amz-Date: d"]


def test_what_is_remembered_is_bounded() -> None:
    """Lines that nobody sends again do not fill the memory."""

    async def sizes() -> tuple[int, int]:
        server = Server(_handler, Clock())
        received(server, USUAL[:1], USUAL[1:])
        connection = Connection(server, _handler, "here")
        for number in range(5000):
            assert server.quick_reader.read(USUAL.replace(b"X-A: 1", b"X-A: %d" % number).replace(b"POST /", b"POST /%d" % number), connection) is not None
        return len(server.quick_reader._lines), len(server.quick_reader._starts)  # type: ignore[attr-defined]

    assert max(asyncio.run(sizes())) <= 4096
