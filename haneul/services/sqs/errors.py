"""SQS's errors, in the real service's words."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError


class QueueMissing(ServiceError):
    """The queue does not exist (any more)."""

    def __init__(self, message: str = "The specified queue does not exist.") -> None:
        super().__init__("QueueDoesNotExist", message)


def queue_missing(call: Call) -> QueueMissing:
    """The error that fits the protocol of the call: the query protocol has older words for it."""
    if call.http is not None and "x-amz-target" not in call.http.headers:
        return QueueMissing("The specified queue does not exist for this wsdl version.")
    return QueueMissing()


def missing(parameter: str) -> ServiceError:
    return ServiceError("MissingParameter", f"The request must contain the parameter {parameter}.", 400)


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValue", message, 400)


def invalid_value(value: object, parameter: str, reason: str) -> ServiceError:
    return invalid(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def invalid_attribute(name: str, reason: str = "") -> ServiceError:
    """A queue attribute with a value that it cannot have."""
    return ServiceError("InvalidAttributeValue", f"Invalid value for the parameter {name}." + (f" Reason: {reason}" if reason else ""))


def unknown_attribute(name: str) -> ServiceError:
    return ServiceError("InvalidAttributeName", f"Unknown Attribute {name}.")


def not_a_receipt_handle(handle: str) -> ServiceError:
    return ServiceError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')


def receipt_handle_of_other_queue(handle: str) -> ServiceError:
    return ServiceError("ReceiptHandleIsInvalid", f'The receipt handle "{handle}" is not valid for this queue.')


def receipt_handle_expired(handle: str) -> ServiceError:
    return invalid_value(handle, "ReceiptHandle", "The receipt handle has expired.")


def not_in_flight(handle: str) -> ServiceError:
    return invalid_value(handle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")


def resource_missing(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)


def unsupported(message: str) -> ServiceError:
    return ServiceError("UnsupportedOperation", message)
