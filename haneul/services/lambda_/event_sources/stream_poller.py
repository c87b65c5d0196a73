"""Streams of tables to functions: each shard is followed by itself, children after their parents.

Source: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB".
"""

from __future__ import annotations

from typing import Any

from haneul.services.lambda_.event_sources.records import checkpoint_key, checkpoints_prefix
from haneul.services.lambda_.event_sources.shard_poller import ShardPoller, stream_topic
from haneul.services.lambda_.event_sources.source import Poller
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction


class StreamPoller(Poller):
    """Has a poller at each shard of one stream that there is something to do for."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._shards: dict[str, ShardPoller] = {}
        self._known: set[str] = set()

    def topic(self) -> str:
        return stream_topic(self.mapping)

    def stop(self) -> None:
        super().stop()
        for poller in self._shards.values():
            poller.stop()

    async def look(self) -> None:
        """Begin with the shards that are new, once their parents are done with."""
        listed = await self._listed()
        if listed.keys() != self._known:
            self._known = set(listed)
            await self._forget_others()
        for shard_id, parent_id in listed.items():
            parent = self._shards.get(parent_id)
            if self.stopped or shard_id in self._shards or (parent_id in listed and (parent is None or not parent.done)):
                continue
            poller = self._shards[shard_id] = ShardPoller(self.cloud, self.functions, self.invoker, self.mapping, shard_id, self.wake)
            poller.wake()

    async def _listed(self) -> dict[str, str]:
        """The stream's shards with their parents ("" for none), parents first."""
        found: dict[str, str] = {}
        page: dict[str, Any] = {}
        while True:
            described = (await self.call("dynamodbstreams:DescribeStream", {"StreamArn": self.mapping.source_arn, **page}))["StreamDescription"]
            found.update((one["ShardId"], one.get("ParentShardId", "")) for one in described.get("Shards", []))
            if "LastEvaluatedShardId" not in described:
                return found
            page = {"ExclusiveStartShardId": described["LastEvaluatedShardId"]}

    async def _forget_others(self) -> None:
        """Remove what is known of shards that are gone."""
        for shard_id in self._shards.keys() - self._known:
            self._shards.pop(shard_id).stop()
        kept = {checkpoint_key(self.mapping, shard_id) for shard_id in self._known}
        span = prefix_range(checkpoints_prefix(self.mapping))
        gone = [key for key, _ in self.cloud.store.range(*span) if key not in kept]

        def work(tx: Transaction) -> None:
            for key in gone:
                tx.delete(key)

        if gone:
            await self.cloud.store.transact(work)
