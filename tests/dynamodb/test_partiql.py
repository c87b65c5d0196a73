"""PartiQL where only this cloud can show it: permissions, restarts, hostile statements. What it means is in tests/conformance/dynamodb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.partiql.statements import parse_statement
from haneul.services.dynamodb.partiql.syntax import Insert
from haneul.services.dynamodb.partiql.values import Values
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.values import check
from tests.dynamodb.support import failure, index, make_table, n, s
from tests.dynamodb.test_tags_and_policies import arn_of, denied, user
from tests.support.running import Running


def run(db: Any, text: str, *parameters: Any, **more: Any) -> Any:
    return db.execute_statement(Statement=text, **({"Parameters": list(parameters)} if parameters else {}), **more)["Items"]


def allow(table: str, *actions: str, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"dynamodb:{action}" for action in actions], "Resource": [arn_of(table), f"{arn_of(table)}/index/*"], **condition}


STATEMENTS = {
    "PartiQLSelect": "SELECT * FROM \"{0}\" WHERE pk = 'x'",
    "PartiQLInsert": "INSERT INTO \"{0}\" VALUE {{'pk': 'x'}}",
    "PartiQLUpdate": "UPDATE \"{0}\" SET a = 1 WHERE pk = 'x'",
    "PartiQLDelete": "DELETE FROM \"{0}\" WHERE pk = 'x'",
}


def test_each_kind_of_statement_has_its_permission(cloud: Running) -> None:
    """PartiQLInsert, -Select, -Update, -Delete; the permissions of the other operations do not count."""
    table = make_table(cloud)
    for number, allowed in enumerate(("PartiQLInsert", "PartiQLSelect", "PartiQLUpdate", "PartiQLDelete")):
        db = user(cloud, f"only-{number}", allow(table, allowed))
        for action, statement in STATEMENTS.items():
            text = statement.format(table)
            if action == allowed:
                run(db, text)
            else:
                assert f"dynamodb:{action} on resource: {arn_of(table)}" in denied(db.execute_statement, Statement=text)
    other = user(cloud, "others", allow(table, "GetItem", "Query", "Scan", "PutItem", "ExecuteStatement"))
    assert "PartiQLSelect" in denied(other.execute_statement, Statement=STATEMENTS["PartiQLSelect"].format(table))


def test_full_scans_can_be_denied(cloud: Running) -> None:
    """The documentation's example: SELECT, but no full table scan."""
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    db = user(
        cloud,
        "no-scans",
        allow(table, "PartiQLSelect"),
        {**allow(table, "PartiQLSelect", Condition={"Bool": {"dynamodb:FullTableScan": ["true"]}}), "Effect": "Deny"},
    )
    run(db, f"SELECT * FROM \"{table}\" WHERE pk IN ['a', 'b'] AND v > 1")
    run(db, f"SELECT * FROM \"{table}\".\"by-g\" WHERE g = 'a'")
    for where in ("", " WHERE v = 1", " WHERE pk > 'a'", " WHERE pk = 'a' OR v = 1"):
        denied(db.execute_statement, Statement=f'SELECT * FROM "{table}"{where}')
    denied(db.execute_statement, Statement=f"SELECT * FROM \"{table}\".\"by-g\" WHERE pk = 'a'")


def test_rows_and_attributes_of_ones_own(cloud: Running) -> None:
    """LeadingKeys and Attributes hold for statements too, whatever their form."""
    table = make_table(cloud, range_type="N")
    db = user(
        cloud,
        "own-rows",
        allow(
            table,
            *STATEMENTS,
            Condition={
                "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"], "dynamodb:Attributes": ["pk", "sk", "v"]},
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        ),
    )
    run(db, f"INSERT INTO \"{table}\" VALUE {{'pk': 'mine', 'sk': 1, 'v': 1}}")
    run(db, f'UPDATE "{table}" SET v = v + 1 WHERE sk = 1 AND pk = ?', s("mine"))
    assert run(db, f"SELECT v FROM \"{table}\" WHERE pk = 'mine'") == [{"v": n(2)}]
    for text in (
        f"INSERT INTO \"{table}\" VALUE {{'pk': 'yours', 'sk': 1}}",
        f"INSERT INTO \"{table}\" VALUE {{'pk': 'mine', 'sk': 2, 'secret': 1}}",
        f"UPDATE \"{table}\" SET secret = 1 WHERE pk = 'mine' AND sk = 1",
        f"UPDATE \"{table}\" SET v = secret WHERE pk = 'mine' AND sk = 1",
        f"DELETE FROM \"{table}\" WHERE pk = 'yours' AND sk = 1",
        f"SELECT v FROM \"{table}\" WHERE pk IN ['mine', 'yours']",
        f"SELECT v FROM \"{table}\" WHERE pk = 'mine' AND secret = 1",
        f"SELECT v FROM \"{table}\" WHERE pk = 'mine' OR pk = 'yours'",
        f'SELECT v FROM "{table}"',
    ):
        denied(db.execute_statement, Statement=text)


def test_what_a_statement_returns_can_be_limited(cloud: Running) -> None:
    """dynamodb:ReturnValues tells of RETURNING, so that whoever may write some attributes is not shown the others."""
    table = make_table(cloud)
    run(cloud.client("dynamodb"), f"INSERT INTO \"{table}\" VALUE {{'pk': 'x', 'concealed': 1}}")
    limit = {"StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"]}}
    db = user(cloud, "writer", allow(table, *STATEMENTS, Condition=limit))
    update, delete = (STATEMENTS[name].format(table) for name in ("PartiQLUpdate", "PartiQLDelete"))
    assert run(db, f"{update} RETURNING MODIFIED NEW *") == [{"a": n(1)}]
    for text in (f"{update} RETURNING ALL NEW *", f"{update} RETURNING ALL OLD *", f"{delete} RETURNING ALL OLD *"):
        denied(db.execute_statement, Statement=text)
    run(db, delete)
    strict = user(cloud, "strict", allow(table, *STATEMENTS, Condition={"StringEquals": {"dynamodb:ReturnValues": "NONE"}}))
    run(strict, delete)
    denied(strict.execute_statement, Statement=f"{delete} RETURNING ALL OLD *")


def test_batches_and_transactions_ask_for_each_statement(cloud: Running) -> None:
    """A batch tells of each refusal; a transaction is refused as a whole, before anything is looked at."""
    table, other = make_table(cloud), make_table(cloud)
    db = user(cloud, "batches", allow(table, "PartiQLInsert", "PartiQLSelect"))
    statements = [{"Statement": f"INSERT INTO \"{name}\" VALUE {{'pk': 'x'}}"} for name in (table, other)]
    first, second = db.batch_execute_statement(Statements=statements)["Responses"]
    assert first == {"TableName": table} and second["Error"]["Code"] == "AccessDenied"
    denied(db.execute_transaction, TransactStatements=statements)
    reads = [{"Statement": f"SELECT * FROM \"{table}\" WHERE pk = 'x'"}]
    assert db.execute_transaction(TransactStatements=reads)["Responses"] == [{"Item": {"pk": s("x")}}]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("pk = 'x' OR sk <> 1 AND sk <= 1 AND pk = 'x'", [0, 1, 2]),
        ("sk <> 1 AND sk <= 1 AND pk = 'x' OR pk = 'x' AND sk = 2", [0, 2]),
        ("pk = 'x' AND sk <> 0 AND sk < 2 OR pk = 'x' AND sk <> 0 AND sk > 1", [1, 2]),
    ],
)
def test_alternatives_hide_none_of_another(cloud: Running, where: str, found: list[int]) -> None:
    """What one alternative says of the sort key, and what it says that key is not, keeps back no items that another one wants."""
    table, db = make_table(cloud, range_type="N"), cloud.client("dynamodb")
    for number in range(3):
        db.put_item(TableName=table, Item={"pk": s("x"), "sk": n(number)})
    assert [item["sk"] for item in run(db, f'SELECT sk FROM "{table}" WHERE {where}')] == [n(number) for number in found]


def test_partitions_of_one_page_share_its_megabyte(cloud: Running) -> None:
    """What is processed for one answer is limited to 1 MB, however many partitions it lies in."""
    table, db = make_table(cloud), cloud.client("dynamodb")
    for name in "abcde":
        db.put_item(TableName=table, Item={"pk": s(name), "d": s("x" * 300_000)})
        cloud.advance("1s")
    statement = f"SELECT pk FROM \"{table}\" WHERE pk IN ['a', 'b', 'c', 'd', 'e']"
    first = db.execute_statement(Statement=statement)
    assert [item["pk"]["S"] for item in first["Items"]] == ["a", "b", "c", "d"] and first["LastEvaluatedKey"] == {"pk": s("d")}
    second = db.execute_statement(Statement=statement, NextToken=first["NextToken"])
    assert second["Items"] == [{"pk": s("e")}] and "NextToken" not in second


def test_statements_outlive_a_restart(tmp_path: Path) -> None:
    """What a statement wrote, the token of a page and the token of a transaction are there after a restart."""
    with Running(services=[DynamoDb], data_dir=tmp_path) as cloud:
        table = make_table(cloud, range_type="N")
        db = cloud.client("dynamodb")
        for number in range(4):
            run(db, f"INSERT INTO \"{table}\" VALUE {{'pk': 'p', 'sk': ?}}", n(number))
        statement = f"SELECT sk FROM \"{table}\" WHERE pk = 'p' ORDER BY sk DESC"
        page = db.execute_statement(Statement=statement, Limit=3)
        change = {"TransactStatements": [{"Statement": f"UPDATE \"{table}\" SET v = 1 WHERE pk = 'p' AND sk = 0"}], "ClientRequestToken": "once"}
        db.execute_transaction(**change)
        cloud.stop()
        cloud.start()
        db = cloud.client("dynamodb")
        assert run(db, statement, NextToken=page["NextToken"]) == [{"sk": n(0)}]
        db.execute_transaction(**change)
        changed = run(db, f"SELECT v FROM \"{table}\" WHERE pk = 'p' AND sk = 0")
        assert changed == [{"v": n(1)}]


def test_tokens_of_others(cloud: Running) -> None:
    """A page's token is of no use with other parameters, nor in another region."""
    table = make_table(cloud)
    db = cloud.client("dynamodb")
    for name in "ab":
        run(db, f"INSERT INTO \"{table}\" VALUE {{'pk': ?}}", s(name))
    statement = f'SELECT * FROM "{table}" WHERE pk <> ?'
    token = db.execute_statement(Statement=statement, Parameters=[s("x")], Limit=1)["NextToken"]
    for parameters, text in (([s("y")], token), ([s("x")], token[:-4]), ([s("x")], "A" * 40), ([s("x")], token + "AAAA")):
        code, message = failure(db.execute_statement, Statement=statement, Parameters=parameters, NextToken=text)
        assert code == "ValidationException" and "NextToken" in message


WORDS = (
    "SELECT FROM WHERE INSERT INTO VALUE UPDATE SET REMOVE DELETE AND OR NOT IN BETWEEN IS MISSING NULL ORDER BY DESC RETURNING ALL OLD * ( ) [ ] { } << >> "
    ", . : ; ? = <> < + - a b \"t\" 'x' 1 1.5e3 size attribute_exists list_append set_add EXISTS true -- /* */"
)


@given(st.lists(st.sampled_from(WORDS.split()), max_size=25).map(" ".join) | st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_statement_or_an_error(text: str) -> None:
    """Whatever comes, the parser ends with a statement or with a ValidationException."""
    try:
        parse_statement(text)
    except ServiceError as error:
        assert error.code == "ValidationException" and error.message


@given(st.lists(st.sampled_from(WORDS.split()), max_size=12).map(" ".join))
@settings(max_examples=60, deadline=None)
def test_any_condition_is_answered(cloud: Running, text: str) -> None:
    """Whatever stands behind WHERE, the answer is items or a client's error, never an internal one."""
    name = "partiql-hostile"
    db = cloud.client("dynamodb")
    if name not in db.list_tables(Limit=100)["TableNames"]:
        db.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        cloud.advance("5s")
        db.put_item(TableName=name, Item={"a": s("x"), "b": {"L": [n(1)]}})
    for statement in (f"SELECT * FROM \"{name}\" WHERE {text}", f"UPDATE \"{name}\" SET b = {text} WHERE a = 'y'"):
        try:
            db.execute_statement(Statement=statement, Parameters=[s("x")] * statement.count("?") or [s("x")])
        except db.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("ValidationException", "ConditionalCheckFailedException", "NotImplemented")


LONG = [
    "SELECT * FROM t WHERE " + "(" * 4000,
    "SELECT * FROM t WHERE " + "NOT " * 2000 + "a = 1",
    "SELECT * FROM t WHERE " + " AND ".join(["a = 1"] * 700),
    "SELECT * FROM t WHERE " + " OR ".join(["a = 1"] * 700),
    "SELECT * FROM t WHERE a = " + "[" * 4000,
    "INSERT INTO t VALUE " + "{'a':" * 1500,
    "SELECT " + "a." * 4000 + "a FROM t",
    "SELECT * FROM t WHERE a = " + "-" * 4000 + "1",
    "SELECT" + " " * 8000,
    "/*" * 4000,
    "'" * 8001,
    "SELECT * FROM t WHERE a = " + "9" * 8000,
    "SELECT * FROM t WHERE a = 1e" + "9" * 8000,
]


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_long_statements_end(cloud: Running, text: str) -> None:
    """8 KB of nesting or of chains neither hang nor break anything."""
    code, _ = failure(cloud.client("dynamodb").execute_statement, Statement=text)
    assert code in ("ValidationException", "ResourceNotFoundException")


@given(st.recursive(st.sampled_from([s("x"), n(1), {"BOOL": True}, {"NULL": True}, {"SS": ["a"]}]), lambda inner: st.lists(inner, max_size=3).map(lambda one: {"L": one})))
def test_values_as_literals_are_themselves(value: dict[str, Any]) -> None:
    """A value that is written as a literal is read as that value."""
    parsed = parse_statement(f"INSERT INTO t VALUE {{'v': {written(value)}}}")
    assert isinstance(parsed.statement, Insert)
    check(value)
    assert Values(parsed, []).item(parsed.statement.item) == {"v": value}


def written(value: dict[str, Any]) -> str:
    """A value in PartiQL."""
    ((kind, inner),) = value.items()
    if kind == "L":
        return f"[{', '.join(map(written, inner))}]"
    if kind == "SS":
        return "<<" + ", ".join(f"'{text}'" for text in inner) + ">>"
    return {"S": f"'{inner}'", "N": str(inner), "BOOL": "true", "NULL": "null"}[kind]
