"""Where a real service differs from its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest


@dataclass(frozen=True)
class Quirks:
    """What the wire and the pipeline need to know of a service beyond its botocore model. Each service's `quirks.py` says why.

    `error_namespace` is put before `#Code` in the JSON protocols' `__type`; `error_types` names other full types for single codes.
    `opaque_shapes` are passed between the JSON wire and the service as they stand (JSON values), because the service checks them itself.
    `unchecked_shapes` are read as the model has them, but what the model demands of them (and of what they are made of) the service checks itself;
    `Structure$Member` is one member's shape there.
    `enum_values` are values that a shape takes besides those of the model's enumeration. `enum_order` is the order in which messages list the latter.
    `member_order` is the order in which the validation error goes through a structure's members, where it is not the model's.
    `status` gives HTTP statuses by error code where the model is silent or wrong. `crc32`: answers carry `x-amz-crc32`.
    `validation_code` is the code of the wire's "1 validation error detected" error, `validation` False for services that check by themselves.
    `serialization_code` is the code for bytes that cannot be read. `access_denied` is the code (and `access_denied_status` the status) of a refused permission.
    `internal_error` and `internal_message` are the code and the words, always with status 500, for what nobody foresaw: services declare different ones.
    `anonymous_denial` is the message of a refused request without credentials, where the service has one of its own.
    `strict_version`: requests of the query protocol must name the model's version.
    `allows_anonymous`: a request without credentials is let through to the policy decision. `body_bytes_max` bounds a body that is read into memory.
    `headers_of_query` takes into a request's headers those that its presigned URL carries in the query; whether there were any.
    `parameter_error` gives the error for a parameter of the query (name, text) that cannot be read; None where it is the usual one.
    """

    error_namespace: str = ""
    error_types: Mapping[str, str] = field(default_factory=dict)
    opaque_shapes: frozenset[str] = frozenset()
    unchecked_shapes: frozenset[str] = frozenset()
    enum_values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    enum_order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    member_order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    status: Mapping[str, int] = field(default_factory=dict)
    crc32: bool = False
    validation: bool = True
    validation_code: str = "ValidationException"
    serialization_code: str = "SerializationException"
    access_denied: str = "AccessDeniedException"
    access_denied_status: int = 400
    anonymous_denial: str = ""
    internal_error: str = "InternalFailure"
    internal_message: str = "The request processing has failed because of an unknown error, exception or failure."
    allows_anonymous: bool = False
    strict_version: bool = False
    body_bytes_max: int = 16 * 1024 * 1024
    headers_of_query: Callable[[HttpRequest], bool] | None = None
    parameter_error: Callable[[str, str], ServiceError | None] | None = None
