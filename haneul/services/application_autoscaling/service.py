"""Application Auto Scaling."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from haneul.core.cloud import Cloud
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.services.application_autoscaling import alarm_actions, scaling, scheduling
from haneul.services.application_autoscaling.quirks import APPLICATION_AUTOSCALING


class ApplicationAutoScaling(Service):
    """Scalable targets, target tracking policies, scheduled actions. Everything it knows is in the store; it acts on alarms and timers."""

    name = "application-autoscaling"
    quirks: ClassVar[Quirks] = APPLICATION_AUTOSCALING

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        for kind, handler in (
            (alarm_actions.ALARM, alarm_actions.on_alarm),
            (scaling.LIMITS, scaling.keep_limits),
            (scaling.CONFIRM, scaling.confirm),
            (scheduling.DUE, scheduling.carry_out),
        ):
            cloud.outbox.handle(kind, partial(handler, cloud))
