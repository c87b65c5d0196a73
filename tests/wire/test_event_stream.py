"""Event streams: the framing, and the streams of Lambda, S3 and Logs as botocore reads them."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
from botocore.awsrequest import HeadersDict
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import EventStreamError
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpResponse
from haneul.wire.protocols.event_stream import EventStreamReader, Timestamp, Uuid, decode_message, encode_message
from tests.wire.oracle import client_model, client_request, codec

HEADERS = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=10),
    st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.binary(max_size=20) | st.text(max_size=20),
    max_size=5,
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(headers=HEADERS, payload=st.binary(max_size=200))
def test_messages_survive_the_way_out_and_in(headers: dict[str, Any], payload: bytes) -> None:
    """Because both ends of the framing must agree, with botocore's decoder as a third opinion."""
    data = encode_message(headers, payload)
    decoded = decode_message(data)
    assert decoded is not None
    assert (decoded[0].headers, decoded[0].payload, decoded[1]) == (headers, payload, len(data))
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    (message,) = list(buffer)
    assert message.headers == headers and message.payload == payload


def test_times_and_uuids_in_headers() -> None:
    """Because these two header types have no Python type of their own."""
    headers = {"at": Timestamp(1_700_000_000_123_000_000), "id": Uuid(bytes(range(16)))}
    decoded = decode_message(encode_message(headers))
    assert decoded is not None and decoded[0].headers == headers and isinstance(decoded[0].headers["at"], Timestamp)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(at=st.integers(0, 59), bit=st.integers(0, 7))
def test_a_damaged_message_is_refused(at: int, bit: int) -> None:
    """Because every bit of a message is under one of the two sums."""
    data = bytearray(encode_message({"name": "value", "n": 5}, b"payload" * 4))
    at %= len(data)
    data[at] ^= 1 << bit
    with pytest.raises(SerializationError):
        decode_message(bytes(data))


def test_messages_cut_anywhere_are_put_together() -> None:
    """Because a stream arrives in pieces that know nothing of messages."""
    data = encode_message({"a": 1}, b"one") + encode_message({}, b"") + encode_message({"b": True}, b"three")
    reader = EventStreamReader()
    found = [message.payload for start in range(0, len(data), 5) for message in reader.feed(data[start : start + 5])]
    assert found == [b"one", b"", b"three"] and reader.pending == 0


def test_headers_that_lie_about_their_length_are_refused() -> None:
    """Because the sums are right when the client itself made the lie."""
    for packed in (b"\x05ab", b"\x01a\x07\x00\x09xy", b"\x01a\x0c", b"\x01a\x09\x00", b"\x00\x00", b"\x01a\x00\x01a\x00"):
        lengths = (16 + len(packed)).to_bytes(4, "big") + len(packed).to_bytes(4, "big")
        body = lengths + zlib.crc32(lengths).to_bytes(4, "big") + packed
        with pytest.raises(SerializationError):
            decode_message(body + zlib.crc32(body).to_bytes(4, "big"))


class Received:
    """A response's stream as botocore expects it from its HTTP library."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def stream(self) -> Iterator[bytes]:
        yield from self.chunks

    def close(self) -> None:
        pass


async def read(service: str, operation: str, protocol: str, response: HttpResponse) -> dict[str, Any]:
    headers = HeadersDict()
    for name, value in response.headers.items():
        headers[name] = value
    assert isinstance(response.body, AsyncIterator)
    body = Received([chunk async for chunk in response.body])
    shape = client_model(service, protocol).operation_model(operation).output_shape
    context = {"operation_name": operation}
    parsed: dict[str, Any] = create_parser(protocol).parse({"headers": headers, "body": body, "status_code": response.status, "context": context}, shape)
    return parsed


async def events_of(*events: dict[str, Any], error: ServiceError | None = None) -> AsyncIterator[dict[str, Any]]:
    for event in events:
        yield event
    if error is not None:
        raise error


async def test_lambda_streams_its_response() -> None:
    """Because InvokeWithResponseStream sends raw payload chunks and a JSON event at the end, and the rest in headers."""
    request = client_request("lambda", "InvokeWithResponseStream", {"FunctionName": "f", "Payload": b"{}"}, "rest-json")
    subject = codec("lambda")
    matched = subject.match(request)
    stream = events_of({"PayloadChunk": {"Payload": b"one\xff"}}, {"PayloadChunk": {"Payload": b""}}, {"InvokeComplete": {"LogResult": "bG9n"}})
    output = {"StatusCode": 200, "ExecutedVersion": "$LATEST", "ResponseStreamContentType": "application/vnd.amazon.eventstream", "EventStream": stream}
    parsed = await read("lambda", "InvokeWithResponseStream", "rest-json", subject.serialize(matched, output, "id", request))
    assert parsed["ExecutedVersion"] == "$LATEST"
    assert list(parsed["EventStream"]) == [
        {"PayloadChunk": {"Payload": b"one\xff"}},
        {"PayloadChunk": {"Payload": b""}},
        {"InvokeComplete": {"LogResult": "bG9n"}},
    ]


async def test_s3_select_streams_records_and_xml_statistics() -> None:
    """Because S3's events carry XML where Lambda's carry JSON, and some carry nothing."""
    params = {
        "Bucket": "b",
        "Key": "k",
        "Expression": "SELECT *",
        "ExpressionType": "SQL",
        "InputSerialization": {"CSV": {}},
        "OutputSerialization": {"CSV": {}},
    }
    request = client_request("s3", "SelectObjectContent", params, "rest-xml")
    subject = codec("s3")
    stream = [{"Records": {"Payload": b"a,b\n"}}, {"Stats": {"Details": {"BytesScanned": 4, "BytesReturned": 3}}}, {"Cont": {}}, {"End": {}}]
    response = subject.serialize(subject.match(request), {"Payload": stream}, "id", request)
    parsed = await read("s3", "SelectObjectContent", "rest-xml", response)
    assert list(parsed["Payload"]) == stream


async def test_logs_begins_with_the_initial_response_and_ends_with_an_exception() -> None:
    """Because the JSON protocol puts the other members into a first message, and errors in mid-stream are the last one."""
    request = client_request("logs", "StartLiveTail", {"logGroupIdentifiers": ["arn:aws:logs:us-east-1:000000000000:log-group:g"]}, "json")
    subject = codec("logs")
    session = {"sessionStart": {"requestId": "r", "sessionId": "s"}}
    update = {"sessionUpdate": {"sessionResults": [{"message": "m", "timestamp": 1}]}}
    stream = events_of(session, update, error=ServiceError("SessionTimeoutException", "too long"))
    response = subject.serialize(subject.match(request), {"responseStream": stream}, "id", request)
    parsed = await read("logs", "StartLiveTail", "json", response)
    events = iter(parsed["responseStream"])
    assert [next(events), next(events)] == [session, update]
    with pytest.raises(EventStreamError, match="too long"):
        next(events)


async def test_unmodelled_errors_in_a_stream_keep_code_and_message() -> None:
    """Because the format has a plain error message for what the stream's shape does not know."""
    request = client_request("logs", "StartLiveTail", {"logGroupIdentifiers": ["x"]}, "json")
    subject = codec("logs")
    response = subject.serialize(subject.match(request), {"responseStream": events_of(error=ServiceError("Odd", "why"))}, "id", request)
    assert isinstance(response.body, AsyncIterator)
    reader = EventStreamReader()
    messages = [message for chunk in [chunk async for chunk in response.body] for message in reader.feed(chunk)]
    assert messages[0].headers[":event-type"] == "initial-response" and orjson.loads(messages[0].payload) == {}
    assert messages[1].headers == {":message-type": "error", ":error-code": "Odd", ":error-message": "why"}
