"""Who may use a layer version: its account by IAM, others by the layer version's own policy."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.services.lambda_.names import LayerTarget


def readable_layer(call: Call, layer: LayerTarget) -> None:
    """AccessDenied unless the caller may get the layer version. AWS asks for lambda:GetLayerVersion when a function is given a layer."""
    call.authorize("lambda:GetLayerVersion", layer.version_arn)
