"""Where SNS differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks

SNS = Quirks(
    # SNS speaks the query protocol: its validation error is ValidationError, and a refused permission AuthorizationError with status 403.
    validation_code="ValidationError",
    serialization_code="MalformedInput",
    access_denied="AuthorizationError",
    access_denied_status=403,
    internal_error="InternalError",
    # Topic policies may name everybody, with or without credentials; who holds a confirmation token needs none either.
    allows_anonymous=True,
    # Ten messages of together 1 MiB; a form writes many of their characters as three.
    body_bytes_max=8 * 1024 * 1024,
)
