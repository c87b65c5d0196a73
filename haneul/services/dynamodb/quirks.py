"""Where DynamoDB differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks

_FRAMEWORK = "com.amazon.coral.service#"

DYNAMODB = Quirks(
    # Most errors carry the API's own package; validation and the framework's errors come from the framework's packages.
    error_namespace="com.amazonaws.dynamodb.v20120810",
    error_types={
        "ValidationException": "com.amazon.coral.validate#ValidationException",
        "SerializationException": _FRAMEWORK + "SerializationException",
        "AccessDeniedException": _FRAMEWORK + "AccessDeniedException",
        "UnknownOperationException": _FRAMEWORK + "UnknownOperationException",
        "UnrecognizedClientException": _FRAMEWORK + "UnrecognizedClientException",
        "InvalidSignatureException": _FRAMEWORK + "InvalidSignatureException",
        "MissingAuthenticationTokenException": _FRAMEWORK + "MissingAuthenticationTokenException",
        "ExpiredTokenException": _FRAMEWORK + "ExpiredTokenException",
        "IncompleteSignatureException": _FRAMEWORK + "IncompleteSignatureException",
    },
    # The service checks attribute values itself, with messages of its own, and stores them as the JSON that they came as. The maps that hold
    # them are its own business too: looking through them twice would cost more than the rest of a request.
    opaque_shapes=frozenset({"AttributeValue", "AttributeMap", "PutItemInputAttributeMap", "Key", "ExpressionAttributeValueMap"}),
    # Tags and classes of tables are refused in words of their own; what names a table is checked as a name unless it is an ARN.
    unchecked_shapes=frozenset({"Tag", "TagKeyString", "TableArn", "CreateTableInput$TableClass", "UpdateTableInput$TableClass"}),
    enum_order={
        "ScalarAttributeType": ("B", "N", "S"),
        "StreamViewType": ("OLD_IMAGE", "KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE"),
        "ContributorInsightsMode": ("THROTTLED_KEYS", "ACCESSED_AND_THROTTLED_KEYS"),
    },
    member_order={"ProvisionedThroughput": ("WriteCapacityUnits", "ReadCapacityUnits")},
    internal_error="InternalServerError",
    internal_message="Internal server error",
    crc32=True,
)
