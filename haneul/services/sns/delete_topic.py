"""DeleteTopic."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.sns.counting import count_deleted_topic
from haneul.services.sns.records import find_topic, topic_arn, topic_of_arn
from haneul.services.sns.upkeep import SWEEP
from haneul.store.port import Transaction


@operation("sns:DeleteTopic", action="SNS:DeleteTopic", resource=topic_arn)
async def delete_topic(call: Call, request: Shape) -> None:
    """Delete a topic and all its subscriptions; its name is free at once. No error when there is none.

    One transaction, whatever the topic has; its subscriptions are removed in the background, and messages that are still on their way reach nobody.
    """
    place = topic_of_arn(request["TopicArn"])

    def work(tx: Transaction) -> None:
        topic = find_topic(tx, place)
        if topic is None:
            return
        count_deleted_topic(tx, topic)
        tx.delete(place.key)
        call.cloud.outbox.put(tx, SWEEP, {"topic": list(place), "id": topic.id})

    await call.cloud.store.transact(work)
