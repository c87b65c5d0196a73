"""SnapStart: a published version is initialised once, and its environments begin as copies of that process.

A version is Pending until its snapshot has been taken, then Active; one that cannot be initialised is Failed. Snapshots live in memory: after a restart
the first invocation has its version's taken anew. Source: AWS Lambda Developer Guide, "Improving startup performance with Lambda SnapStart".
"""

from __future__ import annotations

from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.lambda_.environments import Environments
from haneul.services.lambda_.errors import is_machine_full
from haneul.services.lambda_.functions import Functions, Resolution, read
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import Version, version_key
from haneul.store.port import Transaction
from haneul.store.records import encode

SNAPSHOT = "lambda-snapshot"


def ask_for_snapshot(cloud: Cloud, tx: Transaction, target: Target, version: Version) -> None:
    """Let a version that is being published (and written by the caller) be initialised."""
    version.state = "Pending"
    cloud.outbox.put(tx, SNAPSHOT, {"target": [*target[:3], version.qualifier]})


def check_active(found: Resolution) -> None:
    """Refuse invocations of a version whose snapshot is not there."""
    if found.version.state == "Pending":
        message = "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE."
        raise ServiceError("SnapStartNotReadyException", message, 409, fields={"Type": "User"})
    if found.version.state == "Failed":
        raise ServiceError("SnapStartException", found.version.state_reason or "The function could not be initialized.", 400, fields={"Type": "User"})


class SnapStarts:
    """Takes the snapshots that publishing has asked for."""

    def __init__(self, cloud: Cloud, functions: Functions, environments: Environments) -> None:
        self._cloud = cloud
        self._functions = functions
        self._environments = environments
        cloud.outbox.handle(SNAPSHOT, self._take)

    async def _take(self, entry: Shape) -> None:
        target = Target(*entry["target"])
        try:
            found = self._functions.resolve(target)
        except ServiceError:
            return  # The version has been deleted since.
        reason = ""
        try:
            await self._environments.snapshot(found)
        except (ServiceError, AccessDenied) as error:
            if is_machine_full(error):
                raise  # The outbox tries again.
            reason = error.message or "The function could not be initialized."

        def work(tx: Transaction) -> None:
            version = read(tx, version_key(target, found.version.number), Version)
            if version is not None:
                version.state, version.state_reason = ("Failed" if reason else "Active"), reason
                tx.put(version_key(target, version.number), encode(version))

        await self._cloud.store.transact(work)
