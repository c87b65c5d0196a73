"""What a raised alarm sets off: CloudWatch tells of it through the outbox, every minute that it lasts."""

from __future__ import annotations

import orjson

from haneul.clock import SECOND
from haneul.core.arn import parse_arn
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.application_autoscaling.adapters import adapter_of
from haneul.services.application_autoscaling.records import POLICIES, Place, Policy, Target, find_target
from haneul.services.application_autoscaling.scaling import set_capacity
from haneul.services.application_autoscaling.tracking import HIGH, LOW, put_alarms, wanted_capacity
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader
from haneul.store.records import decode

# The kind of the entries that the CloudWatch service puts: {"policy": ARN, "alarm": [account, region, name], "at", "state", "reason_data"}.
ALARM = "application-autoscaling:alarm"


def find_policy(reader: Reader, arn: str) -> tuple[Place, Policy] | None:
    """A policy by its ARN, which names the resource: `arn:aws:autoscaling:REGION:ACCOUNT:scalingPolicy:ID:resource/NAMESPACE/RESOURCE:policyName/NAME`."""
    parsed = parse_arn(arn)
    if parsed is None or ":resource/" not in parsed.resource:
        return None
    namespace, _, resource = parsed.resource.partition(":resource/")[2].rpartition(":policyName/")[0].partition("/")
    for key, value in reader.iterate(*prefix_range(pack((POLICIES, parsed.account, parsed.region, namespace, resource)))):
        policy = decode(value, Policy)
        if policy.arn == arn:
            return Place(*(str(part) for part in unpack(key)[1:6])), policy
    return None


async def on_alarm(cloud: Cloud, payload: Shape) -> None:
    """Scale as a policy says, now that one of its alarms is raised."""
    found = find_policy(cloud.store, payload["policy"])
    if found is None:
        return
    place, policy = found
    target = find_target(cloud.store, place)
    kind = next((kind for kind, name in policy.alarms.items() if name == payload["alarm"][2]), None)
    if target is None or kind is None or target.activity:
        return
    try:
        current = await adapter_of(*place[2:]).read(cloud, place, target.role)
    except (ServiceError, AccessDenied):
        return  # The table is gone, or its owner took the permission away: what cannot be read cannot be scaled.
    if current is None:
        return
    if kind not in (HIGH, LOW):
        # Somebody else has changed the capacity: thresholds follow.
        await put_alarms(cloud, place, target, policy, current)
        return
    values = _values(payload["reason_data"])
    if not values:
        return
    if (desired := _decided(target, policy, kind, current, wanted_capacity(place, policy, values[-2:] if kind == HIGH else values, current), cloud.clock.now())) is not None:
        cause = f"monitor alarm {payload['alarm'][2]} in state ALARM triggered policy {policy.name}"
        await set_capacity(cloud, place, current, desired, cause)


def _values(reason_data: str) -> list[float]:
    """The datapoints that raised the alarm, oldest first."""
    if not reason_data:
        return []
    values: list[float] = orjson.loads(reason_data).get("recentDatapoints", [])
    return values


def _decided(target: Target, policy: Policy, kind: str, current: int, wanted: int, now: int) -> int | None:
    """The capacity to ask for; None when suspension, cool-downs or limits leave things as they are."""
    settings = policy.settings
    wanted = min(max(wanted, target.min), target.max)
    if kind == HIGH:
        resting = now < target.scaled_out_at + settings.get("ScaleOutCooldown", 0) * SECOND
        if target.suspended["DynamicScalingOutSuspended"] or wanted <= current or resting:
            return None
        return wanted
    resting = now < max(target.scaled_in_at, target.scaled_out_at) + settings.get("ScaleInCooldown", 0) * SECOND
    if settings.get("DisableScaleIn") or target.suspended["DynamicScalingInSuspended"] or wanted >= current or resting:
        return None
    return wanted
