"""What an account has in a region, and how much of it is provisioned (Developer Guide: "DynamoDB metrics", the metrics without dimensions)."""

from __future__ import annotations

from haneul.core.cloud import Cloud
from haneul.services.dynamodb.tables import TABLE_SPACE, IndexRecord, TableRecord
from haneul.services.dynamodb.throughput.flows import TABLE_UNITS_MAX
from haneul.services.dynamodb.throughput.limits import ACCOUNT_UNITS_MAX
from haneul.services.dynamodb.throughput.meters import NAMESPACE
from haneul.store.keys import pack, prefix_range
from haneul.store.records import decode


def report_account(cloud: Cloud, account: str, region: str) -> None:
    """Report quotas, and which part of them is provisioned: by all tables and global indexes together, and by the one that has most."""
    total, most = [0, 0], [0, 0]
    for _, value in cloud.store.iterate(*prefix_range(pack((TABLE_SPACE, account, region)))):
        record = decode(value, TableRecord)
        if record.on_demand:
            continue
        holders: list[TableRecord | IndexRecord] = [record, *(index for index in record.indexes if index.is_global)]
        for holder in holders:
            for at, units in enumerate((holder.throughput.read_units, holder.throughput.write_units)):
                total[at] += units
                most[at] = max(most[at], units)
    add = cloud.metrics.add
    for at, kind in enumerate(("Read", "Write")):
        add(account, region, NAMESPACE, f"AccountMax{kind}s", value=float(ACCOUNT_UNITS_MAX))
        add(account, region, NAMESPACE, f"AccountMaxTableLevel{kind}s", value=float(TABLE_UNITS_MAX))
        add(account, region, NAMESPACE, f"AccountProvisioned{kind}CapacityUtilization", value=100 * total[at] / ACCOUNT_UNITS_MAX, unit="Percent")
        add(account, region, NAMESPACE, f"MaxProvisionedTable{kind}CapacityUtilization", value=100 * most[at] / TABLE_UNITS_MAX, unit="Percent")
