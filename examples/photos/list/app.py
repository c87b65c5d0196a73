"""GET /photos: what is in the album."""

import json
import os
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Key

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event, context):
    photos = table.query(KeyConditionExpression=Key("album").eq("all"))["Items"]
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps({"photos": photos}, default=plain)}


def plain(value):
    if isinstance(value, Decimal):
        return int(value)
    raise TypeError(type(value).__name__)
