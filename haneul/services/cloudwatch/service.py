"""CloudWatch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar

from haneul.clock import HOUR, SECOND, Timer
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.metering.metrics import Gathered
from haneul.services.cloudwatch.actions import act
from haneul.services.cloudwatch.alarms import alarm_of_arn, find_alarm
from haneul.services.cloudwatch.history import forget_old
from haneul.services.cloudwatch.metrics import Metric
from haneul.services.cloudwatch.monitor import Monitor
from haneul.services.cloudwatch.points import Point
from haneul.services.cloudwatch.quirks import CLOUDWATCH
from haneul.services.cloudwatch.rows import INDEX, LISTED_SECONDS, RESOLUTIONS, DataWriter, Datum, expired_chunk
from haneul.services.cloudwatch.transitions import ACT
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

_SWEEP_EVERY = HOUR
_ROWS_PER_SWEEP = 2000

# Other services report metrics and keep alarms in their users' accounts; they reach this service from inside only.
_INSIDE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "logs.amazonaws.com"}, "Action": "cloudwatch:PutMetricData", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "cloudwatch:PutMetricData", "Resource": "*"},
        ],
    }
)


class CloudWatch(Service):
    """Metrics, alarms and dashboards. In memory it keeps which metrics are known to be alive, and the alarms that are awake."""

    name = "cloudwatch"
    quirks: ClassVar[Quirks] = CLOUDWATCH

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._writer = DataWriter()
        self._sweeper: Timer | None = None
        self._stopping = False
        self.monitor = Monitor(cloud)
        cloud.outbox.handle(ACT, partial(act, cloud))
        cloud.metrics.sink = self._keep_gathered

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        name = alarm_of_arn(arn)
        alarm = find_alarm(self.cloud.store, name) if name is not None else None
        return alarm.tags if alarm is not None else None

    async def start(self) -> None:
        self._stopping = False
        self._writer.forget()
        self.monitor.start()
        self._sweep_later()

    async def stop(self) -> None:
        self._stopping = True
        self.monitor.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self.flush()  # What was reported until now belongs to what is being stopped, also when everything is about to be forgotten.

    def resource_policy(self, call: Call, arn: str) -> str | None:
        return _INSIDE if call.caller.kind == "service" else None

    # ---- data

    async def store_data(self, data: Sequence[Datum]) -> None:
        """Keep data durably, then tell the alarms that look at them."""
        now_seconds = self.cloud.clock.seconds()
        metric_ids = await self.cloud.store.transact(partial(self._write, data, now_seconds))
        self.monitor.data_came(metric_ids, max((one.second for one in data), default=0))

    def _write(self, data: Sequence[Datum], now_seconds: int, tx: Transaction) -> set[bytes]:
        return self._writer.write(tx, data, now_seconds)

    async def _keep_gathered(self, lines: Sequence[Gathered]) -> None:
        await self.store_data(list(_data_of(lines)))

    async def flush(self) -> None:
        """Make what services have reported up to now visible to a reader."""
        await self.cloud.metrics.flush()

    # ---- forgetting

    def _sweep_later(self) -> None:
        self._sweeper = self.cloud.clock.call_later(_SWEEP_EVERY, self._sweep_soon)

    def _sweep_soon(self) -> None:
        if not self._stopping:
            self.cloud.clock.run(self._sweep(), name="cloudwatch retention")

    async def _sweep(self) -> None:
        """Remove what is past its retention, a bounded number of rows in each transaction."""
        now_seconds = self.cloud.clock.seconds()
        for resolution in RESOLUTIONS:
            while (found := expired_chunk(self.cloud.store, resolution, now_seconds)) is not None and not self._stopping:
                await self.cloud.store.transact(partial(_remove, [key for key, _ in self.cloud.store.range(*found, _ROWS_PER_SWEEP)]))
        gone: list[bytes] = []
        for key, value in self.cloud.store.iterate(*prefix_range(pack((INDEX,)))):
            if decode(value, int) < now_seconds - LISTED_SECONDS:
                gone.append(key)
        for at in range(0, len(gone), _ROWS_PER_SWEEP):
            await self.cloud.store.transact(partial(_remove, gone[at : at + _ROWS_PER_SWEEP]))
        while await self.cloud.store.transact(lambda tx: forget_old(tx, self.cloud.clock.now(), _ROWS_PER_SWEEP)):
            pass
        if not self._stopping:
            self._sweep_later()


def _remove(keys: Sequence[bytes], tx: Transaction) -> None:
    for key in keys:
        tx.delete(key)


def _data_of(lines: Iterable[Gathered]) -> Iterable[Datum]:
    for line in lines:
        series = line.series
        metric = Metric(series.account, series.region, series.namespace, series.name, series.dimensions)
        yield Datum(metric, line.minute // SECOND, series.unit, Point(float(line.samples), line.sum, line.min, line.max, line.values), False)
