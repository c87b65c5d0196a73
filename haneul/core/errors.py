"""Errors that a caller sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """An error with the code and message that the real service answers with.

    `code` is the error's name in the service's model (or a common one such as `AccessDeniedException`); `status` the HTTP status, where
    None lets the model decide (400 when it says nothing); `fields` further members of the error's shape; `headers` extra response headers.
    """

    def __init__(
        self, code: str, message: str = "", status: int | None = None, *, fields: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields or {}
        self.headers = headers or {}


class NotBuilt(ServiceError):
    """An operation, or a part of one, that Haneul does not do (yet). Answers 501 and names what is missing."""

    def __init__(self, what: str) -> None:
        super().__init__("NotImplemented", f"Haneul does not implement {what}. See docs/COVERAGE.md for what it does.", 501)


def refuse_given(operation: str, request: Mapping[str, Any], *names: str) -> None:
    """Raise NotBuilt for the first of these parameters that a request gives, with a value other than nothing and false. `operation` is as in `sqs:SendMessage`."""
    for name in names:
        if request.get(name):
            raise NotBuilt(f"the parameter {name} of {operation}")


class SerializationError(Exception):
    """Bytes that do not fit the operation's shapes. The wire turns it into the service's own error. `parameter` is the name and text of the query's parameter, where
    it was one.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.parameter: tuple[str, str] | None = None


class ClientGone(Exception):
    """The client closed its connection before the whole body had arrived."""


class AccessDenied(Exception):
    """A permission that the caller does not have. The pipeline turns it into the service's own error (code and status differ between services)."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
