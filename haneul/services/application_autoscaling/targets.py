"""RegisterScalableTarget, DeregisterScalableTarget, DescribeScalableTargets."""

from __future__ import annotations

from functools import partial

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.application_autoscaling.adapters import Adapter, adapter_of
from haneul.services.application_autoscaling.errors import invalid, no_target
from haneul.services.application_autoscaling.pages import read_page
from haneul.services.application_autoscaling.permissions import check_alarm_permissions, check_resource_permissions
from haneul.services.application_autoscaling.records import (
    POLICIES,
    SCHEDULED,
    TARGETS,
    Place,
    Scheduled,
    Target,
    find_target,
    place_of,
    policies_of,
    save_target,
    target_arn,
)
from haneul.services.application_autoscaling.scaling import keep_limits_soon
from haneul.services.application_autoscaling.scheduling import DUE
from haneul.services.application_autoscaling.tags import checked_tags
from haneul.services.application_autoscaling.tracking import delete_alarms
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

_SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def any_target(call: Call, request: Shape) -> str:
    """Targets are known by an id that the request does not say."""
    return call.arn("scalable-target/*")


def target_conditions(call: Call, request: Shape) -> Shape:
    """The service's own condition keys (Service Authorization Reference: "Condition keys for AWS Application Auto Scaling")."""
    return {"application-autoscaling:service-namespace": request["ServiceNamespace"], "application-autoscaling:scalable-dimension": request["ScalableDimension"]}


@operation("application-autoscaling:RegisterScalableTarget", resource=any_target, conditions=target_conditions, tagging="application-autoscaling:TagResource")
async def register_scalable_target(call: Call, request: Shape) -> Shape:
    """Make a resource scalable between two limits, or change its limits; a capacity outside them is brought between them."""
    place = place_of(call, request)
    adapter = adapter_of(*place[2:])
    low, high = request.get("MinCapacity"), request.get("MaxCapacity")
    known = find_target(call.cloud.store, place)
    if known is None and (low is None or high is None):
        raise invalid("Minimum capacity and maximum capacity are required when registering a new scalable target.")
    low, high = (known.min if low is None and known else low), (known.max if high is None and known else high)
    assert low is not None and high is not None
    if low < 0 or high < 0:
        raise invalid("Minimum capacity and maximum capacity must not be negative.")
    if low > high:
        raise invalid("Maximum capacity cannot be less than minimum capacity")
    if low < adapter.least:
        raise invalid(f"Minimum capacity must be at least {adapter.least} for the scalable dimension {place.dimension}.")
    role = await linked_role(call, adapter)
    check_resource_permissions(call, adapter.actions, adapter.arn(place))
    check_alarm_permissions(call, place)
    await _check_resource(call, adapter, place, role)
    made = Target(call.cloud.ids.text(32), low, high, role, call.now, dict.fromkeys(_SUSPENDED, False), checked_tags(request.get("Tags", {})))

    def work(tx: Transaction) -> Target:
        target = find_target(tx, place)
        if target is None:
            target = made
        elif request.get("Tags"):
            raise invalid("Tags can be given only when a scalable target is registered for the first time. Use TagResource.")
        target.min, target.max = low, high
        target.suspended = {name: request.get("SuspendedState", {}).get(name, target.suspended[name]) for name in _SUSPENDED}
        save_target(tx, place, target)
        keep_limits_soon(call.cloud, tx, place)
        return target

    return {"ScalableTargetARN": target_arn(place, await call.cloud.store.transact(work))}


async def linked_role(call: Call, adapter: Adapter) -> str:
    """The service-linked role with which the resource is scaled; it is made when there is none, if the caller may."""
    arn = f"arn:aws:iam::{call.account}:role/aws-service-role/{adapter.principal}/{adapter.role}"
    if call.cloud.authority.role(arn) is None:
        try:
            await call.invoke("iam:CreateServiceLinkedRole", {"AWSServiceName": adapter.principal})
        except ServiceError as problem:
            if problem.code not in ("InvalidInput", "InvalidInputException"):
                raise
            # Another request was faster.
    return arn


async def _check_resource(call: Call, adapter: Adapter, place: Place, role: str) -> None:
    try:
        await adapter.read(call.cloud, place, role)
    except ServiceError as problem:
        if problem.code != "ResourceNotFoundException":
            raise
        kind = "index" if place.dimension.startswith("dynamodb:index:") else place.resource.replace(":", "/").partition("/")[0]
        raise invalid(f"{'DynamoDB' if place.namespace == 'dynamodb' else 'Lambda'} {kind} does not exist: {place.resource}") from None


@operation("application-autoscaling:DeregisterScalableTarget", resource=any_target, conditions=target_conditions)
async def deregister_scalable_target(call: Call, request: Shape) -> None:
    """Leave a resource alone from now on: its policies, their alarms and its scheduled actions go too."""
    place = place_of(call, request)
    adapter = adapter_of(*place[2:])
    target = find_target(call.cloud.store, place)
    if target is None:
        raise no_target(*place[2:], known="found")
    await linked_role(call, adapter)
    for policy in policies_of(call.cloud.store, place):
        await delete_alarms(call.cloud, place, target, policy)
    await call.cloud.store.transact(partial(_forget, call, place))


def _forget(call: Call, place: Place, tx: Transaction) -> None:
    for key, value in tx.range(*prefix_range(place.key(SCHEDULED))):
        call.cloud.outbox.cancel(tx, DUE, decode(value, Scheduled).arn)
        tx.delete(key)
    for key, _ in tx.range(*prefix_range(place.key(POLICIES))):
        tx.delete(key)
    tx.delete(place.key(TARGETS))


@operation("application-autoscaling:DescribeScalableTargets", resource=any_target)
async def describe_scalable_targets(call: Call, request: Shape) -> Shape:
    """The scalable targets of a service."""
    if "ScalableDimension" in request and "ResourceIds" not in request:
        raise invalid("ResourceIds must be specified when ScalableDimension is")
    wanted, dimension = request.get("ResourceIds"), request.get("ScalableDimension")

    def is_wanted(place: Place, _: Target) -> bool:
        return (not wanted or place.resource in wanted) and (dimension is None or place.dimension == dimension)

    shown, more = read_page(call, request, TARGETS, Target, is_wanted, _shown)
    return {"ScalableTargets": shown, **more}


def _shown(place: Place, target: Target) -> Shape:
    return {
        **place.shape,
        "MinCapacity": target.min,
        "MaxCapacity": target.max,
        "RoleARN": target.role,
        "CreationTime": target.created_at,
        "SuspendedState": target.suspended,
        "ScalableTargetARN": target_arn(place, target),
    }
