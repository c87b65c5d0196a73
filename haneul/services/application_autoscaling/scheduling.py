"""Scheduled actions at their time: each has one durable timer, for when it is due next."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.core.ports import Shape
from haneul.services.application_autoscaling.records import SCHEDULED, Place, Scheduled, find_target, save_target
from haneul.services.application_autoscaling.scaling import keep_limits_soon
from haneul.services.application_autoscaling.schedules import parse_schedule
from haneul.store.port import Transaction
from haneul.store.records import decode

DUE = "scaling:due"


def next_due(action: Scheduled, now: int) -> int | None:
    """When an action is due next (nanoseconds), within its start and end times; None for never again."""
    settings = action.settings
    schedule = parse_schedule(settings["Schedule"], settings.get("Timezone", "UTC"))
    start = settings.get("StartTime", action.created_at) // SECOND
    second = schedule.after(max(now // SECOND, start - 1), start)
    if second is None or second * SECOND > settings.get("EndTime", second * SECOND):
        return None
    return second * SECOND


def set_timer(cloud: Cloud, tx: Transaction, place: Place, action: Scheduled) -> None:
    """Set an action's timer for its next time."""
    due = next_due(action, cloud.clock.now())
    if due is not None:
        cloud.outbox.put(tx, DUE, {"place": list(place), "name": action.name, "due": due}, due=due, key=action.arn)
    else:
        cloud.outbox.cancel(tx, DUE, action.arn)


async def carry_out(cloud: Cloud, payload: Shape) -> None:
    """Give the target the action's limits, and set the timer for the next time."""
    place, name = Place(*payload["place"]), payload["name"]

    def work(tx: Transaction) -> None:
        value = tx.get(place.key(SCHEDULED, name))
        target = find_target(tx, place)
        if value is None or target is None:
            return
        action = decode(value, Scheduled)
        changes = action.settings.get("ScalableTargetAction", {})
        if changes and not target.suspended["ScheduledScalingSuspended"]:
            target.min, target.max = changes.get("MinCapacity", target.min), changes.get("MaxCapacity", target.max)
            # A limit that is given alone moves the other one out of its way.
            if target.min > target.max:
                if "MinCapacity" in changes:
                    target.max = target.min
                else:
                    target.min = target.max
            save_target(tx, place, target)
            keep_limits_soon(cloud, tx, place, f"scheduled action name {name} was triggered")
        set_timer(cloud, tx, place, action)

    await cloud.store.transact(work)
