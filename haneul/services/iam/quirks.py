"""Where IAM differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks

# IAM speaks the query protocol: its validation error is ValidationError, and a refused permission is AccessDenied with status 403.
IAM_QUIRKS = Quirks(
    validation_code="ValidationError",
    serialization_code="MalformedInput",
    access_denied="AccessDenied",
    access_denied_status=403,
    # IAM declares an internal failure of its own; STS, the other service of this kind, has the common one.
    internal_error="ServiceFailure",
    strict_version=True,
)
