"""The codec of one service: it finds the protocol that a request speaks, and with it turns HTTP into shapes and shapes into HTTP."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any, Final

from zlib_ng.zlib_ng import crc32

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire.model import ServiceModel
from haneul.wire.protocols.base import Match, Protocol
from haneul.wire.protocols.ec2 import Ec2Protocol
from haneul.wire.protocols.json import JsonProtocol
from haneul.wire.protocols.query import QueryProtocol
from haneul.wire.protocols.rest_json import RestJsonProtocol
from haneul.wire.protocols.rest_xml import RestXmlProtocol
from haneul.wire.protocols.rpc_v2_cbor import RpcV2CborProtocol
from haneul.wire.validate import Validator

__all__ = ["Match", "ServiceCodec"]

_KINDS: Final[dict[str, Callable[[ServiceModel, Quirks], Protocol]]] = {
    "json": JsonProtocol,
    "query": QueryProtocol,
    "ec2": Ec2Protocol,
    "rest-json": RestJsonProtocol,
    "rest-xml": RestXmlProtocol,
    "smithy-rpc-v2-cbor": RpcV2CborProtocol,
}

GZIP_BYTES_MIN: Final = 1024
# Named, and not with the weight 0, which means that it is not wanted (RFC 9110, "Accept-Encoding").
_TAKES_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)


class ServiceCodec:
    """HTTP to shapes and back for one service.

    Parameters come out boto3-style: blobs are bytes, timestamps integers (nanoseconds since the epoch), a streaming body is the request's
    stream or bytes. Outputs go in the same way; a streaming payload may be bytes, a FileBody or an async iterator; members of JSON answers
    may be `Raw`. Idempotency tokens that a client left out stay out: making them is the clients' part, and nobody could repeat one that is made here.
    `gzip_answers` compresses large answers for clients that ask for it; by default the services whose answers carry CRC32 sums do (DynamoDB).
    """

    def __init__(self, model: ServiceModel, quirks: Quirks, *, gzip_answers: bool | None = None) -> None:
        self.model = model
        self.quirks = quirks
        self._crc32 = quirks.crc32
        self._gzip_answers = quirks.crc32 if gzip_answers is None else gzip_answers
        self._protocols = {name: _KINDS[name](model, quirks) for name in model.protocols if name in _KINDS}
        self._default = next(iter(self._protocols.values()))
        self._json = self._protocols.get("json")
        self._cbor = self._protocols.get("smithy-rpc-v2-cbor")
        self._query = self._protocols.get("query")
        self._validator = Validator(model, quirks)

    def protocol_of(self, request: HttpRequest) -> Protocol:
        """The protocol that a request speaks, as far as its headers, path and form tell."""
        if len(self._protocols) == 1:
            return self._default
        headers = request.headers
        if self._json is not None and "x-amz-target" in headers:
            return self._json
        if self._cbor is not None and (headers.get("smithy-protocol") == "rpc-v2-cbor" or "/operation/" in request.path):
            return self._cbor
        if self._query is not None and (
            headers.get("content-type", "").startswith("application/x-www-form-urlencoded") or "Action=" in request.query or request.body.startswith(b"Action=")
        ):
            return self._query
        return self._json or self._default

    def match(self, request: HttpRequest) -> Match:
        """The operation that a request names, its protocol and the values in its path; ServiceError (UnknownOperationException …) when there is none."""
        return self.protocol_of(request).match(request)

    def parse(self, matched: Match, request: HttpRequest) -> dict[str, Any]:
        """The request's parameters; SerializationError when its bytes do not fit the operation's shape."""
        try:
            return matched.protocol.parse(matched, request)
        except RecursionError:
            raise SerializationError("The request is nested too deeply") from None

    def validate(self, operation: str, params: dict[str, Any]) -> None:
        """Check parameters against the model's constraints; raises the service's validation error."""
        self._validator.validate_operation(operation, params)

    def serialize(self, matched: Match, output: dict[str, Any] | None, request_id: str, request: HttpRequest) -> HttpResponse:
        """The response for an operation's output. KeyError when the output has members that the model does not know."""
        response = matched.protocol.serialize(matched, output or {}, request_id, request)
        return self._finish(response, request) if self._crc32 or self._gzip_answers else response

    def error(self, matched: Match | None, error: ServiceError | SerializationError, request_id: str, request: HttpRequest) -> HttpResponse:
        """The response for an error, in the shape of the protocol that the request speaks. `matched` is None when no operation was found."""
        if isinstance(error, SerializationError):
            error = ServiceError(self.quirks.serialization_code, error.message, 400)
        protocol = matched.protocol if matched is not None else self.protocol_of(request)
        response = protocol.error(matched, error, request_id, request)
        return self._finish(response, request) if self._crc32 else response

    def _finish(self, response: HttpResponse, request: HttpRequest) -> HttpResponse:
        body = response.body
        if isinstance(body, bytes):
            if self._gzip_answers and len(body) >= GZIP_BYTES_MIN and _TAKES_GZIP.search(request.headers.get("accept-encoding", "")):
                body = response.body = gzip.compress(body, 1, mtime=0)
                response.headers["content-encoding"] = "gzip"
            if self._crc32:
                response.headers["x-amz-crc32"] = str(crc32(body))
        return response
