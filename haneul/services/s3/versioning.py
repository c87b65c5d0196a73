"""PutBucketVersioning and GetBucketVersioning."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn
from haneul.services.s3.errors import malformed_xml
from haneul.services.s3.state import change_bucket, find_bucket


@operation("s3:PutBucketVersioning", resource=bucket_arn, partial="no MFA delete")
async def put_bucket_versioning(call: Call, request: Shape) -> None:
    """Enable or suspend versioning; once enabled it can never be off again. API Reference: PutBucketVersioning."""
    configuration = request.get("VersioningConfiguration") or {}
    if configuration.get("MFADelete") == "Enabled" or "MFA" in request:
        raise NotBuilt("MFA delete of S3")
    status = configuration.get("Status")
    if status is None:
        message = "The Versioning element must be specified"
        raise ServiceError("IllegalVersioningConfigurationException", message, 400)
    if status not in ("Enabled", "Suspended"):
        raise malformed_xml()
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "versioning", status))


@operation("s3:GetBucketVersioning", resource=bucket_arn)
async def get_bucket_versioning(call: Call, request: Shape) -> Shape:
    """Nothing for a bucket that never was versioned. API Reference: GetBucketVersioning."""
    bucket = find_bucket(call, request)
    return {"Status": bucket.versioning} if bucket.versioning else {}
