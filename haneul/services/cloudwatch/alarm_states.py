"""SetAlarmState, EnableAlarmActions, DisableAlarmActions, DeleteAlarms."""

from __future__ import annotations

from functools import partial

import orjson

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.cloudwatch.alarms import COMPOSITE, AlarmName, alarm_arn, alarm_arns, composite_alarms, find_alarm, save_alarm
from haneul.services.cloudwatch.errors import alarm_not_found, validation
from haneul.services.cloudwatch.history import note
from haneul.services.cloudwatch.rules import parse_rule
from haneul.services.cloudwatch.transitions import change_state
from haneul.store.port import Transaction


@operation("cloudwatch:SetAlarmState", resource=alarm_arn)
async def set_alarm_state(call: Call, request: Shape) -> None:
    """Put an alarm into a state for the time being, as if it had been evaluated so: its actions are carried out."""
    data = request.get("StateReasonData", "")
    if data:
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            raise ServiceError("InvalidFormatFault", "StateReasonData is not valid JSON.", 400) from None
    name, now, outbox = AlarmName(call.account, call.region, request["AlarmName"]), call.now, call.cloud.outbox

    def work(tx: Transaction) -> None:
        alarm = find_alarm(tx, name)
        if alarm is None:
            raise alarm_not_found()
        change_state(tx, outbox, name, alarm, request["StateValue"], request["StateReason"], data, now)

    await call.cloud.store.transact(work)


async def _switch_actions(call: Call, names: list[str], enabled: bool) -> None:
    now = call.now

    def work(tx: Transaction) -> None:
        for one in names:
            name = AlarmName(call.account, call.region, one)
            alarm = find_alarm(tx, name)
            if alarm is not None and alarm.actions_enabled != enabled:
                alarm.settings["ActionsEnabled"] = enabled
                alarm.configured_at = max(now, alarm.configured_at + 1)
                data = {"version": "1.0", "type": "Update", "updatedAlarm": alarm.settings}
                note(tx, name, alarm.kind, now, "ConfigurationUpdate", f'Alarm "{one}" updated', data)
                save_alarm(tx, name, alarm)

    await call.cloud.store.transact(work)


@operation("cloudwatch:EnableAlarmActions", resource=alarm_arns)
async def enable_alarm_actions(call: Call, request: Shape) -> None:
    """Let alarms act again."""
    await _switch_actions(call, request["AlarmNames"], True)


@operation("cloudwatch:DisableAlarmActions", resource=alarm_arns)
async def disable_alarm_actions(call: Call, request: Shape) -> None:
    """Let alarms change their states without acting."""
    await _switch_actions(call, request["AlarmNames"], False)


@operation("cloudwatch:DeleteAlarms", resource=alarm_arns)
async def delete_alarms(call: Call, request: Shape) -> None:
    """Delete alarms, at most one composite alarm among them; names that no alarm has are passed over. History stays."""
    names = [AlarmName(call.account, call.region, one) for one in dict.fromkeys(request["AlarmNames"])]
    await call.cloud.store.transact(partial(_delete, names, call.now))


def _delete(names: list[AlarmName], now: int, tx: Transaction) -> None:
    found = {name: alarm for name in names if (alarm := find_alarm(tx, name)) is not None}
    if sum(alarm.kind == COMPOSITE for alarm in found.values()) > 1:
        raise validation("You may delete at most one composite alarm per request.")
    if not found:
        return
    going = {name.name for name in found}
    for composite in composite_alarms(tx, names[0].account, names[0].region):
        needed = sorted(parse_rule(composite.settings["AlarmRule"]).names & going)
        # What goes along with what it looks at is no obstacle, but what looks at itself always is: a rule must be changed to get out of a circle.
        if needed and (composite.name not in going or composite.name in needed):
            raise validation(f"Cannot delete {needed[0]} as there are composite alarm(s) depending on it: [{composite.name}]")
    for name, alarm in found.items():
        data = {"version": "1.0", "type": "Delete", "deletedAlarm": alarm.settings}
        note(tx, name, alarm.kind, now, "ConfigurationUpdate", f'Alarm "{name.name}" deleted', data)
        tx.delete(name.key)
