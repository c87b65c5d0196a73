"""What happens to events as they are taken in: subscription filters send them to functions, metric filters turn them into figures.

The batch is put into the outbox in the transaction that stores it. Source: CloudWatch Logs User Guide, "Log group-level subscription filters".
"""

from __future__ import annotations

import base64
import gzip
import logging
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from haneul.clock import HOUR
from haneul.core.arn import make_arn
from haneul.core.call import call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.logs.patterns import Pattern
from haneul.services.logs.patterns.document import select_text
from haneul.services.logs.patterns.expressions import as_number
from haneul.services.logs.records import Group, MetricFilter, Place, Stream, event_id
from haneul.store.port import Transaction

DELIVER = "logs:deliver"
METRIC = "logs:metric"
PRINCIPAL = "logs.amazonaws.com"
_GIVE_UP_AFTER = 24 * HOUR
_PAYLOAD_BYTES_MAX = 1_048_576
_log = logging.getLogger("haneul")


@dataclass(frozen=True, slots=True)
class Ingested:
    """A batch that was just stored; `stream.sequence` is the number of its last event."""

    place: Place
    group: Group
    stream_name: str
    stream: Stream
    events: list[Shape]


def hand_on(cloud: Cloud, tx: Transaction, compile_pattern: Callable[[str], Pattern], batch: Ingested) -> None:
    """Put into the outbox what the group's filters select from a batch."""
    for name, subscription in batch.group.subscriptions.items():
        selected = _selected(compile_pattern(subscription.pattern), batch)
        if selected:
            payload = {
                "place": list(batch.place),
                "destination": subscription.destination_arn,
                "until": cloud.clock.now() + _GIVE_UP_AFTER,
                "group": batch.group.name,
                "stream": batch.stream_name,
                "filter": name,
                "events": selected,
            }
            lane = f"logs/{batch.group.id}/{name}/{batch.stream.id}"
            cloud.outbox.put(tx, DELIVER, payload, lane=lane)
    data: list[Shape] = []
    for metric_filter in batch.group.metric_filters.values():
        data.extend(_data_points(compile_pattern(metric_filter.pattern), metric_filter, batch))
    if data:
        cloud.outbox.put(tx, METRIC, {"place": list(batch.place), "data": data, "until": cloud.clock.now() + _GIVE_UP_AFTER})


def _selected(pattern: Pattern, batch: Ingested) -> list[Shape]:
    first = batch.stream.sequence - len(batch.events) + 1
    selected: list[Shape] = []
    for sequence, event in enumerate(batch.events, first):
        message = event["message"]
        if pattern.matches(message):
            one: Shape = {"id": event_id(event["timestamp"], batch.stream.id, sequence), "timestamp": event["timestamp"], "message": message}
            fields = pattern.extract(message)
            if fields and not next(iter(fields)).startswith("$."):
                one["extractedFields"] = {name.removeprefix("$"): value for name, value in fields.items()}
            selected.append(one)
    return selected


def subscription_payload(account: str, group: str, stream: str, name: str, events: list[Shape], kind: str = "DATA_MESSAGE") -> bytes:
    """The event that a subscribed function gets: base64 of gzip of a JSON document."""
    document = {"messageType": kind, "owner": account, "logGroup": group, "logStream": stream, "subscriptionFilters": [name], "logEvents": events}
    packed = gzip.compress(orjson.dumps(document), 6, mtime=0)
    return orjson.dumps({"awslogs": {"data": base64.b64encode(packed).decode()}})


async def deliver(cloud: Cloud, payload: Shape) -> None:
    """Invoke the subscribed function with a batch, in as many pieces as its size needs. What the function may not receive is dropped, as in the service."""
    place = Place(*payload["place"])
    waiting: list[list[Shape]] = [payload["events"]]
    while waiting:
        events = waiting.pop()
        body = subscription_payload(place.account, payload["group"], payload["stream"], payload["filter"], events)
        if len(body) > _PAYLOAD_BYTES_MAX and len(events) > 1:
            middle = len(events) // 2
            waiting += [events[middle:], events[:middle]]
            continue
        try:
            await invoke_destination(cloud, place, payload["group"], payload["destination"], body)
        except (ServiceError, AccessDenied) as error:
            retryable = isinstance(error, ServiceError) and (error.status == 429 or (error.status or 400) >= 500)
            if retryable and cloud.clock.now() < payload["until"]:
                raise
            _log.warning("logs: subscription filter %s of %s lost %d events: %s", payload["filter"], payload["group"], len(events), error)


async def invoke_destination(cloud: Cloud, place: Place, group: str, destination: str, body: bytes, kind: str = "Event") -> None:
    """Invoke a function as CloudWatch Logs does it, naming the group as the source."""
    await call_as(
        cloud,
        "lambda:Invoke",
        {"FunctionName": destination, "InvocationType": kind, "Payload": body},
        principal=PRINCIPAL,
        source_arn=make_arn("logs", place.region, place.account, f"log-group:{group}:*"),
        source_account=place.account,
        region=place.region,
        account=place.account,
    )


# ---- metric filters


def _data_points(pattern: Pattern, metric_filter: MetricFilter, batch: Ingested) -> list[Shape]:
    """One figure for each event that matches; the default value, if there is one, when none does."""
    transformation = metric_filter.transformation
    points = []
    for event in batch.events:
        message = event["message"]
        if pattern.matches(message):
            value = metric_value(str(transformation["metricValue"]), pattern, message)
            if value is not None:
                points.append(_data_point(transformation, value, event["timestamp"], pattern.extract(message), message))
    if not points and "defaultValue" in transformation:
        points.append(_data_point(transformation, transformation["defaultValue"], batch.events[-1]["timestamp"], {}, None))
    return points


def metric_value(text: str, pattern: Pattern, message: str) -> int | float | None:
    """The figure that a message gives: a number as it stands, or the value of a field (`$bytes`, `$.latency`)."""
    if text.startswith("$."):
        found = select_text(message, text)
        return as_number(found)
    if text.startswith("$"):
        return as_number(pattern.extract(message).get(text))
    return as_number(text)


def _data_point(transformation: dict[str, object], value: object, timestamp_ms: int, fields: dict[str, str], message: str | None) -> Shape:
    dimensions = transformation.get("dimensions")
    found: dict[str, str] = {}
    if isinstance(dimensions, dict) and message is not None:
        for name, source in dimensions.items():
            text = select_text(message, source) if source.startswith("$.") else fields.get(source)
            if text is not None:
                found[name] = text
    return {
        "namespace": transformation["metricNamespace"],
        "name": transformation["metricName"],
        "value": value,
        "unit": transformation.get("unit", "None"),
        "timestamp": timestamp_ms * 1_000_000,
        "dimensions": found,
    }


async def send_metric(cloud: Cloud, payload: Shape) -> None:
    """Hand figures to CloudWatch."""
    place = Place(*payload["place"])
    by_namespace: dict[str, list[Shape]] = {}
    for point in payload["data"]:
        datum = {"MetricName": point["name"], "Value": float(point["value"]), "Unit": point["unit"], "Timestamp": point["timestamp"]}
        if point["dimensions"]:
            datum["Dimensions"] = [{"Name": name, "Value": value} for name, value in point["dimensions"].items()]
        by_namespace.setdefault(point["namespace"], []).append(datum)
    for namespace, data in by_namespace.items():
        for at in range(0, len(data), 1000):
            params = {"Namespace": namespace, "MetricData": data[at : at + 1000]}
            await call_as(cloud, "cloudwatch:PutMetricData", params, principal=PRINCIPAL, region=place.region, account=place.account)
