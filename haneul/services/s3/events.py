"""Event notifications: which configurations an event matches, the message it makes, and its delivery through the outbox.

S3 User Guide, "Amazon S3 Event Notifications" and "Event message structure".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import orjson

from haneul.clock import HOUR
from haneul.core.arn import parse_arn
from haneul.core.call import TRACE_HEADER, Call, call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.s3.records import Bucket, Object
from haneul.services.s3.state import canonical_id
from haneul.services.s3.times import iso8601
from haneul.store.port import Transaction

KIND = "s3:event"
PRINCIPAL = "s3.amazonaws.com"
_TRIED_FOR = 24 * HOUR
_VERSION = "2.1"
_VERSION_OF_LATER_EVENTS = "2.3"
_LATER_EVENTS = ("LifecycleExpiration:", "ObjectTagging:", "ObjectAcl:")
_log = logging.getLogger("haneul")

# Where a configuration of each kind names its destination.
DESTINATIONS = {"TopicConfigurations": "TopicArn", "QueueConfigurations": "QueueArn", "LambdaFunctionConfigurations": "LambdaFunctionArn"}
_SUBJECT = "Amazon S3 Notification"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who set off an event, from where, with which request."""

    principal_id: str
    source_ip: str
    request_id: str
    trace: str = ""

    @classmethod
    def of(cls, call: Call) -> Origin:
        caller = call.caller
        if caller.kind == "anonymous":
            principal = "Anonymous"
        elif caller.kind == "service":
            principal = caller.service
        else:
            principal = f"AWS:{caller.principal_id}"
        if call.http is not None:
            return cls(principal, call.http.remote, call.request_id, call.http.headers.get("x-amzn-trace-id", ""))
        return cls(principal, "127.0.0.1", call.request_id, str(call.context.get(TRACE_HEADER, "")))


def announce(tx: Transaction, cloud: Cloud, bucket: Bucket, event: str, key: str, about: Object, origin: Origin) -> None:
    """Promise, with the transaction, a message to every destination that the event matches. `event` goes without the `s3:` before it."""
    if bucket.notifications is None:
        return
    record: dict[str, Any] | None = None
    for kind, destination in DESTINATIONS.items():
        for one in bucket.notifications.get(kind, ()):
            if wants(one, event, key):
                if record is None:
                    record = _record(cloud, bucket, event, key, about, origin)
                record["s3"]["configurationId"] = one["Id"]
                payload = {
                    "arn": one[destination],
                    "bucket": bucket.name,
                    "account": bucket.account,
                    "since": cloud.clock.now(),
                    "trace": origin.trace,
                    "body": orjson.dumps({"Records": [record]}),
                }
                cloud.outbox.put(tx, KIND, payload)


def wants(configuration: Shape, event: str, key: str) -> bool:
    """Whether a configuration asks for an event about a key."""
    if not any(name == f"s3:{event}" or (name.endswith("*") and f"s3:{event}".startswith(name[:-1])) for name in configuration["Events"]):
        return False
    for rule in filter_rules(configuration):
        if rule["Name"].lower() == "prefix":
            if not key.startswith(rule["Value"]):
                return False
        elif not key.endswith(rule["Value"]):
            return False
    return True


def filter_rules(configuration: Shape) -> list[Shape]:
    rules: list[Shape] = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return rules


def _record(cloud: Cloud, bucket: Bucket, event: str, key: str, about: Object, origin: Origin) -> dict[str, Any]:
    removed = event.endswith(":Delete") and not event.startswith("ObjectTagging")
    made_marker = event.endswith(":DeleteMarkerCreated")
    subject: dict[str, Any] = {"key": quote_plus(key, safe="/")}
    if not removed and not made_marker:
        subject["size"] = about.size
    if not removed:
        subject["eTag"] = about.etag or "d41d8cd98f00b204e9800998ecf8427e"
    if about.version:
        subject["versionId"] = about.version
    # What happens to a version later comes behind it.
    subject["sequencer"] = f"{max(about.order, cloud.clock.now()):018X}"
    return {
        "eventVersion": _VERSION_OF_LATER_EVENTS if event.startswith(_LATER_EVENTS) else _VERSION,
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso8601(cloud.clock.now()),
        "eventName": event,
        "userIdentity": {"principalId": origin.principal_id},
        "requestParameters": {"sourceIPAddress": origin.source_ip},
        "responseElements": {"x-amz-request-id": origin.request_id, "x-amz-id-2": origin.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "",
            "bucket": {"name": bucket.name, "ownerIdentity": {"principalId": canonical_id(bucket.account)}, "arn": bucket.arn},
            "object": subject,
        },
    }


async def deliver(cloud: Cloud, payload: Shape) -> None:
    """Hand one message to its destination. A destination that refuses for good loses it, as with the real service; others are tried for a day."""
    try:
        await send(cloud, payload["arn"], payload["body"], payload["bucket"], payload["account"], trace=payload.get("trace", ""))
    except (ServiceError, AccessDenied) as error:
        final = isinstance(error, AccessDenied) or ((error.status or 400) < 500 and error.code not in _PASSING)
        if final or cloud.clock.now() - payload["since"] > _TRIED_FOR:
            _log.warning("s3: an event of bucket %s for %s is given up: %s", payload["bucket"], payload["arn"], error)
            return
        raise


_PASSING = frozenset({"TooManyRequestsException", "ThrottlingException", "RequestThrottled", "ResourceConflictException"})


async def send(cloud: Cloud, arn: str, body: bytes, bucket: str, account: str, *, dry_run: bool = False, trace: str = "") -> None:
    """Call the destination as S3. `dry_run` only asks whether a function could be called; `trace` is the trace header of what set off the event."""
    target = parse_arn(arn)
    assert target is not None
    if target.service == "lambda":
        operation = "lambda:Invoke"
        params: Shape = {"FunctionName": arn, "InvocationType": "DryRun" if dry_run else "Event", "Payload": body}
    elif target.service == "sns":
        operation = "sns:Publish"
        params = {"TopicArn": arn, "Subject": _SUBJECT, "Message": body.decode()}
    else:
        operation = "sqs:SendMessage"
        url = f"https://sqs.{target.region}.amazonaws.com/{target.account}/{target.resource}"
        params = {"QueueUrl": url, "MessageBody": body.decode()}
        if trace:
            params["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    await call_as(
        cloud,
        operation,
        params,
        principal=PRINCIPAL,
        source_arn=f"arn:aws:s3:::{bucket}",
        source_account=account,
        region=target.region,
        account=target.account,
        trace_header=trace,
    )
