"""Where CloudWatch differs from its model."""

from haneul.core.quirks import Quirks

CLOUDWATCH = Quirks(
    # Broken constraints of the model are ValidationError here, and refusals AccessDenied, in all three protocols.
    validation_code="ValidationError",
    access_denied="AccessDenied",
    access_denied_status=403,
    internal_error="InternalServiceFault",
    # A PutMetricData request may have 1 MB; a form writes many of its characters as three.
    body_bytes_max=4 * 1024 * 1024,
)
