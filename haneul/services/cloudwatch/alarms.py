"""Alarms as they are kept and shown."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from haneul.core.arn import make_arn, parse_arn
from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

ALARMS = "cloudwatch-alarm"
OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
STATES = (OK, ALARM, INSUFFICIENT)
METRIC, COMPOSITE = "MetricAlarm", "CompositeAlarm"
INITIAL_REASON = "Unchecked: Initial alarm creation"
# State → the member of an alarm's settings that lists what is to be done on reaching it.
ACTIONS_OF = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT: "InsufficientDataActions"}


class AlarmName(NamedTuple):
    """Which alarm."""

    account: str
    region: str
    name: str

    @property
    def key(self) -> bytes:
        return pack((ALARMS, *self))

    @property
    def arn(self) -> str:
        return make_arn("cloudwatch", self.region, self.account, f"alarm:{self.name}")

    def suppressor(self, alarm: Alarm) -> AlarmName | None:
        """The alarm, given by its name or ARN, that holds back the actions of this one."""
        given = alarm.settings.get("ActionsSuppressor")
        if given is None:
            return None
        named = alarm_of_arn(given) if given.startswith("arn:") else None
        return named if named is not None else self._replace(name=given)


class Alarm(msgspec.Struct):
    """An alarm. `settings` are the members of the request that made it, in the model's names; times in nanoseconds.

    `made_at` is when it was made, whatever was changed since. `suppressed_by` is what holds back a composite alarm's actions, until `suppressed_until` (0: for as long as its suppressor is in ALARM); `held`
    whether there is something to make up for then.
    """

    name: str
    kind: str
    settings: Shape
    configured_at: int
    state: str = INSUFFICIENT
    reason: str = INITIAL_REASON
    reason_data: str = ""
    state_updated_at: int = 0
    transitioned_at: int = 0
    tags: dict[str, str] = {}
    suppressed_by: str = ""
    suppressed_until: int = 0
    held: bool = False
    made_at: int = 0

    @property
    def actions_enabled(self) -> bool:
        return bool(self.settings.get("ActionsEnabled", True))

    def actions(self, state: str) -> list[str]:
        found: list[str] = self.settings.get(ACTIONS_OF[state], [])
        return found

    @property
    def suppressed_reason(self) -> str:
        by = f"Alarm {self.settings['ActionsSuppressor']}" if self.suppressed_by == "Alarm" else self.suppressed_by
        return f"Actions suppressed by {by}"


def alarms_prefix(account: str, region: str) -> bytes:
    return pack((ALARMS, account, region))


def name_of_key(key: bytes) -> AlarmName:
    _, account, region, name = unpack(key)
    return AlarmName(str(account), str(region), str(name))


def find_alarm(reader: Reader, name: AlarmName) -> Alarm | None:
    value = reader.get(name.key)
    return decode(value, Alarm) if value is not None else None


def save_alarm(tx: Transaction, name: AlarmName, alarm: Alarm) -> None:
    tx.put(name.key, encode(alarm))


def composite_alarms(reader: Reader, account: str, region: str) -> list[Alarm]:
    found = (decode(value, Alarm) for _, value in reader.iterate(*prefix_range(alarms_prefix(account, region))))
    return [alarm for alarm in found if alarm.kind == COMPOSITE]


def alarm_arn(call: Call, request: Shape) -> str:
    """The resource of operations on one alarm."""
    return call.arn(f"alarm:{request['AlarmName']}")


def alarm_arns(call: Call, request: Shape) -> tuple[str, ...]:
    """The resources of operations on several alarms."""
    return tuple(call.arn(f"alarm:{name}") for name in request["AlarmNames"])


def alarm_of_arn(text: str) -> AlarmName | None:
    """The alarm that an ARN names."""
    arn = parse_arn(text)
    if arn is None or arn.service != "cloudwatch" or not arn.resource.startswith("alarm:"):
        return None
    return AlarmName(arn.account, arn.region, arn.resource.removeprefix("alarm:"))


def shown_alarm(name: AlarmName, alarm: Alarm) -> Shape:
    """An alarm as DescribeAlarms shows it."""
    shape: Shape = {
        "AlarmName": alarm.name,
        "AlarmArn": name.arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured_at,
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        **alarm.settings,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateUpdatedTimestamp": alarm.state_updated_at,
        "StateTransitionedTimestamp": alarm.transitioned_at,
    }
    if alarm.kind == METRIC and "Metrics" not in alarm.settings:
        shape.setdefault("Dimensions", [])
    if alarm.reason_data:
        shape["StateReasonData"] = alarm.reason_data
    if alarm.suppressed_by:
        shape |= {"ActionsSuppressedBy": alarm.suppressed_by, "ActionsSuppressedReason": alarm.suppressed_reason}
    return shape
