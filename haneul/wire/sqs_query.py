"""How SQS speaks the query protocol.

The SQS model describes the JSON protocol only, yet the real service still answers the query protocol of older clients. What the query
protocol needs (element names, result wrappers, error codes) comes from the service's API reference, which shows both protocols side by side.
"""

from __future__ import annotations

from typing import Any

# Lists are flattened, and their elements carry these names (`AttributeName.1`, `<Message>…</Message>`).
_LIST_ELEMENTS = {
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "BatchResultErrorEntryList": "BatchResultErrorEntry",
    "BinaryList": "BinaryListValue",
    "ChangeMessageVisibilityBatchRequestEntryList": "ChangeMessageVisibilityBatchRequestEntry",
    "ChangeMessageVisibilityBatchResultEntryList": "ChangeMessageVisibilityBatchResultEntry",
    "DeleteMessageBatchRequestEntryList": "DeleteMessageBatchRequestEntry",
    "DeleteMessageBatchResultEntryList": "DeleteMessageBatchResultEntry",
    "ListMessageMoveTasksResultEntryList": "ListMessageMoveTasksResultEntry",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageList": "Message",
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "QueueUrlList": "QueueUrl",
    "SendMessageBatchRequestEntryList": "SendMessageBatchRequestEntry",
    "SendMessageBatchResultEntryList": "SendMessageBatchResultEntry",
    "StringList": "StringListValue",
    "TagKeyList": "TagKey",
}

# Maps are flattened into pairs under these names, with these names for key and value (`Attribute.1.Name`, `Attribute.1.Value`).
_MAP_ENTRIES = {
    "MessageBodyAttributeMap": ("MessageAttribute", "Name", "Value"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name", "Value"),
    "MessageSystemAttributeMap": ("Attribute", "Name", "Value"),
    "QueueAttributeMap": ("Attribute", "Name", "Value"),
    "TagMap": ("Tag", "Key", "Value"),
}

# Codes of the query protocol where they differ from the shape's name, and HTTP statuses where they are not 400 there.
_ERRORS: dict[str, tuple[str, int]] = {
    "BatchEntryIdsNotDistinct": ("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400),
    "BatchRequestTooLong": ("AWS.SimpleQueueService.BatchRequestTooLong", 400),
    "EmptyBatchRequest": ("AWS.SimpleQueueService.EmptyBatchRequest", 400),
    "InvalidBatchEntryId": ("AWS.SimpleQueueService.InvalidBatchEntryId", 400),
    "KmsAccessDenied": ("KMS.AccessDeniedException", 400),
    "KmsDisabled": ("KMS.DisabledException", 400),
    "KmsInvalidKeyUsage": ("KMS.InvalidKeyUsageException", 400),
    "KmsInvalidState": ("KMS.InvalidStateException", 400),
    "KmsNotFound": ("KMS.NotFoundException", 400),
    "KmsOptInRequired": ("KMS.OptInRequired", 403),
    "KmsThrottled": ("KMS.ThrottlingException", 400),
    "MessageNotInflight": ("AWS.SimpleQueueService.MessageNotInflight", 400),
    "OverLimit": ("OverLimit", 403),
    "PurgeQueueInProgress": ("AWS.SimpleQueueService.PurgeQueueInProgress", 403),
    "QueueDeletedRecently": ("AWS.SimpleQueueService.QueueDeletedRecently", 400),
    "QueueDoesNotExist": ("AWS.SimpleQueueService.NonExistentQueue", 400),
    "QueueNameExists": ("QueueAlreadyExists", 400),
    "ReceiptHandleIsInvalid": ("ReceiptHandleIsInvalid", 404),
    "RequestThrottled": ("RequestThrottled", 403),
    "ResourceNotFoundException": ("ResourceNotFoundException", 404),
    "TooManyEntriesInBatchRequest": ("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400),
    "UnsupportedOperation": ("AWS.SimpleQueueService.UnsupportedOperation", 400),
}


def overlay_sqs(description: dict[str, Any]) -> None:
    """Add to the SQS model what the query protocol needs. Only traits that the JSON protocol does not look at are touched."""
    metadata, shapes = description["metadata"], description["shapes"]
    metadata["protocols"] = [*metadata["protocols"], *({"query"} - set(metadata["protocols"]))]
    metadata.setdefault("xmlNamespace", "http://queue.amazonaws.com/doc/2012-11-05/")
    for name, element in _LIST_ELEMENTS.items():
        if name in shapes:
            shapes[name]["flattened"] = True
            shapes[name]["member"]["queryName"] = element
    for name, (entry, key, value) in _MAP_ENTRIES.items():
        if name in shapes:
            shapes[name].update(flattened=True, queryName=entry)
            shapes[name]["key"]["queryName"] = key
            shapes[name]["value"]["queryName"] = value
    for name, (code, status) in _ERRORS.items():
        if name in shapes:
            shapes[name]["queryError"] = {"code": code, "httpStatusCode": status}
