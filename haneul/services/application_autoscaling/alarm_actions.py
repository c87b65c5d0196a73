"""What a raised alarm sets off: CloudWatch tells of it through the outbox, every minute that it lasts."""

from __future__ import annotations

import msgspec
import orjson

from haneul.clock import SECOND
from haneul.core.arn import parse_arn
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.application_autoscaling.adapters import adapter_of
from haneul.services.application_autoscaling.records import POLICIES, Place, Policy, Target, find_target, policies_of
from haneul.services.application_autoscaling.scaling import note_not_scaled, set_capacity
from haneul.services.application_autoscaling.tracking import HIGH, LOW, put_alarms, wanted_capacity
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

# The kind of the entries that the CloudWatch service puts: {"policy": ARN, "alarm": [account, region, name], "at", "state", "reason_data"}.
ALARM = "application-autoscaling:alarm"
# What alarms say within this time they say of the same minute.
_TOGETHER = 30 * SECOND


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
    if current is None or (current == 0 and adapter_of(*place[2:]).least):
        return  # It is being changed; or it is on demand now, and there is nothing to scale until it is provisioned again.
    if kind not in (HIGH, LOW):
        # Somebody else has changed the capacity: thresholds follow.
        await put_alarms(cloud, place, target, policy, current)
        return
    values = _values(payload["reason_data"])
    if not values:
        return
    now = cloud.clock.now()
    measured_with = _measured_with(target, policy, kind, current, now)
    wanted = wanted_capacity(place, policy, values[-2:] if kind == HIGH else values, measured_with)
    if kind == LOW:
        agreed = await _agreed(cloud, place, policy, wanted, payload["at"])
        if agreed is None:
            return
        wanted = agreed
    cause = f"monitor alarm {payload['alarm'][2]} in state ALARM triggered policy {policy.name}"
    if (desired := _decided(target, policy, kind, current, wanted, now)) is not None:
        await set_capacity(cloud, place, current, desired, cause, measured_with)
    elif (reason := _reason(target, kind, current, wanted)) is not None:
        await note_not_scaled(cloud, place, cause, reason)


async def _agreed(cloud: Cloud, place: Place, policy: Policy, wanted: int, at: int) -> int | None:
    """The capacity to scale in to, when a policy wants that much: the most that any policy of the target wants; None while another one is against it.

    Every policy that may scale in must be ready to. (User Guide: "Target tracking scaling policies", multiple policies.) Alarms tell theirs so together, each minute.
    """

    def work(tx: Transaction) -> int | None:
        others = [one for one in policies_of(tx, place) if one.name != policy.name and not one.settings.get("DisableScaleIn")]
        if not others or policy.settings.get("DisableScaleIn"):
            return wanted
        known = tx.get(place.key(POLICIES, policy.name))
        if known is not None:
            tx.put(place.key(POLICIES, policy.name), encode(msgspec.structs.replace(decode(known, Policy), low_at=at, low_wanted=wanted)))
        return max(wanted, *(one.low_wanted for one in others)) if all(abs(at - one.low_at) < _TOGETHER for one in others) else None

    return await cloud.store.transact(work)


def _reason(target: Target, kind: str, current: int, wanted: int) -> Shape | None:
    """Why nothing is scaled, as a NotScaledReason; None for reasons that have none (a cool-down, suspension)."""
    if kind == HIGH and current >= target.max:
        return {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": target.max}
    if kind == LOW and current <= target.min:
        return {"Code": "AlreadyAtMinCapacity", "MinCapacity": target.min}
    return {"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": current} if wanted == current else None


def _values(reason_data: str) -> list[float]:
    """The datapoints that raised the alarm, oldest first."""
    if not reason_data:
        return []
    values: list[float] = orjson.loads(reason_data).get("recentDatapoints", [])
    return values


def _measured_with(target: Target, policy: Policy, kind: str, current: int, now: int) -> int:
    """The capacity that an alarm's datapoints are taken to have been measured with.

    While a scale-out has still to take effect that is the capacity of before it: so what it has added counts towards what is wanted now, and only a larger
    one adds to it. (User Guide: "How target tracking scaling for Application Auto Scaling works", cooldown periods.)
    """
    resting = kind == HIGH and now < target.scaled_out_at + policy.settings.get("ScaleOutCooldown", 0) * SECOND
    return min(current, target.scaled_out_from or current) if resting else current


def _decided(target: Target, policy: Policy, kind: str, current: int, wanted: int, now: int) -> int | None:
    """The capacity to ask for; None when suspension, cool-downs or limits leave things as they are."""
    settings = policy.settings
    wanted = min(max(wanted, target.min), target.max)
    if kind == HIGH:
        if target.suspended["DynamicScalingOutSuspended"] or wanted <= current:
            return None
        return wanted
    # Scaling out ends the cool-down of an earlier scale-in.
    resting = target.scaled_in_at > target.scaled_out_at and now < target.scaled_in_at + settings.get("ScaleInCooldown", 0) * SECOND
    if settings.get("DisableScaleIn") or target.suspended["DynamicScalingInSuspended"] or wanted >= current or resting:
        return None
    return wanted
