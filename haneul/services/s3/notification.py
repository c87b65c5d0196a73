"""PutBucketNotificationConfiguration and GetBucketNotificationConfiguration."""

from __future__ import annotations

import orjson

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn
from haneul.services.s3.errors import invalid_argument, malformed_xml
from haneul.services.s3.events import DESTINATIONS, filter_rules, send
from haneul.services.s3.records import Bucket
from haneul.services.s3.state import change_bucket, find_bucket
from haneul.services.s3.times import iso8601

CONFIGURATIONS_MAX = 100
_SERVICES = {"TopicConfigurations": "sns", "QueueConfigurations": "sqs", "LambdaFunctionConfigurations": "lambda"}
# What a configuration may ask for: families of events, each of which may also be asked for as a whole, and events of their own.
_FAMILIES = {
    "ObjectCreated": ("Put", "Post", "Copy", "CompleteMultipartUpload"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated"),
    "ObjectRestore": ("Post", "Completed", "Delete"),
    "Replication": ("OperationFailedReplication", "OperationNotTracked", "OperationMissedThreshold", "OperationReplicatedAfterThreshold"),
    "LifecycleExpiration": ("Delete", "DeleteMarkerCreated"),
    "ObjectTagging": ("Put", "Delete"),
}
_EVENTS = frozenset(
    {"s3:TestEvent", "s3:ReducedRedundancyLostObject", "s3:LifecycleTransition", "s3:IntelligentTiering", "s3:ObjectAcl:Put"}
    | {f"s3:{family}:{event}" for family, events in _FAMILIES.items() for event in (*events, "*")}
)


@operation("s3:PutBucketNotificationConfiguration", action="s3:PutBucketNotification", resource=bucket_arn, partial="topics, queues and functions; no EventBridge")
async def put_bucket_notification_configuration(call: Call, request: Shape) -> None:
    """Say which events go to which topics, queues and functions; each destination is tried first.

    Errors: InvalidArgument (a destination that is not there or does not let S3 in, overlapping filters, unknown events).
    API Reference: PutBucketNotificationConfiguration.
    """
    bucket = find_bucket(call, request)
    given = request.get("NotificationConfiguration") or {}
    if given.get("EventBridgeConfiguration") is not None:
        raise NotBuilt("notifications of S3 to EventBridge")
    wanted = {kind: given[kind] for kind in DESTINATIONS if given.get(kind)}
    if sum(map(len, wanted.values())) > CONFIGURATIONS_MAX:
        raise invalid_argument("The number of notification configurations exceeds the limit", "NotificationConfiguration", "")
    for kind, configurations in wanted.items():
        for one in configurations:
            _check(call, bucket, kind, one)
    together = [one for configurations in wanted.values() for one in configurations]
    ids = [one["Id"] for one in together]
    if len(set(ids)) != len(ids):
        repeated = next(one for one in ids if ids.count(one) > 1)
        raise invalid_argument("Same ID used for multiple configurations. IDs must be unique.", "Id", repeated)
    _check_overlap(together)
    if not request.get("SkipDestinationValidation"):
        await _try_destinations(call, bucket, wanted)
    await change_bucket(call, bucket.name, lambda fresh: setattr(fresh, "notifications", wanted or None))


def _check(call: Call, bucket: Bucket, kind: str, one: Shape) -> None:
    """The form of one configuration; an id is made for it when it has none."""
    arn = parse_arn(one.get(DESTINATIONS[kind], ""))
    if arn is None or arn.service != _SERVICES[kind]:
        raise invalid_argument("The ARN could not be parsed", DESTINATIONS[kind].removesuffix("Arn").removesuffix("Function"), one.get(DESTINATIONS[kind], ""))
    if arn.service not in call.cloud.services:
        raise NotBuilt(f"notifications of S3 to the service {arn.service}")
    if arn.region != bucket.region:
        message = "The notification destination service region is not valid for the bucket location constraint"
        raise invalid_argument(message, str(arn), "null")
    if not one.get("Events"):
        raise malformed_xml()
    for event in one["Events"]:
        if event not in _EVENTS:
            raise invalid_argument("The event '" + event + "' is not supported for notifications", "Event", event)
    seen: set[str] = set()
    for rule in filter_rules(one):
        name = rule.get("Name", "").lower()
        if name not in ("prefix", "suffix"):
            raise invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", rule.get("Name", ""))
        if name in seen:
            raise invalid_argument(f"Cannot specify more than one {name} rule in a filter.", "FilterRule.Name", rule["Name"])
        seen.add(name)
        rule["Name"], rule["Value"] = name.capitalize(), rule.get("Value", "")
    one.setdefault("Id", call.cloud.ids.uuid())


def _check_overlap(configurations: list[Shape]) -> None:
    """No event of a key may go to two destinations."""
    for at, one in enumerate(configurations):
        for other in configurations[at + 1 :]:
            if _events_overlap(one["Events"], other["Events"]) and _filters_overlap(one, other):
                raise invalid_argument("Configurations overlap. Configurations on the same bucket cannot share a common event type.", "NotificationConfiguration", "")


def _events_overlap(first: list[str], second: list[str]) -> bool:
    return any(a == b or (a.endswith("*") and b.startswith(a[:-1])) or (b.endswith("*") and a.startswith(b[:-1])) for a in first for b in second)


def _filters_overlap(first: Shape, second: Shape) -> bool:
    def value(configuration: Shape, name: str) -> str:
        return next((rule["Value"] for rule in filter_rules(configuration) if rule["Name"] == name), "")

    prefixes = value(first, "Prefix"), value(second, "Prefix")
    suffixes = value(first, "Suffix"), value(second, "Suffix")
    same_start = prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0])
    same_end = suffixes[0].endswith(suffixes[1]) or suffixes[1].endswith(suffixes[0])
    return same_start and same_end


async def _try_destinations(call: Call, bucket: Bucket, wanted: Shape) -> None:
    """Send s3:TestEvent to every topic and queue, and ask every function whether it could be called."""
    for kind, configurations in wanted.items():
        for arn in {one[DESTINATIONS[kind]] for one in configurations}:
            test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": iso8601(call.now), "Bucket": bucket.name, "RequestId": call.request_id, "HostId": call.request_id}
            try:
                await send(call.cloud, arn, orjson.dumps(test), bucket.name, bucket.account, dry_run=True)
            except (ServiceError, AccessDenied):
                raise invalid_argument("Unable to validate the following destination configurations", arn, _trouble(kind)) from None


def _trouble(kind: str) -> str:
    if kind == "LambdaFunctionConfigurations":
        return "Not authorized to invoke function"
    if kind == "TopicConfigurations":
        return "Permissions on the destination topic do not allow S3 to publish notifications from this bucket"
    return "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"


@operation("s3:GetBucketNotificationConfiguration", action="s3:GetBucketNotification", resource=bucket_arn)
async def get_bucket_notification_configuration(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketNotificationConfiguration."""
    return find_bucket(call, request).notifications or {}
