"""The actions that SQS has (Service Authorization Reference, "Actions, resources, and condition keys for Amazon SQS")."""

from __future__ import annotations

ACTIONS = frozenset(
    [
        "AddPermission",
        "CancelMessageMoveTask",
        "ChangeMessageVisibility",
        "CreateQueue",
        "DeleteMessage",
        "DeleteQueue",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "ListMessageMoveTasks",
        "ListQueues",
        "ListQueueTags",
        "PurgeQueue",
        "ReceiveMessage",
        "RemovePermission",
        "SendMessage",
        "SetQueueAttributes",
        "StartMessageMoveTask",
        "TagQueue",
        "UntagQueue",
    ]
)
# Older policies name the batches, too, though the single actions allow them.
BATCHES = frozenset(["ChangeMessageVisibilityBatch", "DeleteMessageBatch", "SendMessageBatch"])
