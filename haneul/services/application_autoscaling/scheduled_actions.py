"""PutScheduledAction, DeleteScheduledAction, DescribeScheduledActions."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import available_timezones

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.application_autoscaling.adapters import adapter_of
from haneul.services.application_autoscaling.errors import invalid, limit_exceeded, no_target, not_found
from haneul.services.application_autoscaling.pages import read_page
from haneul.services.application_autoscaling.records import SCHEDULED, Place, Scheduled, find_target, place_of
from haneul.services.application_autoscaling.schedules import ScheduleError, parse_schedule
from haneul.services.application_autoscaling.scheduling import DUE, set_timer
from haneul.services.application_autoscaling.targets import any_target, target_conditions
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_ACTIONS_MAX = 200
_KEPT = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
# What a change that does not name them takes away.
_ANEW = ("StartTime", "EndTime")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@operation("application-autoscaling:PutScheduledAction", resource=any_target, conditions=target_conditions)
async def put_scheduled_action(call: Call, request: Shape) -> None:
    """Have a target's limits changed at a time or again and again; or change an action of that name: what is not given stays, but for start and end times.

    (API Reference: "PutScheduledAction".)
    """
    place, name = place_of(call, request), request["ScheduledActionName"]
    adapter_of(*place[2:])
    given = {member: request[member] for member in _KEPT if member in request}
    action_id = call.cloud.ids.uuid()
    arn = f"arn:aws:autoscaling:{call.region}:{call.account}:scheduledAction:{action_id}:resource/{place.namespace}/{place.resource}:scheduledActionName/{name}"

    def work(tx: Transaction) -> None:
        if find_target(tx, place) is None:
            raise no_target(*place[2:])
        value = tx.get(place.key(SCHEDULED, name))
        if value is not None:
            action = decode(value, Scheduled)
            action.settings = {**{name: value for name, value in action.settings.items() if name not in _ANEW}, **given}
        else:
            if len(tx.range(*prefix_range(place.key(SCHEDULED)), _ACTIONS_MAX)) >= _ACTIONS_MAX:
                raise limit_exceeded(f"A scalable target can have no more than {_ACTIONS_MAX} scheduled actions.")
            action = Scheduled(name, arn, given, call.now)
        _check(action.settings)
        tx.put(place.key(SCHEDULED, name), encode(action))
        set_timer(call.cloud, tx, place, action)

    await call.cloud.store.transact(work)


def _check(settings: Shape) -> None:
    if "Schedule" not in settings:
        raise invalid("Schedule is required when a scheduled action is created.")
    if settings.get("Timezone", "UTC") not in _zones():
        raise invalid(f"The time zone {settings['Timezone']} is not valid.")
    try:
        parse_schedule(settings["Schedule"], settings.get("Timezone", "UTC"))
    except ScheduleError:
        raise invalid(f"Invalid schedule expression. Details: {settings['Schedule']}") from None
    limits = settings.get("ScalableTargetAction")
    if not limits:
        raise invalid("At least one of MinCapacity and MaxCapacity must be specified in ScalableTargetAction.")
    if any(value < 0 for value in limits.values()):
        raise invalid("Minimum capacity and maximum capacity must not be negative.")
    if limits.get("MinCapacity", 0) > limits.get("MaxCapacity", limits.get("MinCapacity", 0)):
        raise invalid("Maximum capacity cannot be less than minimum capacity")
    if "StartTime" in settings and "EndTime" in settings and settings["StartTime"] >= settings["EndTime"]:
        raise invalid("StartTime must be before EndTime.")


@operation("application-autoscaling:DeleteScheduledAction", resource=any_target, conditions=target_conditions)
async def delete_scheduled_action(call: Call, request: Shape) -> None:
    """Delete a scheduled action."""
    place, name = place_of(call, request), request["ScheduledActionName"]
    adapter_of(*place[2:])

    def work(tx: Transaction) -> None:
        value = tx.get(place.key(SCHEDULED, name))
        if value is None:
            raise not_found(
                f"No scheduled action found for service namespace: {place.namespace}, resource ID: {place.resource}, "
                f"scalable dimension: {place.dimension}, scheduled action name: {name}"
            )
        call.cloud.outbox.cancel(tx, DUE, decode(value, Scheduled).arn)
        tx.delete(place.key(SCHEDULED, name))

    await call.cloud.store.transact(work)


@operation("application-autoscaling:DescribeScheduledActions", resource=any_target)
async def describe_scheduled_actions(call: Call, request: Shape) -> Shape:
    """The scheduled actions of a service, a resource or one target."""
    if "ScalableDimension" in request and "ResourceId" not in request:
        raise invalid("ResourceId must be specified when ScalableDimension is")
    names = request.get("ScheduledActionNames")
    shown, more = read_page(call, request, SCHEDULED, Scheduled, lambda _, action: not names or action.name in names, _shown)
    return {"ScheduledActions": shown, **more}


def _shown(place: Place, action: Scheduled) -> Shape:
    return {"ScheduledActionName": action.name, "ScheduledActionARN": action.arn, **place.shape, "CreationTime": action.created_at, **action.settings}
