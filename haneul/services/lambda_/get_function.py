"""GetFunction and GetFunctionConfiguration."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.downloads import code_location
from haneul.services.lambda_.names import qualified_resource, target_of
from haneul.services.lambda_.records import Version
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.shapes import configuration


@operation("lambda:GetFunction", resource=qualified_resource)
async def get_function(call: Call, request: Shape) -> Shape:
    """Configuration, tags, reserved concurrency, and a link to the code that is good for ten minutes. AWS Lambda API Reference, GetFunction."""
    found = call.service(Lambda).functions.resolve(target_of(call, request))
    out: Shape = {
        "Configuration": configuration(call.cloud.vault, found.target, found.version),
        "Code": _code(call, found.version),
    }
    if found.function.tags:
        out["Tags"] = found.function.tags
    if found.function.reserved_concurrency is not None:
        out["Concurrency"] = {"ReservedConcurrentExecutions": found.function.reserved_concurrency}
    return out


def _code(call: Call, version: Version) -> Shape:
    if version.image is not None:
        return {"RepositoryType": "ECR", "ImageUri": version.image.uri, "ResolvedImageUri": version.image.resolved_uri}
    return {"RepositoryType": "S3", "Location": code_location(call, version.sha256)}


@operation("lambda:GetFunctionConfiguration", resource=qualified_resource)
async def get_function_configuration(call: Call, request: Shape) -> Shape:
    """The configuration of a version."""
    found = call.service(Lambda).functions.resolve(target_of(call, request))
    return configuration(call.cloud.vault, found.target, found.version)
