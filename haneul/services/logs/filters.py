"""Metric filters and subscription filters: put, delete, describe; TestMetricFilter."""

from __future__ import annotations

from typing import Any

from haneul.clock import MILLISECOND
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.operation import operation
from haneul.core.paging import make_token, read_token
from haneul.core.ports import Shape
from haneul.services.logs.access import check_standard, find_group, on_all_groups, on_group, place_of
from haneul.services.logs.delivery import invoke_destination, subscription_payload
from haneul.services.logs.errors import invalid_parameter, invalid_token
from haneul.services.logs.groups import change_group
from haneul.services.logs.patterns import Pattern
from haneul.services.logs.patterns.expressions import as_number
from haneul.services.logs.records import Group, MetricFilter, Subscription, groups_prefix
from haneul.services.logs.service import Logs
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode

_METRIC_FILTERS_MAX = 100
_SUBSCRIPTIONS_MAX = 2
_REGEX_PATTERNS_MAX = 5
_DIMENSIONS_MAX = 3
_DESCRIBED_MAX = 50


def _refuse(operation_name: str, request: Shape, *names: str) -> None:
    for name in names:
        if request.get(name):
            raise NotBuilt(f"the parameter {name} of logs:{operation_name}")


def _not_found(what: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", f"The specified {what} filter does not exist.", 400)


def _too_many(group: Group, service: Logs, pattern: Pattern) -> bool:
    """Whether one more pattern with regular expressions is too much for a group."""
    patterns = [one.pattern for one in group.metric_filters.values()] + [one.pattern for one in group.subscriptions.values()]
    return pattern.regexes > 0 and sum(service.pattern(text).regexes > 0 for text in patterns) >= _REGEX_PATTERNS_MAX


# ---- metric filters


@operation("logs:PutMetricFilter", resource=on_group, partial="needs the service cloudwatch; applyOnTransformedLogs, fieldSelectionCriteria and emitSystemFieldDimensions are refused")
async def put_metric_filter(call: Call, request: Shape) -> None:
    """Make or replace a filter that turns matching events into figures of a metric."""
    _refuse("PutMetricFilter", request, "applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions")
    if "cloudwatch:PutMetricData" not in call.cloud.operations:
        raise NotBuilt("logs:PutMetricFilter as long as it has no service cloudwatch to send the figures to")
    service = call.service(Logs)
    pattern = service.pattern(request["filterPattern"])
    transformation = request["metricTransformations"][0]
    _check_transformation(transformation)

    def change(tx: Transaction, group: Group) -> None:
        check_standard(group)
        name = request["filterName"]
        others = {key: value for key, value in group.metric_filters.items() if key != name}
        group.metric_filters = others
        if len(others) >= _METRIC_FILTERS_MAX or _too_many(group, service, pattern):
            raise ServiceError("LimitExceededException", "Resource limit exceeded.", 400)
        group.metric_filters = {**others, name: MetricFilter(request["filterPattern"], transformation, call.now // MILLISECOND)}

    await change_group(call, request["logGroupName"], change)


def _check_transformation(transformation: Shape) -> None:
    value, dimensions = transformation["metricValue"], transformation.get("dimensions", {})
    if not value.startswith("$") and as_number(value) is None:
        raise invalid_parameter("Invalid metric transformation: metricValue must be a number or a field of the filter pattern")
    if dimensions and "defaultValue" in transformation:
        raise invalid_parameter("Invalid metric transformation: dimensions and default value are mutually exclusive properties.")
    if len(dimensions) > _DIMENSIONS_MAX:
        raise invalid_parameter(f"Invalid metric transformation: a metric filter can have no more than {_DIMENSIONS_MAX} dimensions")


@operation("logs:DeleteMetricFilter", resource=on_group)
async def delete_metric_filter(call: Call, request: Shape) -> None:
    """Delete a metric filter."""

    def change(tx: Transaction, group: Group) -> None:
        if group.metric_filters.pop(request["filterName"], None) is None:
            raise _not_found("metric")

    await change_group(call, request["logGroupName"], change)


@operation("logs:DescribeMetricFilters", resource=lambda call, request: on_group(call, request) if "logGroupName" in request else on_all_groups(call, request))
async def describe_metric_filters(call: Call, request: Shape) -> Shape:
    """List metric filters, of one group or of all, by name prefix or by metric."""
    metric, namespace = request.get("metricName"), request.get("metricNamespace")
    if (metric is None) != (namespace is None):
        raise invalid_parameter("metricName and metricNamespace must be given together")
    place, store = place_of(call), call.cloud.store
    if "logGroupName" in request:
        groups = [find_group(store, place, request["logGroupName"])]
    else:
        groups = [decode(value, Group) for _, value in store.iterate(*prefix_range(groups_prefix(place)))]
    prefix = request.get("filterNamePrefix", "")
    found = [
        {
            "filterName": name,
            "filterPattern": one.pattern,
            "metricTransformations": [one.transformation],
            "creationTime": one.created_ms,
            "logGroupName": group.name,
        }
        for group in groups
        for name, one in sorted(group.metric_filters.items())
        if name.startswith(prefix) and (metric is None or (one.transformation["metricName"], one.transformation["metricNamespace"]) == (metric, namespace))
    ]
    return _paged(request, "metricFilters", found)


def _paged(request: Shape, member: str, found: list[Any]) -> Shape:
    start = 0
    if "nextToken" in request:
        position = read_token(request["nextToken"])
        if position is None or not position.isdigit():
            raise invalid_token()
        start = int(position)
    end = start + request.get("limit", _DESCRIBED_MAX)
    result: Shape = {member: found[start:end]}
    if end < len(found):
        result["nextToken"] = make_token(str(end).encode())
    return result


@operation("logs:TestMetricFilter")
async def test_metric_filter(call: Call, request: Shape) -> Shape:
    """Which of some messages a pattern matches, and what it extracts from them."""
    pattern = call.service(Logs).pattern(request["filterPattern"])
    matches = [
        {"eventNumber": number, "eventMessage": message, "extractedValues": pattern.extract(message)}
        for number, message in enumerate(request["logEventMessages"], 1)
        if pattern.matches(message)
    ]
    return {"matches": matches}


# ---- subscription filters


@operation("logs:PutSubscriptionFilter", resource=on_group, partial="destinations other than functions, applyOnTransformedLogs, fieldSelectionCriteria and emitSystemFields are refused")
async def put_subscription_filter(call: Call, request: Shape) -> None:
    """Have events that match sent to a function, which must let logs.amazonaws.com invoke it."""
    _refuse("PutSubscriptionFilter", request, "applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFields")
    name, destination, place = request["filterName"], request["destinationArn"], place_of(call)
    arn = parse_arn(destination)
    if arn is None:
        raise invalid_parameter("Invalid destinationArn")
    if arn.service != "lambda":
        raise NotBuilt(f"destinations of the service {arn.service} in logs:PutSubscriptionFilter")
    if "roleArn" in request:
        raise invalid_parameter("destinationArn for vendor lambda cannot be used with roleArn")
    service = call.service(Logs)
    pattern = service.pattern(request["filterPattern"])
    check_standard(find_group(call.cloud.store, place, request["logGroupName"]))
    if arn.account != call.account:
        raise invalid_parameter("Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.")
    try:
        body = subscription_payload(call.account, request["logGroupName"], "", name, [], "CONTROL_MESSAGE")
        await invoke_destination(call.cloud, place, request["logGroupName"], destination, body, "DryRun")
    except (AccessDenied, ServiceError) as error:
        if isinstance(error, NotBuilt):
            raise
        raise invalid_parameter("Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.") from error

    def change(tx: Transaction, group: Group) -> None:
        others = {key: value for key, value in group.subscriptions.items() if key != name}
        group.subscriptions = others
        if len(others) >= _SUBSCRIPTIONS_MAX or _too_many(group, service, pattern):
            raise ServiceError("LimitExceededException", "Resource limit exceeded.", 400)
        made = Subscription(request["filterPattern"], destination, call.now // MILLISECOND, request.get("distribution", "ByLogStream"))
        group.subscriptions = {**others, name: made}

    await change_group(call, request["logGroupName"], change)


@operation("logs:DeleteSubscriptionFilter", resource=on_group)
async def delete_subscription_filter(call: Call, request: Shape) -> None:
    """Delete a subscription filter."""

    def change(tx: Transaction, group: Group) -> None:
        if group.subscriptions.pop(request["filterName"], None) is None:
            raise _not_found("subscription")

    await change_group(call, request["logGroupName"], change)


@operation("logs:DescribeSubscriptionFilters", resource=on_group)
async def describe_subscription_filters(call: Call, request: Shape) -> Shape:
    """List a group's subscription filters."""
    group = find_group(call.cloud.store, place_of(call), request["logGroupName"])
    prefix = request.get("filterNamePrefix", "")
    found = [
        {
            "filterName": name,
            "logGroupName": group.name,
            "filterPattern": one.pattern,
            "destinationArn": one.destination_arn,
            "distribution": one.distribution,
            "creationTime": one.created_ms,
        }
        for name, one in sorted(group.subscriptions.items())
        if name.startswith(prefix)
    ]
    return _paged(request, "subscriptionFilters", found)
