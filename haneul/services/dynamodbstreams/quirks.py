"""Where DynamoDB Streams differs from its model. It answers in the same words and packages as DynamoDB."""

from __future__ import annotations

from haneul.core.quirks import Quirks

_FRAMEWORK = "com.amazon.coral.service#"

STREAMS = Quirks(
    error_namespace="com.amazonaws.dynamodb.v20120810",
    error_types={
        "ValidationException": "com.amazon.coral.validate#ValidationException",
        "SerializationException": _FRAMEWORK + "SerializationException",
        "AccessDeniedException": _FRAMEWORK + "AccessDeniedException",
        "UnknownOperationException": _FRAMEWORK + "UnknownOperationException",
        "UnrecognizedClientException": _FRAMEWORK + "UnrecognizedClientException",
        "InvalidSignatureException": _FRAMEWORK + "InvalidSignatureException",
        "ExpiredTokenException": _FRAMEWORK + "ExpiredTokenException",
        "MissingAuthenticationTokenException": _FRAMEWORK + "MissingAuthenticationTokenException",
        "IncompleteSignatureException": _FRAMEWORK + "IncompleteSignatureException",
    },
    # Records carry items as they are stored.
    opaque_shapes=frozenset({"AttributeValue"}),
    internal_error="InternalServerError",
    internal_message="Internal server error",
    crc32=True,
)
