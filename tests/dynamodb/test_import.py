"""Imports from S3: formats, compression, errors of single items, and what the bucket refuses."""

from __future__ import annotations

import gzip
import io
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from haneul.services.dynamodb.history import import_formats, import_work, imports, ion
from haneul.services.dynamodb.history.ion_process import IonProcess
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.throughput import table_counts
from haneul.services.iam.service import Iam
from haneul.services.logs.service import Logs
from haneul.services.s3.service import S3
from tests.dynamodb.support import failure, index, n, s
from tests.dynamodb.test_export import export, exportable
from tests.dynamodb.test_pitr import everything, rows
from tests.support.running import ACCOUNT, Running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    """A running cloud with buckets for one test alone."""
    with Running(services=[DynamoDb, Iam, S3, Logs]) as running:
        for bucket in ("exports", "imports"):
            running.client("s3").create_bucket(Bucket=bucket)
        yield running


def put(cloud: Running, key: str, content: bytes | str) -> None:
    cloud.client("s3").put_object(Bucket="imports", Key=key, Body=content)


def request(table: str, form: str = "DYNAMODB_JSON", *, prefix: str = "", bucket: str = "imports", **more: Any) -> dict[str, Any]:
    """An ImportTable request for a table with key `pk` (S) and `sk` (N)."""
    parameters = {
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "BillingMode": "PAY_PER_REQUEST",
        **more.pop("parameters", {}),
    }
    source = {"S3Bucket": bucket, **({"S3KeyPrefix": prefix} if prefix else {})}
    return {"S3BucketSource": source, "InputFormat": form, "TableCreationParameters": parameters, **more}


def bring(cloud: Running, *arguments: Any, **more: Any) -> dict[str, Any]:
    """An import's description once it has ended."""
    client = cloud.client("dynamodb")
    begun = client.import_table(**request(*arguments, **more))["ImportTableDescription"]
    assert begun["ImportStatus"] == "IN_PROGRESS"
    cloud.advance("1s")
    return dict(client.describe_import(ImportArn=begun["ImportArn"])["ImportTableDescription"])


def errors_logged(cloud: Running, done: dict[str, Any]) -> list[dict[str, Any]]:
    """What the log of an import tells of its errors."""
    stream = f"{done['ImportArn'].rpartition('/')[2]}/error"
    found = cloud.client("logs").get_log_events(logGroupName="/aws-dynamodb/imports", logStreamName=stream, startFromHead=True)
    return [json.loads(one["message"]) for one in found["events"]]


def line(key: str, number: int, **more: Any) -> bytes:
    return json.dumps({"Item": {"pk": s(key), "sk": n(number), **more}}).encode() + b"\n"


@pytest.mark.parametrize("compression", ["NONE", "GZIP", "ZSTD"])
def test_lines_of_json_in_several_objects(fresh_cloud: Running, compression: str) -> None:
    """All objects under the prefix are read, in every compression; folders and marks that are empty are no items."""
    cloud = fresh_cloud
    pack: Any = {"NONE": bytes, "GZIP": gzip.compress, "ZSTD": zstandard.compress}[compression]
    put(cloud, "data/", b"")
    for part in range(3):
        put(cloud, f"data/part-{part}", pack(b"".join(line(f"p{part}", k, v={"BOOL": True}) for k in range(210))))
    put(cloud, "other/ignored", b"nonsense")
    done = bring(cloud, "imported", prefix="data/", InputCompressionType=compression)
    assert (done["ImportStatus"], done["ImportedItemCount"], done["ProcessedItemCount"], done["ErrorCount"]) == ("COMPLETED", 630, 630, 0)
    # What is processed, and paid for, is the content, not its compressed form.
    assert (done["ProcessedSizeBytes"], done["InputCompressionType"]) == (sum(len(line(f"p{part}", k, v={"BOOL": True})) for part in range(3) for k in range(210)), compression)
    found = everything(cloud, "imported")
    assert len(found) == 630 and found["p1209"] == {"pk": s("p1"), "sk": n(209), "v": {"BOOL": True}}
    described = cloud.client("dynamodb").describe_table(TableName="imported")["Table"]
    assert (described["TableStatus"], described["ItemCount"]) == ("ACTIVE", 630)


def test_what_is_exported_can_be_imported(fresh_cloud: Running) -> None:
    """An export's data folder, in both formats, makes the same table again, with its index.

    With the manifests, which are not compressed, or taken for uncompressed, each object is an error (an empty partition's file, too): four manifests, four files of data.
    """
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    table, arn = exportable(cloud, range_type="N")
    client.put_item(
        TableName=table,
        Item={"pk": s("a"), "sk": n("1.5"), "group": s("g"), "m": {"M": {"x y": {"L": [n(1), {"NULL": True}]}}}, "b": {"B": b"\x00\xff"}, "bs": {"BS": [b"1"]}},
    )
    client.put_item(TableName=table, Item={"pk": s('"\\\n☃'), "sk": n("-12345678901234567890123456789"), "ns": {"NS": ["1", "2"]}, "ss": {"SS": ["", "x"]}})
    for form in ("ION", "DYNAMODB_JSON"):
        done = export(cloud, arn, ExportFormat=form)
        prefix = done["ExportManifest"].replace("manifest-summary.json", "data/")
        target = f"again-{form}"
        parameters = {
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("sk", "N"), ("group", "S"))],
            "GlobalSecondaryIndexes": [index("by-group", "group")],
        }
        brought = bring(cloud, target, form, bucket="exports", prefix=prefix, InputCompressionType="GZIP", parameters=parameters)
        assert (brought["ImportStatus"], brought["ErrorCount"]) == ("COMPLETED", 0)
        assert everything(cloud, target) == everything(cloud, table)
        assert client.scan(TableName=target, IndexName="by-group")["Items"][0]["pk"] == s("a")
    for name, taken, compression, counts in (("root", prefix.removesuffix("data/"), "GZIP", (6, 2, 4)), ("packed", prefix, "NONE", (4, 0, 4))):
        done = bring(cloud, name, bucket="exports", prefix=taken, InputCompressionType=compression)
        assert (done["FailureCode"], done["ProcessedItemCount"], done["ImportedItemCount"], done["ErrorCount"]) == ("ItemValidationError", *counts)
    assert [one["errorMessages"] for one in errors_logged(cloud, done)] == [["Unexpected token"]] * 4


def test_csv_with_its_own_headers_and_given_ones(fresh_cloud: Running) -> None:
    """Keys get their defined types, everything else is a string, and an empty column is no attribute; quoted values may hold delimiters and lines."""
    cloud = fresh_cloud
    put(cloud, "own/a.csv", 'pk,sk,note\nx,1,"one, two\nthree"\ny,2,\nz,3,four,five\nw,no number,six\n')
    done = bring(cloud, "own", "CSV", prefix="own/")
    assert (done["ImportedItemCount"], done["ErrorCount"], done["FailureCode"]) == (2, 2, "ItemValidationError")
    assert everything(cloud, "own") == {
        "x1": {"pk": s("x"), "sk": n(1), "note": s("one, two\nthree")},
        "y2": {"pk": s("y"), "sk": n(2)},
    }
    put(cloud, "given/a.csv", "x;1;first\ny;2;second\n")
    done = bring(cloud, "given", "CSV", prefix="given/", InputFormatOptions={"Csv": {"Delimiter": ";", "HeaderList": ["pk", "sk", "note"]}})
    assert done["ImportedItemCount"] == 2 and everything(cloud, "given")["x1"]["note"] == s("first")
    code, message = failure(cloud.client("dynamodb").import_table, **request("wrong", InputFormatOptions={"Csv": {"Delimiter": ";"}}))
    assert (code, message) == ("ValidationException", "Invalid Request: Unsupported InputFormatOptions for the given input format: DYNAMODB_JSON.")


def test_quotes_of_csv(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A double quote within a value has to be escaped by another one, in a value that is quoted: anything else is an error, as it is in the service."""
    cloud = fresh_cloud
    rows = [
        """"a",1,Women's Full "Length" Dress""", '"b",2,"Women\'s Full ""Length"" Dress"', 'c,3,"x"y', 'd,4,""', '"""e""",5,"f;,\r\ng"', 'h,6,"never closed', "i,7,j",
    ]
    put(cloud, "quotes/a.csv", "pk,sk,note\r\n" + "\r\n".join(rows))
    put(cloud, "quotes/b.csv", 'pk,sk,note\nk,8,"' + "x\n" * 600)
    monkeypatch.setattr(import_formats, "LINE_BYTES_MAX", 1000)
    done = bring(cloud, "quotes", "CSV", prefix="quotes/")
    assert everything(cloud, "quotes") == {
        "b2": {"pk": s("b"), "sk": n(2), "note": s("Women's Full \"Length\" Dress")},
        "d4": {"pk": s("d"), "sk": n(4)},
        '"e"5': {"pk": s('"e"'), "sk": n(5), "note": s("f;,\r\ng")},
    }
    messages = [one["errorMessages"][0] for one in errors_logged(cloud, done)]
    assert messages == ["a row has a double quote that is not escaped"] * 3 + ["field larger than field limit (1000)"]
    assert (done["ErrorCount"], done["ProcessedItemCount"]) == (4, 7)


def test_long_values_of_csv(fresh_cloud: Running) -> None:
    """A value may be as long as an item, whatever the reader of CSV thinks of it."""
    put(fresh_cloud, "long/a.csv", f"pk,sk,note\nx,1,{'a' * 200_000}\n")
    done = bring(fresh_cloud, "long", "CSV", prefix="long/")
    assert (done["ImportStatus"], done["ImportedItemCount"]) == ("COMPLETED", 1)
    assert len(everything(fresh_cloud, "long")["x1"]["note"]["S"]) == 200_000


def test_items_that_are_wrong_are_counted_and_logged(fresh_cloud: Running) -> None:
    """A bad item stops nothing: it is counted, its place and fault are in the log group of imports, and the import is FAILED at its end.

    (Developer Guide: "Import format quotas and validation".)
    """
    cloud = fresh_cloud
    bad = [b'{"Item":{"pk":{"S":"a"}}}\n', line("", 1), line("b", 1, v={"N": "x"}), line("b", 2, v={"S": "x" * 410_000})]
    put(cloud, "data", b"".join([line("good", 1), *bad, line("good", 2)]))
    done = bring(cloud, "imported")
    assert (done["ImportStatus"], done["ImportedItemCount"], done["ErrorCount"], done["ProcessedItemCount"]) == ("FAILED", 2, 4, 6)
    assert done["FailureCode"] == "ItemValidationError" and done["FailureMessage"].startswith("Some of the items failed validation checks")
    assert set(everything(cloud, "imported")) == {"good1", "good2"}
    events = errors_logged(cloud, done)
    assert [one["itemS3Pointer"]["itemIndex"] for one in events] == [1, 2, 3, 4]
    assert "numeric value" in events[2]["errorMessages"][0] and events[0]["importArn"] == done["ImportArn"]


@pytest.mark.parametrize("malformed", [b"no json\n", b'{"pk":{"S":"a"}}\n'])
def test_what_is_no_item_ends_its_object(fresh_cloud: Running, malformed: bytes) -> None:
    """A line that no item can be made of is one error, and the rest of its object is left out; other objects are read."""
    cloud = fresh_cloud
    put(cloud, "1", line("good", 1) + malformed + line("lost", 1))
    put(cloud, "2", line("good", 2))
    done = bring(cloud, "imported")
    assert (done["FailureCode"], done["ImportedItemCount"], done["ErrorCount"], done["ProcessedItemCount"]) == ("ItemValidationError", 2, 1, 3)
    assert set(everything(cloud, "imported")) == {"good1", "good2"}
    assert [(one["itemS3Pointer"]["key"], one["itemS3Pointer"]["itemIndex"]) for one in errors_logged(cloud, done)] == [("1", 1)]


def test_who_may_not_write_logs_imports_nothing(fresh_cloud: Running) -> None:
    """An import needs the permission to write its log, and leaves no table without it."""
    cloud, iam = fresh_cloud, fresh_cloud.client("iam")
    put(cloud, "data", line("a", 1))
    iam.create_user(UserName="importer")
    key = iam.create_access_key(UserName="importer")["AccessKey"]
    statement = {"Effect": "Allow", "Action": ["dynamodb:ImportTable", "s3:*"], "Resource": "*"}
    iam.put_user_policy(UserName="importer", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    mine = cloud.client("dynamodb", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    begun = mine.import_table(**request("silent"))["ImportTableDescription"]["ImportArn"]
    cloud.advance("1s")
    client = cloud.client("dynamodb")
    done = client.describe_import(ImportArn=begun)["ImportTableDescription"]
    assert done["ImportStatus"] == "FAILED" and "is not authorized to perform: logs:CreateLog" in done["FailureMessage"]
    assert failure(client.describe_table, TableName="silent")[0] == "ResourceNotFoundException"


def test_what_cannot_be_read_at_all(fresh_cloud: Running) -> None:
    """A bucket that is missing leaves no table; an object of another compression, or one that breaks off, is an error, and what could be read is there."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    absent = bring(cloud, "first", bucket="absent")
    assert (absent["FailureCode"], absent["ProcessedItemCount"], bool(absent["TableId"])) == ("S3NoSuchBucket", 0, True)
    assert absent["FailureMessage"].startswith("The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket; Request ID: ")
    assert failure(client.describe_table, TableName="first")[0] == "ResourceNotFoundException"
    empty = bring(cloud, "second", prefix="nothing/")
    assert (empty["ImportStatus"], empty["ProcessedItemCount"]) == ("COMPLETED", 0)
    assert client.describe_table(TableName="second")["Table"]["TableStatus"] == "ACTIVE"
    assert empty["S3BucketSource"] == {"S3BucketOwner": ACCOUNT, "S3Bucket": "imports", "S3KeyPrefix": "nothing/"}
    put(cloud, "plain", line("a", 1))
    for compression in ("GZIP", "ZSTD"):
        done = bring(cloud, f"third-{compression}", prefix="plain", InputCompressionType=compression)
        assert (done["ImportStatus"], done["FailureCode"]) == ("FAILED", "ItemValidationError")
        assert (done["ProcessedItemCount"], done["ImportedItemCount"], done["ErrorCount"]) == (1, 0, 1)
    put(cloud, "cut", gzip.compress(b"".join(line("a", k) for k in range(500)))[:-20])
    done = bring(cloud, "fourth", prefix="cut", InputCompressionType="GZIP")
    assert done["ImportStatus"] == "FAILED" and client.describe_table(TableName="fourth")["Table"]["TableStatus"] == "ACTIVE"


def test_the_name_of_the_table(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer has the table's ARN at once, but there is no table until the bucket was reached; until then everybody may have the name, and the first gets it.

    A table of the name counts more than a token. With one, another prefix is the same request, another table or format is not; it stands for its import also when
    the table is gone again.
    """
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    put(cloud, "data", line("a", 1))
    bring_in = client.import_table
    first = bring_in(**request("one", ClientToken="t"))["ImportTableDescription"]
    assert failure(client.describe_table, TableName="one")[0] == "ResourceNotFoundException"
    assert first["TableArn"].endswith(":table/one") and first["TableId"]
    for prefix in ("", "another"):
        assert bring_in(**request("one", prefix=prefix, ClientToken="t"))["ImportTableDescription"]["ImportArn"] == first["ImportArn"]
    conflict = ("ImportConflictException", "Import conflict: Duplicate request detected with conflicting parameters")
    assert failure(bring_in, **request("two", ClientToken="t")) == failure(bring_in, **request("one", "ION", ClientToken="t")) == conflict
    losers = [bring_in(**request("one", **more))["ImportTableDescription"]["ImportArn"] for more in ({}, {"ClientToken": "t2"})]
    assert len({first["ImportArn"], *losers}) == 3
    cloud.advance("60ms")
    assert client.describe_table(TableName="one")["Table"]["TableStatus"] == "CREATING"
    assert failure(client.delete_table, TableName="one")[0] == "ResourceInUseException"
    taken = ("ResourceInUseException", "Table already exists: one")
    assert failure(bring_in, **request("one", ClientToken="t")) == failure(bring_in, **request("one")) == taken
    cloud.advance("1s")
    ends = [client.describe_import(ImportArn=arn)["ImportTableDescription"] for arn in (first["ImportArn"], *losers)]
    assert [(one["ImportStatus"], one.get("FailureCode")) for one in ends] == [("COMPLETED", None)] + [("FAILED", "TableAlreadyExists")] * 2
    described = client.describe_table(TableName="one")["Table"]
    assert (described["TableId"], described["TableStatus"], set(everything(cloud, "one"))) == (first["TableId"], "ACTIVE", {"a1"})
    assert failure(bring_in, **request("one", ClientToken="t")) == taken
    client.delete_table(TableName="one")
    assert failure(bring_in, **request("one", ClientToken="t")) == taken
    cloud.advance("1s")
    replayed = bring_in(**request("one", ClientToken="t"))["ImportTableDescription"]
    assert (replayed["ImportArn"], replayed["ImportStatus"]) == (first["ImportArn"], "COMPLETED")
    cloud.advance("1s")
    assert failure(client.describe_table, TableName="one")[0] == "ResourceNotFoundException"
    monkeypatch.setattr(imports, "IMPORTS_MAX", 1)
    monkeypatch.setattr(table_counts, "TABLES_MAX", 1)
    bring_in(**request("one"))
    busy = ("LimitExceededException", "Subscriber limit exceeded: Only 1 imports can be under way simultaneously")
    assert failure(bring_in, **request("two")) == busy
    monkeypatch.setattr(imports, "IMPORTS_MAX", 2)
    late = bring_in(**request("two"))["ImportTableDescription"]["ImportArn"]
    cloud.advance("1s")
    ended = client.describe_import(ImportArn=late)["ImportTableDescription"]
    assert (ended["ImportStatus"], ended["FailureCode"]) == ("FAILED", "LimitExceeded") and client.list_tables()["TableNames"] == ["one"]


def test_how_much_may_be_imported(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many objects an import, and so many bytes in all imports of a region that run at a time, as S3 holds them. What is refused leaves no table."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    assert import_work.OBJECTS_MAX == 50_000
    monkeypatch.setattr(import_work, "OBJECTS_MAX", 5)
    monkeypatch.setattr(import_work, "_LISTED_AT_ONCE", 2)
    size = len(line("p", 0))
    for part in range(5):
        put(cloud, f"data/part-{part}", line("p", part))
    assert bring(cloud, "five", prefix="data/")["ImportedItemCount"] == 5
    put(cloud, "data/part-5", line("p", 5))
    done = bring(cloud, "six", prefix="data/")
    assert (done["ImportStatus"], done["FailureCode"], done["ProcessedItemCount"]) == ("FAILED", "LimitExceeded", 0)
    assert done["FailureMessage"].startswith("An import is limited to 5 objects")
    # Two at a time have room for one.
    monkeypatch.setattr(import_work, "OBJECTS_MAX", 6)
    monkeypatch.setattr(import_work, "_TERABYTE", size * 7 / 15)
    begun = [client.import_table(**request(name, prefix="data/"))["ImportTableDescription"]["ImportArn"] for name in ("one", "other")]
    cloud.advance("1s")
    one, other = sorted((client.describe_import(ImportArn=arn)["ImportTableDescription"] for arn in begun), key=lambda found: str(found["ImportStatus"]))
    assert (one["ImportStatus"], one["ImportedItemCount"]) == ("COMPLETED", 6)
    assert (other["ImportStatus"], other["FailureCode"]) == ("FAILED", "LimitExceeded")
    assert f"limited to 15 TB in us-east-1; with this import it would be {12 * size} bytes" in other["FailureMessage"]
    assert bring(cloud, "later", prefix="data/")["ImportStatus"] == "COMPLETED"
    assert sorted(client.list_tables()["TableNames"]) == sorted(["five", "later", one["TableArn"].rpartition("/")[2]])


def test_lists_of_imports(fresh_cloud: Running) -> None:
    """Ten at once, the last one first, also over tables; what failed is listed too, and what made a table that is gone."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    put(cloud, "data", line("a", 1))
    arns = []
    for name, bucket in (("zed", "imports"), ("able", "absent"), ("mid", "imports"), *((f"no-{k}", "absent") for k in range(9)), ("able", "absent")):
        arns.append(bring(cloud, name, bucket=bucket)["ImportArn"])
    client.delete_table(TableName="zed")
    cloud.advance("1s")
    page = client.list_imports()
    rest = client.list_imports(NextToken=page["NextToken"])
    assert [one["ImportArn"] for one in (*page["ImportSummaryList"], *rest["ImportSummaryList"])] == arns[::-1]
    assert len(page["ImportSummaryList"]) == 10 and "NextToken" not in rest
    able = page["ImportSummaryList"][0]["TableArn"]
    for table, found in ((able, [arns[12], arns[1]]), (able.replace("/able", "/zed"), arns[:1])):
        some = client.list_imports(TableArn=table, PageSize=1)
        more = client.list_imports(TableArn=table, NextToken=some["NextToken"])["ImportSummaryList"] if len(found) > 1 else []
        assert [one["ImportArn"] for one in (*some["ImportSummaryList"], *more)] == found and ("NextToken" in some) == bool(more)
    assert failure(client.describe_import, ImportArn=arns[0] + "0")[0] == "ImportNotFoundException"
    odd = page["NextToken"][:-16] + "0123456789abcdef"
    assert failure(client.list_imports, NextToken=odd) == ("ValidationException", f"Invalid Request: Provided nextToken is invalid: {odd}")
    cloud.advance("91d")
    assert client.list_imports()["ImportSummaryList"] == [] and rows(cloud, "dynamodb-import-time") == 0


def test_objects_that_change_meanwhile(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that is deleted after it was listed counts as an item that could not be imported; the rest is in the table."""
    cloud, s3 = fresh_cloud, fresh_cloud.client("s3")
    for key in ("1", "2", "3"):
        put(cloud, key, line(key, 1))
    listed = import_work._Reader.list_objects

    async def delayed(reader: Any) -> list[str]:
        found = await listed(reader)
        if reader._import.made and not reader._import.done_key:
            await reader._call("s3:DeleteObject", {"Bucket": "imports", "Key": "2"})
        return found

    monkeypatch.setattr(import_work._Reader, "list_objects", delayed)
    done = bring(cloud, "imported")
    assert (done["ImportStatus"], done["FailureCode"], done["ProcessedItemCount"], done["ImportedItemCount"], done["ErrorCount"]) == ("FAILED", "ItemValidationError", 3, 2, 1)
    assert set(everything(cloud, "imported")) == {"11", "31"} and [one["itemS3Pointer"]["key"] for one in errors_logged(cloud, done)] == ["2"]
    assert s3.list_objects_v2(Bucket="imports")["KeyCount"] == 2


def test_a_restart_in_the_middle_of_an_import(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that was cut off goes on within the object it was reading, and counts every item once."""
    cloud, client = fresh_cloud, fresh_cloud.client("dynamodb")
    put(cloud, "a", b"".join(line("a", k) for k in range(45)))
    put(cloud, "b", b"".join(line("b", k) for k in range(45)))
    monkeypatch.setattr(import_work, "STEP_ITEMS", 10)
    counted = iter(range(7))

    def take(items: Any, count: int) -> Any:
        if next(counted, None) is None:
            raise RuntimeError("the process ends here")
        return import_take(items, count)

    import_take = import_work.take
    with monkeypatch.context() as patched:
        patched.setattr(import_work, "take", take)
        arn = client.import_table(**request("imported"))["ImportTableDescription"]["ImportArn"]
        cloud.advance("110ms")
    assert rows(cloud, "dynamodb-item") == 65
    cloud.stop()
    cloud.start()
    client = cloud.client("dynamodb")
    assert client.describe_table(TableName="imported")["Table"]["TableStatus"] == "CREATING"
    cloud.advance("10s")
    done = client.describe_import(ImportArn=arn)["ImportTableDescription"]
    assert (done["ImportStatus"], done["ProcessedItemCount"], done["ImportedItemCount"]) == ("COMPLETED", 90, 90)
    assert len(everything(cloud, "imported")) == 90


_scalars = st.one_of(
    st.text(max_size=5).map(lambda text: {"S": text}),
    st.integers(-(10**20), 10**20).map(lambda number: {"N": str(number)}),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=1, max_value=10**6).map(lambda number: {"N": format(number.normalize(), "f")}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.binary(max_size=4).map(lambda data: {"B": b64encode(data).decode()}),
    st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True).map(lambda texts: {"SS": texts}),
)
_values = st.recursive(
    _scalars, lambda inner: st.one_of(st.lists(inner, max_size=3).map(lambda some: {"L": some}), st.dictionaries(st.text(max_size=4), inner, max_size=3).map(lambda some: {"M": some})),
    max_leaves=6,
)


_parser = IonProcess()


@pytest.fixture(scope="module", autouse=True)
def _parser_ends() -> Iterator[None]:
    yield
    _parser.close()


def read_ion(text: bytes | str) -> list[Any]:
    """The items of an Ion document."""
    return list(_parser.read(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=6), _values, max_size=4))
@example({"$0": {"NULL": True}, "$10": {"M": {"$11": {"N": "1"}}}, "it's": {"S": "'"}, 'a"\\b': {"BOOL": True}})
def test_ion_round_trip(item: dict[str, Any]) -> None:
    """What is written as Ion is read back the same by a parser of its own."""
    assert read_ion(f"{ion.VERSION_MARK} {{Item:{ion.write_item(item)}}}\n".encode("utf-8", "surrogatepass")) == [item]


_whole = b'$ion_1_0 {Item:{pk:"a",n:2.5,l:["x",null.list,{{AQI=}}],\'a b\':$dynamodb_SS::[\'\'\'q\'\'\']}}\n'
_splinters = st.sampled_from([b"{", b"}", b"'", b'"', b"null.", b"[", b"{{", b"}}", b"::", b"\\", b"\xe0", b"(", b"/*", b"$ion_1_1 ", b"$99", b"\0"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(_whole)), st.integers(0, 6), _splinters), min_size=1, max_size=4))
def test_damaged_ion_does_no_harm(damages: list[tuple[int, int, bytes]]) -> None:
    """Whatever a bucket holds is items or an error, and the next document is read as if nothing had happened: the parser may die of it, the server does not."""
    text = _whole
    for at, gone, splinter in damages:
        text = text[:at] + splinter + text[at + gone :]
    with suppress(ValueError):
        assert all(isinstance(item, dict) for item in read_ion(text + _whole))
    [item] = read_ion(_whole)
    assert item == {"pk": s("a"), "n": n("2.5"), "l": {"L": [s("x"), {"NULL": True}, {"B": "AQI="}]}, "a b": {"SS": ["q"]}}


def test_values_of_ion_that_exports_do_not_have() -> None:
    """Nulls of all types are nulls; sets keep all their elements or are errors; an exponent that no number has does not fill the memory with zeros."""

    def read(text: str) -> Any:
        (item,) = read_ion(f"{{Item:{{a:{text}}}}}")
        return item["a"]

    assert all(read(f"null.{kind}") == {"NULL": True} for kind in ("null", "bool", "int", "decimal", "string", "symbol", "blob", "list", "struct"))
    assert read("$dynamodb_NS::[1, 2d2, 2.5]") == {"NS": ["1", "200", "2.5"]}
    for text in ('$dynamodb_NS::[1, "2"]', '$dynamodb_SS::["a", null]', "$dynamodb_BS::[{{}}, null.blob]"):
        with pytest.raises(ValueError, match="element of another type"):
            read(text)
    broken = b'$ion_1_0 {Item:{a:["x",null.list],k:(a (\'\xe0b),l:\'\'\'q\'\'\'}}\n$ion_1_0 {Item:{e:[1.5,nulln{.list,{f:true}]}}'
    with pytest.raises(ValueError, match="not valid Amazon Ion"):
        read_ion(broken)
    damaged = import_formats.Unpacked(io.BytesIO(b"\xe0\x01\x00\xea\xee\x96\x81"), "NONE")
    assert [str(one) for one in import_formats.items_in(damaged, import_formats.Layout("ION", ",", [], {}))] == ["Ion is read in its text form only"]
    assert len(read("1d99999")["N"]) < 10 and len(read("-1d-99999")["N"]) < 10
    for text in ("null.struct", "{Item:null.struct}"):
        with pytest.raises(ValueError, match="Item"):
            read_ion(text)


@pytest.mark.parametrize("text", ["{$0:1}", "{a:{$0:1}}", "{a:$0}"])
def test_symbols_without_a_text(text: str) -> None:
    """They name nothing, so their item is an error, and not one with an attribute of some other name."""
    with pytest.raises(ValueError, match="no known text"):
        read_ion(f"{ion.VERSION_MARK} {{Item:{text}}}\n")


def test_another_accounts_bucket_needs_its_owner_named(fresh_cloud: Running) -> None:
    """A bucket that lets the importer in is read only when the request says whose it is."""
    cloud, other = fresh_cloud, fresh_cloud.client("s3", key="222222222222")
    other.create_bucket(Bucket="theirs")
    other.put_object(Bucket="theirs", Key="data", Body=line("a", 1))
    statement = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "s3:*", "Resource": ["arn:aws:s3:::theirs", "arn:aws:s3:::theirs/*"]}
    other.put_bucket_policy(Bucket="theirs", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert bring(cloud, "refused", bucket="theirs")["FailureCode"] == "S3AccessDenied"
    parameters = request("allowed")
    parameters["S3BucketSource"] = {"S3Bucket": "theirs", "S3BucketOwner": "222222222222"}
    cloud.client("dynamodb").import_table(**parameters)
    cloud.advance("1s")
    assert set(everything(cloud, "allowed")) == {"a1"}
