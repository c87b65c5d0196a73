"""What was answered is there after a restart."""

from __future__ import annotations

from typing import Any

from tests.s3.support import PART, files_left, upload_parts
from tests.support.running import Running


def restart(cloud: Running) -> Any:
    cloud.stop()
    cloud.start()
    return cloud.client("s3")


def test_everything_survives(fresh_cloud: Running) -> None:
    """Buckets and their configuration, objects of every size, versions, and uploads in progress."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_cors(Bucket="kept", CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    bodies = {f"k{size}": bytes([size % 251]) * size for size in (0, 100, 10_000, 200_000)}
    for key, body in bodies.items():
        s3.put_object(Bucket="kept", Key=key, Body=b"older")
        s3.put_object(Bucket="kept", Key=key, Body=body, Metadata={"k": key})
    upload_id = s3.create_multipart_upload(Bucket="kept", Key="mp")["UploadId"]
    parts = upload_parts(s3, "kept", "mp", upload_id, [b"a" * PART, b"b"])
    s3 = restart(fresh_cloud)
    for key, body in bodies.items():
        got = s3.get_object(Bucket="kept", Key=key)
        assert got["Body"].read() == body and got["Metadata"] == {"k": key}
    assert len(s3.list_object_versions(Bucket="kept")["Versions"]) == 8
    assert s3.get_bucket_cors(Bucket="kept")["CORSRules"][0]["AllowedOrigins"] == ["*"]
    s3.complete_multipart_upload(Bucket="kept", Key="mp", UploadId=upload_id, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket="kept", Key="mp")["ContentLength"] == PART + 1


def test_files_that_belong_to_nothing_go_at_the_next_start(fresh_cloud: Running) -> None:
    """A body that was begun when the process died is noted as pending, and removed."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="kept")

    async def begin() -> None:
        writer = await fresh_cloud.app.cloud.blobs.create()
        writer.write(b"half a body")
        await writer.finish()

    fresh_cloud.run(begin())
    assert files_left(fresh_cloud) == 1
    restart(fresh_cloud)
    assert files_left(fresh_cloud) == 0
