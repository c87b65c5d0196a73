"""How much may run, how fast it may come and grow, against "Lambda quotas" and "Lambda scaling behavior"; and who comes next on a busy machine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.clock import SECOND
from haneul.runtime.port import Outcome
from haneul.services.lambda_.asynchronous import Asynchronous
from haneul.services.lambda_.invoked import Invoked
from haneul.services.lambda_.limits import ACCOUNT_CONCURRENCY, GROWTH_MAX
from haneul.services.lambda_.service import Lambda
from tests.lambda_.build import function, invoke
from tests.lambda_.test_metrics import _sums
from tests.support.running import ACCOUNT, REGION, Running


def _service(cloud: Running) -> Lambda:
    service: Lambda = cloud.app.cloud.services["lambda"]
    return service


def _refused(cloud: Running, name: str, **options: Any) -> tuple[int, str, str, str]:
    """Status, code, reason and Retry-After of an invocation."""
    with pytest.raises(ClientError) as caught:
        invoke(cloud, name, **options)
    error = caught.value.response
    facts = error["ResponseMetadata"]
    return facts["HTTPStatusCode"], error["Error"]["Code"], error["Reason"], facts["HTTPHeaders"]["retry-after"]


def test_reserved_concurrency_allows_ten_requests_a_second_for_each_unit(fresh_cloud: Running) -> None:
    """Because an environment serves at most ten synchronous requests a second; asynchronous ones are limited by concurrency alone."""
    cloud = fresh_cloud
    function(cloud, "paced")
    cloud.client("lambda").put_function_concurrency(FunctionName="paced", ReservedConcurrentExecutions=1)
    for _ in range(10):
        invoke(cloud, "paced")
    assert _refused(cloud, "paced") == (429, "TooManyRequestsException", "ReservedFunctionInvocationRateLimitExceeded", "1")
    for _ in range(3):
        invoke_later(cloud, "paced")
        cloud.settle()
    cloud.advance("100ms")
    invoke(cloud, "paced")
    assert _refused(cloud, "paced")[2] == "ReservedFunctionInvocationRateLimitExceeded"
    cloud.advance("1m")
    assert _sums(cloud, "Throttles", FunctionName="paced") == 2
    assert _sums(cloud, "Invocations", FunctionName="paced") == 14


def invoke_later(cloud: Running, name: str) -> None:
    cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event")


def test_an_account_has_ten_requests_a_second_for_each_unit_of_its_concurrency(fresh_cloud: Running) -> None:
    """Because that is the quota of all functions of a region together."""
    function(fresh_cloud, "any")
    rates = _service(fresh_cloud).invoker._rates
    limit = ACCOUNT_CONCURRENCY * 10
    assert all(rates._requests.take((ACCOUNT, REGION), limit, limit) for _ in range(limit))
    assert _refused(fresh_cloud, "any") == (429, "TooManyRequestsException", "CallerRateLimitExceeded", "1")
    fresh_cloud.advance("1s")
    invoke(fresh_cloud, "any")


def test_a_function_grows_by_a_thousand_environments_in_ten_seconds(fresh_cloud: Running) -> None:
    """Because that is how fast functions scale, each for itself; what is warm goes on being used."""
    cloud = fresh_cloud
    client = cloud.client("lambda")
    for name in ("grows", "other", "cold"):
        function(cloud, name)
    invoke(cloud, "grows")
    growth = _service(cloud).environments._rates._growth
    for name, made in (("grows", 1), ("cold", 0)):
        assert [growth.take((ACCOUNT, REGION, name), 100.0, GROWTH_MAX) for _ in range(GROWTH_MAX)].count(True) == GROWTH_MAX - made
    invoke(cloud, "grows")
    invoke(cloud, "other")
    assert _refused(cloud, "cold") == (429, "TooManyRequestsException", "FunctionInvocationRateLimitExceeded", "1")
    client.put_function_concurrency(FunctionName="cold", ReservedConcurrentExecutions=5)
    assert _refused(cloud, "cold")[2] == "ReservedFunctionInvocationRateLimitExceeded"
    cloud.advance("10ms")
    invoke(cloud, "cold")
    cloud.advance("1m")
    assert _sums(cloud, "Throttles", FunctionName="cold") == 2


def test_concurrency_ends_at_what_is_reserved_and_at_the_account(fresh_cloud: Running) -> None:
    """Because both are limits that callers can tell apart by the reason."""
    cloud = fresh_cloud
    client, invoker = cloud.client("lambda"), _service(cloud).invoker
    function(cloud, "mine")
    invoker._unreserved[ACCOUNT, REGION] = ACCOUNT_CONCURRENCY
    assert _refused(cloud, "mine") == (429, "TooManyRequestsException", "ConcurrentInvocationLimitExceeded", "1")
    client.put_function_concurrency(FunctionName="mine", ReservedConcurrentExecutions=2)
    invoke(cloud, "mine")
    function(cloud, "others")
    invoker._unreserved[ACCOUNT, REGION] = ACCOUNT_CONCURRENCY - 2
    assert _refused(cloud, "others")[2] == "ConcurrentInvocationLimitExceeded", "what is reserved is not for the others"
    invoker._running[ACCOUNT, REGION, "mine"] = 2
    assert _refused(cloud, "mine")[2] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_a_full_machine_is_a_throttle(fresh_cloud: Running) -> None:
    """Because a caller that tries again a moment later is what helps; the throttles show that the machine is too small."""
    cloud = fresh_cloud
    function(cloud, "crowded")
    function(cloud, "cold")
    invoke(cloud, "crowded")
    pool = _service(cloud).environments._pool
    assert pool is not None
    pool._wait_seconds = 0.05
    pool._turns.hold("others", pool._turns.budget_mb)
    assert _refused(cloud, "cold") == (429, "TooManyRequestsException", "ConcurrentInvocationLimitExceeded", "1")
    invoke(cloud, "crowded")  # It has its environment.
    pool._turns.let_go("others", pool._turns.budget_mb)
    invoke(cloud, "cold")
    cloud.advance("1m")
    assert _sums(cloud, "Throttles", FunctionName="cold") == 1


def test_events_come_back_when_the_machine_has_room(fresh_cloud: Running) -> None:
    """Because nobody waits for them, and a full machine costs them no attempt."""
    cloud = fresh_cloud
    function(cloud, "first")
    function(cloud, "later")
    invoke(cloud, "first")
    pool, asynchronous = _service(cloud).environments._pool, _service(cloud).asynchronous
    assert pool is not None
    pool._wait_seconds = 0.05
    pool._turns.hold("others", pool._turns.budget_mb)
    invoke_later(cloud, "later")
    cloud.settle()
    cloud.advance("10s")
    assert asynchronous._held_back == 1
    pool._turns.let_go("others", pool._turns.budget_mb)
    cloud.advance("3s")
    assert asynchronous._held_back == 0
    cloud.advance("1m")
    assert _sums(cloud, "Invocations", FunctionName="later") == 1 and _sums(cloud, "Errors", FunctionName="later") == 0


def test_more_than_ten_requests_a_second_spill_over_from_what_is_provisioned(fresh_cloud: Running) -> None:
    """Because the page on concurrency says so: ten concurrency or a hundred requests a second, whichever comes first."""
    cloud = fresh_cloud
    function(cloud, "kept", "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n", Publish=True)
    cloud.client("lambda").put_provisioned_concurrency_config(FunctionName="kept", Qualifier="1", ProvisionedConcurrentExecutions=1)
    cloud.settle()
    seen = [invoke(cloud, "kept", Qualifier="1") for _ in range(12)]
    assert seen == ["provisioned-concurrency"] * 10 + ["on-demand"] * 2
    cloud.advance("1m")
    assert _sums(cloud, "ProvisionedConcurrencySpilloverInvocations", FunctionName="kept") == 2
    assert invoke(cloud, "kept", Qualifier="1") == "provisioned-concurrency"


class FakeInvoker:
    """Runs nothing, and ends what it has begun when it is told to."""

    def __init__(self, real: Any) -> None:
        self.meters, self.decided_trace = real.meters, real.decided_trace
        self.running: list[tuple[str, asyncio.Future[None]]] = []
        self.most: dict[str, int] = {}
        self._began = asyncio.Condition()

    async def run(self, found: Any, *_: Any, **__: Any) -> Invoked:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        name = found.target.name
        self.running.append((name, future))
        self.most[name] = max(self.most.get(name, 0), sum(one == name for one, _ in self.running))
        async with self._began:
            self._began.notify_all()
        await future
        return Invoked(Outcome("success", b"null", None, 1, None, 0, b""), "$LATEST", "")

    async def until(self, count: int) -> list[str]:
        async with self._began:
            await self._began.wait_for(lambda: len(self.running) >= count)
        return [name for name, _ in self.running]

    async def end(self) -> None:
        for _, future in self.running:
            future.set_result(None)
        self.running.clear()


def test_a_slow_functions_backlog_leaves_room_for_the_others(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because events of all functions share what can run at once: one function may have as many as are still free, and its others wait."""
    cloud = fresh_cloud
    monkeypatch.setattr("haneul.services.lambda_.asynchronous._RUNNING_MAX", 8)
    asynchronous: Asynchronous = _service(cloud).asynchronous
    fake = FakeInvoker(asynchronous._invoker)
    asynchronous._invoker = fake  # type: ignore[assignment]
    for name in ("slow", "quick"):
        function(cloud, name)
    for _ in range(20):
        invoke_later(cloud, "slow")
    assert cloud.run(fake.until(4)) == ["slow"] * 4
    invoke_later(cloud, "quick")
    assert cloud.run(fake.until(5)) == ["slow"] * 4 + ["quick"]
    for _ in range(60):
        cloud.run(_second(cloud, fake))
    cloud.settle()
    assert fake.most == {"slow": 4, "quick": 1} and asynchronous._running_of == {}
    cloud.advance("1m")
    assert asynchronous._held_back == 0 and fake.running == []


async def _second(cloud: Running, fake: FakeInvoker) -> None:
    """Let a second pass, and what runs end."""
    moving = asyncio.ensure_future(cloud.app.cloud.clock.advance(SECOND))
    while not moving.done():
        await fake.end()
        await asyncio.sleep(0)
