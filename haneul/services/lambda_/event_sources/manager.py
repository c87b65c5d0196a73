"""The pollers of this process: one for each enabled mapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from haneul.core.cloud import Cloud
from haneul.services.lambda_.event_sources.queue_poller import QueuePoller
from haneul.services.lambda_.event_sources.records import Mapping, mapping_index_key, mapping_key
from haneul.services.lambda_.event_sources.source import Poller
from haneul.services.lambda_.event_sources.stream_poller import StreamPoller
from haneul.services.lambda_.functions import Functions, read
from haneul.services.lambda_.invoker import Invoker
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_KINDS: dict[str, type[Poller]] = {"sqs": QueuePoller, "dynamodb": StreamPoller}
_INDEX = pack(("lambda-mapping",))


class EventSources:
    """Starts and stops pollers as mappings come, change and go."""

    def __init__(self, cloud: Cloud, functions: Functions, invoker: Invoker) -> None:
        self._cloud = cloud
        self._functions = functions
        self._invoker = invoker
        self._pollers: dict[str, Poller] = {}
        self._unwatch: Callable[[], None] | None = None

    def start(self) -> None:
        """Take up all mappings where the last run left them."""
        self._unwatch = self._cloud.store.watch(_INDEX, self._changed)
        self._changed([key for key, _ in self._cloud.store.range(*prefix_range(_INDEX))])

    def stop(self) -> None:
        """End all pollers."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        for poller in self._pollers.values():
            poller.stop()
        self._pollers.clear()

    def _changed(self, keys: Sequence[bytes]) -> None:
        for key in keys:
            poller = self._pollers.get(str(unpack(key)[1]))
            if poller is not None:
                poller.stop()
            self._begin(key)

    def _begin(self, key: bytes) -> None:
        """Follow a mapping as it is now. A poller that was stopped is let finish first where another one would have to go on from its checkpoints."""
        uuid = str(unpack(key)[1])
        former = self._pollers.get(uuid)
        if self._unwatch is None or (former is not None and former.in_order and former.busy):
            return
        self._pollers.pop(uuid, None)
        place = self._cloud.store.get(key)
        mapping = read(self._cloud.store, mapping_key(("lambda", *decode(place, tuple[str, str])), uuid), Mapping) if place is not None else None
        # A source is looked for in the mapping's region: what is somewhere else would be another one of the same name.
        if mapping is not None and mapping.enabled and mapping.source_region == mapping.region:
            made = self._pollers[uuid] = _KINDS[mapping.source_service](self._cloud, self._functions, self._invoker, mapping)
            if made.in_order:
                made.rested = partial(self._begin, key)
            made.wake()


def save_mapping(tx: Transaction, mapping: Mapping) -> None:
    """Write a mapping so that its poller begins anew with it."""
    tx.put(mapping_key(mapping.space, mapping.uuid), encode(mapping))
    tx.put(mapping_index_key(mapping.uuid), encode([mapping.account, mapping.region]))
