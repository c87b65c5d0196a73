"""`python -m bench.soak --minutes 10`: functions under mixed loads and faults, and what is left at the end.

Loads: synchronous invocations, asynchronous events (without retries, reported to a queue), a queue and a stream as event sources. Faults: an environment
killed, the spawner killed, the server killed with -9 and started again, in turn. At the end every event that was answered 202 must have run, none twice
but those that were under way when something was killed, and no process, mount, control group, file or descriptor may be left. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from bench.process import children
from tests.lambda_.build import function
from tests.process.haneul_process import Process, client, free_port

WORK = "import os, boto3\nsqs = boto3.client('sqs')\ndef handler(event, context):\n    sqs.send_message(QueueUrl=os.environ['DONE'], MessageBody=str(event.get('id', 'batch')))\n    return event\n"
FAULT_EVERY_SECONDS = 10.0
SETTLE_SECONDS = 420.0
_PAUSE_SECONDS = {"asynchronous": 0.05, "queue": 0.05, "stream": 0.05}
FAILURES = (BotoCoreError, ClientError, OSError)


class Soak:
    """One run. `accepted` are the ids of events that were answered 202, `began` counts invocations by id."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.port = free_port()
        self.accepted: set[str] = set()
        self.began: Counter[str] = Counter()
        self.given_up: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.under_way = 0
        self.stopping = threading.Event()
        self._clients = threading.local()
        self.number = 0
        self.server = Process(folder, port=self.port)

    def call(self, service: str) -> Any:
        """A client of this thread's own."""
        known = self._clients.__dict__
        if service not in known:
            known[service] = client(service, f"http://127.0.0.1:{self.port}")
        return known[service]

    def prepare(self) -> None:
        """Functions, queues, a table, mappings."""
        sqs, functions, dynamodb = self.call("sqs"), self.call("lambda"), self.call("dynamodb")
        self.done = sqs.create_queue(QueueName="done")["QueueUrl"]
        self.failed = sqs.create_queue(QueueName="failed")["QueueUrl"]
        self.work = sqs.create_queue(QueueName="work")["QueueUrl"]
        settings = {"MemorySize": 512, "Timeout": 20, "Environment": {"Variables": {"DONE": self.done}}}
        for name in ("works", "queue", "stream"):
            function(self.server, name, WORK, **settings)  # type: ignore[arg-type]
        # Each environment imports boto3: more of them at once than the machine has cores would only wait for each other.
        functions.put_function_concurrency(FunctionName="works", ReservedConcurrentExecutions=4)
        function(self.server, "echo")  # type: ignore[arg-type]
        functions.put_function_event_invoke_config(FunctionName="works", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:failed"}})
        made = dynamodb.create_table(
            TableName="items",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        dynamodb.get_waiter("table_exists").wait(TableName="items")
        functions.create_event_source_mapping(FunctionName="queue", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:work", ScalingConfig={"MaximumConcurrency": 2})
        functions.create_event_source_mapping(FunctionName="stream", EventSourceArn=made["TableDescription"]["LatestStreamArn"], StartingPosition="TRIM_HORIZON")

    # ---- loads, each in a thread

    def load(self, kind: str) -> None:
        """Send requests of one kind until the end; failures are expected while something is killed."""
        act = getattr(self, f"_{kind}")
        while not self.stopping.is_set():
            try:
                act()
                self.requests[kind] += 1
                time.sleep(_PAUSE_SECONDS.get(kind, 0.0))
            except FAILURES:
                self.requests[f"{kind} failed"] += 1
                time.sleep(0.2)

    def _synchronous(self) -> None:
        self.call("lambda").invoke(FunctionName="echo", Payload=b'{"a": 1}')

    def _asynchronous(self) -> None:
        self.number += 1
        one = f"event-{self.number}"
        self.call("lambda").invoke(FunctionName="works", InvocationType="Event", Payload=json.dumps({"id": one}).encode())
        self.accepted.add(one)

    def _queue(self) -> None:
        self.call("sqs").send_message(QueueUrl=self.work, MessageBody="message")

    def _stream(self) -> None:
        self.call("dynamodb").put_item(TableName="items", Item={"id": {"S": str(self.requests["stream"] % 100)}})

    def _collect(self) -> None:
        for message in self._taken(self.done):
            self.began[message] += 1
        for message in self._taken(self.failed):  # Its environment was killed, and its owner told so.
            self.given_up.add(json.loads(message)["requestPayload"]["id"])

    def _taken(self, url: str) -> list[str]:
        sqs = self.call("sqs")
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        if messages:
            entries = [{"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return [message["Body"] for message in messages]

    def unaccounted(self) -> set[str]:
        """Events that were accepted, and neither ran nor were reported as failed."""
        return self.accepted - set(self.began) - self.given_up

    # ---- faults

    def fault(self) -> str:
        """Break something; what."""
        self.under_way += len(self.unaccounted())
        kind = self.chance.choice(["environment", "spawner", "server"])
        below = children(self.server.popen.pid)
        if kind == "server" or not below:
            self.server.kill()
            self.server = Process(self.folder, port=self.port)
            return "server"
        victims = below if kind == "spawner" else [leaf for child in below for leaf in _leaves(child) if leaf != child]
        if victims:
            try:
                os.kill(self.chance.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                return f"{kind} (gone already)"
        return kind

    # ---- the end

    def settle(self) -> None:
        """Wait until all accepted events have run."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.unaccounted() and time.monotonic() < deadline:
            try:
                self._collect()
            except FAILURES:
                time.sleep(0.5)

    def problems(self) -> list[str]:
        """What should not be."""
        found = []
        missing = self.unaccounted()
        if missing:
            found.append(f"{len(missing)} of {len(self.accepted)} accepted events neither ran nor were reported as failed")
        twice = [one for one in self.accepted if self.began[one] > 1]
        if len(twice) > self.under_way:
            found.append(f"{len(twice)} events ran twice, but only {self.under_way} were under way at a fault")
        descriptors = len(os.listdir(f"/proc/{self.server.popen.pid}/fd"))
        if descriptors > 400:
            found.append(f"the server has {descriptors} descriptors open")
        if self.server.stop() != 0:
            found.append("the server did not stop cleanly")
        place = str(self.folder)
        found += [f"process {pid} is left" for pid in os.listdir("/proc") if pid.isdigit() and place in _command_line(pid)]
        found += [f"mount {line.split()[1]} is left" for line in Path("/proc/mounts").read_text().splitlines() if place in line]
        found += [f"control group {path} is left" for path in Path("/sys/fs/cgroup").rglob("haneul/*/*") if path.is_dir() and _is_ours(path, place)]
        sandbox = self.folder / "functions" / "sandbox"
        found += [f"{path} is left" for path in (sandbox.iterdir() if sandbox.is_dir() else ())]
        return found


def _is_ours(group: Path, place: str) -> bool:
    """Whether a control group holds processes of this run (others may run on the machine)."""
    tasks = group / "cgroup.procs"
    return tasks.is_file() and any(place in _command_line(pid) for pid in tasks.read_text().split())


def _leaves(pid: int) -> list[int]:
    below = children(pid)
    return [leaf for child in below for leaf in _leaves(child)] if below else [pid]


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the loads last (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="which faults come when (default: 1)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="haneul-soak-"))
    soak = Soak(folder, options.seed)
    try:
        soak.prepare()
        threads = [threading.Thread(target=soak.load, args=(kind,)) for kind in ("synchronous", "synchronous", "asynchronous", "queue", "stream", "collect")]
        for thread in threads:
            thread.start()
        end = time.monotonic() + options.minutes * 60
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(FAULT_EVERY_SECONDS, left))
            print(f"{int(left):5} s left, {len(soak.accepted)} events accepted; fault: {soak.fault()}", flush=True)
        soak.stopping.set()
        for thread in threads:
            thread.join()
        soak.settle()
        print(f"{len(soak.accepted)} events accepted, {len(soak.given_up)} failed as their environment was killed")
        print(", ".join(f"{kind}: {count}" for kind, count in sorted(soak.requests.items())))
        problems = soak.problems()
    finally:
        soak.stopping.set()
        soak.server.__exit__()
        shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print(f"PROBLEM: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
