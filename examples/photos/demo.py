"""The main job: start the cloud, deploy the photo application, drive it with pictures, show what happened, keep serving.

`make demo` runs this; `make demo ONCE=1` stops by itself, with exit code 0 only if every effect was seen.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from deploy import HERE, STAGE, Photos
from PIL import Image

REGION = "us-east-1"
REPORT = re.compile(
    r"Duration: (?P<ms>[\d.]+) ms\s+Billed Duration: (?P<billed>\d+) ms\s+Memory Size: (?P<memory>\d+) MB\s+Max Memory Used: (?P<used>\d+) MB(?:\s+Init Duration: (?P<init>[\d.]+) ms)?"
)
PRICE_PER_GB_SECOND = 0.0000166667  # Lambda, x86, us-east-1
PRICE_PER_REQUEST = 0.0000002
WAIT_SECONDS = 60
T = TypeVar("T")


class Missing(Exception):
    """An effect that should have been seen was not."""


def say(what: str, text: str) -> None:
    hue = {"s3": 32, "lambda": 33, "dynamodb": 34, "sqs": 35, "apigateway": 36, "FAIL": 31}.get(what, 1)
    label = f"{what:>10}"
    print(f"\x1b[{hue}m{label}\x1b[0m  {text}" if sys.stdout.isatty() else f"{label}  {text}", flush=True)


def heading(text: str) -> None:
    print(f"\n\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def wait_for(what: str, look: Callable[[], T | None]) -> T:
    """Look until there is something to see."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise Missing(f"{what} did not happen within {WAIT_SECONDS} s")


class Demo:
    """One run against the cloud at `endpoint`."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._clients: dict[str, Any] = {}
        self.app = Photos(self.client, say, REGION)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name=REGION,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(s3={"addressing_style": "path"}),
            )
        return self._clients[service]

    def run(self) -> None:
        heading("Deploying the photo application, with public AWS API calls only")
        self.app.deploy()
        heading("Uploading pictures through the API")
        photos = [self.upload(path) for path in sorted((HERE / "pictures").iterdir())]
        heading("S3 event -> thumbnail -> DynamoDB")
        for photo in photos:
            self.see_thumbnail(photo)
        heading("DynamoDB stream -> index, whose role may not send to the queue")
        refusal = wait_for("the refusal in index's log", self.find_refusal)
        say("lambda", f"index failed: {refusal}")
        attempts = wait_for("a second attempt", lambda: n if (n := self.attempts()) >= 2 else None)
        say("lambda", f"the stream's records are kept and tried again ({attempts} attempts so far); the queue is empty: {self.queue_is_empty()}")
        say("iam", "allowing photos-index to sqs:SendMessage")
        self.app.allow_index_to_send()
        self.see_messages(set(photos))
        heading("GET /photos")
        self.see_list(set(photos))
        heading("What ran, and what it cost")
        self.report()

    def http(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
        url = f"{self.endpoint}/restapis/{self.app.api}/{STAGE}/_user_request_{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers or {}, method=method), timeout=60) as answer:
            return dict(json.load(answer))

    def upload(self, path: Path) -> str:
        kind = {".jpg": "image/jpeg", ".png": "image/png"}[path.suffix]
        began = time.perf_counter()
        answer = self.http("POST", f"/photos?title={path.stem}", path.read_bytes(), {"Content-Type": kind})
        took = (time.perf_counter() - began) * 1000
        if answer["bytes"] != path.stat().st_size:
            raise Missing(f"{path.name} arrived with {answer['bytes']} bytes instead of {path.stat().st_size}")
        say("apigateway", f"POST /photos {path.name} ({answer['bytes']} bytes) -> {answer['photo']} in {took:.0f} ms")
        return str(answer["photo"])

    def see_thumbnail(self, photo: str) -> None:
        key = photo.rsplit(".", 1)[0] + ".jpg"

        def look() -> bytes | None:
            found = self.client("s3").list_objects_v2(Bucket=self.app.thumbnails_bucket, Prefix=key).get("Contents")
            return self.client("s3").get_object(Bucket=self.app.thumbnails_bucket, Key=key)["Body"].read() if found else None

        thumbnail = wait_for(f"the thumbnail of {photo}", look)
        size = Image.open(BytesIO(thumbnail)).size
        if max(size) != 128:
            raise Missing(f"the thumbnail of {photo} is {size} large")
        item = wait_for(
            f"the item of {photo}",
            lambda: self.client("dynamodb").get_item(TableName=self.app.table, Key={"album": {"S": "all"}, "photo": {"S": photo}}, ConsistentRead=True).get("Item"),
        )
        say("dynamodb", f"{item['title']['S']}: {item['width']['N']}x{item['height']['N']}, thumbnail {size[0]}x{size[1]} ({len(thumbnail)} bytes)")

    def log_lines(self, function: str) -> list[str]:
        logs = self.client("logs")
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
            return [event["message"] for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return []

    def find_refusal(self) -> str | None:
        for line in self.log_lines("index"):
            if "AccessDenied" in line and (found := re.search(r"User: .*? action", line)):
                return found[0]
        return None

    def attempts(self) -> int:
        return sum(line.startswith("REPORT") for line in self.log_lines("index"))

    def queue_is_empty(self) -> bool:
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.app.queue_url, AttributeNames=["ApproximateNumberOfMessages"])
        return bool(found["Attributes"]["ApproximateNumberOfMessages"] == "0")

    def see_messages(self, photos: set[str]) -> None:
        waiting = set(photos)
        sqs = self.client("sqs")

        def look() -> bool:
            for message in sqs.receive_message(QueueUrl=self.app.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", []):
                body = json.loads(message["Body"])
                say("sqs", f"message: {body['title']} ({body['width']}x{body['height']})")
                waiting.discard(body["photo"])
                sqs.delete_message(QueueUrl=self.app.queue_url, ReceiptHandle=message["ReceiptHandle"])
            return not waiting

        wait_for("the announcement of every photo", look)

    def see_list(self, photos: set[str]) -> None:
        listed = self.http("GET", "/photos")["photos"]
        if {photo["photo"] for photo in listed} != photos:
            raise Missing(f"the list has {len(listed)} photos instead of {len(photos)}")
        for photo in listed:
            say("apigateway", f"{photo['title']:10} {photo['width']}x{photo['height']}  {photo['bytes']} bytes  {photo['photo']}")

    def report(self) -> None:
        wait_for("the log of the last request", lambda: [line for line in self.log_lines("list") if line.startswith("REPORT")])
        print(f"{'function':>12} {'start':>6} {'init ms':>9} {'ms':>9} {'billed':>7} {'memory':>12} {'cost':>14}")
        total = 0.0
        for function in self.app.functions():
            for line in self.log_lines(function.name):
                found = REPORT.search(line)
                if found is None:
                    continue
                cost = PRICE_PER_REQUEST + int(found["billed"]) / 1000 * int(found["memory"]) / 1024 * PRICE_PER_GB_SECOND
                total += cost
                start = "cold" if found["init"] else "warm"
                print(f"{function.name:>12} {start:>6} {found['init'] or '':>9} {found['ms']:>9} {found['billed']:>7} {found['used'] + '/' + found['memory'] + ' MB':>12} ${cost:.9f}")
        print(f"{'total':>12} {'':>56} ${total:.9f} (Lambda's list price; {1 / total:,.0f} such runs for a dollar)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="stop when everything has been seen")
    parser.add_argument("--port", type=int, default=None, help="port to serve on (default: 4566; with --once any free one)")
    options = parser.parse_args()
    port = options.port if options.port is not None else (0 if options.once else 4566)
    with tempfile.TemporaryDirectory(prefix="haneul-demo-") as folder:
        haneul = Path(sys.executable).parent / "haneul"
        began = time.perf_counter()
        server = subprocess.Popen([haneul, "start", "--port", str(port), "--data-dir", folder], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if not line:
                return 1  # The server has said why on standard error.
            facts = json.loads(line)
            heading("Haneul")
            say("haneul", f"running at {facts['endpoint']} after {(time.perf_counter() - began) * 1000:.0f} ms, state in {folder}")
            demo = Demo(facts["endpoint"].replace("localhost", "127.0.0.1"))
            demo.run()
            if options.once:
                heading("Every effect was seen.")
                return 0
            heading("Serving until Ctrl-C. Try:")
            api = f"{facts['endpoint']}/restapis/{demo.app.api}/{STAGE}/_user_request_/photos"
            print(f"  curl {api}\n  curl --data-binary @examples/photos/pictures/night.png -H 'Content-Type: image/png' '{api}?title=again'")
            print(f"  .venv/bin/haneul logs -f --endpoint {facts['endpoint']}")
            server.wait()
            return 0
        except Missing as missing:
            say("FAIL", str(missing))
            return 1
        except KeyboardInterrupt:
            print()
            return 0
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


if __name__ == "__main__":
    sys.exit(main())
