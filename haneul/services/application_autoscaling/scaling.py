"""Changing a target's capacity: begun as an activity, asked of the service, and confirmed when the service has done it."""

from __future__ import annotations

from functools import partial

from haneul.clock import SECOND
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.application_autoscaling.activities import find_activity, save_activity
from haneul.services.application_autoscaling.adapters import adapter_of
from haneul.services.application_autoscaling.records import Activity, Place, Target, find_target, policies_of, save_target
from haneul.services.application_autoscaling.tracking import put_alarms
from haneul.store.port import Transaction

# Bring a target's capacity between its limits, after they were set.
LIMITS = "scaling:limits"
CONFIRM = "scaling:confirm"
_CONFIRM_FIRST = 1 * SECOND
_CONFIRM_EVERY = 5 * SECOND
_CONFIRM_TRIES_MAX = 120


async def set_capacity(cloud: Cloud, place: Place, current: int, desired: int, cause: str, scaled_from: int = 0) -> None:
    """Ask for `desired`, within the target's limits. Nothing happens while another change is under way or nothing would change. `scaled_from` is the capacity
    that a scale-out began with, if that was an earlier one which has still to take effect.
    """
    adapter = adapter_of(*place[2:])
    activity_id, now = cloud.ids.uuid(), cloud.clock.now()
    desired = max(desired, adapter.least)
    activity = Activity(activity_id, f"Setting {adapter.unit} to {desired}.", cause, now, "InProgress", desired=desired, scales_out=desired > current)

    def begin(tx: Transaction) -> Target | None:
        target = find_target(tx, place)
        if target is None or target.activity or desired == current:
            return None
        target.activity, target.not_scaled = f"{now}/{activity_id}", ""
        if activity.scales_out:
            target.scaled_out_at, target.scaled_out_from = now, scaled_from or current
        else:
            target.scaled_in_at = now
        save_target(tx, place, target)
        save_activity(tx, place, activity)
        # Should the process end before the service was asked, this finds the capacity unchanged and says so.
        cloud.outbox.put(tx, CONFIRM, _confirmation(place, activity, 0), due=now + _CONFIRM_FIRST, key=activity_id)
        return target

    target = await cloud.store.transact(begin)
    if target is None:
        return
    try:
        await adapter.change(cloud, place, target.role, desired)
    except (ServiceError, AccessDenied) as problem:
        await cloud.store.transact(partial(_end, cloud, place, activity, "Failed", f"Failed to set {adapter.unit} to {desired}. Reason: {problem}"))
        return
    asked = f"Successfully set {adapter.unit} to {desired}. Waiting for change to be fulfilled by {place.namespace}."
    await cloud.store.transact(partial(_say, place, activity, asked))


def _say(place: Place, activity: Activity, message: str, tx: Transaction) -> None:
    """What an activity says of itself while it is under way."""
    known = find_activity(tx, place, activity.started_at, activity.id)
    if known is not None and known.status == "InProgress":
        known.message = message
        save_activity(tx, place, known)


def _confirmation(place: Place, activity: Activity, tries: int) -> Shape:
    return {"place": list(place), "started_at": activity.started_at, "id": activity.id, "tries": tries}


def _end(cloud: Cloud, place: Place, activity: Activity, status: str, message: str, tx: Transaction) -> None:
    activity.status, activity.message, activity.ended_at = status, message, cloud.clock.now()
    save_activity(tx, place, activity)
    cloud.outbox.cancel(tx, CONFIRM, activity.id)
    target = find_target(tx, place)
    if target is not None and target.activity == f"{activity.started_at}/{activity.id}":
        target.activity = ""
        if status != "Successful":
            # What did not happen begins no cool-down.
            target.scaled_out_at, target.scaled_in_at = (0, target.scaled_in_at) if activity.scales_out else (target.scaled_out_at, 0)
        save_target(tx, place, target)


async def confirm(cloud: Cloud, payload: Shape) -> None:
    """Look whether the service has done what it was asked; then the policies' alarms get thresholds for the new capacity."""
    place = Place(*payload["place"])
    activity = find_activity(cloud.store, place, payload["started_at"], payload["id"])
    target = find_target(cloud.store, place)
    if activity is None or activity.status != "InProgress":
        return
    adapter = adapter_of(*place[2:])
    try:
        if target is None:
            raise ServiceError("ObjectNotFoundException", "The scalable target was deregistered.")
        capacity = await adapter.read(cloud, place, target.role)
    except (ServiceError, AccessDenied) as problem:
        await cloud.store.transact(partial(_end, cloud, place, activity, "Failed", f"Failed to set {adapter.unit} to {activity.desired}. Reason: {problem}"))
        return
    if capacity == activity.desired:
        for policy in policies_of(cloud.store, place):
            await put_alarms(cloud, place, target, policy, capacity)
        done = f"Successfully set {adapter.unit} to {capacity}. Change successfully fulfilled by {place.namespace}."
        await cloud.store.transact(partial(_end, cloud, place, activity, "Successful", done))
        return
    tries = payload["tries"] + 1
    if tries >= _CONFIRM_TRIES_MAX:
        await cloud.store.transact(partial(_end, cloud, place, activity, "Failed", f"{place.namespace} did not set {adapter.unit} to {activity.desired} in time."))
        return
    again = _confirmation(place, activity, tries)
    await cloud.store.transact(lambda tx: cloud.outbox.put(tx, CONFIRM, again, due=cloud.clock.now() + _CONFIRM_EVERY, key=activity.id))


async def keep_limits(cloud: Cloud, payload: Shape) -> None:
    """Bring a target's capacity between its limits; when it lies there, its policies' alarms get thresholds for it."""
    place = Place(*payload["place"])
    target = find_target(cloud.store, place)
    if target is None:
        return
    adapter = adapter_of(*place[2:])
    try:
        current = await adapter.read(cloud, place, target.role)
    except (ServiceError, AccessDenied) as problem:
        await _note_failure(cloud, place, payload["cause"], f"Reason: {problem}")
        return
    if current is None or target.activity:
        # It is being changed: look again a little later.
        await cloud.store.transact(lambda tx: cloud.outbox.put(tx, LIMITS, payload, due=cloud.clock.now() + _CONFIRM_FIRST, key="/".join(place)))
        return
    if current == 0 and adapter.least:
        return  # On demand: there is no capacity to keep between limits.
    wanted = min(max(current, target.min), target.max)
    if wanted != current:
        limit = "minimum" if wanted == target.min else "maximum"
        await set_capacity(cloud, place, current, wanted, payload["cause"] or f"{limit} capacity was set to {wanted}")
        return
    for policy in policies_of(cloud.store, place):
        await put_alarms(cloud, place, target, policy, current)


def keep_limits_soon(cloud: Cloud, tx: Transaction, place: Place, cause: str = "") -> None:
    """Have `keep_limits` done after the transaction. An empty cause says that a limit was set."""
    cloud.outbox.put(tx, LIMITS, {"place": list(place), "cause": cause}, key="/".join(place))


async def note_not_scaled(cloud: Cloud, place: Place, cause: str, reason: Shape) -> None:
    """Note that an alarm scaled nothing, unless that is what happened the last time too. (User Guide: "Scaling activities for Application Auto Scaling".)"""
    now, about = cloud.clock.now(), f"{reason['Code']}: {cause}"
    activity = Activity(cloud.ids.uuid(), "Attempting to scale due to alarm triggered", cause, now, "Failed", not_scaled=reason)

    def work(tx: Transaction) -> None:
        target = find_target(tx, place)
        if target is not None and target.not_scaled != about:
            target.not_scaled = about
            save_target(tx, place, target)
            save_activity(tx, place, activity)

    await cloud.store.transact(work)


async def _note_failure(cloud: Cloud, place: Place, cause: str, message: str) -> None:
    now = cloud.clock.now()
    unit = adapter_of(*place[2:]).unit
    activity = Activity(cloud.ids.uuid(), f"Reading {unit}.", cause or "limits were set", now, "Failed", message, now)
    await cloud.store.transact(lambda tx: save_activity(tx, place, activity))
