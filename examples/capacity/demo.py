"""Capacity, as physics: the same load on a table of 5 write units with auto scaling, and on one on demand.

The load rises abruptly to 40 write units a second. The provisioned table lives on its burst credit for less than a minute, then throttles; two
minutes after the rise an alarm is raised and the scaling follows. The table on demand takes it all. When the load falls, the capacity follows a
quarter of an hour later. Half an hour passes, on the cloud's own clock, in some seconds. Exit code 0 only if all of that was seen.

    .venv/bin/python examples/capacity/demo.py
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PROVISIONED, ON_DEMAND = "orders-provisioned", "orders-on-demand"
UNITS_FIRST, UNITS_MAX, TARGET_PERCENT = 5, 100, 70
STEP_SECONDS = 10
# What a batch is made of: items of 10 KB, 10 write units each.
ITEM_UNITS = 10
QUIET, RISE, FALL = (2, 2), (10, 40), (18, 1)  # (minutes, write units a second)
THROTTLED = ("ProvisionedThroughputExceededException", "ThrottlingException")
SCALED = {"ServiceNamespace": "dynamodb", "ResourceId": f"table/{PROVISIONED}", "ScalableDimension": "dynamodb:table:WriteCapacityUnits"}


class Missing(Exception):
    """Something that should have been seen was not."""


@dataclass
class Minute:
    """What happened in one minute: write units asked for and refused on each table, and the provisioned capacity at its end."""

    number: int
    asked: int
    refused: dict[str, int]
    units: int


class Demo:
    """One run against the cloud at `endpoint`."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.tables, self.scaling, self.metrics = (self._client(name) for name in ("dynamodb", "application-autoscaling", "cloudwatch"))
        self.timeline: list[Minute] = []
        self._written = 0
        self._owed = 0.0
        self._until = datetime.min

    def _client(self, service: str) -> Any:
        options = Config(retries={"total_max_attempts": 1})
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", config=options, **keys)

    def clock(self, **wish: str) -> datetime:
        """The cloud's time, after moving it."""
        body = json.dumps(wish).encode() if wish else None
        request = urllib.request.Request(f"{self.endpoint}/_haneul/clock", data=body, method="POST" if wish else "GET")
        with urllib.request.urlopen(request) as answer:
            return datetime.fromtimestamp(json.load(answer)["now"], UTC)

    def advance(self) -> None:
        """Go on to where this step ends; the clock runs too, so some of it has passed by itself."""
        left = self._until - self.clock()
        if left > timedelta(0):
            self.clock(advance=f"{left // timedelta(milliseconds=1) + 1}ms")

    def deploy(self) -> None:
        """Two tables; one of them scaled by its utilization."""
        shape = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
        units = {"ReadCapacityUnits": UNITS_FIRST, "WriteCapacityUnits": UNITS_FIRST}
        self.tables.create_table(TableName=PROVISIONED, ProvisionedThroughput=units, **shape)
        self.tables.create_table(TableName=ON_DEMAND, BillingMode="PAY_PER_REQUEST", **shape)
        for name in (PROVISIONED, ON_DEMAND):
            self.tables.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        self.scaling.register_scalable_target(**SCALED, MinCapacity=UNITS_FIRST, MaxCapacity=UNITS_MAX)
        metric = {"PredefinedMetricType": "DynamoDBWriteCapacityUtilization"}
        self.scaling.put_scaling_policy(
            **SCALED,
            PolicyName="follow-the-load",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": TARGET_PERCENT, "PredefinedMetricSpecification": metric},
        )

    def write(self, table: str, items: int) -> int:
        """Write so many items in one batch; the write units that were refused."""
        requests = [{"PutRequest": {"Item": {"id": {"S": f"{self._written}-{number}"}, "order": {"S": "x" * (ITEM_UNITS * 1024 - 100)}}}} for number in range(items)]
        refused = 0
        for at in range(0, items, 20):
            part = requests[at : at + 20]
            try:
                refused += len(self.tables.batch_write_item(RequestItems={table: part})["UnprocessedItems"].get(table, ()))
            except ClientError as error:
                if error.response["Error"]["Code"] not in THROTTLED:
                    raise
                refused += len(part)
        return refused * ITEM_UNITS

    def minute(self, units_per_second: int) -> Minute:
        """A minute of load, ten seconds at a time."""
        asked, refused = 0, {PROVISIONED: 0, ON_DEMAND: 0}
        for _ in range(60 // STEP_SECONDS):
            self._owed += units_per_second * STEP_SECONDS / ITEM_UNITS
            items, self._written = int(self._owed), self._written + 1
            self._owed -= items
            asked += items * ITEM_UNITS
            for table in refused:
                refused[table] += self.write(table, items)
            self._until += timedelta(seconds=STEP_SECONDS)
            self.advance()
        units: int = self.tables.describe_table(TableName=PROVISIONED)["Table"]["ProvisionedThroughput"]["WriteCapacityUnits"]
        seen = Minute(len(self.timeline) + 1, asked, refused, units)
        self.timeline.append(seen)
        return seen

    def run(self) -> None:
        """Quiet, rise, fall."""
        self.deploy()
        self._until = self.clock().replace(second=0, microsecond=0) + timedelta(minutes=1)
        self.advance()
        print(f"{'minute':>6} {'asked':>7} {'refused: provisioned':>21} {'on demand':>10}   {'capacity':>8}")
        for minutes, units_per_second in (QUIET, RISE, FALL):
            before = UNITS_FIRST if not self.timeline else self.timeline[-1].units
            for _ in range(minutes):
                one = self.minute(units_per_second)
                change = f"  {before} -> {one.units}" if one.units != before else ""
                before = one.units
                bar = "#" * (one.refused[PROVISIONED] // 100)
                print(f"{one.number:>6} {one.asked:>7} {one.refused[PROVISIONED]:>21} {one.refused[ON_DEMAND]:>10}   {one.units:>8}{change} {bar}", flush=True)
        print("\nWhat Application Auto Scaling did, and why:")
        for activity in reversed(self.scaling.describe_scaling_activities(ServiceNamespace="dynamodb")["ScalingActivities"]):
            print(f"  {activity['StartTime'].astimezone(UTC):%H:%M:%S}  {activity['StatusCode']}: {activity['Description']}\n            {activity['Cause']}")
        self.check()

    def throttle_events(self, table: str) -> float:
        """What CloudWatch counted."""
        now = self.clock()
        found = self.metrics.get_metric_statistics(
            Namespace="AWS/DynamoDB",
            MetricName="WriteThrottleEvents",
            Dimensions=[{"Name": "TableName", "Value": table}],
            StartTime=now - timedelta(hours=2),
            EndTime=now + timedelta(minutes=1),
            Period=300,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(one["Sum"] for one in found))

    def check(self) -> None:
        """Say what was seen; Missing for what was not."""
        quiet, rise, fall = (self.timeline[:2], self.timeline[2:12], self.timeline[12:])
        scaled = next((one for one in rise if one.units > UNITS_FIRST), None)
        back = next((number for number, one in enumerate(fall, 1) if one.units == UNITS_FIRST), None)
        seen = {
            "in the quiet minutes nothing was throttled": not any(one.refused[PROVISIONED] for one in quiet),
            "the abrupt rise was throttled": sum(one.refused[PROVISIONED] for one in rise[:3]) > 0,
            "the scaling followed minutes later": scaled is not None and 2 <= scaled.number - rise[0].number + 1 <= 4,
            "then the load was taken without throttling": not any(one.refused[PROVISIONED] for one in rise[-4:]),
            "on demand nothing was throttled": not any(one.refused[ON_DEMAND] for one in self.timeline),
            "the capacity went back a quarter of an hour after the load": back is not None and back >= 14,
            "CloudWatch counted the throttled writes, of one table only": self.throttle_events(PROVISIONED) > 0 == self.throttle_events(ON_DEMAND),
        }
        print()
        for what, true in seen.items():
            print(f"  {'yes' if true else 'NO '}  {what}")
        missing = [what for what, true in seen.items() if not true]
        if missing:
            raise Missing("; ".join(missing))


def main() -> int:
    """Start a cloud, run the demonstration, stop the cloud."""
    with tempfile.TemporaryDirectory(prefix="haneul-capacity-") as folder:
        command = [str(Path(sys.executable).parent / "haneul"), "start", "--port", "0", "--data-dir", folder, "--capacity", "enforced"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if not line:
                return 1  # The server has said why on standard error.
            Demo(json.loads(line)["endpoint"].replace("localhost", "127.0.0.1")).run()
            print("\nEverything was seen.")
            return 0
        except Missing as missing:
            print(f"\nNot seen: {missing}")
            return 1
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


if __name__ == "__main__":
    sys.exit(main())
