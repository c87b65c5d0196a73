"""Which operation a method, path, query and headers mean."""

from __future__ import annotations

import pytest

from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from haneul.wire import load_service
from tests.wire.oracle import codec


def route(service: str, method: str, target: str, **headers: str) -> tuple[str, dict[str, str]]:
    path, _, query = target.partition("?")
    matched = codec(service).match(HttpRequest(method, path, query, {name.replace("_", "-"): value for name, value in headers.items()}))
    return matched.operation.name, dict(matched.labels)


@pytest.mark.parametrize(
    ("method", "target", "headers", "operation"),
    [
        ("GET", "/", {}, "ListBuckets"),
        ("GET", "/b", {}, "ListObjects"),
        ("GET", "/b/", {}, "ListObjects"),
        ("GET", "/b?list-type=2&prefix=x", {}, "ListObjectsV2"),
        ("GET", "/b?list-type=1", {}, "ListObjects"),
        ("GET", "/b?versions", {}, "ListObjectVersions"),
        ("GET", "/b?uploads=", {}, "ListMultipartUploads"),
        ("GET", "/b?acl", {}, "GetBucketAcl"),
        ("GET", "/b/k?acl", {}, "GetObjectAcl"),
        ("GET", "/b?location", {}, "GetBucketLocation"),
        ("GET", "/b?lifecycle", {}, "GetBucketLifecycleConfiguration"),
        ("GET", "/b?notification", {}, "GetBucketNotificationConfiguration"),
        ("GET", "/b?analytics", {}, "ListBucketAnalyticsConfigurations"),
        ("GET", "/b?analytics&id=1", {}, "GetBucketAnalyticsConfiguration"),
        ("PUT", "/b", {}, "CreateBucket"),
        ("PUT", "/b/k", {}, "PutObject"),
        ("PUT", "/b/k", {"x_amz_copy_source": "/b/o"}, "CopyObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", {"x_amz_copy_source": "/b/o"}, "UploadPartCopy"),
        ("PUT", "/b/k?tagging", {}, "PutObjectTagging"),
        ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=u", {}, "CompleteMultipartUpload"),
        ("POST", "/b?delete", {}, "DeleteObjects"),
        ("POST", "/b/k?select&select-type=2", {}, "SelectObjectContent"),
        ("POST", "/b/k?restore", {}, "RestoreObject"),
        ("GET", "/b/k?uploadId=u", {}, "ListParts"),
        ("GET", "/b/k?partNumber=3", {}, "GetObject"),
        ("GET", "/b/k?versionId=3&x-id=GetObject", {}, "GetObject"),
        ("GET", "/b/k?attributes", {"x_amz_object_attributes": "ETag"}, "GetObjectAttributes"),
        ("GET", "/b/k?attributes", {}, "GetObjectAttributes"),
        ("PUT", "/b/k?renameObject", {}, "RenameObject"),
        ("HEAD", "/b", {}, "HeadBucket"),
        ("HEAD", "/b/k", {}, "HeadObject"),
        ("DELETE", "/b/k", {}, "DeleteObject"),
        ("DELETE", "/b/k?uploadId=u", {}, "AbortMultipartUpload"),
        ("DELETE", "/b?cors", {}, "DeleteBucketCors"),
        ("DELETE", "/b", {}, "DeleteBucket"),
    ],
)
def test_s3_operations_on_one_path_are_told_apart(method: str, target: str, headers: dict[str, str], operation: str) -> None:
    """Because S3 has some forty operations on two paths; query keys and headers decide."""
    assert route("s3", method, target, **headers)[0] == operation


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/b/a/b/c", "a/b/c"),
        ("/b//a//b/", "/a//b/"),
        ("/b/a%2Fb", "a/b"),
        ("/b/a+b%20c%2B", "a+b c+"),
        ("/b/%E1%84%92", "ᄒ"),
        ("/b/../x/./y", "../x/./y"),
        ("/b/k%3Facl", "k?acl"),
    ],
)
def test_keys_keep_every_slash_and_character(target: str, key: str) -> None:
    """Because an S3 key is any text: slashes, empty segments and dots mean nothing special."""
    assert route("s3", "GET", target) == ("GetObject", {"Bucket": "b", "Key": key})


@pytest.mark.parametrize(
    ("method", "target", "operation", "labels"),
    [
        ("GET", "/2015-03-31/functions", "ListFunctions", {}),
        ("GET", "/2015-03-31/functions/", "ListFunctions", {}),
        ("POST", "/2015-03-31/functions/f/invocations", "Invoke", {"FunctionName": "f"}),
        (
            "GET",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af",
            "GetFunction",
            {"FunctionName": "arn:aws:lambda:us-east-1:1:function:f"},
        ),
        ("GET", "/2019-09-30/functions/f/provisioned-concurrency?List=ALL", "ListProvisionedConcurrencyConfigs", {"FunctionName": "f"}),
        ("GET", "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=1", "GetProvisionedConcurrencyConfig", {"FunctionName": "f"}),
        ("GET", "/2018-10-31/layers?find=LayerVersion&Arn=a", "GetLayerVersionByArn", {}),
        ("GET", "/2018-10-31/layers", "ListLayers", {}),
    ],
)
def test_lambda_routes(method: str, target: str, operation: str, labels: dict[str, str]) -> None:
    """Because Lambda tells some operations apart by literal query values, and ARNs come percent-encoded."""
    assert route("lambda", method, target) == (operation, labels)


def test_api_gateway_prefers_literal_segments_and_keeps_each_operations_label_names() -> None:
    """Because `/resources/{parent_id}` and `/resources/{resource_id}` share a place in the tree."""
    assert route("apigateway", "POST", "/restapis/a/resources/p") == ("CreateResource", {"restapi_id": "a", "parent_id": "p"})
    assert route("apigateway", "GET", "/restapis/a/resources/p") == ("GetResource", {"restapi_id": "a", "resource_id": "p"})
    assert route("apigateway", "POST", "/apikeys?mode=import&format=csv")[0] == "ImportApiKeys"
    assert route("apigateway", "POST", "/apikeys")[0] == "CreateApiKey"
    assert route("apigateway", "GET", "/tags/arn%3Aaws%3Aapigateway%3Ar%3A%3A%2Frestapis%2Fx")[1] == {"resource_arn": "arn:aws:apigateway:r::/restapis/x"}


def test_every_operation_of_a_rest_service_can_be_reached() -> None:
    """Because a route that another one always shadows would be an operation that nobody can call."""
    for service in ("lambda", "apigateway", "s3"):
        for operation in load_service(service).operations.values():
            members = operation.input.members.values() if operation.input is not None else ()
            required = set(operation.input.required) if operation.input is not None else set()
            target = operation.request_uri
            for name, member in operation.input.members.items() if operation.input is not None else ():
                wire = member.location_name or name
                target = target.replace("{" + wire + "}", "value").replace("{" + wire + "+}", "value/more")
                if name in required and member.location == "querystring":
                    target += ("&" if "?" in target else "?") + f"{wire}=1"
            headers = {(m.location_name or "").lower().replace("-", "_"): "1" for m in members if m.location == "header" and m.location_name}
            needed = {
                (operation.input.members[n].location_name or n).lower().replace("-", "_")
                for n in required
                if operation.input is not None and operation.input.members[n].location == "header"
            }
            found = route(service, operation.http_method, target, **{name: value for name, value in headers.items() if name in needed})[0]
            assert found == operation.name or operation.deprecated or operation.name == "ListDirectoryBuckets"


def test_unknown_paths_and_methods_have_the_service_s_error() -> None:
    """Because a client that mistypes must be told in the way that the real service tells."""
    with pytest.raises(ServiceError) as refused:
        route("lambda", "GET", "/nothing/here")
    assert (refused.value.code, refused.value.status) == ("UnknownOperationException", 404)
    with pytest.raises(ServiceError) as refused:
        route("s3", "PATCH", "/b/k")
    assert (refused.value.code, refused.value.status) == ("MethodNotAllowed", 405)
    assert refused.value.message == "The specified method is not allowed against this resource."
    with pytest.raises(ServiceError) as refused:
        route("s3", "GET", "/b/%ff")
    assert refused.value.code == "SerializationException"


def test_operations_that_nobody_named() -> None:
    """Because each protocol has its own words for an unknown operation."""
    form = {"content-type": "application/x-www-form-urlencoded"}
    cases = [
        ("dynamodb", HttpRequest("POST", "/", "", {"x-amz-target": "DynamoDB_20120810.Nope"}, b"{}"), "UnknownOperationException", ""),
        ("dynamodb", HttpRequest("POST", "/", "", {}, b"{}"), "UnknownOperationException", ""),
        ("dynamodb", HttpRequest("POST", "/", "", {"x-amz-target": "Other_1.GetItem"}, b"{}"), "UnknownOperationException", ""),
        ("dynamodb", HttpRequest("POST", "/", "", {"x-amz-target": "GetItem"}, b"{}"), "UnknownOperationException", ""),
        ("iam", HttpRequest("POST", "/", "", form, b"Action=Nope&Version=2010-05-08"), "InvalidAction", "Could not find operation Nope for version 2010-05-08"),
        ("iam", HttpRequest("POST", "/", "", form, b"Version=2010-05-08"), "MissingAction", None),
        ("ec2", HttpRequest("POST", "/", "", form, b"Action=Nope"), "InvalidAction", "The action Nope is not valid for this web service."),
    ]
    for service, request, code, message in cases:
        with pytest.raises(ServiceError) as refused:
            codec(service).match(request)
        assert refused.value.code == code
        assert message is None or refused.value.message == message
