"""From datapoints to an alarm's state (CloudWatch User Guide, "Evaluating an alarm" and "Configuring how CloudWatch alarms treat missing data")."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from haneul.services.cloudwatch.alarms import ALARM, INSUFFICIENT, OK

# How many periods beyond the evaluation periods are looked at when some have no datapoint.
SPARE_PERIODS = 2
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")


class Comparison(NamedTuple):
    """An operator and its words."""

    test: Callable[[float, float], bool]
    words: str


COMPARISONS: Mapping[str, Comparison] = MappingProxyType(
    {
        "GreaterThanOrEqualToThreshold": Comparison(operator.ge, "greater than or equal to"),
        "GreaterThanThreshold": Comparison(operator.gt, "greater than"),
        "LessThanThreshold": Comparison(operator.lt, "less than"),
        "LessThanOrEqualToThreshold": Comparison(operator.le, "less than or equal to"),
    }
)


class Rule(NamedTuple):
    """What an alarm compares: `needed` of the last `periods` datapoints with the threshold."""

    comparison: str
    threshold: float
    periods: int
    needed: int
    treatment: str
    period_seconds: int
    statistic: str = ""
    unit: str = ""


class Datapoint(NamedTuple):
    """A value and the begin of its period, in seconds since the epoch."""

    second: int
    value: float


class Verdict(NamedTuple):
    """The state that follows, and why; `state` None leaves the alarm as it is."""

    state: str | None
    reason: str
    data: str


def judge(rule: Rule, window: Sequence[Datapoint | None], current: str, now_seconds: int) -> Verdict:
    """Judge the datapoints of the evaluation range, oldest first; None where there is none."""
    present = [one for one in window if one is not None][-rule.periods :]
    test = COMPARISONS[rule.comparison].test
    breaching = [one for one in present if test(one.value, rule.threshold)]
    recent = window[-rule.periods :]
    if all(one is not None for one in recent):
        present = [one for one in recent if one is not None]
        breaching = [one for one in present if test(one.value, rule.threshold)]
    lacking = rule.periods - len(present)
    state = _state(rule, window, present, breaching, lacking)
    if state is None or state == current:
        return Verdict(None, "", "")
    return Verdict(state, _reason(rule, state, present, breaching, lacking, current), datapoints(rule, present, now_seconds))


def _state(rule: Rule, window: Sequence[Datapoint | None], present: list[Datapoint], breaching: list[Datapoint], lacking: int) -> str | None:
    if len(breaching) >= rule.needed:
        return ALARM
    if not lacking or rule.treatment == "notBreaching":
        return OK
    if rule.treatment == "breaching":
        return ALARM if len(breaching) + lacking >= rule.needed else OK
    if not present:
        return INSUFFICIENT if rule.treatment == "missing" else None
    if len(breaching) < len(present):
        return OK
    if rule.treatment == "ignore":
        return None
    # Everything that is there breaches, but it is too little. An alarm is not raised before the oldest of it is as old as the datapoints needed.
    oldest = next(number for number, one in enumerate(window) if one is not None and one.second == breaching[0].second)
    return ALARM if len(window) - oldest >= rule.needed else None


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _shown(points: Sequence[Datapoint]) -> str:
    texts = (f"{one.value!r} ({datetime.fromtimestamp(one.second, UTC).strftime('%d/%m/%y %H:%M:%S')})" for one in reversed(points))
    return f"[{', '.join(texts)}]"


def _reason(rule: Rule, state: str, present: list[Datapoint], breaching: list[Datapoint], lacking: int, current: str) -> str:
    if state == INSUFFICIENT:
        return f"Insufficient Data: {_plural(lacking, 'datapoint')} {'was' if lacking == 1 else 'were'} unknown."
    words = COMPARISONS[rule.comparison].words
    treated = {"breaching": "Breaching", "notBreaching": "NonBreaching"}.get(rule.treatment)
    if not present:
        return (
            f"Threshold Crossed: no datapoints were received for {_plural(rule.periods, 'period')} and "
            f"{_plural(lacking, 'missing datapoint')} {'was' if lacking == 1 else 'were'} treated as [{treated}]."
        )
    told = breaching if state == ALARM and breaching else [one for one in present if one not in breaching]
    no = "" if state == ALARM else "not "
    least = rule.needed if state == ALARM else rule.periods - rule.needed + 1
    more = f" and {_plural(lacking, 'missing datapoint')} {'was' if lacking == 1 else 'were'} treated as [{treated}]" if lacking and treated else ""
    return (
        f"Threshold Crossed: {len(told)} out of the last {_plural(rule.periods, 'datapoint')} {_shown(told)} {'was' if len(told) == 1 else 'were'} {no}{words} "
        f"the threshold ({rule.threshold!r}){more} (minimum {_plural(least, 'datapoint')} for {current} -> {state} transition)."
    )


def iso(second: int) -> str:
    """A time as alarms write it."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def datapoints(rule: Rule, present: list[Datapoint], now_seconds: int) -> str:
    """The JSON that tells which datapoints were looked at."""
    made: dict[str, Any] = {"version": "1.0", "queryDate": iso(now_seconds)}
    if present:
        made["startDate"] = iso(present[0].second)
    if rule.unit:
        made["unit"] = rule.unit
    if rule.statistic:
        made["statistic"] = rule.statistic
    made |= {"period": rule.period_seconds, "recentDatapoints": [one.value for one in present], "threshold": rule.threshold}
    made["evaluatedDatapoints"] = [{"timestamp": iso(one.second), "value": one.value} for one in reversed(present)]
    return orjson.dumps(made).decode()
