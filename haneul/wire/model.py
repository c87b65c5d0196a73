"""Service models: what botocore's JSON descriptions say of a service, its operations and its shapes.

The models are read straight from botocore's data folder (without importing botocore, which would cost a quarter of the start-up time)
and unfolded lazily: an operation or shape that nobody uses is never looked at. Documentation is dropped, to save memory.
"""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson

from haneul.wire.sqs_query import overlay_sqs

Definition = dict[str, Any]

# What a reference to a shape may say without changing how the shape is read or written; dropping it lets references share one Shape.
_WIRE_NEUTRAL = frozenset({"shape", "documentation", "box", "deprecated", "deprecatedMessage", "deprecatedSince", "contextParam", "sensitive"})


class Shape:
    """A shape as one place of the model refers to it: the shape's own traits, with those of the reference on top.

    `type` is structure, list, map, string, blob, boolean, integer, long, float, double, timestamp … `traits` holds everything that the
    model says (locationName, flattened, timestampFormat, enum, min, max, pattern …). Recursive shapes refer to themselves.
    """

    def __init__(self, model: ServiceModel, name: str, traits: Definition, base: Shape | None = None) -> None:
        self.model = model
        self.name = name
        self.traits = traits
        self.type: str = traits["type"]
        self._base = base

    def __repr__(self) -> str:
        return f"<Shape {self.name}: {self.type}>"

    @cached_property
    def members(self) -> dict[str, Shape]:
        """A structure's members by name."""
        if self._base is not None:
            return self._base.members
        return {name: self.model.refer(reference) for name, reference in self.traits.get("members", {}).items()}

    @cached_property
    def member(self) -> Shape:
        """What a list is made of."""
        return self._base.member if self._base is not None else self.model.refer(self.traits["member"])

    @cached_property
    def key(self) -> Shape:
        """What a map's keys are."""
        return self._base.key if self._base is not None else self.model.refer(self.traits["key"])

    @cached_property
    def value(self) -> Shape:
        """What a map's values are."""
        return self._base.value if self._base is not None else self.model.refer(self.traits["value"])

    @cached_property
    def required(self) -> tuple[str, ...]:
        return tuple(self.traits.get("required", ()))

    @property
    def location(self) -> str | None:
        """Where a member of a REST operation lives: uri, querystring, header, headers, statusCode; None for the body."""
        location: str | None = self.traits.get("location")
        return location

    @property
    def location_name(self) -> str | None:
        name: str | None = self.traits.get("locationName")
        return name

    @property
    def flattened(self) -> bool:
        return bool(self.traits.get("flattened"))

    @property
    def is_event_stream(self) -> bool:
        return bool(self.traits.get("eventstream"))

    @property
    def is_document(self) -> bool:
        """A structure that holds any JSON at all."""
        return bool(self.traits.get("document"))

    @property
    def payload(self) -> str | None:
        """The member of a REST structure that is the body by itself."""
        payload: str | None = self.traits.get("payload")
        return payload

    @cached_property
    def event_stream_member(self) -> str | None:
        return next((name for name, member in self.members.items() if member.is_event_stream), None) if self.type == "structure" else None


class OperationModel:
    """One operation: its HTTP side, its input and output, its errors."""

    def __init__(self, service: ServiceModel, name: str, definition: Definition) -> None:
        http = definition.get("http", {})
        self.service = service
        self.name = name
        self.traits = definition
        self.http_method: str = http.get("method", "POST")
        self.request_uri: str = http.get("requestUri", "/")
        self.status: int = http.get("responseCode", 200)
        self.host_prefix: str | None = definition.get("endpoint", {}).get("hostPrefix")
        self.deprecated = bool(definition.get("deprecated"))
        self.checksum_required = bool(definition.get("httpChecksumRequired")) or bool(definition.get("httpChecksum", {}).get("requestChecksumRequired"))
        self.result_wrapper: str = definition.get("output", {}).get("resultWrapper") or f"{name}Result"

    def __repr__(self) -> str:
        return f"<OperationModel {self.service.name}:{self.name}>"

    @cached_property
    def input(self) -> Shape | None:
        reference = self.traits.get("input")
        return self.service.refer(reference) if reference else None

    @cached_property
    def output(self) -> Shape | None:
        reference = self.traits.get("output")
        return self.service.refer({k: v for k, v in reference.items() if k != "resultWrapper"}) if reference else None

    @cached_property
    def errors(self) -> dict[str, Shape]:
        """The error shapes that the operation is known to answer with, by name."""
        return {reference["shape"]: self.service.shape(reference["shape"]) for reference in self.traits.get("errors", ())}

    @cached_property
    def streaming_input(self) -> bool:
        """Whether the request's body is a blob that can be handed on unread."""
        return self.input is not None and _streams(self.input)

    @cached_property
    def streaming_output(self) -> bool:
        return self.output is not None and _streams(self.output)

    @cached_property
    def event_stream_input(self) -> str | None:
        """The input member that is a stream of events."""
        return self.input.event_stream_member if self.input is not None else None

    @cached_property
    def event_stream_output(self) -> str | None:
        """The output member that is a stream of events."""
        return self.output.event_stream_member if self.output is not None else None

    @cached_property
    def host_labels(self) -> tuple[str, ...]:
        """Input members that are also a part of the host name."""
        return tuple(name for name, member in self.input.members.items() if member.traits.get("hostLabel")) if self.input is not None else ()


def _streams(shape: Shape) -> bool:
    payload = shape.members[shape.payload] if shape.payload else None
    return payload is not None and payload.type == "blob" and bool(payload.traits.get("streaming"))


class _Operations(Mapping[str, OperationModel]):
    """The operations of a service, each made when it is first asked for."""

    def __init__(self, service: ServiceModel, definitions: Definition) -> None:
        self._service = service
        self._definitions = definitions
        self._made: dict[str, OperationModel] = {}

    def __getitem__(self, name: str) -> OperationModel:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = OperationModel(self._service, name, self._definitions[name])
        return made

    def __contains__(self, name: object) -> bool:
        return name in self._definitions

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)


class ServiceModel:
    """One service. `protocols` are the wire protocols that it speaks, the one that its clients prefer first."""

    def __init__(self, name: str, description: Definition) -> None:
        self.name = name
        self.metadata: Definition = description["metadata"]
        self.protocols: tuple[str, ...] = tuple(self.metadata.get("protocols") or [self.metadata["protocol"]])
        self.api_version: str = self.metadata["apiVersion"]
        self.target_prefix: str = self.metadata.get("targetPrefix", "")
        self.json_version: str = self.metadata.get("jsonVersion", "1.0")
        self.xml_namespace: str = self.metadata.get("xmlNamespace", "")
        self.endpoint_prefix: str = self.metadata["endpointPrefix"]
        self.signing_name: str = self.metadata.get("signingName", self.endpoint_prefix)
        self.query_compatible = "awsQueryCompatible" in self.metadata
        self.is_s3 = self.metadata.get("serviceId") == "S3"
        self._definitions: Definition = description["shapes"]
        self._shapes: dict[str, Shape] = {}
        self.operations: Mapping[str, OperationModel] = _Operations(self, description["operations"])

    def shape(self, name: str) -> Shape:
        """A shape by its name; KeyError when the model has none."""
        shape = self._shapes.get(name)
        if shape is None:
            shape = self._shapes[name] = Shape(self, name, self._definitions[name])
        return shape

    def shape_names(self) -> Iterator[str]:
        """The names of all shapes."""
        return iter(self._definitions)

    def refer(self, reference: Definition) -> Shape:
        """The shape that a reference of the model points at, with the reference's own traits."""
        base = self.shape(reference["shape"])
        extra = {trait: value for trait, value in reference.items() if trait not in _WIRE_NEUTRAL}
        return Shape(self, base.name, {**base.traits, **extra}, base) if extra else base

    @cached_property
    def errors(self) -> dict[str, Shape]:
        """Error shapes by name, and by the code that they have on the wire where that is another."""
        found: dict[str, Shape] = {}
        codes: dict[str, Shape] = {}
        for name, definition in self._definitions.items():
            if definition.get("exception") or "error" in definition:
                found[name] = self.shape(name)
                code = definition.get("error", {}).get("code")
                if code:
                    codes.setdefault(code, self.shape(name))
        return {**codes, **found}


def data_folder() -> Path:
    """Where botocore keeps its models; LookupError without botocore."""
    found = importlib.util.find_spec("botocore")
    if found is None or not found.submodule_search_locations:
        raise LookupError("botocore, which carries the service models, is not installed")
    return Path(next(iter(found.submodule_search_locations))) / "data"


@cache
def load_service(name: str) -> ServiceModel:
    """The newest model of a service by botocore's name for it (`lambda`, `cognito-idp` …); LookupError when there is none."""
    folder = data_folder() / name
    known = name != "" and "/" not in name and not name.startswith(".") and folder.is_dir()
    versions = sorted((one for one in folder.iterdir() if one.is_dir()), reverse=True) if known else []
    for version in versions:
        packed, plain = version / "service-2.json.gz", version / "service-2.json"
        if packed.exists():
            description = orjson.loads(gzip.decompress(packed.read_bytes()))
        elif plain.exists():
            description = orjson.loads(plain.read_bytes())
        else:
            continue
        _drop_documentation(description)
        if name == "sqs":
            overlay_sqs(description)
        return ServiceModel(name, description)
    raise LookupError(f"there is no service model {name!r}")


def _drop_documentation(description: Definition) -> None:
    for operation in description["operations"].values():
        operation.pop("documentation", None)
    for shape in description["shapes"].values():
        shape.pop("documentation", None)
        for member in shape.get("members", {}).values():
            member.pop("documentation", None)
