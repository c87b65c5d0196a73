"""What belongs to a registry as a whole: DescribeRegistry, GetRegistryPolicy, GetRegistryScanningConfiguration, and PutImageScanningConfiguration.

Images are neither replicated nor scanned: the operations that show the settings say so.
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.ecr.names import place_of, repository_resource
from haneul.services.ecr.records import Repository
from haneul.services.ecr.resource_tags import change_repository


@operation("ecr:DescribeRegistry", partial="registries have no replication")
async def describe_registry(call: Call, request: Shape) -> Shape:
    """The caller's registry. Amazon ECR API Reference, DescribeRegistry."""
    return {"registryId": call.account, "replicationConfiguration": {"rules": []}}


@operation("ecr:GetRegistryPolicy", partial="registries have no policy")
async def get_registry_policy(call: Call, request: Shape) -> Shape:
    """Nobody can have set a policy: PutRegistryPolicy is not built."""
    raise ServiceError("RegistryPolicyNotFoundException", f"Registry policy does not exist in the registry with id '{call.account}'", 400)


@operation("ecr:GetRegistryScanningConfiguration", partial="images are not scanned")
async def get_registry_scanning_configuration(call: Call, request: Shape) -> Shape:
    """Basic scanning without any rule: nothing is scanned unless it is asked for."""
    return {"registryId": call.account, "scanningConfiguration": {"scanType": "BASIC", "rules": []}}


@operation("ecr:PutImageScanningConfiguration", resource=repository_resource, partial="the setting is kept, but nothing is scanned")
async def put_image_scanning_configuration(call: Call, request: Shape) -> Shape:
    """Keep the setting (DescribeImageScanFindings is refused: there are none). Amazon ECR API Reference, PutImageScanningConfiguration."""
    place = place_of(call, request)
    wanted = bool(request["imageScanningConfiguration"].get("scanOnPush"))

    def change(repository: Repository) -> None:
        repository.scan_on_push = wanted

    await change_repository(call, place, change)
    return {"registryId": place.account, "repositoryName": place.name, "imageScanningConfiguration": {"scanOnPush": wanted}}
