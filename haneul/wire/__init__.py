"""The wire: AWS's protocols, driven by botocore's service models."""

from haneul.wire.codec import Match, ServiceCodec
from haneul.wire.model import OperationModel, ServiceModel, Shape, load_service

__all__ = ["Match", "OperationModel", "ServiceCodec", "ServiceModel", "Shape", "load_service"]
