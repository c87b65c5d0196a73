"""The wire: AWS's protocols, driven by botocore's service models."""

from haneul.wire.codec import Match, Raw, ServiceCodec
from haneul.wire.model import OperationModel, ServiceModel, Shape, load_service

__all__ = ["Match", "OperationModel", "Raw", "ServiceCodec", "ServiceModel", "Shape", "load_service"]
