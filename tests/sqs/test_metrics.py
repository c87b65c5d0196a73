"""What queues report to CloudWatch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.sqs.service import Sqs
from tests.support.running import Running


def total(running: Running, metric: str, statistic: str = "Sum") -> list[float]:
    """The metric's values of the queue `q`, minute by minute."""
    now = datetime.fromtimestamp(running.clock.now() // 10**9, UTC)
    found: list[dict[str, Any]] = running.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS", MetricName=metric, Dimensions=[{"Name": "QueueName", "Value": "q"}],
        StartTime=now - timedelta(hours=1), EndTime=now + timedelta(minutes=1), Period=60, Statistics=[statistic],
    )["Datapoints"]  # fmt: skip
    return [one[statistic] for one in sorted(found, key=lambda one: one["Timestamp"])]


def test_queues_report_their_use_and_their_depth() -> None:
    """Because alarms on a queue's depth go on while nothing happens to it, and uses are counted in their minute."""
    with Running(services=[CloudWatch, Sqs]) as running:
        sqs = running.client("sqs")
        url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="hello")
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": "hi"} for number in range(3)])
        (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
        running.advance("1m")
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        running.advance("3m")
        assert total(running, "NumberOfMessagesSent") == [4] and total(running, "SentMessageSize") == [11]
        assert total(running, "NumberOfMessagesReceived") == [1] and total(running, "NumberOfMessagesDeleted") == [1]
        assert total(running, "ApproximateNumberOfMessagesVisible", "Maximum") == [3, 3, 3, 3]
        assert total(running, "ApproximateNumberOfMessagesNotVisible", "Maximum")[:2] == [1, 0]
        sqs.purge_queue(QueueUrl=url)
        sqs.receive_message(QueueUrl=url)
        running.advance("1m")
        assert total(running, "NumberOfEmptyReceives") == [1] and total(running, "ApproximateNumberOfMessagesVisible", "Maximum")[-1] == 0
