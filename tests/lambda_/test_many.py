"""Ten thousand functions: what an operation reads does not depend on how many there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import Function, Version, function_key, version_key
from haneul.store.records import decode, encode
from tests.lambda_.build import function, invoke
from tests.support.running import ACCOUNT, REGION, Running
from tests.support.stores import Overlaid

MANY = 10_000


@contextmanager
def _counted(cloud: Running) -> Iterator[list[int]]:
    """Counts keys that are looked up and rows that are read."""
    store, count = cloud.app.cloud.store, [0]
    plain_get, plain_range, plain_iterate = store.get, store.range, store.iterate

    def get(key: bytes) -> bytes | None:
        count[0] += 1
        return plain_get(key)

    def rows(*arguments: Any, **options: Any) -> list[Any]:
        found = plain_range(*arguments, **options)
        count[0] += len(found) + 1
        return found

    def iterate(*arguments: Any, **options: Any) -> Iterator[Any]:
        for row in plain_iterate(*arguments, **options):
            count[0] += 1
            yield row

    cloud.app.cloud.store = Overlaid(store, get=get, range=rows, iterate=iterate)  # type: ignore[assignment]
    try:
        yield count
    finally:
        cloud.app.cloud.store = store


def _add_many(cloud: Running) -> None:
    store = cloud.app.cloud.store
    model = Target(ACCOUNT, REGION, "model", None)
    version = decode(store.get(version_key(model, 0)), Version)

    def work(tx: Any) -> None:
        for number in range(MANY):
            target = model._replace(name=f"n{number:05}")
            version.name = target.name
            tx.put(function_key(target), encode(Function(1)))
            tx.put(version_key(target, 0), encode(version))

    cloud.run(store.transact(work))


def _costs(cloud: Running, suffix: str) -> dict[str, int]:
    client, costs = cloud.client("lambda"), {}
    with _counted(cloud) as count:
        for name, act in {
            "create": lambda: function(cloud, f"made-{suffix}"),
            "first invocation": lambda: invoke(cloud, f"made-{suffix}"),
            "invocation": lambda: invoke(cloud, f"made-{suffix}"),
            "list": lambda: client.list_functions(MaxItems=10),
            "get": lambda: client.get_function(FunctionName=f"made-{suffix}"),
            "publish": lambda: client.publish_version(FunctionName=f"made-{suffix}"),
            "versions": lambda: client.list_versions_by_function(FunctionName=f"made-{suffix}"),
            "delete": lambda: client.delete_function(FunctionName=f"made-{suffix}"),
        }.items():
            before = count[0]
            act()
            costs[name] = count[0] - before
            cloud.settle()
    return costs


def test_costs_do_not_grow_with_the_number_of_functions(fresh_cloud: Running) -> None:
    """Because whoever has ten thousand functions invokes one at a time, and lists a page at a time."""
    cloud = fresh_cloud
    function(cloud, "model")
    for number in range(10):
        function(cloud, f"few-{number}")
    _costs(cloud, "warm-up")
    few = _costs(cloud, "few")
    _add_many(cloud)
    many = _costs(cloud, "many")
    assert all(many[name] <= few[name] + 5 for name in few), (few, many)
    assert many["list"] <= 45 and many["invocation"] <= 5, many
