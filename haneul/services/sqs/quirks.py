"""Where SQS differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks

SQS = Quirks(
    # Error types of the JSON protocol carry the package, and the two commonest errors, which the model leaves out, have other names there
    # than in the query protocol. The real service's answers show both (`__type` and `x-amzn-query-error`).
    error_namespace="com.amazonaws.sqs",
    error_types={
        "InvalidParameterValue": "com.amazonaws.sqs#InvalidParameterValueException",
        "MissingParameter": "com.amazonaws.sqs#MissingRequiredParameterException",
        "AccessDenied": "com.amazonaws.sqs#AccessDeniedException",
    },
    # The model gives no statuses for the JSON protocol; the real service answers with those of the query protocol.
    status={"PurgeQueueInProgress": 403, "OverLimit": 403, "RequestThrottled": 403, "ReceiptHandleIsInvalid": 404, "ResourceNotFoundException": 404},
    # The model has hardly any constraint: the service checks for itself, in words of its own.
    validation=False,
    access_denied="AccessDenied",
    access_denied_status=403,
    # Queue policies may name everybody, with or without credentials.
    allows_anonymous=True,
    # Ten messages of together 1 MiB, escaped twice at worst.
    body_bytes_max=8 * 1024 * 1024,
)
