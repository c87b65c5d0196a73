"""`python -m bench.soak --minutes 10`: functions under mixed loads and faults, and what is left at the end.

Loads: synchronous invocations; asynchronous events without retries, and with retries of a function that often fails; a queue and a stream as event
sources. Faults, in turn: an environment killed, the spawner killed, the server killed with -9 and started again on its data, the disk full for some
seconds. At the end every event that was taken must have run or have been reported as failed, none of those without retries twice but such as were
under way at a fault, and no process, namespace, mount, loop device, control group, file or descriptor may be left. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from bench.leftovers import Watch, descriptors, kill, leaves
from bench.process import children
from bench.small_disk import fill, small_disk
from tests.lambda_.build import function
from tests.process.haneul_process import Process, client, free_port

# Says of every event that it ran; where CHANCE is set it fails before, that often.
WORK = """
import os, uuid, boto3
sqs = boto3.client("sqs")
def names(event):
    if "id" in event:
        return [event["id"]]
    return [record["body"] if "body" in record else record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
def handler(event, context):
    if os.urandom(1)[0] < int(os.environ.get("CHANCE", "0")):
        raise RuntimeError("as often")
    found, run = names(event), uuid.uuid4().hex
    for at in range(0, len(found), 10):
        entries = [{"Id": str(number), "MessageBody": f"{name} {run}"} for number, name in enumerate(found[at : at + 10])]
        if sqs.send_message_batch(QueueUrl=os.environ["DONE"], Entries=entries).get("Failed"):
            raise RuntimeError("not told")
"""
ACCOUNT_ARN = "us-east-1:000000000000"
FAULT_EVERY_SECONDS = 10.0
FULL_SECONDS = 3.0
LAST_WORDS_SECONDS = 2.0
SETTLE_SECONDS = 240.0
DESCRIPTORS_MORE = 16
"""The runtime's own (spawner, zygotes, pipes) and connections that are being closed."""
_PAUSE_SECONDS = {"once": 0.15, "often": 0.3, "queue": 0.15, "stream": 0.15}
FAILURES = (BotoCoreError, ClientError, OSError)


class Soak:
    """One run. Ids begin with the load that they belong to: `accepted` are those that were answered, `ran` has the runs of each."""

    def __init__(self, folder: Path, seed: int, faults: list[str], *, small: bool) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.port = free_port()
        self.faults = [one for one in faults if small or one != "disk"]
        self.watch = Watch(folder, own_mount=small)
        self.accepted: set[str] = set()
        self.ran: dict[str, set[str]] = {}
        self.ran_at: dict[str, float] = {}
        self.given_up: set[str] = set()
        self.exposed: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.stopping = threading.Event()
        self._counting = threading.Lock()
        self._clients = threading.local()
        self._numbers = {kind: 0 for kind in _PAUSE_SECONDS}
        self.server = Process(folder, port=self.port)
        self.descriptors_first = descriptors(self.server.popen.pid)

    def call(self, service: str) -> Any:
        """A client of this thread's own."""
        known = self._clients.__dict__
        if service not in known:
            known[service] = client(service, f"http://127.0.0.1:{self.port}")
        return known[service]

    def prepare(self) -> None:
        """Functions, queues, a table, mappings."""
        sqs, functions, dynamodb = self.call("sqs"), self.call("lambda"), self.call("dynamodb")
        self.done, self.failed, self.work = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("done", "failed", "work"))
        settings = {"MemorySize": 512, "Timeout": 20}
        for name in ("once", "often", "queue", "stream"):
            variables = {"DONE": self.done, **({"CHANCE": "100"} if name == "often" else {})}
            function(self.server, name, WORK, Environment={"Variables": variables}, **settings)  # type: ignore[arg-type]
        function(self.server, "echo")  # type: ignore[arg-type]
        failed = {"OnFailure": {"Destination": f"arn:aws:sqs:{ACCOUNT_ARN}:failed"}}
        functions.put_function_event_invoke_config(FunctionName="once", MaximumRetryAttempts=0, DestinationConfig=failed)
        functions.put_function_event_invoke_config(FunctionName="often", MaximumRetryAttempts=2, DestinationConfig=failed)
        made = dynamodb.create_table(
            TableName="items",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        dynamodb.get_waiter("table_exists").wait(TableName="items")
        source = made["TableDescription"]["LatestStreamArn"]
        functions.create_event_source_mapping(FunctionName="queue", EventSourceArn=f"arn:aws:sqs:{ACCOUNT_ARN}:work", ScalingConfig={"MaximumConcurrency": 2})
        functions.create_event_source_mapping(FunctionName="stream", EventSourceArn=source, StartingPosition="TRIM_HORIZON")

    # ---- loads, each in a thread

    def load(self, kind: str) -> None:
        """Send requests of one kind until the end; failures are expected while something is killed."""
        act = getattr(self, f"_{kind}")
        while not self.stopping.is_set():
            try:
                act()
                self.requests[kind] += 1
                time.sleep(_PAUSE_SECONDS.get(kind, 0.0))
            except FAILURES as error:
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
                self.requests[f"{kind} {code}"] += 1
                time.sleep(0.2)

    def _synchronous(self) -> None:
        self.call("lambda").invoke(FunctionName="echo", Payload=b'{"a": 1}')

    def _once(self) -> None:
        self._event("once")

    def _often(self) -> None:
        self._event("often")

    def _event(self, name: str) -> None:
        one = self._next(name)
        self.call("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps({"id": one}).encode())
        self.accepted.add(one)

    def _queue(self) -> None:
        one = self._next("queue")
        self.call("sqs").send_message(QueueUrl=self.work, MessageBody=one)
        self.accepted.add(one)

    def _stream(self) -> None:
        one = self._next("stream")
        self.call("dynamodb").put_item(TableName="items", Item={"id": {"S": one}})
        self.accepted.add(one)

    def _next(self, kind: str) -> str:
        self._numbers[kind] += 1
        return f"{kind}-{self._numbers[kind]}"

    def _collect(self) -> None:
        for message in self._taken(self.done, 1):
            one, _, run = message.partition(" ")
            with self._counting:  # A message that comes twice is of one run.
                self.ran.setdefault(one, set()).add(run)
                self.ran_at[one] = time.monotonic()
        for message in self._taken(self.failed, 0):  # Its environment was killed, or it failed too often, and its owner is told so.
            self.given_up.add(json.loads(message)["requestPayload"]["id"])

    def _taken(self, url: str, wait_seconds: int) -> list[str]:
        sqs = self.call("sqs")
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds).get("Messages", [])
        if messages:
            entries = [{"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        return [message["Body"] for message in messages]

    def unaccounted(self) -> set[str]:
        """What was accepted, and neither ran nor was reported as failed."""
        return set(self.accepted) - set(self.ran) - self.given_up

    def under_way(self) -> set[str]:
        """What a fault may hit: also what has said that it ran a moment ago, since an invocation ends after its last words."""
        with self._counting:
            recent = {one for one, at in self.ran_at.items() if at > time.monotonic() - LAST_WORDS_SECONDS}
        return self.unaccounted() | recent

    # ---- faults

    def fault(self) -> str:
        """Break something; what."""
        kind = self.chance.choice(self.faults)
        self.watch.look(self.server.popen.pid)
        below = children(self.server.popen.pid)
        self.exposed |= self.under_way()
        if kind == "disk":
            ballast = fill(self.folder)
            time.sleep(FULL_SECONDS)
            self.exposed |= self.under_way()
            ballast.unlink()
        elif kind == "server" or not below:
            kind = "server"
            self.server.kill()
            self.exposed |= self.under_way()
            self.server = Process(self.folder, port=self.port)
        else:
            victims = below if kind == "spawner" else [leaf for child in below for leaf in leaves(child) if leaf != child]
            if not victims or not kill(self.chance.choice(victims)):
                kind += " (gone already)"
        self.exposed |= self.under_way()
        return kind

    # ---- the end

    def advance(self, duration: str) -> None:
        """Move the cloud's clock: pauses before retries, and of queues, pass."""
        body = json.dumps({"advance": duration}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/_haneul/clock", body, {"content-type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()

    def settle(self) -> None:
        """Wait until everything that was accepted has run, letting the cloud's time pass when nothing comes any more."""
        deadline, before = time.monotonic() + SETTLE_SECONDS, -1
        while (left := self.unaccounted()) and time.monotonic() < deadline:
            try:
                if len(left) == before:
                    self.advance("35s")
                before = len(left)
                self._collect()
            except FAILURES:
                time.sleep(0.5)

    def problems(self) -> list[str]:
        """What should not be. The server has ended when this returns."""
        found = []
        for kind in _PAUSE_SECONDS:
            missing = [one for one in self.unaccounted() if one.startswith(kind)]
            if missing:
                found.append(f"{len(missing)} accepted events of the load {kind} neither ran nor were reported as failed, such as {sorted(missing)[:3]}")
        twice = {one for one in self.accepted if len(self.ran.get(one, ())) > 1}
        for kind in ("once", "often"):
            wrong = [one for one in twice - self.exposed if one.startswith(kind)]
            if wrong:
                found.append(f"{len(wrong)} events of the load {kind} ran twice though nothing was under way with them at a fault: {sorted(wrong)[:3]}")
        print(f"ran more than once: {len(twice)}, all under way at a fault or of a source that repeats batches; {len(self.exposed)} were under way at faults")
        self._delete_everything()
        found += self._descriptors()
        self.watch.look(self.server.popen.pid)
        if self.server.stop() != 0:
            found.append("the server did not stop cleanly")
        return found + self.watch.unused(self.folder) + self.watch.left()

    def _delete_everything(self) -> None:
        functions = self.call("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.delete_event_source_mapping(UUID=mapping["UUID"])
        for one in functions.list_functions()["Functions"]:
            functions.delete_function(FunctionName=one["FunctionName"])
        self.advance("20m")

    def _descriptors(self) -> list[str]:
        """When all functions are deleted and their environments have ended, the server has as many as at its beginning."""
        for one in list(self._clients.__dict__.values()):
            one.close()
        deadline, now = time.monotonic() + 10, 0
        while time.monotonic() < deadline:
            now = descriptors(self.server.popen.pid)
            if now <= self.descriptors_first + DESCRIPTORS_MORE:
                break
            time.sleep(0.5)
        print(f"descriptors of the server: {self.descriptors_first} at the start, {now} at the end")
        return [f"the server has {now} descriptors open, and had {self.descriptors_first} at first"] if now > self.descriptors_first + DESCRIPTORS_MORE else []


def errors_in(log: str) -> Counter[str]:
    """What went wrong inside of the server, each kind once with how often: the line that ends a traceback, after what it happened to."""
    found: Counter[str] = Counter()
    what = ""
    for line in log.splitlines():
        if " ERROR " in line:
            what = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", line.partition(" ERROR ")[2])
        elif what and re.match(r"[A-Za-z_.]+(: |$)", line):
            found[f"{what}: {line[:120]}"] += 1
            what = ""
    return found


def run(folder: Path, disk: str, options: argparse.Namespace) -> list[str]:
    """Loads and faults for so long; the problems."""
    soak = Soak(folder, options.seed, options.faults.split(","), small=bool(disk))
    print(f"data directory: {disk or 'no file system of its own could be mounted (that wants root): the fault of a full disk is SKIPPED'}", flush=True)
    if not soak.watch.adopts:
        print("orphans cannot be adopted here: processes are found by their command line only", flush=True)
    try:
        soak.prepare()
        threads = [threading.Thread(target=soak.load, args=(kind,)) for kind in ("synchronous", "synchronous", *_PAUSE_SECONDS, *["collect"] * 3)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + options.minutes * 60
        faults: Counter[str] = Counter()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(FAULT_EVERY_SECONDS, left))
            kind = soak.fault()
            faults[kind] += 1
            print(f"{int(left):5} s left, {len(soak.accepted)} events accepted, {len(soak.unaccounted())} under way; fault: {kind}", flush=True)
        soak.stopping.set()
        for thread in threads:
            thread.join()
        began = time.monotonic()
        soak.settle()
        print(f"settled in {time.monotonic() - began:.0f} s; faults: {', '.join(f'{kind} {count}' for kind, count in sorted(faults.items()))}")
        accepted = Counter(one.partition("-")[0] for one in soak.accepted)
        print(f"accepted: {dict(accepted)}; reported as failed: {dict(Counter(one.partition('-')[0] for one in soak.given_up))}")
        print("requests: " + ", ".join(f"{kind}: {count}" for kind, count in sorted(soak.requests.items())))
        return soak.problems()
    finally:
        soak.stopping.set()
        for error, count in errors_in(soak.server.log()).most_common(20):
            print(f"since the last start, {count} times: {error}")
        soak.server.__exit__()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the loads last (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="which faults come when (default: 1)")
    parser.add_argument("--faults", default="environment,spawner,server,disk", help="which there are (default: all)")
    options = parser.parse_args()
    parent = Path(tempfile.mkdtemp(prefix="haneul-soak-"))
    os.chmod(parent, 0o755)  # Functions are users of their own, who have to reach their code.
    try:
        with small_disk(parent) as (folder, disk):
            problems = run(folder, disk, options)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(parent)
    for problem in problems:
        print(f"PROBLEM: {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
