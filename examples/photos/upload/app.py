"""POST /photos: store the picture of the request's body."""

import base64
import json
import os

import boto3

s3 = boto3.client("s3")
ENDINGS = {"image/jpeg": "jpg", "image/png": "png"}


def handler(event, context):
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    kind = headers.get("content-type", "")
    if kind not in ENDINGS:
        return answer(415, {"message": f"send a picture (image/jpeg or image/png), not {kind!r}"})
    picture = base64.b64decode(event["body"]) if event.get("isBase64Encoded") else (event.get("body") or "").encode()
    key = f"{context.aws_request_id}.{ENDINGS[kind]}"
    title = (event.get("queryStringParameters") or {}).get("title", "untitled")
    s3.put_object(Bucket=os.environ["PHOTOS_BUCKET"], Key=key, Body=picture, ContentType=kind, Metadata={"title": title})
    print(f"stored {len(picture)} bytes as {key}")
    return answer(201, {"photo": key, "bytes": len(picture)})


def answer(status, body):
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
