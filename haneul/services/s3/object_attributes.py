"""GetObjectAttributes."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.access import authorize
from haneul.services.s3.customer_keys import key_to_read
from haneul.services.s3.errors import invalid_argument, invalid_request
from haneul.services.s3.get_object import find_object
from haneul.services.s3.listing import page_size
from haneul.services.s3.metadata import refuse_unbuilt
from haneul.services.s3.records import Object

_KNOWN = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


@operation("s3:GetObjectAttributes", authorized_inside=True)
async def get_object_attributes(call: Call, request: Shape) -> Shape:
    """Facts of an object without its body, its parts among them. API Reference: GetObjectAttributes."""
    version = "VersionId" in request
    bucket, found = find_object(call, request, "s3:GetObject", "s3:GetObjectVersion")
    authorize(call, "s3:GetObjectVersionAttributes" if version else "s3:GetObjectAttributes", request)
    refuse_unbuilt(request)
    key_to_read(request, found.customer_key, call.cloud.ids)
    wanted = request.get("ObjectAttributes") or []
    if not any(wanted):
        raise invalid_request("The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
    if not _KNOWN.issuperset(wanted):
        raise invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", ",".join(wanted))
    shown: Shape = {"LastModified": found.modified}
    if bucket.versioning:
        shown["VersionId"] = found.version_id
    if "ETag" in wanted:
        shown["ETag"] = found.etag
    if "Checksum" in wanted and found.checksums:
        # Here a composite checksum goes without the number of parts, which ObjectParts tells.
        values = {algorithm: value.partition("-")[0] for algorithm, value in found.checksums.items()}
        shown["Checksum"] = {**checksums.show(values), "ChecksumType": found.checksum_type}
    if "ObjectParts" in wanted and found.multipart:
        shown["ObjectParts"] = _parts(request, found)
    if "StorageClass" in wanted:
        shown["StorageClass"] = found.storage_class
    if "ObjectSize" in wanted:
        shown["ObjectSize"] = found.size
    return shown


def _parts(request: Shape, found: Object) -> Shape:
    """The parts one by one only where each has a checksum of its own that counts; otherwise just how many."""
    if found.checksum_type != checksums.COMPOSITE:
        return {"TotalPartsCount": len(found.pieces)}
    limit = page_size(request.get("MaxParts"), "max-parts")
    marker = int(request.get("PartNumberMarker") or 0)
    rest = [piece for piece in found.pieces if piece.number > marker]
    algorithm = next(iter(found.checksums), "")
    parts: list[Shape] = []
    for piece in rest[:limit]:
        part: Shape = {"PartNumber": piece.number, "Size": piece.size}
        if piece.checksum and algorithm:
            part[checksums.member(algorithm)] = piece.checksum
        parts.append(part)
    return {
        "TotalPartsCount": len(found.pieces),
        "PartNumberMarker": marker,
        "NextPartNumberMarker": parts[-1]["PartNumber"] if parts else 0,
        "MaxParts": limit,
        "IsTruncated": len(rest) > limit,
        "Parts": parts,
    }
