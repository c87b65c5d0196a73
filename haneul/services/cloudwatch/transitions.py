"""An alarm's change of state: its history line and what is to be done come into being with it, in one transaction.

The actions of a composite alarm with a suppressor are held back: for the wait period after each change, while the suppressor is in ALARM, and for the
extension period after it. What the state of then asks for is done at the end. (CloudWatch User Guide: "Suppressing composite alarm actions".)
"""

from __future__ import annotations

from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.core.ports import Outbox, Shape
from haneul.services.cloudwatch.alarms import ALARM, Alarm, AlarmName, find_alarm, save_alarm
from haneul.services.cloudwatch.history import note
from haneul.services.cloudwatch.judging import iso
from haneul.store.port import Transaction

ACT = "cloudwatch:act"
SCALING_PREFIX = "arn:aws:autoscaling:"
# What may hold back the actions of a composite alarm, as DescribeAlarms names it.
_BY_ALARM, _WAIT, _EXTENSION = "Alarm", "WaitPeriod", "ExtensionPeriod"


def change_state(tx: Transaction, outbox: Outbox, name: AlarmName, alarm: Alarm, state: str, reason: str, reason_data: str, now: int) -> None:
    """Bring an alarm into `state`. Nothing is done for a state that it had already."""
    old: dict[str, Any] = {"stateValue": alarm.state, "stateReason": alarm.reason}
    if alarm.reason_data:
        old["stateReasonData"] = _object(alarm.reason_data)
    new: dict[str, Any] = {"stateValue": state, "stateReason": reason}
    if reason_data:
        new["stateReasonData"] = _object(reason_data)
    previous = _told_state(alarm)
    changed = alarm.state != state
    alarm.state, alarm.reason, alarm.reason_data, alarm.state_updated_at = state, reason, reason_data, now
    if changed:
        alarm.transitioned_at = now
        summary = f"Alarm updated from {previous['value']} to {state}"
        note(tx, name, alarm.kind, now, "StateUpdate", summary, {"version": "1.0", "oldState": old, "newState": new})
        suppressor = name.suppressor(alarm)
        if suppressor is None or not _step_suppression(tx, alarm, suppressor, now, changed=True):
            _act_if_enabled(tx, outbox, name, alarm, previous, now)
    save_alarm(tx, name, alarm)


def settle_suppression(tx: Transaction, outbox: Outbox, name: AlarmName, now: int) -> None:
    """Look again at what holds back a composite alarm's actions, and do what was held back when nothing does any more."""
    alarm = find_alarm(tx, name)
    suppressor = name.suppressor(alarm) if alarm is not None else None
    if alarm is None or suppressor is None:
        return
    before, held, previous = (alarm.suppressed_by, alarm.suppressed_until), alarm.held, _told_state(alarm)
    suppressed = _step_suppression(tx, alarm, suppressor, now, changed=False)
    if (alarm.suppressed_by, alarm.suppressed_until) == before:
        return
    if held and not suppressed:
        _act_if_enabled(tx, outbox, name, alarm, previous, now)
    save_alarm(tx, name, alarm)


def _step_suppression(tx: Transaction, alarm: Alarm, suppressor: AlarmName, now: int, *, changed: bool) -> bool:
    """Bring an alarm's suppression up to date; `changed` when its own state has just changed. Whether its actions are held back now."""
    watched = find_alarm(tx, suppressor)
    if watched is not None and watched.state == ALARM:
        alarm.suppressed_by, alarm.suppressed_until = _BY_ALARM, 0
    elif changed:
        alarm.suppressed_by, alarm.suppressed_until = _WAIT, now + alarm.settings["ActionsSuppressorWaitPeriod"] * SECOND
    elif alarm.suppressed_by == _BY_ALARM:
        alarm.suppressed_by, alarm.suppressed_until = _EXTENSION, now + alarm.settings["ActionsSuppressorExtensionPeriod"] * SECOND
    if alarm.suppressed_by in (_WAIT, _EXTENSION) and now >= alarm.suppressed_until:
        alarm.suppressed_by, alarm.suppressed_until = "", 0
    alarm.held = bool(alarm.suppressed_by) and (changed or alarm.held)
    return bool(alarm.suppressed_by)


def keep_scaling(tx: Transaction, outbox: Outbox, name: AlarmName, alarm: Alarm, data: str, now: int) -> None:
    """Scaling policies are told of an alarm's state every minute that it lasts, with the datapoints of then; other actions once."""
    if alarm.actions_enabled:
        previous = _told_state(alarm)
        alarm.reason_data = data
        _act(tx, outbox, name, alarm, scaling_actions(alarm), previous, now)


def scaling_actions(alarm: Alarm) -> list[str]:
    """The actions of an alarm's state that are scaling policies."""
    return [action for action in alarm.actions(alarm.state) if action.startswith(SCALING_PREFIX)] if alarm.state == ALARM else []


def _act_if_enabled(tx: Transaction, outbox: Outbox, name: AlarmName, alarm: Alarm, previous: Shape, now: int) -> None:
    if alarm.actions_enabled:
        _act(tx, outbox, name, alarm, alarm.actions(alarm.state), previous, now)


def _act(tx: Transaction, outbox: Outbox, name: AlarmName, alarm: Alarm, actions: list[str], previous: Shape, now: int) -> None:
    for action in actions:
        payload: Shape = {
            "alarm": list(name),
            "kind": alarm.kind,
            "action": action,
            "previous": previous,
            "state": alarm.state,
            "reason": alarm.reason,
            "reason_data": alarm.reason_data,
            "at": now,
            "configured_at": alarm.configured_at,
            "settings": alarm.settings,
        }
        outbox.put(tx, ACT, payload, lane=f"cloudwatch/{name.arn}")


def _told_state(alarm: Alarm) -> Shape:
    """An alarm's state as functions are told of it."""
    told: Shape = {"value": alarm.state, "reason": alarm.reason}
    if alarm.reason_data:
        told["reasonData"] = alarm.reason_data
    told["timestamp"] = iso(alarm.state_updated_at // SECOND)
    if alarm.suppressed_by:
        told |= {"actionsSuppressedBy": alarm.suppressed_by, "actionsSuppressedReason": alarm.suppressed_reason}
    return told


def _object(text: str) -> Any:
    """The JSON value in a text; the text itself when it holds none (SetAlarmState takes any)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
