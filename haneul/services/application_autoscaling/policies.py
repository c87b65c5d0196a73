"""PutScalingPolicy, DeleteScalingPolicy, DescribeScalingPolicies."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError, refuse_given
from haneul.core.operation import Shape, operation
from haneul.services.application_autoscaling.adapters import adapter_of
from haneul.services.application_autoscaling.errors import invalid, limit_exceeded, no_target, not_found
from haneul.services.application_autoscaling.pages import read_page
from haneul.services.application_autoscaling.permissions import check_alarm_permissions
from haneul.services.application_autoscaling.records import POLICIES, Place, Policy, find_target, place_of, policies_of
from haneul.services.application_autoscaling.scaling import keep_limits_soon
from haneul.services.application_autoscaling.targets import any_target, linked_role, target_conditions
from haneul.services.application_autoscaling.tracking import alarm_names, delete_alarms, put_alarms
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_POLICIES_MAX = 50
_TRACKING = "TargetTrackingScaling"
# Unlike the other operations that describe (API Reference: "DescribeScalingPolicies").
_PAGE = 10
# DynamoDB takes utilizations from 10 to 90 percent, though its Developer Guide says 20.
_UTILIZATION_MIN, _UTILIZATION_MAX = 10.0, 90.0
# As messages write the limits of all targets.
_TARGET_MIN, _TARGET_MAX = "8.51592E-109", "1.174271E108"


@operation("application-autoscaling:PutScalingPolicy", resource=any_target, conditions=target_conditions, partial="PredictiveScaling; StepScaling, which neither DynamoDB nor Lambda take")
async def put_scaling_policy(call: Call, request: Shape) -> Shape:
    """Make a target tracking policy with its alarms, or give one other settings."""
    place, name = place_of(call, request), request["PolicyName"]
    adapter = adapter_of(*place[2:])
    target, known = find_target(call.cloud.store, place), _known(call, place, name)
    if target is None:
        raise no_target(*place[2:])
    if known is None and len(policies_of(call.cloud.store, place)) >= _POLICIES_MAX:
        raise limit_exceeded(f"A scalable target can have no more than {_POLICIES_MAX} scaling policies.")
    settings = _checked_settings(place, request, known)
    if any(other.name != name and _metric(other.settings) == _metric(settings) for other in policies_of(call.cloud.store, place)):
        raise invalid("Only one TargetTrackingScaling policy for a given metric specification is allowed.")
    check_alarm_permissions(call, place)
    policy_id = call.cloud.ids.uuid()
    arn = f"arn:aws:autoscaling:{call.region}:{call.account}:scalingPolicy:{policy_id}:resource/{place.namespace}/{place.resource}:policyName/{name}"
    policy = Policy(name, known.arn if known else arn, settings, known.created_at if known else call.now)
    policy.alarms = alarm_names(place, policy, policy_id)
    await linked_role(call, adapter)
    capacity = await adapter.read(call.cloud, place, target.role)
    try:
        await put_alarms(call.cloud, place, target, policy, capacity if capacity is not None else target.min)
    except ServiceError as problem:
        if problem.code != "ValidationError":
            raise
        raise invalid(problem.message) from None  # The same in this service's words.

    def work(tx: Transaction) -> None:
        if find_target(tx, place) is None:
            raise no_target(*place[2:])
        tx.put(place.key(POLICIES, name), encode(policy))
        if capacity is None:
            keep_limits_soon(call.cloud, tx, place)  # The alarms' thresholds follow when the capacity is known.

    await call.cloud.store.transact(work)
    if known is not None:
        await delete_alarms(call.cloud, place, target, known)
    return {"PolicyARN": policy.arn, "Alarms": _shown_alarms(place, policy)}


def _metric(settings: Shape) -> Shape:
    """What a policy looks at."""
    return settings.get("PredefinedMetricSpecification") or settings["CustomizedMetricSpecification"]  # type: ignore[no-any-return]


def _known(call: Call, place: Place, name: str) -> Policy | None:
    value = call.cloud.store.get(place.key(POLICIES, name))
    return decode(value, Policy) if value is not None else None


def _checked_settings(place: Place, request: Shape, known: Policy | None) -> Shape:
    kind = request.get("PolicyType", _TRACKING if known is not None or "TargetTrackingScalingPolicyConfiguration" in request else "StepScaling")
    if kind == "StepScaling":
        problem = f"StepScaling policies are not supported for the service namespace {place.namespace}. Use TargetTrackingScaling."
        raise ServiceError("AccessDeniedException", problem, 400) if place.namespace == "dynamodb" else invalid(problem)
    if kind != _TRACKING:
        raise NotBuilt(f"scaling policies of the type {kind}")
    refuse_given("application-autoscaling:PutScalingPolicy", request, "StepScalingPolicyConfiguration", "PredictiveScalingPolicyConfiguration")
    settings: Shape | None = request.get("TargetTrackingScalingPolicyConfiguration")
    if settings is None:
        raise invalid("TargetTrackingScalingPolicyConfiguration must be specified for the policy type TargetTrackingScaling.")
    predefined, customized = settings.get("PredefinedMetricSpecification"), settings.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise invalid("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified.")
    target = float(settings["TargetValue"])
    if not float(_TARGET_MIN) <= target <= float(_TARGET_MAX):
        raise invalid(f"For target tracking scaling, target value must be between '{_TARGET_MIN}' and '{_TARGET_MAX}', but was '{target}'.")
    if predefined is not None:
        _check_predefined(place, predefined, target)
    elif customized is not None and "Metrics" not in customized:
        missing = [name for name in ("MetricName", "Namespace", "Statistic") if name not in customized]
        if missing:
            raise invalid(f"CustomizedMetricSpecification must have {missing[0]}.")
    return settings


def _check_predefined(place: Place, predefined: Shape, target: float) -> None:
    kind = predefined["PredefinedMetricType"]
    if kind != adapter_of(*place[2:]).predefined:
        raise invalid(f"The PredefinedMetricType {kind} is not valid for the scalable dimension {place.dimension}.")
    if "ResourceLabel" in predefined:
        raise invalid(f"ResourceLabel must not be specified for the PredefinedMetricType {kind}.")
    if place.namespace == "dynamodb" and not _UTILIZATION_MIN <= target <= _UTILIZATION_MAX:
        raise invalid(f"For predefined metric type {kind}, target value must be between '{_UTILIZATION_MIN}' and '{_UTILIZATION_MAX}', but was '{target}'.")


def _shown_alarms(place: Place, policy: Policy) -> list[Shape]:
    return [{"AlarmName": name, "AlarmARN": f"arn:aws:cloudwatch:{place.region}:{place.account}:alarm:{name}"} for name in policy.alarms.values()]


@operation("application-autoscaling:DeleteScalingPolicy", resource=any_target, conditions=target_conditions)
async def delete_scaling_policy(call: Call, request: Shape) -> None:
    """Delete a policy and its alarms."""
    place, name = place_of(call, request), request["PolicyName"]
    adapter = adapter_of(*place[2:])
    target, known = find_target(call.cloud.store, place), _known(call, place, name)
    if target is None or known is None:
        raise not_found(
            f"No scaling policy found for service namespace: {place.namespace}, resource ID: {place.resource}, "
            f"scalable dimension: {place.dimension}, policy name: {name}"
        )
    await linked_role(call, adapter)
    await delete_alarms(call.cloud, place, target, known)
    await call.cloud.store.transact(lambda tx: tx.delete(place.key(POLICIES, name)))


@operation("application-autoscaling:DescribeScalingPolicies", resource=any_target)
async def describe_scaling_policies(call: Call, request: Shape) -> Shape:
    """The policies of a service, a resource or one target."""
    if "ScalableDimension" in request and "ResourceId" not in request:
        raise invalid("ResourceId must be specified when ScalableDimension is")
    names = request.get("PolicyNames")
    shown, more = read_page(call, request, POLICIES, Policy, lambda _, policy: not names or policy.name in names, _shown, _PAGE)
    return {"ScalingPolicies": shown, **more}


def _shown(place: Place, policy: Policy) -> Shape:
    return {
        "PolicyARN": policy.arn,
        "PolicyName": policy.name,
        **place.shape,
        "PolicyType": _TRACKING,
        "TargetTrackingScalingPolicyConfiguration": policy.settings,
        "Alarms": _shown_alarms(place, policy),
        "CreationTime": policy.created_at,
    }


