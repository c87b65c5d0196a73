"""PartiQL: INSERT, UPDATE, DELETE, batches and transactions. (Developer Guide: "PartiQL update statements", "Performing transactions with PartiQL" …)"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.dynamodb.world import World, failure, invalid, n, s

INSERTS = [
    ("'v': 1", n(1), "a number"),
    ("'v': 1.50", n("1.5"), "a number in its shortest form"),
    ("'v': -0.5e1", n("-5"), "an exponent"),
    ("'v': .25", n("0.25"), "no digit before the point"),
    ("'v': 'x'", s("x"), "a text"),
    ("'v': ''", s(""), "an empty text, which only keys must not be"),
    ("'v': 'it''s'", s("it's"), "a quote in a text"),
    ("'v': true", {"BOOL": True}, "true"),
    ("'v': FALSE", {"BOOL": False}, "false, in any case"),
    ("'v': null", {"NULL": True}, "null"),
    ("'v': [1, 'a', [true]]", {"L": [n(1), s("a"), {"L": [{"BOOL": True}]}]}, "a list"),
    ("'v': []", {"L": []}, "an empty list"),
    ("'v': {'a': 1, 'b': {'c': 'd'}}", {"M": {"a": n(1), "b": {"M": {"c": s("d")}}}}, "a map"),
    ("'v': {}", {"M": {}}, "an empty map"),
    ("'v': <<'b', 'a'>>", {"SS": ["a", "b"]}, "a set of texts"),
    ("'v': <<2, 1.0>>", {"NS": ["1", "2"]}, "a set of numbers"),
    ("'v': [{'a': <<1>>}]", {"L": [{"M": {"a": {"NS": ["1"]}}}]}, "all of them within each other"),
]


@pytest.mark.parametrize(("member", "stored", "why"), INSERTS, ids=[one[0] for one in INSERTS])
def test_literals(db: Any, simple: str, world: World, member: str, stored: dict[str, Any], why: str) -> None:
    """What a literal becomes."""
    key = world.new_key()
    answer = db.execute_statement(Statement=f"INSERT INTO \"{simple}\" VALUE {{'pk': '{key['S']}', {member}}}")
    assert answer["Items"] == [], why
    item = db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]
    assert sets_sorted(item["v"]) == stored, why


def sets_sorted(value: dict[str, Any]) -> dict[str, Any]:
    """Sets come in no order."""
    return {kind: sorted(inner, key=float if kind == "NS" else None) if kind in ("SS", "NS") else inner for kind, inner in value.items()}


PARAMETERS = [
    s("x"),
    n("12.50"),
    {"B": b"\x00\xff"},
    {"BOOL": True},
    {"NULL": True},
    {"SS": ["a"]},
    {"NS": ["1"]},
    {"BS": [b"x"]},
    {"L": [s("a"), n(1)]},
    {"M": {"a": {"B": b""}}},
]


@pytest.mark.parametrize("value", PARAMETERS, ids=lambda value: next(iter(value)))
def test_parameters_of_every_type(db: Any, simple: str, world: World, value: dict[str, Any]) -> None:
    """A parameter keeps its type, also those that have no literal (binaries)."""
    key = world.new_key()
    db.execute_statement(Statement=f"INSERT INTO \"{simple}\" VALUE {{'pk': ?, 'v': ?}}", Parameters=[key, value])
    (found,) = db.execute_statement(Statement=f'SELECT v FROM "{simple}" WHERE pk = ? AND v = ?', Parameters=[key, value], ConsistentRead=True)["Items"]
    expected = {"N": "12.5"} if value == n("12.50") else value
    assert found["v"] == expected


BEFORE: dict[str, Any] = {
    "a": n(5),
    "b": s("x"),
    "l": {"L": [n(1), n(2), n(3)]},
    "m": {"M": {"x": n(1), "y": {"L": [n(7)]}}},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2"]},
}
UPDATES: list[tuple[str, dict[str, Any], str]] = [
    ("SET a = 6", {"a": n(6)}, "a new value"),
    ("SET c = 'new'", {"c": s("new")}, "a new attribute"),
    ("SET a = 6 SET b = 'y'", {"a": n(6), "b": s("y")}, "several SETs"),
    ("SET a = 6, b = 'y'", {"a": n(6), "b": s("y")}, "or with a comma"),
    ("SET a = a + 1", {"a": n(6)}, "adding"),
    ("SET a = a - 7", {"a": n(-2)}, "subtracting"),
    ("SET c = a + 1", {"c": n(6)}, "from another attribute"),
    ("SET c = a", {"c": n(5)}, "copying"),
    ("SET a = b SET b = a", {"a": s("x"), "b": n(5)}, "values are those of the item as it was"),
    ("SET m.x = 2", {"m": {"M": {"x": n(2), "y": {"L": [n(7)]}}}}, "within a map"),
    ("SET m.z = [1]", {"m": {"M": {**BEFORE["m"]["M"], "z": {"L": [n(1)]}}}}, "a new member"),
    ("SET m['z'] = 1", {"m": {"M": {**BEFORE["m"]["M"], "z": n(1)}}}, "named in brackets"),
    ("SET l[1] = 9", {"l": {"L": [n(1), n(9), n(3)]}}, "within a list"),
    ("SET l[9] = 9", {"l": {"L": [n(1), n(2), n(3), n(9)]}}, "behind its end"),
    ("SET m.y[0] = m.y[0] + 1", {"m": {"M": {"x": n(1), "y": {"L": [n(8)]}}}}, "deep within"),
    ("SET l = list_append(l, [4])", {"l": {"L": [n(1), n(2), n(3), n(4)]}}, "appending to a list"),
    ("SET l = list_append([0], l)", {"l": {"L": [n(0), n(1), n(2), n(3)]}}, "putting before it"),
    ("SET a = if_not_exists(a, 0)", {}, "it is there, so it stays"),
    ("SET c = if_not_exists(c, 0)", {"c": n(0)}, "it was not there"),
    ("SET ss = set_add(ss, <<'c'>>)", {"ss": {"SS": ["a", "b", "c"]}}, "adding to a set"),
    ("SET ss = set_add(ss, <<'a'>>)", {}, "what is there already"),
    ("SET ns = set_add(ns, <<3, 1>>)", {"ns": {"NS": ["1", "2", "3"]}}, "numbers"),
    ("SET ss = SET_ADD(ss, <<'c'>>)", {"ss": {"SS": ["a", "b", "c"]}}, "in any case"),
    ("SET cs = set_add(cs, <<'c'>>)", {"cs": {"SS": ["c"]}}, "a set that was not there"),
    ("SET ss = set_delete(ss, <<'a'>>)", {"ss": {"SS": ["b"]}}, "taking from a set"),
    ("SET ss = set_delete(ss, <<'z'>>)", {}, "what is not there"),
    ("SET ns = set_delete(ns, <<1>>)", {"ns": {"NS": ["2"]}}, "numbers"),
    ("SET cs = set_delete(cs, <<'c'>>)", {}, "from a set that is not there"),
    ("SET ss = set_add(ss, <<'c'>>) SET ns = set_delete(ns, <<1>>)", {"ss": {"SS": ["a", "b", "c"]}, "ns": {"NS": ["2"]}}, "both in one"),
    ("SET c = {'k': [1]} REMOVE b", {"c": {"M": {"k": {"L": [n(1)]}}}, "b": None}, "setting and removing"),
    ("REMOVE a", {"a": None}, "removing"),
    ("REMOVE a REMOVE b", {"a": None, "b": None}, "several"),
    ("REMOVE nope", {}, "what is not there"),
    ("REMOVE m.x", {"m": {"M": {"y": {"L": [n(7)]}}}}, "a member"),
    ("REMOVE l[0]", {"l": {"L": [n(2), n(3)]}}, "an element"),
    ("REMOVE l[0] REMOVE l[2]", {"l": {"L": [n(2)]}}, "positions are those of the list as it was"),
    ('SET "odd name" = 1', {"odd name": n(1)}, "a quoted name"),
]


@pytest.mark.parametrize(("changes", "difference", "why"), UPDATES, ids=[one[0] for one in UPDATES])
def test_updates(db: Any, simple: str, world: World, changes: str, difference: dict[str, Any], why: str) -> None:
    """What an UPDATE makes of an item."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, **BEFORE})
    assert db.execute_statement(Statement=f"UPDATE \"{simple}\" {changes} WHERE pk = '{key['S']}'")["Items"] == []
    item = db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]
    expected = {name: value for name, value in {"pk": key, **BEFORE, **difference}.items() if value is not None}
    assert {name: sets_sorted(value) for name, value in item.items()} == expected, why


def test_removing_the_last_element_removes_the_set(db: Any, simple: str, world: World) -> None:
    """There are no empty sets."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, **BEFORE})
    db.execute_statement(Statement=f"UPDATE \"{simple}\" SET ss = set_delete(ss, <<'a', 'b'>>) WHERE pk = ?", Parameters=[key])
    assert "ss" not in db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]


def test_the_other_form_of_an_update(db: Any, simple: str, world: World) -> None:
    """FROM … WHERE … SET means the same."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key})
    db.execute_statement(Statement=f"FROM \"{simple}\" WHERE pk = '{key['S']}' SET c = 1")
    assert db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"] == {"pk": key, "c": n(1)}


RETURNING = [
    ("SET a = 6", "ALL OLD", {"a": n(5), "b": s("x")}, "the whole item before"),
    ("SET a = 6", "ALL NEW", {"a": n(6), "b": s("x")}, "the whole item after"),
    ("SET a = 6", "MODIFIED OLD", {"a": n(5)}, "what changed, before"),
    ("SET a = 6", "MODIFIED NEW", {"a": n(6)}, "what changed, after"),
    ("REMOVE a", "MODIFIED OLD", {"a": n(5)}, "what was removed"),
    ("REMOVE a", "MODIFIED NEW", None, "nothing is left of it"),
    ("SET c = 1", "MODIFIED OLD", None, "there was nothing"),
]


@pytest.mark.parametrize(("changes", "returning", "expected", "why"), RETURNING, ids=[f"{one[0]} {one[1]}" for one in RETURNING])
def test_returning(db: Any, simple: str, world: World, changes: str, returning: str, expected: dict[str, Any] | None, why: str) -> None:
    """RETURNING shows one item, or none."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "a": n(5), "b": s("x")})
    items = db.execute_statement(Statement=f"UPDATE \"{simple}\" {changes} WHERE pk = '{key['S']}' RETURNING {returning} *")["Items"]
    for item in items:
        item.pop("pk", None)
    assert items == ([expected] if expected is not None else []), why


GUARDED = [
    ("UPDATE \"{0}\" SET z = 1 WHERE pk = '{1}' AND a = 5", True, "the condition holds"),
    ("UPDATE \"{0}\" SET z = 1 WHERE a = 5 AND pk = '{1}'", True, "the key may stand anywhere"),
    ("UPDATE \"{0}\" SET z = 1 WHERE pk = '{1}' AND a = 4", False, "it does not"),
    ("UPDATE \"{0}\" SET z = 1 WHERE pk = '{1}' AND attribute_not_exists(z)", True, "only once"),
    ("UPDATE \"{0}\" SET z = 1 WHERE pk = '{1}' AND attribute_exists(nope)", False, "not there"),
    ("UPDATE \"{0}\" SET z = 1 WHERE pk = '{1}' AND (a = 4 OR b = 'x')", True, "one of two"),
    ("UPDATE \"{0}\" SET z = 1 WHERE pk = 'never-there' AND attribute_not_exists(pk)", False, "an UPDATE never makes an item"),
    ("UPDATE \"{0}\" SET z = 1 WHERE pk = 'never-there'", False, "nor without a condition"),
    ("DELETE FROM \"{0}\" WHERE pk = '{1}' AND a = 5", True, "a guarded DELETE"),
    ("DELETE FROM \"{0}\" WHERE pk = '{1}' AND a = 4", False, "one that does not hold"),
    ("DELETE FROM \"{0}\" WHERE pk = '{1}' AND size(ss) = 2", True, "with a function"),
    ("DELETE FROM \"{0}\" WHERE pk = 'never-there'", True, "deleting what is not there is no error"),
]


@pytest.mark.parametrize(("statement", "done", "why"), GUARDED, ids=[one[0] for one in GUARDED])
def test_conditions_of_writes(db: Any, simple: str, world: World, statement: str, done: bool, why: str) -> None:
    """What a WHERE says beyond the key is a condition."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, **BEFORE})
    text = statement.format(simple, key["S"])
    if done:
        db.execute_statement(Statement=text)
        return
    assert failure(db.execute_statement, Statement=text) == ("ConditionalCheckFailedException", "The conditional request failed"), why


def test_an_insert_never_replaces(db: Any, simple: str, world: World) -> None:
    """INSERT makes new items only; what is there stays."""
    key = world.new_key()
    statement = f"INSERT INTO \"{simple}\" VALUE {{'pk': '{key['S']}', 'v': 1}}"
    db.execute_statement(Statement=statement)
    assert failure(db.execute_statement, Statement=statement.replace("1}", "2}")) == ("DuplicateItemException", "Duplicate primary key exists in table")
    assert db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]["v"] == n(1)


def test_what_a_failed_condition_found(db: Any, simple: str, world: World) -> None:
    """ReturnValuesOnConditionCheckFailure shows the item that stopped the write."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "a": n(1)})
    with pytest.raises(ClientError) as caught:
        db.execute_statement(
            Statement=f'UPDATE "{simple}" SET z = 1 WHERE pk = ? AND a = 2', Parameters=[key], ReturnValuesOnConditionCheckFailure="ALL_OLD"
        )
    assert caught.value.response["Item"] == {"pk": key, "a": n(1)}


def test_delete_returning(db: Any, simple: str, world: World) -> None:
    """A DELETE shows what it deleted, if asked."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "a": n(1)})
    statement = f"DELETE FROM \"{simple}\" WHERE pk = '{key['S']}' RETURNING ALL OLD *"
    assert db.execute_statement(Statement=statement)["Items"] == [{"pk": key, "a": n(1)}]
    assert db.execute_statement(Statement=statement)["Items"] == []


# ---- batches


def test_a_batch_of_reads(db: Any, simple: str, world: World) -> None:
    """Each read has its item, or none, or an error of its own."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "a": n(1), "b": n(2)})
    answer = db.batch_execute_statement(
        Statements=[
            {"Statement": f'SELECT a FROM "{simple}" WHERE pk = ?', "Parameters": [key], "ConsistentRead": True},
            {"Statement": f"SELECT * FROM \"{simple}\" WHERE pk = 'never-there'"},
            {"Statement": f'SELECT * FROM "{simple}" WHERE a = 1'},
            {"Statement": f'SELECT * FROM "{simple}-absent" WHERE pk = \'x\''},
            {"Statement": "SLECT"},
        ],
        ReturnConsumedCapacity="TOTAL",
    )
    first, second, *errors = answer["Responses"]
    assert first == {"TableName": simple, "Item": {"a": n(1)}}
    assert second == {"TableName": simple}
    assert [one["Error"]["Code"] for one in errors] == ["ValidationError", "ResourceNotFound", "ValidationError"]
    assert errors[0]["Error"]["Message"] == "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
    assert [one["CapacityUnits"] for one in answer["ConsumedCapacity"]] == [1.5]


def test_a_batch_of_writes(db: Any, simple: str, world: World) -> None:
    """Writes succeed or fail one by one; a failure stops none of the others, and names its table (API Reference: "BatchStatementResponse")."""
    old, new = world.new_key(), world.new_key()
    db.put_item(TableName=simple, Item={"pk": old, "a": n(1)})
    answer = db.batch_execute_statement(
        Statements=[
            {"Statement": f"INSERT INTO \"{simple}\" VALUE {{'pk': ?}}", "Parameters": [old]},
            {"Statement": f"INSERT INTO \"{simple}\" VALUE {{'pk': ?}}", "Parameters": [new]},
            {"Statement": f'UPDATE "{simple}" SET a = 2 WHERE pk = ? AND a = 9', "Parameters": [old], "ReturnValuesOnConditionCheckFailure": "ALL_OLD"},
            {"Statement": f'UPDATE "{simple}" SET a = 2 WHERE pk = ? RETURNING MODIFIED NEW *', "Parameters": [old]},
            {"Statement": f'UPDATE "{simple}" REMOVE a WHERE pk = ? RETURNING MODIFIED NEW *', "Parameters": [old]},
        ]
    )
    duplicate, inserted, failed, changed, removed = answer["Responses"]
    assert (duplicate["Error"]["Code"], duplicate["TableName"]) == ("DuplicateItem", simple)
    assert (failed["TableName"], "Item" in failed) == (simple, False)
    assert inserted == {"TableName": simple}
    assert (failed["Error"]["Code"], failed["Error"]["Item"]) == ("ConditionalCheckFailed", {"pk": old, "a": n(1)})
    assert changed == {"TableName": simple, "Item": {"a": n(2)}}
    assert removed == {"TableName": simple}


def test_batches_do_not_mix_reads_and_writes(db: Any, simple: str) -> None:
    """All reads or all writes (API Reference: "BatchExecuteStatement")."""
    statements = [{"Statement": f"SELECT * FROM \"{simple}\" WHERE pk = 'x'"}, {"Statement": f"DELETE FROM \"{simple}\" WHERE pk = 'x'"}]
    assert "both read and write" in invalid(db.batch_execute_statement, Statements=statements)
    assert "both read and write" in invalid(db.execute_transaction, TransactStatements=statements)


# ---- transactions


def test_a_transaction_of_writes(db: Any, simple: str, world: World) -> None:
    """All or none, with a condition on another item; the answer has no responses."""
    one, two, three = world.new_key(), world.new_key(), world.new_key()
    db.put_item(TableName=simple, Item={"pk": one, "a": n(1)})
    db.put_item(TableName=simple, Item={"pk": three, "a": n(1)})
    statements = [
        {"Statement": f'EXISTS(SELECT * FROM "{simple}" WHERE pk = ? AND a = 1)', "Parameters": [one]},
        {"Statement": f"INSERT INTO \"{simple}\" VALUE {{'pk': ?}}", "Parameters": [two]},
        {"Statement": f'UPDATE "{simple}" SET a = a + 1 WHERE pk = ?', "Parameters": [three]},
    ]
    answer = db.execute_transaction(TransactStatements=statements, ReturnConsumedCapacity="TOTAL")
    assert answer["Responses"] == []
    assert answer["ConsumedCapacity"][0]["TableName"] == simple
    with pytest.raises(ClientError) as caught:
        db.execute_transaction(TransactStatements=statements)
    assert caught.value.response["Error"]["Code"] == "TransactionCanceledException"
    assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["None", "DuplicateItem", "None"]
    assert db.get_item(TableName=simple, Key={"pk": three}, ConsistentRead=True)["Item"]["a"] == n(2)


def test_a_transaction_of_reads(db: Any, simple: str, world: World) -> None:
    """Each read has its item, or nothing."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "a": n(1), "b": n(2)})
    statements = [
        {"Statement": f'SELECT b FROM "{simple}" WHERE pk = ?', "Parameters": [key]},
        {"Statement": f"SELECT * FROM \"{simple}\" WHERE pk = 'never-there'"},
    ]
    assert db.execute_transaction(TransactStatements=statements)["Responses"] == [{"Item": {"b": n(2)}}, {}]


def test_a_transaction_is_made_once_for_a_token(db: Any, simple: str, world: World) -> None:
    """A repetition changes nothing and costs a read; another transaction under the same token is refused."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "a": n(0)})
    call = {
        "TransactStatements": [{"Statement": f'UPDATE "{simple}" SET a = a + 1 WHERE pk = ?', "Parameters": [key]}],
        "ClientRequestToken": key["S"],
        "ReturnConsumedCapacity": "TOTAL",
    }
    first, second = db.execute_transaction(**call), db.execute_transaction(**call)
    assert db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]["a"] == n(1)
    assert first["ConsumedCapacity"][0]["WriteCapacityUnits"] == 2.0
    assert second["ConsumedCapacity"][0]["ReadCapacityUnits"] == 2.0
    call["TransactStatements"][0]["Parameters"] = [s("other")]
    assert failure(db.execute_transaction, **call)[0] == "IdempotentParameterMismatchException"
