"""Lambda's own condition keys of what a function is made of (Service Authorization Reference: "… condition keys for AWS Lambda")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haneul.core.call import Call
from haneul.core.operation import Shape


def function_conditions(call: Call, request: Shape) -> Mapping[str, Any]:
    """The layer versions and the code signing configuration that a request gives to a function."""
    keys: dict[str, Any] = {}
    if request.get("Layers"):
        keys["lambda:Layer"] = request["Layers"]
    if request.get("CodeSigningConfigArn"):
        keys["lambda:CodeSigningConfigArn"] = request["CodeSigningConfigArn"]
    return keys
