"""Where the outcome of asynchronous invocations is reported to: destinations, and dead-letter queues.

Called as the function's role. Source: AWS Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
"""

from __future__ import annotations

import logging
from typing import Any

import orjson

from haneul.core.arn import parse_arn
from haneul.core.call import call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.ports import Shape
from haneul.services.lambda_.functions import Resolution
from haneul.services.lambda_.invoker import Invoked
from haneul.services.lambda_.records import InvokeConfig
from haneul.services.lambda_.times import iso_time

_PRINCIPAL = "lambda.amazonaws.com"
_DEAD_LETTER_MESSAGE_MAX = 1024
_PASSING = frozenset(("TooManyRequestsException", "ServiceException", "InternalFailure", "ThrottlingException", "RequestThrottled"))
_log = logging.getLogger("haneul")


class Destinations:
    """Sends records. Lasting refusals are counted (DestinationDeliveryFailures, DeadLetterErrors); passing ones raise, so that they are repeated."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def succeeded(self, found: Resolution, entry: Shape, config: InvokeConfig, invoked: Invoked) -> None:
        if config.on_success:
            await self._report(found, config.on_success, self._record(found, entry, "Success", invoked))

    async def failed(self, found: Resolution, entry: Shape, config: InvokeConfig, condition: str, invoked: Invoked | None) -> None:
        if config.on_failure:
            await self._report(found, config.on_failure, self._record(found, entry, condition, invoked))
        if found.version.dead_letter_arn:
            await self._dead_letter(found, entry, condition, invoked)

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

    async def _report(self, found: Resolution, destination: str, record: dict[str, Any]) -> None:
        arn = parse_arn(destination)
        body = orjson.dumps(record)
        if arn is not None and arn.service == "sqs":
            await self._send(found, "sqs:SendMessage", {"QueueUrl": queue_url(destination), "MessageBody": body.decode()}, "DestinationDeliveryFailures")
        elif arn is not None and arn.service == "lambda":
            await self._send(
                found, "lambda:Invoke", {"FunctionName": destination, "InvocationType": "Event", "Payload": body}, "DestinationDeliveryFailures"
            )

    async def _dead_letter(self, found: Resolution, entry: Shape, condition: str, invoked: Invoked | None) -> None:
        message = condition
        code = "200"
        if invoked is not None:
            try:
                document = orjson.loads(invoked.outcome.payload)
                message = str(document.get("errorMessage", condition)) if isinstance(document, dict) else condition
            except orjson.JSONDecodeError:
                message = condition
        params: dict[str, Any] = {
            "QueueUrl": queue_url(found.version.dead_letter_arn),
            "MessageBody": entry["payload"].decode("utf-8", "replace"),
            "MessageAttributes": {
                "RequestID": {"DataType": "String", "StringValue": entry["request_id"]},
                "ErrorCode": {"DataType": "String", "StringValue": code},
                "ErrorMessage": {"DataType": "String", "StringValue": message[:_DEAD_LETTER_MESSAGE_MAX] or condition},
            },
        }
        await self._send(found, "sqs:SendMessage", params, "DeadLetterErrors")

    async def _send(self, found: Resolution, operation: str, params: dict[str, Any], metric: str) -> None:
        target = found.target
        try:
            await call_as(
                self._cloud,
                operation,
                params,
                region=target.region,
                account=target.account,
                role=found.version.role,
                principal=_PRINCIPAL,
                session_name=target.name,
            )
        except (ServiceError, AccessDenied) as error:
            if isinstance(error, ServiceError) and (error.code in _PASSING or (error.status or 400) == 500):
                raise
            self._cloud.usage.add(target.account, target.region, "lambda", metric, target.name)
            _log.warning("the outcome of an event for %s could not be sent: %s", target.name, error)


def queue_url(arn: str) -> str:
    """A queue by URL, as SQS wants it; only account and name in it count."""
    parts = arn.split(":")
    return f"https://sqs.{parts[3]}.amazonaws.com/{parts[4]}/{parts[5]}"
