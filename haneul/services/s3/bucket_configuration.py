"""Small configurations: encryption, website, request payment; and the honest answers about those that no bucket here can have."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn
from haneul.services.s3.errors import invalid_argument, invalid_request, malformed_xml, not_configured
from haneul.services.s3.metadata import ENCRYPTION
from haneul.services.s3.state import change_bucket, find_bucket

ROUTING_RULES_MAX = 50
_DEFAULT_ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": ENCRYPTION}, "BucketKeyEnabled": False}]}

# ---- encryption


@operation("s3:PutBucketEncryption", action="s3:PutEncryptionConfiguration", resource=bucket_arn, partial="only AES256")
async def put_bucket_encryption(call: Call, request: Shape) -> None:
    """API Reference: PutBucketEncryption."""
    rules = (request.get("ServerSideEncryptionConfiguration") or {}).get("Rules") or []
    if len(rules) != 1:
        raise malformed_xml()
    default = rules[0].get("ApplyServerSideEncryptionByDefault") or {}
    if default.get("SSEAlgorithm", ENCRYPTION) != ENCRYPTION:
        raise NotBuilt(f"the encryption {default['SSEAlgorithm']} of S3")
    if "KMSMasterKeyID" in default:
        raise invalid_argument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse", "ApplyServerSideEncryptionByDefault", "")
    if "BlockedEncryptionTypes" in rules[0]:
        raise NotBuilt("the parameter BlockedEncryptionTypes of s3:PutBucketEncryption")
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "encryption", {"Rules": rules}))


@operation("s3:GetBucketEncryption", action="s3:GetEncryptionConfiguration", resource=bucket_arn)
async def get_bucket_encryption(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketEncryption."""
    return {"ServerSideEncryptionConfiguration": find_bucket(call, request).encryption or _DEFAULT_ENCRYPTION}


@operation("s3:DeleteBucketEncryption", action="s3:PutEncryptionConfiguration", resource=bucket_arn)
async def delete_bucket_encryption(call: Call, request: Shape) -> None:
    """Back to the default, AES256. API Reference: DeleteBucketEncryption."""
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "encryption", None))


# ---- website


@operation("s3:PutBucketWebsite", resource=bucket_arn)
async def put_bucket_website(call: Call, request: Shape) -> None:
    """API Reference: PutBucketWebsite."""
    given = request.get("WebsiteConfiguration") or {}
    redirect = given.get("RedirectAllRequestsTo")
    if redirect is not None:
        if "HostName" not in redirect or len(given) > 1:
            raise malformed_xml()
    elif "IndexDocument" not in given:
        raise invalid_argument("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty", "IndexDocument", "null")
    else:
        suffix = given["IndexDocument"].get("Suffix", "")
        if not suffix or "/" in suffix:
            raise invalid_argument("The IndexDocument Suffix is not well formed", "IndexDocument", suffix)
        if "ErrorDocument" in given and not given["ErrorDocument"].get("Key"):
            raise malformed_xml()
    if len(given.get("RoutingRules") or ()) > ROUTING_RULES_MAX:
        raise malformed_xml()
    _check_protocol(redirect or {})
    for rule in given.get("RoutingRules") or ():
        _check_routing_rule(rule)
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "website", given))


def _check_routing_rule(rule: Shape) -> None:
    to = rule.get("Redirect")
    if not to or ("ReplaceKeyWith" in to and "ReplaceKeyPrefixWith" in to):
        raise malformed_xml()
    _check_protocol(to)
    _check_code(to.get("HttpRedirectCode"), range(301, 400), "redirect code", "3XX except 300")
    condition = rule.get("Condition")
    if condition is not None:
        if not condition:
            raise invalid_request("Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
        _check_code(condition.get("HttpErrorCodeReturnedEquals"), range(400, 600), "error code", "4XX or 5XX")


def _check_protocol(to: Shape) -> None:
    if to.get("Protocol", "http") not in ("http", "https"):
        raise invalid_request("Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.")


def _check_code(code: str | None, valid: range, what: str, words: str) -> None:
    """A status in a routing rule: a number of the right kind."""
    if code is None:
        return
    if not (code.isascii() and code.isdigit()):
        raise malformed_xml()
    if int(code) not in valid:
        raise invalid_request(f"The provided HTTP {what} ({code}) is not valid. Valid codes are {words}.")


@operation("s3:GetBucketWebsite", resource=bucket_arn)
async def get_bucket_website(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketWebsite."""
    bucket = find_bucket(call, request)
    if bucket.website is None:
        raise not_configured("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration", bucket.name)
    return bucket.website


@operation("s3:DeleteBucketWebsite", resource=bucket_arn)
async def delete_bucket_website(call: Call, request: Shape) -> None:
    """API Reference: DeleteBucketWebsite."""
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "website", None))


# ---- who pays


@operation("s3:PutBucketRequestPayment", resource=bucket_arn, partial="only BucketOwner")
async def put_bucket_request_payment(call: Call, request: Shape) -> None:
    """API Reference: PutBucketRequestPayment."""
    payer = (request.get("RequestPaymentConfiguration") or {}).get("Payer")
    if payer == "Requester":
        raise NotBuilt("requester-pays buckets of S3")
    if payer != "BucketOwner":
        raise malformed_xml()


@operation("s3:GetBucketRequestPayment", resource=bucket_arn)
async def get_bucket_request_payment(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketRequestPayment."""
    find_bucket(call, request)
    return {"Payer": "BucketOwner"}


# ---- what no bucket here can have: putting it is not built, so that there is none is the truth


@operation("s3:GetBucketAccelerateConfiguration", action="s3:GetAccelerateConfiguration", resource=bucket_arn)
async def get_bucket_accelerate_configuration(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketAccelerateConfiguration."""
    find_bucket(call, request)
    return {}


@operation("s3:GetBucketLogging", resource=bucket_arn)
async def get_bucket_logging(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketLogging."""
    find_bucket(call, request)
    return {}


@operation("s3:GetBucketReplication", action="s3:GetReplicationConfiguration", resource=bucket_arn)
async def get_bucket_replication(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketReplication."""
    raise not_configured("ReplicationConfigurationNotFoundError", "The replication configuration was not found", request["Bucket"])


@operation("s3:GetObjectLockConfiguration", action="s3:GetBucketObjectLockConfiguration", resource=bucket_arn)
async def get_object_lock_configuration(call: Call, request: Shape) -> Shape:
    """API Reference: GetObjectLockConfiguration."""
    raise not_configured("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket", request["Bucket"])


@operation("s3:ListBucketAnalyticsConfigurations", action="s3:GetAnalyticsConfiguration", resource=bucket_arn)
async def list_bucket_analytics_configurations(call: Call, request: Shape) -> Shape:
    """API Reference: ListBucketAnalyticsConfigurations."""
    return _empty_list(call, request)


@operation("s3:GetBucketAnalyticsConfiguration", action="s3:GetAnalyticsConfiguration", resource=bucket_arn)
async def get_bucket_analytics_configuration(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketAnalyticsConfiguration."""
    raise _no_such_configuration(call, request)


@operation("s3:ListBucketIntelligentTieringConfigurations", action="s3:GetIntelligentTieringConfiguration", resource=bucket_arn)
async def list_bucket_intelligent_tiering_configurations(call: Call, request: Shape) -> Shape:
    """API Reference: ListBucketIntelligentTieringConfigurations."""
    return _empty_list(call, request)


@operation("s3:GetBucketIntelligentTieringConfiguration", action="s3:GetIntelligentTieringConfiguration", resource=bucket_arn)
async def get_bucket_intelligent_tiering_configuration(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketIntelligentTieringConfiguration."""
    raise _no_such_configuration(call, request)


@operation("s3:ListBucketInventoryConfigurations", action="s3:GetInventoryConfiguration", resource=bucket_arn)
async def list_bucket_inventory_configurations(call: Call, request: Shape) -> Shape:
    """API Reference: ListBucketInventoryConfigurations."""
    return _empty_list(call, request)


@operation("s3:GetBucketInventoryConfiguration", action="s3:GetInventoryConfiguration", resource=bucket_arn)
async def get_bucket_inventory_configuration(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketInventoryConfiguration."""
    raise _no_such_configuration(call, request)


@operation("s3:ListBucketMetricsConfigurations", action="s3:GetMetricsConfiguration", resource=bucket_arn)
async def list_bucket_metrics_configurations(call: Call, request: Shape) -> Shape:
    """API Reference: ListBucketMetricsConfigurations."""
    return _empty_list(call, request)


@operation("s3:GetBucketMetricsConfiguration", action="s3:GetMetricsConfiguration", resource=bucket_arn)
async def get_bucket_metrics_configuration(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketMetricsConfiguration."""
    raise _no_such_configuration(call, request)


def _empty_list(call: Call, request: Shape) -> Shape:
    find_bucket(call, request)
    if "ContinuationToken" in request:
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", request["ContinuationToken"])
    return {"IsTruncated": False}


def _no_such_configuration(call: Call, request: Shape) -> ServiceError:
    return not_configured("NoSuchConfiguration", "The specified configuration does not exist.", find_bucket(call, request).name)
