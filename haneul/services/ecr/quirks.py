"""Where ECR differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks

ECR = Quirks(
    # Constraints that are not kept are told under the service's own name for a bad parameter.
    validation_code="InvalidParameterException",
    internal_error="ServerException",
    # A layer part of 20 MiB travels in base64 with the rest of the request around it.
    body_bytes_max=32 * 1024 * 1024,
)
