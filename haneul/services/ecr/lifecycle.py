"""Carrying out lifecycle policies: each repository that has one is looked through once a day, by the cloud's clock."""

from __future__ import annotations

from haneul.clock import DAY
from haneul.core.cloud import Cloud
from haneul.core.operation import Shape
from haneul.services.ecr.contents import Contents
from haneul.services.ecr.lifecycle_rules import choose, read_policy
from haneul.services.ecr.list_images import images_of
from haneul.services.ecr.names import Place
from haneul.services.ecr.records import find_image, find_repository, put_repository
from haneul.store.port import Reader, Transaction

EVALUATE = "ecr-lifecycle"
_REMOVED_PER_TRANSACTION = 100


class Lifecycle:
    """The timers of policies, and what they do."""

    def __init__(self, cloud: Cloud, contents: Contents) -> None:
        self._cloud = cloud
        self._contents = contents

    def set(self, tx: Transaction, place: Place) -> None:
        """A repository has a policy: an image that it chooses is gone within a day."""
        self._cloud.outbox.put(tx, EVALUATE, {"place": list(place)}, due=self._cloud.clock.now() + DAY, key=place.arn)

    def unset(self, tx: Transaction, place: Place) -> None:
        self._cloud.outbox.cancel(tx, EVALUATE, place.arn)

    def choose(self, reader: Reader, place: Place, policy: str) -> list[tuple[str, int]]:
        """What a policy would expire now."""
        images = [(digest, image) for _, digest, image in images_of(reader, place)]
        return choose(read_policy(policy), images, self._cloud.clock.now())

    async def evaluate(self, payload: Shape) -> None:
        """The timer: remove what has expired, and set the timer again."""
        place = Place(*payload["place"])
        store = self._cloud.store
        repository = find_repository(store, place)
        if repository is None or not repository.lifecycle:
            return
        policy = repository.lifecycle
        chosen = [digest for digest, _ in self.choose(store, place, policy)]
        for start in range(0, len(chosen), _REMOVED_PER_TRANSACTION):
            part = chosen[start : start + _REMOVED_PER_TRANSACTION]
            await store.transact(lambda tx, part=part: self._remove(tx, place, policy, part))  # type: ignore[misc]

        def finish(tx: Transaction) -> None:
            now = find_repository(tx, place)
            if now is not None and now.lifecycle:
                now.lifecycle_evaluated_at = self._cloud.clock.now()
                put_repository(tx, place, now)
                self.set(tx, place)

        await store.transact(finish)

    def _remove(self, tx: Transaction, place: Place, policy: str, digests: list[str]) -> None:
        repository = find_repository(tx, place)
        if repository is None or repository.lifecycle != policy:
            return
        for digest in digests:
            image = find_image(tx, place, digest)
            if image is not None and not image.parents:
                self._contents.delete_image(tx, place, digest, image)
