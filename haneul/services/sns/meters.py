"""The metrics of topics (Developer Guide, "Monitoring Amazon SNS topics using CloudWatch")."""

from __future__ import annotations

from collections.abc import Mapping

from haneul.core.cloud import Cloud
from haneul.services.sns.records import Place

_NAMESPACE = "AWS/SNS"
_FILTERED = "NumberOfNotificationsFilteredOut"


class Meters:
    """Counts what is published to topics and what becomes of it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def _add(self, place: Place, name: str, value: float = 1.0, unit: str = "Count", count: int = 1) -> None:
        self._cloud.metrics.add(place.account, place.region, _NAMESPACE, name, (("TopicName", place.name),), value, unit, count)

    def published(self, place: Place, size: int, refusals: Mapping[str, int]) -> None:
        """A message of `size` bytes; `refusals` are the reasons for which subscriptions did not want it, and how many."""
        self._add(place, "NumberOfMessagesPublished")
        self._add(place, "PublishSize", float(size), "Bytes")
        for reason, count in refusals.items():
            self._add(place, _FILTERED, count=count)
            self._add(place, f"{_FILTERED}-{reason}", count=count)

    def delivered(self, place: Place) -> None:
        self._add(place, "NumberOfNotificationsDelivered")

    def failed(self, place: Place) -> None:
        self._add(place, "NumberOfNotificationsFailed")

    def buried(self, place: Place, *, well: bool) -> None:
        """A message that could not be delivered has gone to a dead-letter queue, or not even there."""
        self._add(place, "NumberOfNotificationsRedrivenToDlq" if well else "NumberOfNotificationsFailedToRedriveToDlq")
