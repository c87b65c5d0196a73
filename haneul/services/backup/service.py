"""AWS Backup."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.metering.prices import PriceList
from haneul.services.backup import job_work, point_work, restore_work, runs, tokens
from haneul.services.backup.billing import PRICES, PointHours
from haneul.services.backup.quirks import BACKUP
from haneul.services.backup.records import Plan, Point, Vault, find_plan, find_vault, point_anywhere, vault_of


class Backup(Service):
    """Vaults and the recovery points in them, plans and the jobs that they start, for tables and buckets."""

    name = "backup"
    quirks: ClassVar[Quirks] = BACKUP
    prices: ClassVar[PriceList | None] = PRICES

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        for kind, handler in (*job_work.HANDLERS, *restore_work.HANDLERS, *point_work.HANDLERS, *runs.HANDLERS, *tokens.HANDLERS):
            cloud.outbox.handle(kind, partial(handler, cloud))
        self._hours = PointHours(cloud)

    async def start(self) -> None:
        self._hours.start()

    async def stop(self) -> None:
        await self._hours.stop()

    async def settle_usage(self) -> None:
        await self._hours.flush()

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        """The tags of a vault, plan or recovery point."""
        found = parse_arn(arn)
        kind, _, name = found.resource.partition(":") if found is not None else ("", "", "")
        one: Vault | Plan | Point | None = None
        if found is not None and found.service == "backup" and kind in ("backup-vault", "backup-plan"):
            find = find_vault if kind == "backup-vault" else find_plan
            one = find(self.cloud.store, found.account, found.region, name)
        elif found is not None:
            one = point_anywhere(self.cloud.store, call.account, call.region, arn)
        return one.tags if one is not None else None

    def resource_policy(self, call: Call, arn: str) -> str | None:
        """The access policy of a vault, under which its recovery points are too (Developer Guide: "Vault access policies")."""
        found = parse_arn(arn)
        if found is not None and found.service == "backup" and found.resource.startswith("backup-vault:"):
            vault = find_vault(call.cloud.store, found.account, found.region, found.resource.partition(":")[2])
        else:
            vault = vault_of(call.cloud.store, call.account, call.region, arn)
        return (vault.policy or None) if vault is not None else None
