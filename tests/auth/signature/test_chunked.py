"""`aws-chunked` bodies: signed chunks, trailing headers, and what can be done to them on the way."""

from __future__ import annotations

import base64
import hmac
import zlib
from collections.abc import AsyncIterator
from functools import reduce
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.auth.signature.canonical import string_to_sign
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from tests.auth.signature.support import KEY, SECRET, Bench, read

STAMP = "20130524T000000Z"
SCOPE = "20130524/us-east-1/s3/aws4_request"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = SIGNED + "-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
EMPTY = sha256(b"").hexdigest()
SIGNING_KEY = reduce(lambda key, part: hmac.digest(key, part, "sha256"), (b"20130524", b"us-east-1", b"s3", b"aws4_request"), b"AWS4" + SECRET.encode())


def hmac_hex(text: str) -> str:
    return hmac.new(SIGNING_KEY, text.encode(), sha256).hexdigest()


class Upload:
    """An upload in chunks, encoded from the documentation's description alone."""

    def __init__(self, chunks: list[bytes], mode: str = SIGNED, trailers: dict[str, str] | None = None) -> None:
        self.mode = mode
        self.headers = {
            "host": "s3.amazonaws.com",
            "content-encoding": "aws-chunked",
            "x-amz-content-sha256": mode,
            "x-amz-date": STAMP,
            "x-amz-decoded-content-length": str(sum(map(len, chunks))),
        }
        if trailers:
            self.headers["x-amz-trailer"] = ",".join(trailers)
        self.seed = self.sign_head()
        self.parts: list[bytes] = []
        self.last = self.seed
        for chunk in [*chunks, b""]:
            self.last = self.sign_chunk(chunk)
            signature = f";chunk-signature={self.last}" if mode.startswith("STREAMING-AWS4") else ""
            self.parts.append(f"{len(chunk):x}{signature}\r\n".encode() + chunk + (b"\r\n" if chunk else b""))
        self.parts.append(self.encode_trailers(trailers or {}))

    def sign_head(self) -> str:
        names = ";".join(sorted(self.headers))
        lines = "".join(f"{name}:{self.headers[name]}\n" for name in sorted(self.headers))
        canonical = f"PUT\n/b/k\n\n{lines}\n{names}\n{self.mode}"
        signature = hmac_hex(string_to_sign(STAMP, SCOPE, canonical))
        self.headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={KEY}/{SCOPE}, SignedHeaders={names}, Signature={signature}"
        return signature

    def sign_chunk(self, chunk: bytes) -> str:
        return hmac_hex(f"AWS4-HMAC-SHA256-PAYLOAD\n{STAMP}\n{SCOPE}\n{self.last}\n{EMPTY}\n{sha256(chunk).hexdigest()}")

    def encode_trailers(self, trailers: dict[str, str]) -> bytes:
        lines = [f"{name}:{value}" for name, value in trailers.items()]
        if self.mode == SIGNED_TRAILER:
            digest = sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
            lines.append("x-amz-trailer-signature:" + hmac_hex(f"AWS4-HMAC-SHA256-TRAILER\n{STAMP}\n{SCOPE}\n{self.last}\n{digest}"))
        return "".join(line + "\r\n" for line in lines).encode() + b"\r\n"

    def request(self, body: bytes | None = None) -> HttpRequest:
        return HttpRequest("PUT", "/b/k", "", dict(self.headers), b"".join(self.parts) if body is None else body)


class Pieces:
    """A body that arrives in pieces of some size."""

    def __init__(self, data: bytes, size: int) -> None:
        self.length = len(data)
        self._data = data
        self._size = size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._data), self._size):
            yield self._data[at : at + self._size]


async def outcome(bench: Bench, request: HttpRequest) -> str:
    """The code of the error that reading the body ends with; "" when there is none."""
    try:
        bench.who(request, "s3")
        await read(request)
    except ServiceError as error:
        return error.code
    return ""


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


DATA = bytes(range(256)) * 64  # Two chunks of 8 KB: smaller ones may only come last.
CHUNKS = [DATA[:8192], DATA[8192:]]
TRAILERS = {"x-amz-checksum-crc32": crc32(DATA)}


# ---- the documentation's examples, with their published signatures

EXAMPLE_CHUNKED = (
    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ],
    b"",
)
EXAMPLE_TRAILER = (
    "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ],
    b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
)


@pytest.mark.parametrize(("names", "seed", "signatures", "trailer"), [EXAMPLE_CHUNKED, EXAMPLE_TRAILER])
async def test_the_documentations_examples(bench: Bench, names: str, seed: str, signatures: list[str], trailer: bytes) -> None:
    """Because "Transferring Payload in Multiple Chunks" and "Including Trailing Headers" publish these signatures."""
    first, second, last = (f";chunk-signature={one}\r\n".encode() for one in signatures)
    body = b"10000" + first + b"a" * 65536 + b"\r\n400" + second + b"a" * 1024 + b"\r\n0" + last + trailer + b"\r\n"
    headers = {
        "host": "s3.amazonaws.com",
        "x-amz-date": STAMP,
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "x-amz-content-sha256": SIGNED_TRAILER if trailer else SIGNED,
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "content-length": "66824",
        "authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/{SCOPE},SignedHeaders={names},Signature={seed}",
    }
    if trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32c"
    request = HttpRequest("PUT", "/examplebucket/chunkObject.txt", "", headers, body)
    bench.who(request, "s3")
    assert request.stream is not None and request.stream.length == 66560
    assert await read(request) == b"a" * 66560
    assert getattr(request.stream, "trailers", None) == ({"x-amz-checksum-crc32c": "sOO8/Q=="} if trailer else {})


# ---- what is sent well is read

UPLOADS = {
    "signed": lambda: Upload(CHUNKS),
    "signed with trailer": lambda: Upload(CHUNKS, SIGNED_TRAILER, TRAILERS),
    "trailer only": lambda: Upload(CHUNKS, UNSIGNED_TRAILER, TRAILERS),
}


@pytest.mark.parametrize("kind", UPLOADS)
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
async def test_however_the_network_cuts_it(bench: Bench, kind: str, size: int) -> None:
    """Because TCP knows nothing of chunks."""
    upload = UPLOADS[kind]()
    request = upload.request(b"")
    request.stream = Pieces(b"".join(upload.parts), size)
    bench.who(request, "s3")
    assert await read(request) == DATA


@pytest.mark.parametrize("kind", UPLOADS)
async def test_large_chunks_pass_through(bench: Bench, kind: str) -> None:
    """Because a chunk may be as large as an object, and is not held in memory then; its signature counts all the same."""
    data = b"x" * (5 << 20)
    mode = {"signed": SIGNED, "signed with trailer": SIGNED_TRAILER}.get(kind, UNSIGNED_TRAILER)
    upload = Upload([data], mode, {} if mode == SIGNED else TRAILERS)
    request = upload.request(b"")
    request.stream = Pieces(b"".join(upload.parts), 1 << 18)
    bench.who(request, "s3")
    assert await read(request) == data
    if mode != UNSIGNED_TRAILER:
        changed = b"".join(upload.parts).replace(b"xxx", b"xyx", 1)
        assert await outcome(bench, upload.request(changed)) == "SignatureDoesNotMatch"


async def test_an_empty_body_in_chunks(bench: Bench) -> None:
    """Because empty objects exist."""
    for mode in (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER):
        upload = Upload([], mode, {} if mode == SIGNED else {"x-amz-checksum-crc32": crc32(b"")})
        assert await outcome(bench, upload.request()) == ""


# ---- what is changed on the way is found out


def swapped(parts: list[bytes]) -> list[bytes]:
    return [parts[1], parts[0], *parts[2:]]


CHANGES = {
    "a byte of the first chunk": (lambda parts: [parts[0].replace(b"\x01\x02", b"\x01\x03", 1), *parts[1:]], "SignatureDoesNotMatch"),
    "chunks swapped": (swapped, "SignatureDoesNotMatch"),
    "a chunk left out": (lambda parts: parts[1:], "SignatureDoesNotMatch"),
    "a chunk twice": (lambda parts: [parts[0], *parts], "SignatureDoesNotMatch"),
    "the last chunk left out": (lambda parts: parts[:2], "IncompleteBody"),
    "ended early": (lambda parts: [parts[0], *parts[2:]], "SignatureDoesNotMatch"),
    "cut in a chunk": (lambda parts: [parts[0][:500]], "IncompleteBody"),
    "cut in a header": (lambda parts: [parts[0], parts[1][:20]], "IncompleteBody"),
    "nothing at all": (lambda parts: [], "IncompleteBody"),
    "no line break behind a chunk": (lambda parts: [parts[0][:-2] + b"xx", *parts[1:]], "InvalidRequest"),
    "no chunk signature": (lambda parts: [b"2000\r\n" + parts[0].partition(b"\r\n")[2], *parts[1:]], "InvalidRequest"),
    "an empty chunk signature": (lambda parts: [b"2000;chunk-signature=\r\n" + parts[0].partition(b"\r\n")[2], *parts[1:]], "InvalidRequest"),
    "a chunk signature that is no text": (lambda parts: [b"2000;chunk-signature=\xe9\r\n" + parts[0].partition(b"\r\n")[2], *parts[1:]], "SignatureDoesNotMatch"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_changed_chunks_are_refused(bench: Bench, change: str) -> None:
    """Because each chunk's signature covers its bytes and all that went before."""
    upload = Upload(CHUNKS)
    edit, code = CHANGES[change]
    assert await outcome(bench, upload.request(b"".join(edit(upload.parts)))) == code


@pytest.mark.parametrize("size", ["", "g", "-1", "+8", "0x2000", "2_0", " 2000", "2000 ", "\u00b2", "f" * 17, "f" * 5000])
@pytest.mark.parametrize("mode", [SIGNED, UNSIGNED_TRAILER])
async def test_chunk_sizes_are_plain_hexadecimal(bench: Bench, mode: str, size: str) -> None:
    """Because whoever reads a size otherwise than the proxy before it can be fooled about where a request ends."""
    upload = Upload(CHUNKS, mode, TRAILERS if mode == UNSIGNED_TRAILER else None)
    body = size.encode("latin-1") + b";chunk-signature=" + b"0" * 64 + b"\r\n" + b"x" * 100
    assert await outcome(bench, upload.request(body)) in ("InvalidRequest", "IncompleteBody")


async def test_a_huge_chunk_is_refused_before_it_comes(bench: Bench) -> None:
    """Because more than was announced is never held."""
    upload = Upload(CHUNKS)
    assert await outcome(bench, upload.request(b"ffffffffff;chunk-signature=" + b"0" * 64 + b"\r\n")) == "IncompleteBody"


@pytest.mark.parametrize("length", [0, len(DATA) - 1, len(DATA) + 1])
@pytest.mark.parametrize("mode", [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER])
async def test_the_announced_length_must_be_right(bench: Bench, mode: str, length: int) -> None:
    """Because storage is reserved, and quotas are kept, by what was announced."""
    upload = Upload(CHUNKS, mode, None if mode == SIGNED else TRAILERS)
    upload.headers["x-amz-decoded-content-length"] = str(length)
    del upload.headers["authorization"]
    upload.last = upload.seed = upload.sign_head()
    again = Upload(CHUNKS, mode, None if mode == SIGNED else TRAILERS)
    again.headers, again.last, again.parts = upload.headers, upload.seed, []
    for chunk in [*CHUNKS, b""]:
        again.last = again.sign_chunk(chunk)
        signature = f";chunk-signature={again.last}" if mode != UNSIGNED_TRAILER else ""
        again.parts.append(f"{len(chunk):x}{signature}\r\n".encode() + chunk + (b"\r\n" if chunk else b""))
    again.parts.append(again.encode_trailers({} if mode == SIGNED else TRAILERS))
    assert await outcome(bench, again.request()) == "IncompleteBody"


@pytest.mark.parametrize("length", [None, "", "x", "-1", "1.5", "\u00b2", "9" * 5000])
async def test_the_length_must_be_announced(bench: Bench, length: str | None) -> None:
    """Because a chunked body says nothing of its length itself (S3: MissingContentLength, 411)."""
    upload = Upload(CHUNKS)
    del upload.headers["x-amz-decoded-content-length"], upload.headers["authorization"]
    if length is not None:
        upload.headers["x-amz-decoded-content-length"] = length
    upload.sign_head()
    assert bench.refusal(upload.request(), "s3")[:2] == ("MissingContentLength", 411)


async def test_only_the_last_chunk_may_be_small(bench: Bench) -> None:
    """Because S3 bounds the work that signatures make: 8 KB a chunk at least."""
    assert await outcome(bench, Upload([b"x" * 8191]).request()) == ""
    assert await outcome(bench, Upload([b"x" * 8191, b"y"]).request()) == "InvalidChunkSizeError"


# ---- trailers

TRAILER_CHANGES = {
    "a changed checksum": (lambda text: text.replace(b"crc32:", b"crc32:A"), "SignatureDoesNotMatch"),
    "a changed signature": (lambda text: text.replace(b"signature:", b"signature:0"), "SignatureDoesNotMatch"),
    "no signature": (lambda text: text[: text.index(b"x-amz-trailer-signature")] + b"\r\n", "MalformedTrailerError"),
    "nothing": (lambda text: b"\r\n", "MalformedTrailerError"),
    "cut off": (lambda text: b"", "MalformedTrailerError"),
    "more behind the signature": (lambda text: text[:-2] + b"x-amz-more:1\r\n\r\n", "MalformedTrailerError"),
    "more before it": (lambda text: b"x-amz-more:1\r\n" + text, "SignatureDoesNotMatch"),
    "no colon": (lambda text: b"nonsense\r\n" + text, "MalformedTrailerError"),
    "far too much": (lambda text: b"x-amz-more:1\r\n" * 20_000 + text, "MalformedTrailerError"),
}


@pytest.mark.parametrize("change", TRAILER_CHANGES)
async def test_changed_trailers_are_refused(bench: Bench, change: str) -> None:
    """Because a signed upload's checksum is signed too, and may not be stripped off either."""
    upload = Upload(CHUNKS, SIGNED_TRAILER, TRAILERS)
    edit, code = TRAILER_CHANGES[change]
    assert await outcome(bench, upload.request(b"".join(upload.parts[:-1]) + edit(upload.parts[-1]))) == code


async def test_modes_that_are_not_built_say_so(bench: Bench) -> None:
    """Because nothing is read unverified: the asymmetric signatures are refused by name."""
    upload = Upload(CHUNKS)
    upload.mode = upload.headers["x-amz-content-sha256"] = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    del upload.headers["authorization"]
    upload.sign_head()
    assert bench.refusal(upload.request(), "s3")[:2] == ("NotImplemented", 501)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(at=st.integers(0, 1 << 20), change=st.integers(1, 255))
async def test_no_byte_of_a_signed_upload_can_be_changed(tmp_path_factory: pytest.TempPathFactory, at: int, change: int) -> None:
    """Because every byte of the decoded body is signed; a change elsewhere may at most change how the same bytes are cut."""
    bench = Bench(tmp_path_factory.getbasetemp())
    upload = Upload([b"a" * 8192, b"b" * 100], SIGNED_TRAILER, {"x-amz-checksum-crc32": "AAAAAA=="})
    body = bytearray(b"".join(upload.parts))
    body[at % len(body)] ^= change
    request = upload.request(bytes(body))
    try:
        bench.who(request, "s3")
        data = await read(request)
    except ServiceError:
        return
    assert data == b"a" * 8192 + b"b" * 100 and getattr(request.stream, "trailers", None) == {"x-amz-checksum-crc32": "AAAAAA=="}


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(body=st.binary(max_size=300))
async def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    """Because the body comes from outside: only errors that a client may see are allowed."""
    bench = Bench(tmp_path_factory.getbasetemp())
    for upload in (Upload(CHUNKS), Upload(CHUNKS, UNSIGNED_TRAILER, TRAILERS)):
        assert await outcome(bench, upload.request(body)) != ""


def test_the_bench_is_apart_from_the_verifier(tmp_path: Path) -> None:
    """Because a test that computes with the code under test proves nothing: the chunk signatures here are made by hmac alone."""
    upload = Upload([b"x"])
    text = f"AWS4-HMAC-SHA256-PAYLOAD\n{STAMP}\n{SCOPE}\n{upload.seed}\n{EMPTY}\n{sha256(b'x').hexdigest()}"
    assert upload.parts[0].startswith(f"1;chunk-signature={hmac_hex(text)}\r\n".encode())
