"""Streams of tables to functions: each shard is followed by itself, children after their parents.

Source: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB".
"""

from __future__ import annotations

from typing import Any

from haneul.clock import HOUR
from haneul.core.ports import shards_topic
from haneul.services.lambda_.event_sources.records import checkpoint_key, checkpoints_prefix
from haneul.services.lambda_.event_sources.shard_poller import ShardPoller
from haneul.services.lambda_.event_sources.source import Poller
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction

# So that what is known of shards that are gone is forgotten.
_LISTED_FOR = 1 * HOUR


class StreamPoller(Poller):
    """Has a poller at each shard of one stream that there is something to do for."""

    in_order = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._shards: dict[str, ShardPoller] = {}
        self._known: set[str] = set()
        # Whether all shards are to be listed, or only the children of those that were done with since the last look; and when they are in any case.
        self._list_all = True
        self._list_at = 0
        self._done: list[str] = []

    def topic(self) -> str:
        """What is notified when the stream has other shards than before."""
        return shards_topic(self.mapping.source_arn)

    @property
    def busy(self) -> bool:
        return super().busy or any(poller.busy for poller in self._shards.values())

    def stop(self) -> None:
        super().stop()
        for poller in self._shards.values():
            poller.stop()

    def wake(self) -> None:
        self._list_all = True
        super().wake()

    def _shard_done(self, shard_id: str) -> None:
        self._done.append(shard_id)
        super().wake()

    async def look(self) -> None:
        """Begin with the shards that are new, once their parents are done with. Pollers of others hear of new records by themselves, but not that their shard is closed."""
        done, self._done = self._done, []
        if not self._list_all and self.cloud.clock.now() < self._list_at and await self._begin_children(done):
            return
        self._list_all = False
        self._list_at = self.cloud.clock.now() + _LISTED_FOR
        listed, closed = await self._listed()
        if listed.keys() != self._known:
            self._known = set(listed)
            await self._forget_others()
        for shard_id in closed & self._shards.keys():
            self._shards[shard_id].wake()
        self._begin(listed)

    async def _begin_children(self, done: list[str]) -> bool:
        """Begin with what follows shards that are done with; False where that is not known: the shards themselves may be gone."""
        for shard_id in done:
            children, _ = await self._listed(ShardFilter={"Type": "CHILD_SHARDS", "ShardId": shard_id})
            if not children:
                return False
            self._known |= children.keys()
            self._begin(children)
        return True

    def _begin(self, listed: dict[str, str]) -> None:
        for shard_id, parent_id in listed.items():
            parent = self._shards.get(parent_id)
            if self.stopped or shard_id in self._shards or (parent_id in self._known and (parent is None or not parent.done)):
                continue
            poller = self._shards[shard_id] = ShardPoller(self.cloud, self.functions, self.invoker, self.mapping, shard_id, self._shard_done, self.report)
            poller.rested = self.rest
            poller.wake()

    async def _listed(self, **chosen: Any) -> tuple[dict[str, str], set[str]]:
        """The stream's shards (or those of a filter) with their parents ("" for none), parents first; which of them are closed."""
        found: dict[str, str] = {}
        closed: set[str] = set()
        page: dict[str, Any] = {}
        while True:
            described = (await self.call("dynamodbstreams:DescribeStream", {"StreamArn": self.mapping.source_arn, **chosen, **page}))["StreamDescription"]
            for one in described.get("Shards", []):
                found[one["ShardId"]] = one.get("ParentShardId", "")
                if "EndingSequenceNumber" in one["SequenceNumberRange"]:
                    closed.add(one["ShardId"])
            if "LastEvaluatedShardId" not in described:
                return found, closed
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
