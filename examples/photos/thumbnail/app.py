"""S3 event: make a thumbnail of the new picture, and note both in the table."""

import io
import os
from urllib.parse import unquote_plus

import boto3
from PIL import Image

s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
EDGE = 128


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        original = s3.get_object(Bucket=bucket, Key=key)
        picture = Image.open(io.BytesIO(original["Body"].read()))
        width, height = picture.size
        picture.thumbnail((EDGE, EDGE))
        small = io.BytesIO()
        picture.convert("RGB").save(small, "JPEG", quality=85)
        thumbnail = key.rsplit(".", 1)[0] + ".jpg"
        s3.put_object(Bucket=os.environ["THUMBNAILS_BUCKET"], Key=thumbnail, Body=small.getvalue(), ContentType="image/jpeg")
        table.put_item(
            Item={
                "album": "all",
                "photo": key,
                "title": original["Metadata"].get("title", "untitled"),
                "width": width,
                "height": height,
                "bytes": record["s3"]["object"]["size"],
                "thumbnail": thumbnail,
            }
        )
        print(f"{key}: {width}x{height} -> {picture.size[0]}x{picture.size[1]}, {small.tell()} bytes")
