"""S3's errors (S3 API Reference, "Error responses"), each with the elements that it carries besides code and message."""

from __future__ import annotations

from typing import Any

from haneul.core.errors import ServiceError

MALFORMED_XML = "The XML you provided was not well-formed or did not validate against our published schema"


def no_such_bucket(bucket: str) -> ServiceError:
    return ServiceError("NoSuchBucket", "The specified bucket does not exist", 404, fields={"BucketName": bucket})


def no_such_key(key: str) -> ServiceError:
    return ServiceError("NoSuchKey", "The specified key does not exist.", 404, fields={"Key": key})


def no_such_version(key: str, version_id: str) -> ServiceError:
    return ServiceError("NoSuchVersion", "The specified version does not exist.", 404, fields={"Key": key, "VersionId": version_id})


def no_such_upload(upload_id: str) -> ServiceError:
    message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    return ServiceError("NoSuchUpload", message, 404, fields={"UploadId": upload_id})


def not_configured(code: str, message: str, bucket: str) -> ServiceError:
    """The 404 for a bucket configuration that nobody has put."""
    return ServiceError(code, message, 404, fields={"BucketName": bucket})


def invalid_argument(message: str, name: str, value: Any) -> ServiceError:
    return ServiceError("InvalidArgument", message, 400, fields={"ArgumentName": name, "ArgumentValue": value})


def invalid_request(message: str) -> ServiceError:
    return ServiceError("InvalidRequest", message, 400)


def malformed_xml() -> ServiceError:
    return ServiceError("MalformedXML", MALFORMED_XML, 400)


def precondition_failed(condition: str) -> ServiceError:
    return ServiceError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412, fields={"Condition": condition})


def access_denied() -> ServiceError:
    """A refusal that has nothing to do with policies."""
    return ServiceError("AccessDenied", "Access Denied", 403)


def entity_too_large(proposed: int, limit: int) -> ServiceError:
    message = "Your proposed upload exceeds the maximum allowed size"
    return ServiceError("EntityTooLarge", message, 400, fields={"ProposedSize": proposed, "MaxSizeAllowed": limit})


def incomplete_body() -> ServiceError:
    return ServiceError("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header", 400)


def bad_digest(message: str) -> ServiceError:
    return ServiceError("BadDigest", message, 400)


def internal_error() -> ServiceError:
    return ServiceError("InternalError", "We encountered an internal error. Please try again.", 500)


def acls_not_supported() -> ServiceError:
    return ServiceError("AccessControlListNotSupported", "The bucket does not allow ACLs", 400)
