"""ListParts and ListMultipartUploads."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.access import bucket_arn, conditions, object_arn
from haneul.services.s3.create_multipart_upload import find_upload
from haneul.services.s3.customer_keys import key_of_upload
from haneul.services.s3.due import show_abort
from haneul.services.s3.keys import behind_key, part_key, parts_base, text_in, text_start, upload_key, uploads_base
from haneul.services.s3.listing import Cursor, encoded, fold, page_size
from haneul.services.s3.records import Part, Upload
from haneul.services.s3.state import find_bucket, owner
from haneul.store.keys import after, prefix_range
from haneul.store.records import decode


@operation("s3:ListParts", action="s3:ListMultipartUploadParts", resource=object_arn, conditions=conditions)
async def list_parts(call: Call, request: Shape) -> Shape:
    """The parts of an upload, in order of their numbers. API Reference: ListParts."""
    bucket = find_bucket(call, request)
    store = call.cloud.store
    upload = find_upload(store, bucket, request)
    key_of_upload(request, upload.customer_key, call.cloud.ids, required=not upload.defaulted)
    limit = page_size(request.get("MaxParts"), "max-parts")
    marker = int(request.get("PartNumberMarker") or 0)
    rows = store.range(part_key(upload.id, marker + 1), after(parts_base(upload.id)), limit + 1)
    parts = [decode(value, Part) for _, value in rows[:limit]]
    shown: Shape = {
        "Bucket": bucket.name,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": marker,
        "MaxParts": limit,
        "IsTruncated": len(rows) > limit,
        "NextPartNumberMarker": parts[-1].number if parts else 0,
        "Parts": [_show_part(part, upload) for part in parts],
        "Initiator": {"ID": upload.initiator, "DisplayName": upload.initiator.rpartition("/")[2]},
        "Owner": owner(bucket.account),
        "StorageClass": upload.storage_class,
        **show_abort(bucket, upload.key, upload.initiated),
    }
    if not upload.defaulted:
        shown["ChecksumAlgorithm"], shown["ChecksumType"] = upload.algorithm, upload.checksum_type
    return shown


def _show_part(part: Part, upload: Upload) -> Shape:
    shown = {"PartNumber": part.number, "LastModified": part.modified, "ETag": f'"{part.etag}"', "Size": part.size}
    return shown if upload.defaulted else {**shown, **checksums.show(part.checksums)}


@operation("s3:ListMultipartUploads", action="s3:ListBucketMultipartUploads", resource=bucket_arn, conditions=conditions)
async def list_multipart_uploads(call: Call, request: Shape) -> Shape:
    """Uploads in progress, by key and then by the time they began. API Reference: ListMultipartUploads."""
    bucket = find_bucket(call, request)
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    limit = page_size(request.get("MaxUploads"), "max-uploads")
    marker, id_marker = request.get("KeyMarker") or "", request.get("UploadIdMarker") or ""
    encode = encoded(request)
    base = uploads_base(bucket.id)
    start, end = prefix_range(text_start(base, prefix))
    cursor = Cursor(call.cloud.store, start, end)
    if marker and id_marker:
        cursor.seek(upload_key(bucket.id, marker, id_marker) + b"\x00")
    elif marker:
        cursor.seek(behind_key(base, marker) if not (delimiter and marker.endswith(delimiter)) else after(text_start(base, marker)))
    uploads: list[Shape] = []
    prefixes: list[str] = []
    truncated = False
    last: tuple[str, str] = ("", "")
    while (row := cursor.next()) is not None:
        key, _ = text_in(row[0], base)
        folded = fold(key, prefix, delimiter)
        if len(uploads) + len(prefixes) >= limit:
            truncated = limit > 0
            break
        if folded is not None:
            prefixes.append(folded)
            last = (folded, "")
            cursor.seek(after(text_start(base, folded)))
            continue
        upload = decode(row[1], Upload)
        last = (key, upload.id)
        uploads.append(_show_upload(upload, owner(bucket.account), encode(key)))
    shown: Shape = {"Bucket": bucket.name, "KeyMarker": encode(marker), "UploadIdMarker": id_marker, "MaxUploads": limit, "IsTruncated": truncated, "Uploads": uploads}
    if truncated:
        shown["NextKeyMarker"], shown["NextUploadIdMarker"] = encode(last[0]), last[1]
    if prefix:
        shown["Prefix"] = encode(prefix)
    if delimiter:
        shown["Delimiter"] = encode(delimiter)
        shown["CommonPrefixes"] = [{"Prefix": encode(one)} for one in prefixes]
    if "EncodingType" in request:
        shown["EncodingType"] = request["EncodingType"]
    return shown


def _show_upload(upload: Upload, bucket_owner: Shape, key: str) -> Shape:
    shown = {
        "UploadId": upload.id,
        "Key": key,
        "Initiated": upload.initiated,
        "StorageClass": upload.storage_class,
        "Owner": bucket_owner,
        "Initiator": {"ID": upload.initiator, "DisplayName": upload.initiator.rpartition("/")[2]},
    }
    if not upload.defaulted:
        shown["ChecksumAlgorithm"], shown["ChecksumType"] = upload.algorithm, upload.checksum_type
    return shown
