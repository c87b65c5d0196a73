"""What a Host header names: a bucket, an API, a function URL, an issuer of tokens, a service's endpoint, or just this cloud.

Understood are the real `*.amazonaws.com` names, `*.localhost` and `*.localhost.localstack.cloud`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_REGION = r"(?:[a-z]{2}(?:-[a-z]+)+-\d)"
_SUFFIX = re.compile(r"^(?P<labels>.*?)\.?(?P<suffix>amazonaws\.com(?:\.cn)?|on\.aws|localhost\.localstack\.cloud|localhost\.haneul\.cloud|localhost)$")
_WEBSITE = re.compile(rf"^(?P<bucket>.+)\.s3-website[.-]?(?P<region>{_REGION})?$")
_BUCKET = re.compile(rf"^(?P<bucket>.+)\.s3(?:express-[a-z0-9-]+)?(?:[.-](?:dualstack\.|fips\.)?(?P<region>{_REGION}))?$")
_API = re.compile(rf"^(?P<id>[a-z0-9]+)(?:-vpce-[a-z0-9-]+)?\.execute-api(?:\.(?P<region>{_REGION}))?$")
_FUNCTION = re.compile(rf"^(?P<id>[a-z0-9]+)\.lambda-url(?:\.(?P<region>{_REGION}))?$")
_REGISTRY = re.compile(rf"^(?P<id>\d{{12}})\.dkr[.-]ecr(?:-fips)?\.(?P<region>{_REGION})$")
_ISSUER = re.compile(r"^(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-\d{12})\.tokens\.sts(?P<region>)$")
_SERVICE = re.compile(rf"^(?:\d{{12}}\.ddb|(?P<service>[a-z0-9.-]+?))(?:\.(?P<region>{_REGION}))?$")


class Host(NamedTuple):
    """`kind`: "bucket", "website", "api", "function", "registry", "issuer", "service" or "" (nothing in particular). `name` is what it names."""

    kind: str
    name: str
    region: str


_PLAIN = Host("", "", "")


@lru_cache(maxsize=4096)
def read_host(header: str) -> Host:
    """The meaning of a Host header."""
    host = header.rsplit(":", 1)[0] if ":" in header and not header.endswith("]") else header
    host = host.lower().rstrip(".")
    found = _SUFFIX.match(host)
    if found is None or not found["labels"]:
        return _PLAIN
    labels = found["labels"]
    for kind, pattern, group in (("website", _WEBSITE, "bucket"), ("bucket", _BUCKET, "bucket"), ("api", _API, "id"), ("function", _FUNCTION, "id"), ("registry", _REGISTRY, "id"), ("issuer", _ISSUER, "id")):
        if matched := pattern.match(labels):
            return Host(kind, matched[group], matched["region"] or "")
    if found["suffix"].startswith("localhost") and "." not in labels and labels not in _SERVICE_LABELS:
        return Host("bucket", labels, "")  # http://my-bucket.localhost:4566/, as SDKs make of an endpoint on localhost.
    if matched := _SERVICE.match(labels):
        return Host("service", matched["service"] or "dynamodb", matched["region"] or "")
    return _PLAIN


_SERVICE_LABELS = frozenset(
    ["apigateway", "athena", "autoscaling", "backup", "batch", "cloudformation", "cloudfront", "cloudwatch", "cognito-idp", "cognito-identity", "dax", "dynamodb", "ec2", "ecr", "ecs", "elasticache", "email", "es", "events", "firehose", "glue", "iam", "kinesis", "kms", "lambda", "logs", "monitoring", "opensearch", "organizations", "rds", "redshift", "route53", "s3", "s3-control", "scheduler", "secretsmanager", "ses", "sns", "sqs", "queue", "ssm", "states", "streams", "sts", "tagging", "api", "www"]
)
