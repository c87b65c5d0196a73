"""Responses of function URLs, made of what functions return or stream.

Source: AWS Lambda Developer Guide, "Invoking Lambda function URLs" and "Response streaming for Lambda functions".
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import orjson

from haneul.core.bodies import Begun
from haneul.core.http import HttpResponse
from haneul.services.lambda_.invoked import StreamedAnswer

_HOP_HEADERS = frozenset(("connection", "transfer-encoding", "keep-alive", "content-length", "upgrade", "trailer"))
_INTEGRATION_TYPE = "application/vnd.awslambda.http-integration-response"
_PRELUDE_END = b"\0" * 8
_PRELUDE_BYTES_MAX = 64 * 1024


class Refused(Exception):
    """A response that is not the function's."""

    def __init__(self, status: int, message: str, error_type: str = "") -> None:
        super().__init__(message)
        headers = {"Content-Type": "application/json"}
        if error_type:
            headers["x-amzn-ErrorType"] = error_type
        self.response = HttpResponse(status, headers, orjson.dumps({"Message": message}))


def bad_gateway() -> Refused:
    """The function failed, or its answer cannot be understood."""
    return Refused(502, "Internal Server Error")


def make_response(payload: bytes) -> HttpResponse:
    """A document with a `statusCode` says what to answer; anything else is the body itself, as JSON."""
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise bad_gateway() from None
    if not isinstance(document, dict) or "statusCode" not in document:
        body = document.encode() if isinstance(document, str) else payload
        return HttpResponse(200, {"Content-Type": "application/json"}, body)
    try:
        status, headers, cookies = _head_of(document, "application/json")
        body = document.get("body", "")
        if isinstance(body, str):
            data = b64decode(body, validate=True) if document.get("isBase64Encoded") is True else body.encode()
        else:
            data = orjson.dumps(body) if body is not None else b""
    except (TypeError, ValueError, AttributeError, binascii.Error):
        raise bad_gateway() from None
    return HttpResponse(status, headers, data, cookies)


def _head_of(document: dict[str, Any], content_type: str) -> tuple[int, dict[str, str], list[tuple[str, str]]]:
    """Status, headers and cookies that a function's document asks for; ValueError and its like when they make no sense."""
    status = int(document.get("statusCode", 200))
    if not 100 <= status <= 599:
        raise ValueError(status)
    given = document.get("headers") or {}
    headers = {str(name).lower(): _header_value(value) for name, value in given.items() if str(name).lower() not in _HOP_HEADERS}
    headers.setdefault("content-type", content_type)
    return status, headers, [("set-cookie", _header_value(cookie)) for cookie in document.get("cookies") or []]


def _header_value(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if "\r" in text or "\n" in text or "\0" in text:
        raise ValueError(text)
    return text


async def streamed_response(answer: StreamedAnswer) -> HttpResponse:
    """A response whose body goes out while the function writes it; its head comes from the answer's prelude, if it has one."""
    if not answer.begun:
        raise bad_gateway()
    chunks = aiter(answer)
    if answer.content_type.partition(";")[0] != _INTEGRATION_TYPE:
        return HttpResponse(200, {"content-type": answer.content_type or "application/octet-stream"}, _body(answer, chunks, b""))
    head = b""
    async for chunk in chunks:
        head += chunk
        if _PRELUDE_END in head or len(head) > _PRELUDE_BYTES_MAX:
            break
    prelude, separator, rest = head.partition(_PRELUDE_END)
    try:
        status, headers, cookies = _head_of(orjson.loads(prelude if separator else b""), "application/octet-stream")
    except (TypeError, ValueError, AttributeError):
        await answer.aclose()
        raise bad_gateway() from None
    return HttpResponse(status, headers, _body(answer, chunks, rest), cookies)


def _body(answer: StreamedAnswer, chunks: AsyncIterator[bytes], first: bytes) -> Begun:
    """The body of a streamed response. A function that fails on the way cuts it short, so that the client notices."""

    async def rest() -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk
        if (await answer.invoked()).failed:
            raise ConnectionAbortedError("the function failed in the middle of its answer")

    return Begun(first, rest(), answer.aclose)
