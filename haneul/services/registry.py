"""The services that are there. A new service is entered here and nowhere else."""

from __future__ import annotations

import importlib

from haneul.core.service import Service

# Package below haneul/services → class in its service.py.
_SERVICES = {
    "apigateway": "ApiGateway",
    "backup": "Backup",
    "application_autoscaling": "ApplicationAutoScaling",
    "cloudwatch": "CloudWatch",
    "dynamodb": "DynamoDb",
    "dynamodbstreams": "DynamoDbStreams",
    "ecr": "Ecr",
    "iam": "Iam",
    "lambda_": "Lambda",
    "logs": "Logs",
    "s3": "S3",
    "sns": "Sns",
    "sqs": "Sqs",
    "sts": "Sts",
}


def service_classes() -> list[type[Service]]:
    """Every service's class."""
    return [getattr(importlib.import_module(f"haneul.services.{package}.service"), name) for package, name in _SERVICES.items()]
