"""Where API Gateway's control plane differs from its model."""

from haneul.core.quirks import Quirks

# Refused permissions are 403 here. Imported definitions may be 6 MB.
QUIRKS = Quirks(access_denied_status=403, body_bytes_max=8 * 1024 * 1024)
