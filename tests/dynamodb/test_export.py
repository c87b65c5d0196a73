"""Exports to S3: files, manifests, moments and spans as AWS lays them out."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from amazon.ion import simpleion

from haneul.clock import SECOND
from haneul.services.dynamodb.history import export_work, exports
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.iam.service import Iam
from haneul.services.logs.service import Logs
from haneul.services.s3.service import S3
from tests.dynamodb.support import failure, invalid, make_table, n, s
from tests.dynamodb.test_backups import fill
from tests.dynamodb.test_pitr import break_after_steps, everything, moment, recover, rows
from tests.support.running import ACCOUNT, Running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    """A running cloud with buckets for one test alone."""
    with Running(services=[DynamoDb, Iam, S3, Logs]) as running:
        running.client("s3").create_bucket(Bucket="exports")
        yield running


def exportable(cloud: Running, **parameters: Any) -> tuple[str, str]:
    """A table with recovery: its name and ARN."""
    table = make_table(cloud, **parameters)
    recover(cloud, table)
    return table, cloud.client("dynamodb").describe_table(TableName=table)["Table"]["TableArn"]


def export(cloud: Running, arn: str, **parameters: Any) -> dict[str, Any]:
    """An export's description once it has ended."""
    client = cloud.client("dynamodb")
    begun = client.export_table_to_point_in_time(TableArn=arn, **{"S3Bucket": "exports", **parameters})["ExportDescription"]
    assert begun["ExportStatus"] == "IN_PROGRESS" and "ExportManifest" not in begun
    cloud.advance("1s")
    return dict(client.describe_export(ExportArn=begun["ExportArn"])["ExportDescription"])


def body(cloud: Running, key: str) -> bytes:
    return bytes(cloud.client("s3").get_object(Bucket="exports", Key=key)["Body"].read())


def lines(cloud: Running, described: dict[str, Any]) -> list[bytes]:
    """All lines of an export's files, whose checksums fit."""
    summary = json.loads(body(cloud, described["ExportManifest"]))
    found: list[bytes] = []
    for line in body(cloud, summary["manifestFilesS3Key"]).splitlines():
        file = json.loads(line)
        packed = body(cloud, file["dataFileS3Key"])
        assert file["md5Checksum"] == base64.b64encode(hashlib.md5(packed).digest()).decode()
        assert file["etag"] == hashlib.md5(packed).hexdigest()
        some = gzip.decompress(packed).splitlines()
        assert len(some) == file["itemCount"]
        found += some
    assert len(found) == summary["itemCount"] == described["ItemCount"]
    return found


def test_a_full_export_of_a_moment(fresh_cloud: Running) -> None:
    """An export has what the table held at its time, in gzipped lines, under its prefix, with manifests and their MD5s."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table, arn = exportable(cloud, range_type="N")
    fill(cloud, table, 250, v={"M": {"deep": {"L": [{"B": b"\x01"}, {"BOOL": True}]}}})
    held = {str(k) for k in range(250)}
    cloud.advance("2s")
    when = moment(cloud)
    cloud.advance("2s")
    client.delete_item(TableName=table, Key={"pk": s("p"), "sk": n(1)})
    done = export(cloud, arn, S3Prefix="some/prefix", ExportTime=when, S3BucketOwner=ACCOUNT, S3SseAlgorithm="AES256")
    assert (done["ExportStatus"], done["ExportFormat"]) == ("COMPLETED", "DYNAMODB_JSON")
    assert done["ExportTime"] == when and done["ItemCount"] == 250 and done["BilledSizeBytes"] > 0
    folder = "some/prefix/AWSDynamoDB/" + done["ExportArn"].rpartition("/")[2]
    keys = {one["Key"] for one in cloud.client("s3").list_objects_v2(Bucket="exports")["Contents"]}
    manifests = {f"{folder}/manifest-{name}" for name in ("files.json", "files.md5", "summary.json", "summary.md5")}
    assert keys - {f"{folder}/_started", *manifests} == {key for key in keys if key.startswith(f"{folder}/data/") and key.endswith(".json.gz")}
    for name in ("files", "summary"):
        content = body(cloud, f"{folder}/manifest-{name}.json")
        assert body(cloud, f"{folder}/manifest-{name}.md5") == base64.b64encode(hashlib.md5(content).digest())
    items = [json.loads(line)["Item"] for line in lines(cloud, done)]
    assert {item["sk"]["N"] for item in items} == held
    # A new table on demand has four partitions: each has a file, also where it is empty ("DynamoDB table export output format").
    assert [json.loads(line)["itemCount"] for line in body(cloud, f"{folder}/manifest-files.json").splitlines()].count(0) == 3
    assert items[0]["v"] == {"M": {"deep": {"L": [{"B": "AQ=="}, {"BOOL": True}]}}}
    summary = json.loads(body(cloud, done["ExportManifest"]))
    assert summary["tableArn"] == arn and summary["outputFormat"] == "DYNAMODB_JSON" and summary["s3Prefix"] == "some/prefix"


def test_what_descriptions_leave_out(fresh_cloud: Running) -> None:
    """Format and encryption are shown with their defaults, the type and the prefix as the request had them: no type where it said none, a slash where it had one.

    The bucket may be anywhere. What the bucket answered is told as the service's own client of S3 says it.
    """
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    _, arn = exportable(cloud)
    plain = client.export_table_to_point_in_time(TableArn=arn, S3Bucket="exports")["ExportDescription"]
    begun = {"ClientToken", "ExportArn", "ExportFormat", "ExportStatus", "ExportTime", "S3Bucket", "S3SseAlgorithm", "StartTime", "TableArn", "TableId"}
    assert set(plain) == begun and (plain["ExportFormat"], plain["S3SseAlgorithm"]) == ("DYNAMODB_JSON", "AES256")
    cloud.advance("1s")
    done = client.describe_export(ExportArn=plain["ExportArn"])["ExportDescription"]
    assert set(done) - begun == {"BilledSizeBytes", "EndTime", "ExportManifest", "ItemCount"}
    assert client.list_exports()["ExportSummaries"] == [{"ExportArn": plain["ExportArn"], "ExportStatus": "COMPLETED", "ExportType": "FULL_EXPORT"}]
    far = {"LocationConstraint": "eu-west-1"}
    cloud.client("s3", region="eu-west-1").create_bucket(Bucket="exports-far", CreateBucketConfiguration=far)
    for prefix, root in (("foo/", "foo/AWSDynamoDB/"), ("/foo", "/foo/AWSDynamoDB/"), ("foo", "foo/AWSDynamoDB/")):
        done = export(cloud, arn, S3Prefix=prefix, S3Bucket="exports-far", ExportType="FULL_EXPORT")
        assert (done["S3Prefix"], done["ExportType"], done["ExportManifest"].partition("AWSDynamoDB/")[0] + "AWSDynamoDB/") == (prefix, "FULL_EXPORT", root)
    failed = export(cloud, arn, S3Bucket="Absent")
    told = r"The specified bucket does not exist \(Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket; Request ID: [A-Z0-9]{16}; S3 Extended Request ID: \S{76}; Proxy: null\)"
    assert failed["FailureCode"] == "S3NoSuchBucket" and re.fullmatch(told, failed["FailureMessage"])
    assert not {"ItemCount", "BilledSizeBytes", "ExportManifest"} & set(failed)


def test_ion_as_a_reader_of_ion_reads_it(fresh_cloud: Running) -> None:
    """Every type has its form in Ion; a parser of Ion finds the same values."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table, arn = exportable(cloud)
    client.put_item(
        TableName=table,
        Item={
            "pk": s('quote " slash \\ line \n snow ☃'),
            "null": {"NULL": True}, "a b": {"BOOL": False}, "numbers": {"NS": ["1", "2.5"]}, "texts": {"SS": ["x", "y"]},
            "blobs": {"BS": [b"\x00\x01"]}, "blob": {"B": b"abc"}, "list": {"L": [n("-1.50"), s("")]}, "map": {"M": {"true": n("12345678901234567890")}},
            "round": n("-600"), "zero": n("0"),
        },
    )
    (line,) = lines(cloud, export(cloud, arn, ExportFormat="ION"))
    assert line.startswith(b"$ion_1_0 {Item:{")
    assert b"round:-6d2" in line and b"zero:0." in line  # The example of the Developer Guide has 600 as 6d2.
    item = simpleion.loads(line.decode())["Item"]
    assert (item["round"], item["zero"]) == (-600, 0)
    assert item["pk"] == 'quote " slash \\ line \n snow ☃' and item["blob"] == b"abc"
    assert item["numbers"].ion_annotations[0].text == "$dynamodb_NS" and [str(one) for one in item["numbers"]] == ["1", "2.5"]
    assert item["texts"].ion_annotations[0].text == "$dynamodb_SS" and list(item["blobs"]) == [b"\x00\x01"]
    assert [str(item["list"][0]), item["list"][1]] == ["-1.5", ""] and item["map"]["true"] == 12345678901234567890


def test_an_incremental_export_has_what_changed(fresh_cloud: Running) -> None:
    """Each item that changed within the span is there once, with what it was before and after, its key and the time of its last write."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table, arn = exportable(cloud)

    def put(key: str, value: int) -> None:
        client.put_item(TableName=table, Item={"pk": s(key), "v": n(value)})

    put("kept", 1)
    put("changed", 1)
    put("removed", 1)

    def reach(time: datetime) -> None:
        cloud.run(cloud.clock.advance(int(time.timestamp()) * SECOND - cloud.clock.now()))

    cloud.advance("10s")
    since = moment(cloud)
    reach(since)
    put("first", 1)  # A span begins with its first moment and ends before its last.
    cloud.advance("10m")
    put("changed", 2)
    put("changed", 3)
    put("passing", 1)
    put("added", 1)
    for key in ("removed", "passing"):
        client.delete_item(TableName=table, Key={"pk": s(key)})
    written = cloud.clock.now() // 1000
    cloud.advance("10m")
    until = moment(cloud)
    reach(until)
    put("edge", 9)
    cloud.advance("10s")
    put("changed", 9)
    put("added", 9)
    put("later", 9)
    span = {"ExportFromTime": since, "ExportToTime": until, "ExportViewType": "NEW_AND_OLD_IMAGES"}
    done = export(cloud, arn, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification=span)
    assert done["ExportType"] == "INCREMENTAL_EXPORT" and done["IncrementalExportSpecification"] == span
    assert done["BilledSizeBytes"] == 10_000_000  # Less is never billed for a span.
    found = {record["Keys"]["pk"]["S"]: record for record in map(json.loads, lines(cloud, done))}
    assert set(found) == {"first", "changed", "removed", "added"}  # What came and went leaves no trace.
    assert (found["changed"]["OldImage"]["v"], found["changed"]["NewImage"]["v"]) == (n(1), n(3))
    assert "NewImage" not in found["removed"] and found["removed"]["OldImage"]["v"] == n(1)
    assert found["added"]["NewImage"]["v"] == n(1) and "OldImage" not in found["added"]
    assert abs(int(found["changed"]["Metadata"]["WriteTimestampMicros"]["N"]) - written) < 2
    summary = json.loads(body(cloud, done["ExportManifest"]))
    assert summary["outputView"] == "NEW_AND_OLD_IMAGES" and summary["exportType"] == "INCREMENTAL_EXPORT"
    span["ExportViewType"] = "NEW_IMAGE"
    done = export(cloud, arn, ExportType="INCREMENTAL_EXPORT", ExportFormat="ION", IncrementalExportSpecification=span)
    records = [simpleion.loads(line.decode())["Record"] for line in lines(cloud, done)]
    assert not any("OldImage" in record for record in records)
    assert {record["Keys"]["pk"] for record in records} == set(found)
    cloud.advance("15m")
    done = export(cloud, arn, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification={"ExportFromTime": until})
    ended = done["IncrementalExportSpecification"]["ExportToTime"]
    assert ended == done["StartTime"] and ended.microsecond == 0 and "ExportTime" not in done  # All of its times are whole seconds.
    assert done["ExportArn"].rpartition("/")[2].partition("-")[0] == f"{int(ended.timestamp()) * 1000:014}"
    assert {json.loads(line)["Keys"]["pk"]["S"] for line in lines(cloud, done)} == {"edge", "changed", "added", "later"}


def test_a_filtered_export(fresh_cloud: Running) -> None:
    """Key conditions, filters and projections are those of Query and Scan; of what changed, the latest image decides, or the old one of what is gone.

    What was looked at is billed, not what was taken, as the Developer Guide has it: a filter does not reduce what is read, a key condition does.
    """
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table, arn = exportable(cloud, range_type="N")
    for key, sort, more in (("a", 1, {}), ("a", 2, {"v": n(5), "w": {"M": {"x": s("in")}}}), ("a", 3, {"v": n(5)}), ("ab", 2, {"v": n(5)}), ("b", 2, {"v": n(7)})):
        client.put_item(TableName=table, Item={"pk": s(key), "sk": n(sort), **more})

    def taken(specification: dict[str, Any], **parameters: Any) -> tuple[list[str], int]:
        done = export(cloud, arn, FilterSpecification=specification, **parameters)
        assert done["ExportStatus"] == "COMPLETED" and done["FilterSpecification"] == specification
        return sorted(line.decode() for line in lines(cloud, done)), done["BilledSizeBytes"]

    whole = export(cloud, arn)["BilledSizeBytes"]
    five = {"FilterExpression": "v = :v", "ExpressionAttributeValues": {":v": n(5)}}
    found, billed = taken({**five, "ProjectionExpression": "pk, sk"})
    assert billed == whole and [json.loads(line)["Item"] for line in found] == [{"pk": s(k), "sk": n(v)} for k, v in (("a", 2), ("a", 3), ("ab", 2))]
    by_key = {"KeyConditionExpression": "pk = :k AND #s >= :s", "ExpressionAttributeNames": {"#s": "sk"}}
    values = {":k": s("a"), ":s": n(2), ":in": s("in")}
    found, billed = taken({**by_key, "FilterExpression": "w.x = :in", "ProjectionExpression": "w.x", "ExpressionAttributeValues": values}, ExportFormat="ION")
    assert found == ['$ion_1_0 {Item:{w:{x:"in"}}}'] and billed < whole / 2
    exact = {"KeyConditionExpression": "pk = :k AND sk = :s", "ExpressionAttributeValues": {":k": s("b"), ":s": n(2)}}
    assert taken(exact)[0] == ['{"Item":{"pk":{"S":"b"},"sk":{"N":"2"},"v":{"N":"7"}}}']
    since = moment(cloud)
    cloud.advance("1m")
    client.put_item(TableName=table, Item={"pk": s("a"), "sk": n(2), "v": n(6)})
    client.put_item(TableName=table, Item={"pk": s("a"), "sk": n(1), "v": n(5)})
    for key, sort in (("a", 3), ("b", 2)):
        client.delete_item(TableName=table, Key={"pk": s(key), "sk": n(sort)})
    cloud.advance("20m")
    span: dict[str, Any] = {"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": {"ExportFromTime": since}}
    records = [json.loads(line) for line in taken({**five, "ProjectionExpression": "v"}, **span)[0]]
    shown = {record["Keys"]["sk"]["N"]: (record.get("OldImage"), record.get("NewImage")) for record in records}
    assert shown == {"1": ({}, {"v": n(5)}), "3": ({"v": n(5)}, None)}
    only_b = {"KeyConditionExpression": "pk = :k", "ExpressionAttributeValues": {":k": s("b")}}
    assert [json.loads(line)["Keys"]["pk"] for line in taken(only_b, **span)[0]] == [s("b")]
    for wrong, message in (
        ({**only_b, "FilterExpression": "sk > :k"}, "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk"),
        ({"KeyConditionExpression": "sk = :k", "ExpressionAttributeValues": {":k": n(1)}}, "Query condition missed key schema element: pk"),
        (
            {"KeyConditionExpression": "pk = :k AND sk = :s AND v = :s", "ExpressionAttributeValues": {":k": s("b"), ":s": n(2)}},
            "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)",
        ),
        ({"FilterExpression": "v = :x"}, "Invalid FilterExpression: An expression attribute value used in expression is not defined; attribute value: :x"),
        ({"ExpressionAttributeNames": {"#s": "sk"}}, "ExpressionAttributeNames can only be specified when using expressions"),
        ({}, "Invalid Request: Invalid FilterSpecification: The specification can not be empty"),
    ):
        assert invalid(client.export_table_to_point_in_time, TableArn=arn, S3Bucket="exports", FilterSpecification=wrong) == message


def test_exports_under_way_are_counted(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account has so many at once (300, says the Developer Guide's page of quotas); those that have ended, well or not, make room."""
    monkeypatch.setattr(exports, "EXPORTS_MAX", 2)
    client = fresh_cloud.client("dynamodb")
    _, arn = exportable(fresh_cloud)
    for bucket in ("exports", "absent"):
        client.export_table_to_point_in_time(TableArn=arn, S3Bucket=bucket)
    message = "Subscriber limit exceeded: Only 2 exports can be under way simultaneously"
    assert failure(client.export_table_to_point_in_time, TableArn=arn, S3Bucket="exports") == ("LimitExceededException", message)
    fresh_cloud.advance("1s")
    assert rows(fresh_cloud, "dynamodb-export-running") == 0
    assert export(fresh_cloud, arn)["ExportStatus"] == "COMPLETED"


def test_times_that_are_refused(fresh_cloud: Running) -> None:
    """A moment has to be one of the table's life, and one with recovery; a span is looked at before recovery is asked for, its beginning before its end and its length.

    Messages are the service's, which speaks of the table's creation when a span begins before recovery did, and shows the time that was asked for.
    """
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table = make_table(cloud)
    arn = client.describe_table(TableName=table)["Table"]["TableArn"]
    start = partial(client.export_table_to_point_in_time, TableArn=arn, S3Bucket="exports")
    made = moment(cloud).timestamp()

    def span(since: float, until: float | None = None, **more: Any) -> tuple[str, str]:
        wanted = {"ExportFromTime": since, **({"ExportToTime": until} if until is not None else {})}
        return failure(start, ExportType="INCREMENTAL_EXPORT", IncrementalExportSpecification=wanted, **more)

    def shown(time: float) -> str:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def too_early(time: float) -> tuple[str, str]:
        return "InvalidExportTimeException", f"Incremental export period from time cannot be less than the table creation time : {shown(time)}"

    off = ("PointInTimeRecoveryUnavailableException", f"Point in time recovery is not enabled for table '{table}'")
    cloud.advance("2d")
    assert failure(start) == failure(start, S3Bucket="absent") == failure(start, ExportTime=made) == span(made, made + 1800) == off
    assert span(made - 7200) == too_early(made - 7200)
    recover(cloud, table)
    begun = moment(cloud).timestamp()
    cloud.advance("2s")
    short = ("InvalidExportTimeException", "Difference between export period from time and export period to time is less than 15 minutes")
    assert span(begun) == span(begun, begun - 60) == short
    cloud.advance("2d")
    now = moment(cloud).timestamp()
    assert {failure(start, ExportTime=time) for time in (made - 60, now + 60)} == {("InvalidExportTimeException", "Export Time is invalid")}
    message = "Point in Time Recovery is not available for specified export time"
    assert failure(start, ExportTime=begun - 3600) == ("InvalidExportTimeException", message)
    assert span(begun - 3600) == span(begun - 3600, begun - 3000) == span(begun - 3600, now + 60) == too_early(begun - 3600)
    late = "Incremental export period to time cannot be greater than the current time : "
    assert span(now - 3600, now + 60) == ("InvalidExportTimeException", late + shown(now + 60))
    assert span(now - 800, now - 10) == short
    assert span(now - 90_000, now - 10)[0] == "InvalidExportTimeException"
    assert span(begun - 3600, ExportTime=now - 60) == too_early(begun - 3600)
    assert span(now - 3600, ExportTime=now - 60)[0] == "ValidationException"
    for wrong, message in (
        ({"ExportType": "INCREMENTAL_EXPORT"}, "Incremental Export Specification expected when export type is set as Incremental Export"),
        (
            {"IncrementalExportSpecification": {"ExportFromTime": now - 3600}},
            "Export Type expected to be Incremental Export when incremental export specification is provided",
        ),
        (
            {"ExportType": "FULL_EXPORT", "IncrementalExportSpecification": {"ExportFromTime": now - 3600}},
            "When Export Type is Full Export , Incremental Export Specification should not be provided",
        ),
        ({"ExportType": "INCREMENTAL_EXPORT", "IncrementalExportSpecification": {}}, "ExportFromTime must be provided in IncrementalExportSpecification"),
    ):
        assert invalid(start, **wrong) == f"Invalid Request: {message}"


def test_tokens_and_lists(fresh_cloud: Running) -> None:
    """A token stands for one request for eight hours, however that went, and as long as its table is there. Lists begin with the last, ten at once.

    A table's own list is empty once it is gone, also when another one has its name; the exports can still be described.
    """
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table, arn = exportable(cloud)
    start = partial(client.export_table_to_point_in_time, TableArn=arn, ClientToken="token")
    first = start(S3Bucket="absent")["ExportDescription"]["ExportArn"]
    cloud.advance("1s")
    again = start(S3Bucket="absent")["ExportDescription"]
    assert (again["ExportArn"], again["ExportStatus"]) == (first, "FAILED")
    conflict = ("ExportConflictException", "Export conflict: Duplicate request detected with conflicting parameters")
    assert failure(start, S3Bucket="exports") == failure(start, S3Bucket="absent", S3Prefix="p") == failure(start, S3Bucket="absent", ExportFormat="ION") == conflict
    cloud.advance("9h")
    arns = [first, start(S3Bucket="exports")["ExportDescription"]["ExportArn"]]
    assert arns[1] != first
    for _ in range(10):
        cloud.advance("1s")
        arns.append(export(cloud, arn, S3Bucket="absent")["ExportArn"])  # What failed is listed, too.
    page = client.list_exports(TableArn=arn)
    rest = client.list_exports(TableArn=arn, NextToken=page["NextToken"], MaxResults=5)
    assert [one["ExportArn"] for one in (*page["ExportSummaries"], *rest["ExportSummaries"])] == arns[::-1] and len(rest["ExportSummaries"]) == 2
    _, other = exportable(cloud)
    assert client.list_exports(TableArn=other, NextToken=page["NextToken"])["ExportSummaries"] == []
    for call in (client.list_exports, client.list_imports):
        token = page["NextToken"] if call == client.list_imports else "abc"
        assert invalid(call, NextToken=token) == f"Invalid Request: Provided nextToken is invalid: {token}"
    client.delete_table(TableName=table)
    assert failure(start, S3Bucket="exports") == ("TableNotFoundException", f"Table not found: {arn}")
    cloud.advance("1s")
    assert failure(start, S3Bucket="exports") == ("TableNotFoundException", f"Table not found: {arn}")
    for made_again in (False, True):
        if made_again:
            types = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
            client.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **types)
            cloud.advance("1s")
        assert client.list_exports(TableArn=arn)["ExportSummaries"] == [] and len(client.list_exports(MaxResults=25)["ExportSummaries"]) == 12
        assert client.describe_export(ExportArn=first)["ExportDescription"]["TableArn"] == arn
    cloud.advance("91d")
    assert client.list_exports()["ExportSummaries"] == []


def test_arns_and_keys_that_are_refused(fresh_cloud: Running) -> None:
    """Tables are named by ARN, in this region and account, which no policy opens; keys of KMS go with that encryption only; an ARN of something else names no export."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table, arn = exportable(cloud)
    start = client.export_table_to_point_in_time
    assert invalid(start, TableArn=table, S3Bucket="exports") == "One or more parameter values were invalid: tableArn is not a valid ARN"
    assert invalid(start, TableArn=f"{arn}/index/i", S3Bucket="exports") == "Invalid Request: Table ARN is invalid."
    for absent in (arn.replace("us-east-1", "eu-west-1"), arn + "x"):
        assert failure(start, TableArn=absent, S3Bucket="exports") == ("TableNotFoundException", f"Table not found: {absent}")
    for more in ({}, {"S3SseAlgorithm": "AES256"}):
        message = invalid(start, TableArn=arn, S3Bucket="exports", S3SseKmsKeyId="key", **more)
        assert message == "Invalid Request: KMS Key Id is not supported for this encryption type"
    name = f"{arn}/export/01700000000000-00000000"
    brought = f"{arn}/import/01700000000000-00000000"
    assert failure(client.describe_export, ExportArn=name) == ("ExportNotFoundException", f"Export not found: Export not found: {name}")
    far = name.replace("us-east-1", "eu-west-1")
    assert failure(client.describe_export, ExportArn=far) == ("ExportNotFoundException", "Export not found: Invalid export arn")
    assert {invalid(client.describe_export, ExportArn=one) for one in (arn, brought, "x" * 40)} == {"Invalid Export ARN"}
    assert {invalid(client.describe_import, ImportArn=one) for one in (arn, name, "x" * 40)} == {"Invalid Import ARN"}
    assert failure(client.describe_import, ImportArn=brought.replace("us-east-1", "eu-west-1"))[0] == "ImportNotFoundException"
    stranger = cloud.client("dynamodb", key="222222222222")
    for call, parameters in (
        (stranger.export_table_to_point_in_time, {"TableArn": arn, "S3Bucket": "exports"}),
        (stranger.describe_export, {"ExportArn": name}),
        (stranger.list_exports, {"TableArn": arn}),
        (stranger.describe_import, {"ImportArn": brought}),
        (stranger.list_imports, {"TableArn": arn}),
    ):
        assert failure(call, **parameters) == ("AccessDeniedException", "Access is denied")


def test_what_the_bucket_refuses_is_said(fresh_cloud: Running) -> None:
    """A bucket that is missing, another's, or closed to the caller makes the export FAILED, with the reason and no manifest."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    _, arn = exportable(cloud)
    done = export(cloud, arn, S3Bucket="absent")
    assert (done["ExportStatus"], done["FailureCode"]) == ("FAILED", "S3NoSuchBucket") and "ExportManifest" not in done
    assert export(cloud, arn, S3BucketOwner="999999999999")["FailureCode"] == "S3AccessDenied"
    iam = cloud.client("iam")
    iam.create_user(UserName="exporter")
    key = iam.create_access_key(UserName="exporter")["AccessKey"]
    mine = cloud.client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert failure(mine.export_table_to_point_in_time, TableArn=arn, S3Bucket="exports")[0] == "AccessDeniedException"
    statement = {"Effect": "Allow", "Action": "dynamodb:ExportTableToPointInTime", "Resource": arn}
    iam.put_user_policy(UserName="exporter", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    begun = mine.export_table_to_point_in_time(TableArn=arn, S3Bucket="exports")["ExportDescription"]["ExportArn"]
    cloud.advance("1s")
    assert client.describe_export(ExportArn=begun)["ExportDescription"]["FailureCode"] == "S3AccessDenied"
    assert rows(cloud, "dynamodb-hold") == 0


def test_a_restart_in_the_middle_of_an_export(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that was cut off goes on with the next file, and has everything once."""
    cloud = fresh_cloud
    table, arn = exportable(cloud, range_type="N")
    fill(cloud, table, 100)
    held = everything(cloud, table)
    client = cloud.client("dynamodb")
    begun = client.export_table_to_point_in_time(TableArn=arn, S3Bucket="exports")["ExportDescription"]["ExportArn"]
    with monkeypatch.context() as patched:
        patched.setattr(export_work, "FILE_BYTES", 1)
        break_after_steps(patched, export_work, 3)
        cloud.advance("60ms")
    assert rows(cloud, "dynamodb-export-file") == 3
    client.delete_item(TableName=table, Key={"pk": s("p"), "sk": n(50)})
    cloud.stop()
    cloud.start()
    client = cloud.client("dynamodb")
    assert client.describe_export(ExportArn=begun)["ExportDescription"]["ExportStatus"] == "IN_PROGRESS"
    cloud.advance("10s")
    done = client.describe_export(ExportArn=begun)["ExportDescription"]
    found = [json.loads(line)["Item"] for line in lines(cloud, done)]
    assert sorted(item["sk"]["N"] for item in found) == sorted(item["sk"]["N"] for item in held.values())


def test_another_accounts_bucket_needs_its_owner_named(fresh_cloud: Running) -> None:
    """A bucket that lets the exporter in is written to only when the request says whose it is."""
    cloud, other = fresh_cloud, fresh_cloud.client("s3", key="222222222222")
    _, arn = exportable(cloud)
    other.create_bucket(Bucket="theirs")
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::theirs/*"}
    other.put_bucket_policy(Bucket="theirs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert export(cloud, arn, S3Bucket="theirs")["FailureCode"] == "S3AccessDenied"
    assert export(cloud, arn, S3Bucket="theirs", S3BucketOwner="222222222222")["ExportStatus"] == "COMPLETED"
