"""Where the outcome of asynchronous invocations is reported to: destinations, and dead-letter queues.

A record is promised in the outbox as soon as its invocation is over, so that a destination that cannot take it just now is tried again without running
the function again. It is sent as the function's role.

Source: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from haneul.core.arn import parse_arn
from haneul.core.call import Call, call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.ports import Shape
from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.functions import Resolution
from haneul.services.lambda_.invoked import Invoked
from haneul.services.lambda_.meters import Meters
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import InvokeConfig
from haneul.services.lambda_.times import iso_time
from haneul.services.lambda_.traces import passed_on
from haneul.store.port import Transaction

REPORT = "lambda-report"
_PRINCIPAL = "lambda.amazonaws.com"
SERVICES = ("sqs", "lambda", "s3", "sns", "events")
"""Services that a destination can belong to. Those of them that this cloud does not have are refused when a destination is set."""
_DEAD_LETTER_MESSAGE_MAX = 1024
_PASSING = frozenset(("TooManyRequestsException", "ServiceException", "InternalFailure", "ThrottlingException", "RequestThrottled"))
_log = logging.getLogger("haneul")


class Sending(NamedTuple):
    """What an execution role must be allowed, to send to a destination: as error messages name it."""

    action: str
    service: str


_SENDING = {
    "sqs": ("sqs:SendMessage", Sending("SendMessage", "SQS")),
    "lambda": ("lambda:Invoke", Sending("InvokeFunction", "Lambda")),
    "s3": ("s3:PutObject", Sending("PutObject", "S3")),
    "sns": ("sns:Publish", Sending("Publish", "SNS")),
    "events": ("events:PutEvents", Sending("PutEvents", "EventBridge")),
}


class Destinations:
    """Sends records. Lasting refusals are counted (DestinationDeliveryFailures, DeadLetterErrors); passing ones are repeated by the outbox."""

    def __init__(self, cloud: Cloud, meters: Meters) -> None:
        self._cloud = cloud
        self._meters = meters
        cloud.outbox.handle(REPORT, self._send)

    async def succeeded(self, found: Resolution, entry: Shape, config: InvokeConfig, invoked: Invoked) -> None:
        if config.on_success:
            await self._promise(self._report(found, config.on_success, self._record(found, entry, "Success", invoked), entry))

    async def failed(self, found: Resolution, entry: Shape, config: InvokeConfig, condition: str, invoked: Invoked | None) -> None:
        reports = []
        if config.on_failure:
            reports.append(self._report(found, config.on_failure, self._record(found, entry, condition, invoked), entry))
        if found.version.dead_letter_arn:
            reports.append(self._dead_letter(found, entry, condition, invoked))
        if reports:
            await self._promise(*reports)

    async def _promise(self, *reports: Shape) -> None:
        def work(tx: Transaction) -> None:
            for report in reports:
                self._cloud.outbox.put(tx, REPORT, report)

        await self._cloud.store.transact(work)

    def _record(self, found: Resolution, entry: Shape, condition: str, invoked: Invoked | None) -> dict[str, Any]:
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": iso_time(self._cloud.clock.now()),
            "requestContext": {
                "requestId": entry["request_id"],
                "functionArn": found.target._replace(qualifier=found.target.qualifier or "$LATEST").qualified_arn,
                "condition": condition,
                "approximateInvokeCount": entry["attempts"],
            },
            "requestPayload": orjson.loads(entry["payload"]),
        }
        if invoked is not None:
            context: dict[str, Any] = {"statusCode": 200, "executedVersion": invoked.version}
            if invoked.failed:
                context["functionError"] = "Unhandled"
            record["responseContext"] = context
            try:
                record["responsePayload"] = orjson.loads(invoked.outcome.payload)
            except orjson.JSONDecodeError:
                record["responsePayload"] = invoked.outcome.payload.decode("utf-8", "replace")
        return record

    def _report(self, found: Resolution, destination: str, record: dict[str, Any], entry: Shape) -> Shape:
        trace = _trace_after(found, entry)
        now = self._cloud.clock.now()
        body = orjson.dumps(record)
        arn = parse_arn(destination)
        service = arn.service if arn is not None else ""
        if service == "lambda":
            operation, params = "lambda:Invoke", {"FunctionName": destination, "InvocationType": "Event", "Payload": body}
        elif service == "s3":
            operation, params = "s3:PutObject", s3_object(destination, f"aws/lambda/async/{found.target.name}", body, now, self._cloud.ids.uuid())
        elif service == "sns":
            operation, params = "sns:Publish", {"TopicArn": destination, "Message": body.decode()}
        elif service == "events":
            operation, params = "events:PutEvents", {"Entries": [_bus_entry(found, destination, record, now)]}
        else:
            operation, params = "sqs:SendMessage", queue_message(destination, body.decode(), trace)
        return _call(found, operation, params, "DestinationDeliveryFailures", trace)

    def _dead_letter(self, found: Resolution, entry: Shape, condition: str, invoked: Invoked | None) -> Shape:
        message = condition
        code = "200"
        if invoked is not None:
            try:
                document = orjson.loads(invoked.outcome.payload)
                message = str(document.get("errorMessage", condition)) if isinstance(document, dict) else condition
            except orjson.JSONDecodeError:
                message = condition
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": entry["request_id"]},
            "ErrorCode": {"DataType": "Number", "StringValue": code},
            "ErrorMessage": {"DataType": "String", "StringValue": message[:_DEAD_LETTER_MESSAGE_MAX] or condition},
        }
        arn, text, trace = found.version.dead_letter_arn, entry["payload"].decode("utf-8", "replace"), _trace_after(found, entry)
        operation, params = "sqs:SendMessage", queue_message(arn, text, trace)
        if arn.split(":")[2] == "sns":
            operation, params = "sns:Publish", {"TopicArn": arn, "Message": text}
        return _call(found, operation, {**params, "MessageAttributes": attributes}, "DeadLetterErrors", trace)

    async def _send(self, report: Shape) -> None:
        target, operation = Target(*report["target"]), report["operation"]
        try:
            await call_as(
                self._cloud,
                operation,
                report["params"],
                region=target.region,
                account=target.account,
                role=report["role"],
                principal=_PRINCIPAL,
                session_name=target.name,
                trace_header=report["trace"],
            )
        except (ServiceError, AccessDenied) as error:
            if isinstance(error, ServiceError) and (error.code in _PASSING or (error.status or 400) == 500):
                raise
            self._meters.count(target, report["metric"])
            _log.warning("the outcome of an event for %s could not be sent: %s", target.name, error)


def _call(found: Resolution, operation: str, params: Shape, metric: str, trace: str) -> Shape:
    """A report as the outbox keeps it: the call to be made as the function's role, and the metric that counts its failure."""
    return {"target": list(found.target), "role": found.version.role, "operation": operation, "params": params, "metric": metric, "trace": trace}


def _trace_after(found: Resolution, entry: Shape) -> str:
    """The trace header of what an event's function sends on."""
    return passed_on(entry.get("trace", ""), found.target.arn)


def _bus_entry(found: Resolution, bus_arn: str, record: dict[str, Any], now: int) -> dict[str, Any]:
    kind = "Success" if record["requestContext"]["condition"] == "Success" else "Failure"
    return {
        "EventBusName": bus_arn,
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {kind}",
        "Detail": orjson.dumps(record).decode(),
        "Resources": [bus_arn, record["requestContext"]["functionArn"]],
        "Time": now,
    }


def check_destination(call: Call, arn: str) -> None:
    """NotBuilt when the service that a destination belongs to does not exist here; a destination in another region cannot be reached, and queues and topics have to be standard ones."""
    _, _, service, region = arn.split(":")[:4]
    if service not in call.cloud.services:
        raise NotBuilt(f"destinations of the service {service}")
    if (service != "s3" and region != call.region) or (service in ("sqs", "sns") and arn.endswith(".fifo")):
        raise invalid(f"The destination ARN {arn} is invalid.")


def check_may_send(call: Call, role: str, function_name: str, arn: str, wording: Callable[[Sending], str]) -> None:
    """InvalidParameterValueException, in the caller's words, unless a function's role may send to a destination. Policies are asked; nothing is sent."""
    service = arn.split(":")[2]
    operation, sending = _SENDING[service]
    resource = f"{arn}/aws/lambda/{function_name}" if service == "s3" else arn
    try:
        caller = call.cloud.authority.role_caller(role, _PRINCIPAL, function_name)
        asking = Call(call.cloud, call.cloud.operations[operation], caller, call.region, call.request_id)
        asking.authorize(asking.operation.action, resource)
    except AccessDenied:
        raise invalid(wording(sending)) from None


def provided_role_may_not(sending: Sending) -> str:
    """How dead-letter queues and event source mappings say it."""
    return f"The provided execution role does not have permissions to call {sending.action} on {sending.service}"


def queue_message(arn: str, body: str, trace: str) -> dict[str, Any]:
    """Parameters of SendMessage to a queue, by ARN."""
    params: dict[str, Any] = {"QueueUrl": queue_url(arn), "MessageBody": body}
    if trace:
        params["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    return params


def s3_object(bucket_arn: str, prefix: str, body: bytes, now: int, unique: str) -> dict[str, Any]:
    """Parameters of PutObject for a record in a bucket: below the prefix a folder for each day, and names that begin with the time."""
    time = iso_time(now)[:19]
    key = f"{prefix}/{time[:10].replace('-', '/')}/{time.replace(':', '.')}-{unique}"
    return {"Bucket": bucket_arn.rpartition(":")[2], "Key": key, "Body": body, "ContentType": "application/json"}


def queue_url(arn: str) -> str:
    """A queue by URL, as SQS wants it; only account and name in it count."""
    parts = arn.split(":")
    return f"https://sqs.{parts[3]}.amazonaws.com/{parts[4]}/{parts[5]}"
