"""Where Application Auto Scaling differs from its model."""

from haneul.core.quirks import Quirks

APPLICATION_AUTOSCALING = Quirks(internal_error="InternalServiceException", internal_message="The service encountered an internal error.")
