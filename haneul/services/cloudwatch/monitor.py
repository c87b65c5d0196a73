"""Alarms are evaluated here, on the clock.

An alarm is awake while there are datapoints in the stretch of time that it looks at; then it is evaluated every minute (every ten seconds with a
period below a minute). When nothing is there any more its state cannot change, and it costs nothing until a value of its metrics comes. What is
kept here is made anew from the store at a start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

import orjson

from haneul.clock import SECOND, Timer
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.services.cloudwatch.alarms import ALARM, ALARMS, COMPOSITE, OK, Alarm, AlarmName, find_alarm, name_of_key
from haneul.services.cloudwatch.judging import Verdict, datapoints, iso, judge
from haneul.services.cloudwatch.rules import AlarmRule, RuleError, parse_rule
from haneul.services.cloudwatch.transitions import change_state, keep_scaling, scaling_actions, settle_suppression
from haneul.services.cloudwatch.watched import Watched
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

_STEPS = (10, 60, 300)
_AT_ONCE = 64
_log = logging.getLogger("haneul")


class Monitor:
    """Which alarms there are, which of them are awake, and when they are looked at next."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._watched: dict[AlarmName, Watched] = {}
        # Composite alarms: when each was configured, its rule, and what holds back its actions, with the timer that ends it.
        self._configured: dict[AlarmName, int] = {}
        self._rules: dict[AlarmName, AlarmRule] = {}
        self._suppressors: dict[AlarmName, AlarmName] = {}
        self._suppressed: dict[AlarmName, Timer] = {}
        self._by_metric: dict[bytes, set[AlarmName]] = {}
        # Awake alarms by step, each with the second until which it stays so even without datapoints (values may lie ahead).
        self._awake: dict[int, dict[AlarmName, int]] = {step: {} for step in _STEPS}
        self._timers: dict[int, Timer] = {}
        self._running = False
        cloud.store.watch(pack((ALARMS,)), self._changed)

    def start(self) -> None:
        """Take up every alarm there is."""
        self._running = True
        self._watched.clear()
        self._configured.clear()
        self._rules.clear()
        self._suppressors.clear()
        self._by_metric.clear()
        for awake in self._awake.values():
            awake.clear()
        keys = [key for key, _ in self._cloud.store.iterate(*prefix_range(pack((ALARMS,))))]
        self._changed(keys)

    def stop(self) -> None:
        self._running = False
        for timers in (self._timers, self._suppressed):
            for timer in timers.values():
                timer.cancel()
            timers.clear()

    # ---- which alarms there are

    def of_metric(self, metric_id: bytes) -> set[AlarmName]:
        """The alarms that look at a metric."""
        return set(self._by_metric.get(metric_id, ()))

    def _changed(self, keys: Sequence[bytes]) -> None:
        if not self._running:
            return
        composites: list[AlarmName] = []
        suppressed: list[AlarmName] = []
        for key in keys:
            name = name_of_key(key)
            value = self._cloud.store.get(key)
            if value is None:
                self._drop(name)
            elif (alarm := decode(value, Alarm)).kind == COMPOSITE:
                # A state that SetAlarmState gives it stays until its settings or a child of it change.
                if self._configured.get(name) != alarm.configured_at:
                    composites.append(name)
                    if self._take_rule(name, alarm):
                        composites += self._above(name)
                    if name in self._suppressors:
                        suppressed.append(name)
                self._await_end(name, alarm)
            else:
                self._take(name, alarm)
            composites += self._parents(name)
            suppressed += [one for one, suppressor in self._suppressors.items() if suppressor == name]
        if suppressed:
            self._settle(suppressed)
        if composites:
            self._cloud.clock.run(self._evaluate_composites(dict.fromkeys(composites)), name="cloudwatch composite alarms")

    def _take(self, name: AlarmName, alarm: Alarm) -> None:
        known = self._watched.get(name)
        if known is None or known.configured_at != alarm.configured_at:
            self._drop(name)
            try:
                watched = Watched(name, alarm)
            except (ServiceError, KeyError, StopIteration) as problem:
                _log.error("cloudwatch: alarm %s cannot be evaluated: %r", name.arn, problem)
                return
            self._watched[name] = watched
            for metric_id in watched.metric_ids:
                self._by_metric.setdefault(metric_id, set()).add(name)
        self._wake(self._watched[name])

    def _take_rule(self, name: AlarmName, alarm: Alarm) -> bool:
        """Keep a composite alarm's rule; whether it had another before."""
        known = self._rules.get(name)
        self._drop(name)
        self._configured[name] = alarm.configured_at
        suppressor = name.suppressor(alarm)
        if suppressor is not None:
            self._suppressors[name] = suppressor
        try:
            self._rules[name] = parse_rule(alarm.settings["AlarmRule"])
        except RuleError as problem:
            _log.error("cloudwatch: alarm %s cannot be evaluated: %r", name.arn, problem)
        return known is not None and self._rules.get(name) is not known

    def _drop(self, name: AlarmName) -> None:
        self._configured.pop(name, None)
        self._rules.pop(name, None)
        self._suppressors.pop(name, None)
        self._stop_waiting(name)
        watched = self._watched.pop(name, None)
        if watched is not None:
            self._awake[watched.step].pop(name, None)
            for metric_id in watched.metric_ids:
                self._by_metric[metric_id].discard(name)
                if not self._by_metric[metric_id]:
                    del self._by_metric[metric_id]

    # ---- when they are looked at

    def data_came(self, metric_ids: Iterable[bytes], latest_second: int) -> None:
        """Values of metrics were kept, the last of them for `latest_second`."""
        for metric_id in metric_ids:
            for name in self._by_metric.get(metric_id, ()):
                self._wake(self._watched[name], latest_second)

    def _wake(self, watched: Watched, until_second: int = 0) -> None:
        awake = self._awake[watched.step]
        awake[watched.name] = max(awake.get(watched.name, 0), until_second + watched.rule.period_seconds)
        self._arm(watched.step)

    def _arm(self, step: int) -> None:
        if self._running and step not in self._timers and self._awake[step]:
            clock = self._cloud.clock
            due = (clock.now() // (step * SECOND) + 1) * step * SECOND
            self._timers[step] = clock.call_at(due, partial(self._tick, step))

    def _tick(self, step: int) -> None:
        del self._timers[step]
        if self._running:
            self._cloud.clock.run(self._evaluate(step), name="cloudwatch alarms")

    # ---- evaluation

    async def _evaluate(self, step: int) -> None:
        await self._cloud.metrics.flush()
        now_seconds = self._cloud.clock.seconds()
        try:
            for names in _pieces(list(self._awake[step])):
                verdicts = {watched: verdict for name in names if (watched := self._watched.get(name)) and (verdict := self._judge(watched, now_seconds))}
                if verdicts:
                    await self._cloud.store.transact(partial(self._apply, verdicts))
                await asyncio.sleep(0)
        finally:
            self._arm(step)

    def _judge(self, watched: Watched, now_seconds: int) -> Verdict | None:
        """What follows for an alarm; None when nothing is to be done. An alarm without a datapoint in its range falls asleep."""
        store = self._cloud.store
        alarm = find_alarm(store, watched.name)
        if alarm is None or alarm.configured_at != watched.configured_at:
            return None
        window = watched.window(store, now_seconds)
        verdict = judge(watched.rule, window, alarm.state, now_seconds)
        if verdict.state is not None and watched.too_few_samples(store, now_seconds):
            verdict = Verdict(None, "", "")
        awake = self._awake[watched.step]
        scaling = verdict.state is None and any(window) and scaling_actions(alarm)
        if not any(window) and not watched.restless and not scaling and awake.get(watched.name, 0) <= now_seconds:
            awake.pop(watched.name, None)
        if scaling:
            return Verdict(None, "", datapoints(watched.rule, [one for one in window if one is not None][-watched.rule.periods :], now_seconds))
        return verdict if verdict.state is not None else None

    def _apply(self, verdicts: dict[Watched, Verdict], tx: Transaction) -> None:
        now, outbox = self._cloud.clock.now(), self._cloud.outbox
        for watched, verdict in verdicts.items():
            alarm = find_alarm(tx, watched.name)
            if alarm is None or alarm.configured_at != watched.configured_at:
                continue
            if verdict.state is None:
                keep_scaling(tx, outbox, watched.name, alarm, verdict.data, now)
            else:
                change_state(tx, outbox, watched.name, alarm, verdict.state, verdict.reason, verdict.data, now)

    # ---- what holds back the actions of composite alarms

    def _await_end(self, name: AlarmName, alarm: Alarm) -> None:
        self._stop_waiting(name)
        if alarm.suppressed_until:
            self._suppressed[name] = self._cloud.clock.call_at(alarm.suppressed_until, partial(self._settle, [name]))

    def _stop_waiting(self, name: AlarmName) -> None:
        timer = self._suppressed.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _settle(self, names: list[AlarmName]) -> None:
        if self._running:
            self._cloud.clock.run(self._cloud.store.transact(partial(self._settle_all, names)), name="cloudwatch suppressed actions")

    def _settle_all(self, names: list[AlarmName], tx: Transaction) -> None:
        for name in names:
            settle_suppression(tx, self._cloud.outbox, name, self._cloud.clock.now())

    # ---- composite alarms

    def _parents(self, name: AlarmName) -> list[AlarmName]:
        return [one for one, rule in self._rules.items() if name.name in rule.names and one[:2] == name[:2]]

    def _above(self, name: AlarmName) -> dict[AlarmName, None]:
        """The alarms whose states hang on one's, nearest first; itself among them when they make a circle. All are looked at when its rule changes: that may have broken one."""
        found: dict[AlarmName, None] = {}
        waiting = [name]
        for one in waiting:
            parents = [parent for parent in self._parents(one) if parent not in found]
            found.update(dict.fromkeys(parents))
            waiting += parents
        return found

    def _circular(self, name: AlarmName) -> bool:
        """Whether an alarm's state hangs on itself. CloudWatch stops evaluating where it finds such a circle."""
        seen: set[str] = set()
        waiting = [name.name]
        while waiting:
            rule = self._rules.get(name._replace(name=waiting.pop()))
            below = rule.names - seen if rule is not None else frozenset()
            if name.name in below:
                return True
            seen |= below
            waiting += below
        return False

    async def _evaluate_composites(self, names: Iterable[AlarmName]) -> None:
        """Bring composite alarms into the state that their rules say. A change sets off those above them, by the store's own news of it."""
        await self._cloud.store.transact(partial(self._apply_rules, names))

    def _apply_rules(self, names: Iterable[AlarmName], tx: Transaction) -> None:
        now = self._cloud.clock.now()
        for name in names:
            alarm, rule = find_alarm(tx, name), self._rules.get(name)
            if alarm is None or rule is None or self._circular(name):
                continue
            children = [child for one in sorted(rule.names) if (child := find_alarm(tx, AlarmName(name.account, name.region, one))) is not None]
            state = ALARM if rule.holds({child.name: child.state for child in children}) else OK
            if state != alarm.state:
                change_state(tx, self._cloud.outbox, name, alarm, state, *_composite_reason(name, children, state, now), now)


def _composite_reason(name: AlarmName, children: list[Alarm], state: str, now: int) -> tuple[str, str]:
    if not children:
        return f"Rule evaluated to {state}", ""
    latest = max(children, key=lambda child: child.transitioned_at)
    at = datetime.fromtimestamp(latest.transitioned_at // SECOND, UTC).strftime("%A %d %B, %Y %H:%M:%S UTC")
    arn = name._replace(name=latest.name).arn
    triggering = [{"arn": arn, "state": {"value": latest.state, "timestamp": iso(latest.transitioned_at // SECOND)}}]
    reason = f"{arn} transitioned to {latest.state} at {at}"
    return reason, orjson.dumps({"triggeringAlarms": triggering}).decode()


def _pieces(names: list[AlarmName]) -> Iterator[list[AlarmName]]:
    for at in range(0, len(names), _AT_ONCE):
        yield names[at : at + _AT_ONCE]
