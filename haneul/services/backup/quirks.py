"""Where AWS Backup differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks

# Broken constraints of the model are InvalidParameterValueException here.
BACKUP = Quirks(validation_code="InvalidParameterValueException", access_denied_status=403)
