"""How often clients may ask for an operation: rates that the real service has for single operations."""

from __future__ import annotations

from haneul.clock.buckets import Buckets
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError


class RequestRates:
    """Counts the requests for the operations of a service, in this process."""

    def __init__(self, cloud: Cloud) -> None:
        self._unlimited = cloud.settings.capacity_unlimited
        self._asked = Buckets(cloud.clock)

    def check(self, call: Call, rate: int, *whom: str) -> None:
        """ThrottlingException when the call's operation is asked for more than `rate` times a second: by the account in the region, or of `whom`. What the cloud itself asks is not counted."""
        if call.http is not None and not self._unlimited and not self._asked.take((call.operation.name, *(whom or (call.account, call.region))), rate, rate):
            raise ServiceError("ThrottlingException", "Rate exceeded", 400)
