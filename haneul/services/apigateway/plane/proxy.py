"""Lambda proxy integrations: a request becomes an event, the function's answer becomes the response.

Source: API Gateway Developer Guide, "Lambda proxy integrations in API Gateway" and "Amazon API Gateway important notes".
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

import orjson

from haneul.core.http import HttpResponse
from haneul.core.ports import Shape
from haneul.services.apigateway.plane.exchange import Exchange
from haneul.services.apigateway.plane.invoking import FunctionFailed, Invoker
from haneul.services.apigateway.plane.refusals import malformed_answer

_MEMBERS: Final = frozenset(("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"))
# The gateway keeps these headers for itself; a function's come out under another name.
_REMAPPED: Final = frozenset(("connection", "content-length", "date", "server", "www-authenticate"))
_DROPPED: Final = frozenset(("transfer-encoding",))
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def event_bytes(exchange: Exchange) -> bytes:
    """The event as the function gets it."""
    event = exchange.event()
    body = exchange.body
    if not body:
        event["body"] = None
        event["isBase64Encoded"] = False
    elif exchange.stage.binary_types and exchange.stage.is_binary(exchange.header("content-type") or "application/json"):
        event["body"] = base64.b64encode(body).decode()
        event["isBase64Encoded"] = True
    else:
        event["body"] = body.decode("utf-8", "replace")
        event["isBase64Encoded"] = False
    return orjson.dumps(event)


async def invoke_proxy(exchange: Exchange, invoker: Invoker) -> HttpResponse:
    """Have the function answer the request."""
    stage, method = exchange.stage, exchange.method
    function = stage.function(method.integration["uri"], method.integration.get("credentials", ""))
    try:
        payload = await invoker.invoke(function, event_bytes(exchange), exchange.source_arn, stage.home, method.timeout)
    except FunctionFailed:
        raise malformed_answer() from None
    return response_of(exchange, payload)


def response_of(exchange: Exchange, payload: bytes) -> HttpResponse:
    """The response that a function's answer describes; refused with 502 when it describes none."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise malformed_answer() from None
    if type(answer) is not dict or not answer.keys() <= _MEMBERS:
        raise malformed_answer()
    headers = _Headers(answer)
    headers.first.setdefault("X-Amzn-Trace-Id", exchange.trace_id)
    return HttpResponse(_status(answer.get("statusCode")), headers.first, _body(exchange, answer), headers.repeated)


def _status(value: Any) -> int:
    if value is None:
        return 200
    try:
        status = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else -1
    except ValueError:
        status = -1
    if not 200 <= status <= 599:
        raise malformed_answer()
    return status


def _body(exchange: Exchange, answer: Shape) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise malformed_answer()
    if answer.get("isBase64Encoded") and exchange.stage.is_binary(_accepted(exchange)):
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise malformed_answer() from None
    return body.encode("utf-8", "surrogatepass")


def _accepted(exchange: Exchange) -> str:
    """The first media type that the client accepts decides whether it gets bytes."""
    return (exchange.header("accept") or "application/json").partition(",")[0]


class _Headers:
    """Headers of an answer, the repeated ones apart."""

    def __init__(self, answer: Shape) -> None:
        self.first: dict[str, str] = {}
        self.repeated: list[tuple[str, str]] = []
        single, multiple = answer.get("headers"), answer.get("multiValueHeaders")
        if single is not None:
            if type(single) is not dict:
                raise malformed_answer()
            for name, value in single.items():
                self._put(name, _text(value))
        if multiple is not None:
            if type(multiple) is not dict:
                raise malformed_answer()
            self._merge(multiple)
        if not any(name.lower() == "content-type" for name in self.first):
            self.first["Content-Type"] = "application/json"

    def _merge(self, multiple: dict[str, Any]) -> None:
        """Headers with several values: values that stand in both places come once."""
        for name, values in multiple.items():
            if not isinstance(values, list):
                raise malformed_answer()
            texts = [_text(value) for value in values]
            known = self.first.pop(name, None)
            for text in texts if known is None or known in texts else [known, *texts]:
                self._put(name, text)

    def _put(self, name: str, text: str) -> None:
        lower = name.lower()
        if lower in _DROPPED:
            return
        if lower in _REMAPPED:
            name = f"x-amzn-Remapped-{name}"
        if not _NAME.fullmatch(name) or "\r" in text or "\n" in text or "\0" in text:
            raise malformed_answer()
        if name in self.first:
            self.repeated.append((name, text))
        else:
            self.first[name] = text


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise malformed_answer()
