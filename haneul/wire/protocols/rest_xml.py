"""The REST XML protocol, and S3's ways with it: bare errors, document names of its own, an unwrapped bucket location."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire.documents import DocumentWriter
from haneul.wire.model import OperationModel, ServiceModel, Shape
from haneul.wire.protocols.base import Match
from haneul.wire.protocols.event_stream import EventStreamWriter
from haneul.wire.protocols.rest import RestProtocol
from haneul.wire.routes import NoRoute
from haneul.wire.xml import Read, Write, XmlReader, XmlWriter, escape, namespace_attribute, parse_xml

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_S3_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"

# The names of S3's answer documents, from the response syntax of each operation in the S3 API reference. The model has only shape names.
_S3_DOCUMENTS: Final = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CopyObject": "CopyObjectResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
    "UploadPartCopy": "CopyPartResult",
}


class _XmlEvents(EventStreamWriter):
    """Events whose structures are XML documents (S3 Select)."""

    def __init__(self, writer: XmlWriter) -> None:
        super().__init__(DocumentWriter({}), lambda value: b"", "text/xml")
        self._xml = writer

    def encode_structure(self, shape: Shape, value: dict[str, Any]) -> bytes:
        out = ['<?xml version="1.0" encoding="UTF-8"?>']
        self._xml.write(shape, shape.location_name or shape.name)(value, out)
        return "".join(out).encode("utf-8", "replace")


class RestXmlProtocol(RestProtocol):
    """REST XML as S3 and CloudFront speak it."""

    def __init__(self, model: ServiceModel, quirks: Quirks) -> None:
        super().__init__(model, quirks)
        self.reader = XmlReader()
        self.writer = XmlWriter(milliseconds=True)
        self.events = _XmlEvents(self.writer)
        self._compiled_readers: dict[Shape, Read] = {}
        self._compiled_writers: dict[str, tuple[str, Write, str]] = {}

    def no_route(self, missing: NoRoute, request: HttpRequest) -> ServiceError:
        if not self.model.is_s3:
            return super().no_route(missing, request)
        headers = {"Allow": ", ".join(missing.allowed)} if missing.allowed else {}
        fields = {
            "Method": request.method,
            "ResourceType": "SERVICE" if request.path.strip("/") == "" else "OBJECT" if request.path.count("/") > 1 else "BUCKET",
        }
        return ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405, fields=fields, headers=headers)

    def headers(self, request_id: str) -> dict[str, str]:
        if self.model.is_s3:
            return {"x-amz-request-id": request_id, "x-amz-id-2": host_id(request_id)}
        return super().headers(request_id)

    def read_body(self, shape: Shape, members: dict[str, Shape] | None, body: bytes) -> Any:
        read = self._compiled_readers.get(shape)
        if read is None:
            read = self._compiled_readers[shape] = self.reader.read(shape) if members is None else self.reader.structure(shape, members)
        root = parse_xml(body)
        if shape.type not in ("structure", "list", "map") and len(root):
            raise SerializationError("The request body holds elements where text was expected")
        return read([root])

    def write_body(self, operation: OperationModel, shape: Shape, members: dict[str, Shape] | None, value: Any, response: HttpResponse) -> None:
        response.headers.setdefault("content-type", "application/xml")
        if self.model.is_s3 and operation.name == "GetBucketLocation":
            location = escape(value.get("LocationConstraint") or "")
            element = f">{location}</LocationConstraint>" if location else "/>"
            response.body = f'{_DECLARATION}<LocationConstraint xmlns="{_S3_NAMESPACE}"{element}'.encode()
            return
        compiled = self._compiled_writers.get(operation.name)
        if compiled is None:
            compiled = self._compiled_writers[operation.name] = self._compile_document(operation, shape, members)
        opening, write, closing = compiled
        out = [opening]
        write(value, out)
        out.append(closing)
        response.body = "".join(out).encode("utf-8", "replace")

    def _compile_document(self, operation: OperationModel, shape: Shape, members: dict[str, Shape] | None) -> tuple[str, Write, str]:
        name = shape.location_name or shape.name
        namespace = shape.traits.get("xmlNamespace") or self.model.xml_namespace
        if self.model.is_s3:
            name = _S3_DOCUMENTS.get(operation.name, name)
            namespace = _S3_NAMESPACE
        return f"{_DECLARATION}<{name}{namespace_attribute(namespace)}>", self.writer.content(shape, members), f"</{name}>"

    def error(self, match: Match | None, error: ServiceError, request_id: str, request: HttpRequest) -> HttpResponse:
        described = self.describe(match, error)
        response = HttpResponse(described.status, {"content-type": "application/xml", **self.headers(request_id)})
        response.headers.update(described.headers)
        if request.method == "HEAD" or described.status in (204, 304):
            del response.headers["content-type"]
            return response
        out = [f"{_DECLARATION}<Error><Code>{escape(described.wire_code)}</Code><Message>{escape(described.message)}</Message>"]
        if not self.model.is_s3:
            out = [
                f"{_DECLARATION}<ErrorResponse{namespace_attribute(self.model.xml_namespace)}><Error><Type>{'Sender' if described.sender else 'Receiver'}</Type>"
            ]
            out.append(f"<Code>{escape(described.wire_code)}</Code><Message>{escape(described.message)}</Message>")
        modelled = described.shape.members.keys() & described.fields.keys() if described.shape is not None else set()
        if described.shape is not None and modelled:
            self.writer.content(described.shape)({name: described.fields[name] for name in modelled}, out)
        out += [f"<{name}>{escape(str(value))}</{name}>" for name, value in described.fields.items() if name not in modelled and value is not None]
        if self.model.is_s3:
            if not described.fields:
                out.append(f"<Resource>{escape(request.path)}</Resource>")
            out.append(f"<RequestId>{escape(request_id)}</RequestId><HostId>{host_id(request_id)}</HostId></Error>")
        else:
            out.append(f"</Error><RequestId>{escape(request_id)}</RequestId></ErrorResponse>")
        response.body = "".join(out).encode("utf-8", "replace")
        return response


def host_id(request_id: str) -> str:
    """S3's second request id, which names the machine that answered; made from the first."""
    return b64encode(f"haneul:{request_id}".encode()).decode()
