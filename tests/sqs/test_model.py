"""Random histories of one queue, compared with a plain model of what the Developer Guide promises."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haneul.app import App
from haneul.clock import SECOND, Clock, Ids
from haneul.core.caller import Caller
from haneul.core.cloud import Settings
from haneul.core.errors import ServiceError
from haneul.services.sqs.messages import State, read_content
from haneul.services.sqs.queues import Place
from haneul.services.sqs.service import Sqs
from haneul.store.keys import unpack

ACCOUNT = "000000000000"
ROOT = Caller(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", principal_id=ACCOUNT)
RETENTION, TIMEOUT = 120, 10

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from((0, 0, 0, 5, 20)), st.sampled_from("gh")),
        st.tuples(st.just("receive"), st.integers(1, 4), st.sampled_from((0, 5, TIMEOUT, 30))),
        st.tuples(st.just("delete"), st.integers(0, 5), st.none()),
        st.tuples(st.just("change"), st.integers(0, 5), st.sampled_from((0, 5, 40))),
        st.tuples(st.just("wait"), st.sampled_from((1, 4, 5, 6, 10, 61, 121)), st.none()),
    ),
    max_size=40,
)


@dataclass
class Modelled:
    """One message as the model sees it; times in seconds."""

    body: str
    group: str
    sent_at: int
    visible_at: int
    receives: int = 0


class Model:
    """What a queue holds. `dead` are the bodies that its dead-letter queue must hold."""

    def __init__(self, fifo: bool, receives_max: int) -> None:
        self.fifo = fifo
        self.receives_max = receives_max
        self.now = 0
        self.messages: list[Modelled] = []
        self.dead: list[str] = []

    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.messages = [one for one in self.messages if one.sent_at + RETENTION > self.now]

    def counts(self) -> tuple[int, int, int]:
        hidden = [one for one in self.messages if one.visible_at > self.now]
        in_flight = sum(one.receives > 0 for one in hidden)
        return len(self.messages) - len(hidden), in_flight, len(hidden) - in_flight

    def find(self, body: str) -> Modelled | None:
        return next((one for one in self.messages if one.body == body), None)

    def may_be_received(self) -> list[Modelled]:
        """The messages of which any may come next; of a FIFO queue all that come, group by group in order."""
        visible = [one for one in self.messages if one.visible_at <= self.now]
        if self.fifo:
            locked = {one.group for one in self.messages if one.visible_at > self.now}
            visible = [one for one in visible if one.group not in locked]
        return visible

    def received(self, body: str, timeout: int) -> int:
        one = self.find(body)
        assert one is not None, f"{body} is not in the queue"
        one.receives += 1
        one.visible_at = self.now + timeout
        return one.receives


class Both:
    """The service and the model, led through the same history."""

    def __init__(self, app: App, model: Model, url: str, grave: str) -> None:
        self.app, self.model, self.url, self.grave = app, model, url, grave
        self.handles: list[tuple[str, int, str]] = []
        self.sent = 0

    async def invoke(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self.app.cloud.invoke(f"sqs:{operation}", request, caller=ROOT, region="us-east-1")

    async def send(self, delay: int, group: str) -> None:
        body = str(self.sent)
        self.sent += 1
        if self.model.fifo:
            delay = 0
            await self.invoke("SendMessage", QueueUrl=self.url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body)
        else:
            await self.invoke("SendMessage", QueueUrl=self.url, MessageBody=body, DelaySeconds=delay)
        self.model.messages.append(Modelled(body, group, self.model.now, self.model.now + delay))

    async def receive(self, count: int, timeout: int) -> None:
        model = self.model
        allowed = model.may_be_received()
        dying = [one for one in allowed if one.receives >= model.receives_max]
        alive = [one for one in allowed if one not in dying]
        found = (await self.invoke("ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=count, VisibilityTimeout=timeout)).get("Messages", [])
        bodies = [message["Body"] for message in found]
        assert len(set(bodies)) == len(bodies)
        assert set(bodies) <= {one.body for one in alive}
        if not model.fifo:
            assert len(bodies) == min(count, len(alive))
        else:
            assert bool(bodies) == bool(alive)
            for group in "gh":
                in_group = [one.body for one in alive if one.group == group]
                got = [body for body in bodies if body in in_group]
                assert got == in_group[: len(got)], "a group came out of order"
        for message in found:
            self.handles.append((message["Body"], model.received(message["Body"], timeout), message["ReceiptHandle"]))
        # Which of the dying were met depends on how far the service had to look: ask the dead-letter queue.
        buried = int((await self.numbers(self.grave))[0]) - len(model.dead)
        gone = [one for one in dying if one.body in await self.buried(buried)]
        assert len(gone) == buried
        for one in gone:
            model.messages.remove(one)
            model.dead.append(one.body)

    async def buried(self, expected: int) -> set[str]:
        if not expected:
            return set()
        store = self.app.cloud.store
        service = self.app.cloud.service(Sqs)
        grave = service.find(Place(ACCOUNT, "us-east-1", self.grave.rpartition("/")[2]))
        assert grave is not None
        known: set[str] = set()

        def look(box: Any) -> None:
            letter = "m" if grave.fifo else "v"
            for key, row in store.range(grave.data_prefix, grave.data_prefix + b"\xff"):
                parts = unpack(key)
                if parts[5] == letter:
                    number = int(parts[-1])
                    known.add(read_content(box.tx, box.vault, State.decode(row), row, box._key("b", number) if grave.fifo else box._apart(number)).body)

        await service.change(grave, look)
        return known - set(self.model.dead)

    async def delete(self, index: int) -> None:
        if not self.handles:
            return
        body, receives, handle = self.handles[-1 - index % len(self.handles)]
        one = self.model.find(body)
        try:
            await self.invoke("DeleteMessage", QueueUrl=self.url, ReceiptHandle=handle)
        except ServiceError as error:
            assert self.model.fifo
            assert error.code == "InvalidParameterValue"
            assert one is not None
            assert one.receives != receives or one.visible_at <= self.model.now
            return
        if one is not None and one.receives == receives:
            assert not self.model.fifo or one.visible_at > self.model.now
            self.model.messages.remove(one)

    async def change(self, index: int, timeout: int) -> None:
        if not self.handles:
            return
        body, receives, handle = self.handles[-1 - index % len(self.handles)]
        one = self.model.find(body)
        current = one is not None and one.receives == receives and (not self.model.fifo or one.visible_at > self.model.now)
        try:
            await self.invoke("ChangeMessageVisibility", QueueUrl=self.url, ReceiptHandle=handle, VisibilityTimeout=timeout)
        except ServiceError as error:
            assert error.code == "InvalidParameterValue"
            assert not current
            return
        assert current
        assert one is not None
        if one.visible_at > self.model.now:
            one.visible_at = self.model.now + timeout

    async def wait(self, seconds: int) -> None:
        await self.app.cloud.clock.advance(seconds * SECOND)
        self.model.wait(seconds)

    async def numbers(self, url: str) -> tuple[int, int, int]:
        found = (await self.invoke("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]))["Attributes"]
        return tuple(int(found[f"ApproximateNumberOfMessages{end}"]) for end in ("", "NotVisible", "Delayed"))  # type: ignore[return-value]


async def lead(folder: Path, fifo: bool, receives_max: int, steps: list[tuple[str, Any, Any]]) -> None:
    app = await App.open(Settings(data_dir=folder), clock=Clock(frozen_at=1_800_000_000 * SECOND), ids=Ids(1), services=[Sqs])
    suffix = ".fifo" if fifo else ""
    kind = {"FifoQueue": "true"} if fifo else {}
    both = Both(app, Model(fifo, receives_max), "", "")
    both.grave = (await both.invoke("CreateQueue", QueueName=f"grave{suffix}", Attributes=kind))["QueueUrl"]
    policy = f'{{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:{ACCOUNT}:grave{suffix}", "maxReceiveCount": {receives_max}}}'
    attributes = {**kind, "MessageRetentionPeriod": str(RETENTION), "RedrivePolicy": policy}
    both.url = (await both.invoke("CreateQueue", QueueName=f"queue{suffix}", Attributes=attributes))["QueueUrl"]
    for name, first, second in steps:
        arguments = (first,) if second is None else (first, second)
        await getattr(both, name)(*arguments)
        assert await both.numbers(both.url) == both.model.counts(), (name, first, second)
    await both.wait(RETENTION)
    await both.wait(1)
    queue = app.cloud.service(Sqs).find(Place(ACCOUNT, "us-east-1", f"queue{suffix}"))
    assert queue is not None
    left = [unpack(key)[5:] for key, _ in app.cloud.store.range(queue.data_prefix, queue.data_prefix + b"\xff")]
    assert left == [("c",)], "rows were left behind"
    await app.close()


@pytest.mark.parametrize("fifo", [False, True])
def test_any_history(fifo: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Because counts, order, locks, expiry and dead letters must be right together, after any sequence of requests and waits."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(receives_max=st.sampled_from((1, 2, 1000)), steps=STEPS)
    def check(receives_max: int, steps: list[tuple[str, Any, Any]]) -> None:
        asyncio.run(lead(tmp_path_factory.mktemp("model"), fifo, receives_max, steps))

    check()
