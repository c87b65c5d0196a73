"""What can be backed up here: GetSupportedResourceTypes, DescribeRegionSettings and DescribeGlobalSettings."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.backup.records import DYNAMODB, S3


@operation("backup:GetSupportedResourceTypes")
async def get_supported_resource_types(call: Call, request: Shape) -> Shape:
    """Tables and buckets. (API Reference: "GetSupportedResourceTypes".)"""
    return {"ResourceTypes": [DYNAMODB, S3]}


@operation("backup:DescribeRegionSettings")
async def describe_region_settings(call: Call, request: Shape) -> Shape:
    """Everything that is supported is opted into; recovery points of tables are managed by AWS Backup, as is the default since 2021. (API Reference: "DescribeRegionSettings".)"""
    return {"ResourceTypeOptInPreference": {DYNAMODB: True, S3: True}, "ResourceTypeManagementPreference": {DYNAMODB: True}}


@operation("backup:DescribeGlobalSettings")
async def describe_global_settings(call: Call, request: Shape) -> Shape:
    """Backups across accounts are off. (API Reference: "DescribeGlobalSettings".)"""
    return {"GlobalSettings": {"isCrossAccountBackupEnabled": "false"}}
