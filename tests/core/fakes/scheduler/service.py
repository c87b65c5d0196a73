"""Speaks REST-JSON."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.core.quirks import Quirks
from tests.core.fakes.base import Fake


class Scheduler(Fake):
    name = "scheduler"
    quirks = Quirks(access_denied_status=403)


@operation("scheduler:ListScheduleGroups")
async def list_schedule_groups(call: Call, request: Shape) -> Shape:
    return await call.service(Scheduler).behave(call, request) or {"ScheduleGroups": []}
