"""botocore as the client of the wire: it writes the requests that the codec reads, and reads the responses that the codec writes."""

from __future__ import annotations

import copy
import gzip
import io
import os
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import botocore
import botocore.model
import orjson
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire import ServiceCodec, load_service
from haneul.wire.sqs_query import overlay_sqs

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOST = "aws.example.com"


@cache
def client_model(service: str, protocol: str) -> botocore.model.ServiceModel:
    """botocore's own reading of a service model. For SQS in the query protocol its model gets that protocol's names."""
    folder = Path(os.path.dirname(botocore.__file__)) / "data" / service
    path = sorted(folder.glob("*/service-2.json.gz"))[-1]
    description = orjson.loads(gzip.decompress(path.read_bytes()))
    if service == "sqs" and protocol == "query":
        overlay_sqs(description)
        for shape in description["shapes"].values():
            for part in (shape, shape.get("member", {}), shape.get("key", {}), shape.get("value", {})):
                if "queryName" in part:
                    part["locationName"] = part.pop("queryName")
            if "queryError" in shape:
                shape["error"] = shape.pop("queryError")
        for name, operation in description["operations"].items():
            if "output" in operation:
                operation["output"]["resultWrapper"] = f"{name}Result"
    return botocore.model.ServiceModel(description, service)


@cache
def codec(service: str) -> ServiceCodec:
    """The codec of a service without any quirks."""
    return ServiceCodec(load_service(service), Quirks())


@cache
def _serializer(protocol: str) -> Any:
    return create_serializer(protocol, include_validation=False)


@cache
def _parser(protocol: str) -> Any:
    return create_parser(protocol)


def client_request(service: str, operation: str, params: dict[str, Any], protocol: str) -> HttpRequest:
    """The request that botocore sends for an operation."""
    model = client_model(service, protocol).operation_model(operation)
    prepared_dict = _serializer(protocol).serialize_to_request(copy.deepcopy(params), model)
    prepare_request_dict(prepared_dict, endpoint_url=f"http://{HOST}", context={})
    prepared = create_request_object(prepared_dict).prepare()
    target = prepared.url.removeprefix("http://").partition("/")[2]
    host = prepared.url.removeprefix("http://").partition("/")[0]
    path, _, query = ("/" + target).partition("?")
    headers: dict[str, str] = {"host": host}
    for name, value in prepared.headers.items():
        headers[name.lower()] = value.decode() if isinstance(value, bytes) else str(value)
    body = prepared.body or b""
    if hasattr(body, "read"):
        body = body.read()
    return HttpRequest(prepared.method, path, query, headers, body.encode() if isinstance(body, str) else bytes(body))


def client_response(service: str, operation: str, response: HttpResponse, protocol: str) -> dict[str, Any]:
    """What botocore makes of a response."""
    model = client_model(service, protocol).operation_model(operation)
    headers = HeadersDict()
    for name, value in response.headers.items():
        headers[name] = value
    assert isinstance(response.body, bytes)
    body: Any = response.body
    if model.has_streaming_output and response.status < 300:
        body = io.BytesIO(body)
    parsed = _parser(protocol).parse(
        {"headers": headers, "body": body, "status_code": response.status, "context": {"operation_name": operation}}, model.output_shape
    )
    if hasattr(body, "read"):
        parsed = {name: value.read() if value is body else value for name, value in parsed.items()}
    return parsed  # type: ignore[no-any-return]


def inside(value: Any) -> Any:
    """Client-style values as they are inside: times as nanoseconds."""
    if isinstance(value, datetime):
        since = value - EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    if isinstance(value, Mapping):
        return {key: inside(item) for key, item in value.items()}
    if isinstance(value, list):
        return [inside(item) for item in value]
    return value


def pruned(value: Any) -> Any:
    """A value without its empty parts: not every protocol can tell an empty list from none."""
    if isinstance(value, Mapping):
        parts = {key: pruned(item) for key, item in value.items()}
        return {key: item for key, item in parts.items() if item is not None and item not in ({}, [], b"", "")}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


class Values:
    """Random values that fit botocore's shapes, made from a seed."""

    TEXTS = ("a", "Hello world", "x&y<z>\"'", "ünïcødé 하늘", "tab\tnew\nline", "100%+ok?=;/#", "{json: [1]}", "0", "true")
    PLAIN = ("a", "Hello", "x-y_z.1", "100", "t", "some/thing", "a b+c%20d", "arn:aws:x:y::z/*")

    def __init__(self, seed: int, protocol: str, *, output: bool) -> None:
        self.random = random.Random(seed)
        self.protocol = protocol
        self.output = output

    def structure(self, shape: Any, depth: int = 0, parents: tuple[str, ...] = ()) -> dict[str, Any]:
        members = dict(shape.members)
        if shape.is_document_type:
            return {"any": [1, "two", {"three": None}]}
        if getattr(shape, "is_tagged_union", False):
            chosen = self.random.choice(sorted(members))
            return {chosen: self.value(members[chosen], depth + 1, parents)}
        result = {}
        for name, member in members.items():
            if member.serialization.get("eventstream"):
                continue
            required = name in shape.required_members or member.serialization.get("location") == "uri"
            if member.name in parents or (depth > 4 and not required):
                continue
            if required or self.random.random() < (0.6 if depth < 2 else 0.3):
                result[name] = self.value(member, depth + 1, parents)
        if not result and depth:  # The form protocols cannot carry an empty structure.
            for name in sorted(members, key=lambda name: (members[name].type_name in ("structure", "list", "map"), name)):
                made = self.value(members[name], depth + 1, parents)
                if made not in ([], {}):
                    return {name: made}
        return result

    def value(self, shape: Any, depth: int, parents: tuple[str, ...]) -> Any:
        parents = (*parents, shape.name)
        location = shape.serialization.get("location")
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, depth, parents)
        if kind == "list":
            if shape.member.name in parents:
                return []
            return [
                self.located(shape.member, location) if location else self.value(shape.member, depth + 1, parents) for _ in range(self.random.randint(1, 3))
            ]
        if kind == "map":
            if shape.value.name in parents:
                return {}
            if location == "headers":
                return {f"k{n}": self.random.choice(("v", "w x", "1,2")) for n in range(self.random.randint(1, 2))}
            keys = shape.key.enum or [f"key {n} & é" for n in range(3)]
            return {self.random.choice(keys): self.value(shape.value, depth + 1, parents) for _ in range(self.random.randint(1, 2))}
        return self.located(shape, location)

    def located(self, shape: Any, location: str | None) -> Any:
        kind = shape.type_name
        if kind == "string":
            if shape.enum:
                return self.random.choice(shape.enum)
            if shape.serialization.get("hostLabel"):
                return "a-host.name"
            if location == "header":
                return self.random.choice(("a", "b c", "x;y=z", "W/12"))
            if location == "uri":
                return self.random.choice(self.PLAIN)
            return self.random.choice(self.TEXTS) + str(self.random.randint(0, 99))
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind in ("integer", "long"):
            if location == "statusCode":
                return 200
            return self.random.choice((0, 1, -1, 5, 1000, 2**31 - 1, -(2**31)) if kind == "integer" else (0, 7, -3, 2**53 - 1, 2**40))
        if kind in ("float", "double"):
            numbers = [0.0, 1.5, -2.25, 1e10, 3.0]
            if not (self.output and self.protocol.endswith("json")):  # botocore does not read these from JSON.
                numbers += [float("inf"), float("-inf")]
            return self.random.choice(numbers)
        if kind == "timestamp":
            return self.timestamp(shape, location)
        if kind == "blob":
            return bytes(self.random.randrange(256) for _ in range(self.random.randint(0, 5)))
        raise AssertionError(kind)

    def timestamp(self, shape: Any, location: str | None) -> datetime:
        seconds = self.random.choice((0, 1_700_000_000, 1_234_567_890, 4_000_000_000))
        whole = location in ("header",) or shape.serialization.get("timestampFormat") == "rfc822"
        return EPOCH + timedelta(seconds=seconds, milliseconds=0 if whole else self.random.choice((0, 1, 500, 999)))
