"""Where CloudWatch Logs differs from its model."""

from haneul.core.quirks import Quirks

# Broken constraints of the model are InvalidParameterException here. Batches of events may be 1 MiB of text, which JSON's escapes can make six times as long.
QUIRKS = Quirks(validation_code="InvalidParameterException", body_bytes_max=8 * 1024 * 1024)
