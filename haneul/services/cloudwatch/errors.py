"""Errors that several operations share, in CloudWatch's words. Codes are the names of the model's shapes; the query protocol shortens them."""

from __future__ import annotations

from haneul.core.errors import ServiceError


def invalid_value(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message, 400)


def invalid_combination(message: str) -> ServiceError:
    return ServiceError("InvalidParameterCombinationException", message, 400)


def missing(parameter: str) -> ServiceError:
    return ServiceError("MissingRequiredParameterException", f"The parameter {parameter} is required.", 400)


def validation(message: str) -> ServiceError:
    return ServiceError("ValidationError", message, 400)


def invalid_token() -> ServiceError:
    return ServiceError("InvalidNextToken", "The next token specified is invalid.", 400)


def invalid_token_value() -> ServiceError:
    """The same for operations whose model has no InvalidNextToken."""
    return invalid_value("Invalid nextToken")


def not_found(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message, 404)


def alarm_not_found() -> ServiceError:
    return ServiceError("ResourceNotFound", "", 404)
