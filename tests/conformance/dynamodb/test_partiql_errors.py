"""PartiQL: what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, failure, invalid, n, s

MALFORMED = "Statement wasn't well formed, can't be processed: "
LEFTOVER = MALFORMED + "Unexpected token after expression"
NO_TERM = MALFORMED + "Unexpected term"
NO_NAME = MALFORMED + "Expected identifier for simple path"
NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
BAG = "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"

# {0} is a table with the key pk (S).
STATEMENTS = [
    ("SLECT * FROM \"{0}\" WHERE pk = 'x'", MALFORMED + "Expected data manipulation", "no such statement"),
    ("SELECT * FROM", NO_TERM, "no table"),
    ('SELECT * FROM "{0}" WHERE', NO_TERM, "no condition"),
    ('SELECT * FROM "{0}" WHERE;', NO_TERM, "no condition before the end"),
    ('SELECT pk FROM "{0}" WHERE   ', NO_TERM, "only blanks"),
    ('UPDATE "{0}" SET a = 1 WHERE', NO_TERM, "in an UPDATE"),
    ('DELETE FROM "{0}" WHERE', NO_TERM, "in a DELETE"),
    ('SELECT * FROM "{0}" WHERE NOT', NO_TERM, "behind NOT"),
    ('SELECT * FROM "{0}" WHERE (', NO_TERM, "behind a parenthesis"),
    ('SELECT * FROM "{0}-absent" WHERE', NO_TERM, "the text comes before the table"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' AND", MALFORMED + "Missing right-hand side expression of infix operator", "nothing behind AND"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' OR", MALFORMED + "Missing right-hand side expression of infix operator", "nothing behind OR"),
    ('SELECT * FROM "{0}" WHERE ORDER BY pk', MALFORMED + "Unexpected keyword", "a keyword where a term should be"),
    ('SELECT * FROM "{0}" WHERE IS NULL', MALFORMED + "Unexpected operator", "an operator where a term should be"),
    ('SELECT * FROM "{0}" WHERE pk = LIKE', MALFORMED + "Unexpected operator", "the same on the right"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'a' AND x IS FOO", MALFORMED + "Expected type name", "IS wants a type"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' foo", LEFTOVER, "a word too many"),
    ('SELECT * FROM "{0}" WHERE pk = 1 e5', LEFTOVER, "a number in two parts"),
    ("INSERT INTO \"{0}\" VALUE {{'pk': 'x'}} foo", LEFTOVER, "behind an INSERT"),
    ("UPDATE \"{0}\" SET a = 9 WHERE pk = 'x' foo", LEFTOVER, "behind an UPDATE"),
    ("DELETE FROM \"{0}\" WHERE pk = 'x' foo", LEFTOVER, "behind a DELETE"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x')", LEFTOVER, "a parenthesis too many"),
    ("DELETE FROM \"{0}\" WHERE pk = 'x' ORDER BY pk", LEFTOVER, "a DELETE has no order"),
    ("SELECT * FROM \"{0}\" ORDER BY pk WHERE pk = 'x'", LEFTOVER, "WHERE comes first"),
    ("INSERT INTO \"{0}\" t VALUE {{'pk': 'x'}}", LEFTOVER, "an alias in an INSERT"),
    ("FROM \"{0}\" SET c = 1 WHERE pk = 'x'", LEFTOVER, "WHERE comes first there"),
    ('SELECT * FROM "{0}" WHERE pk = 1e2147483648', MALFORMED, "an exponent beyond 32 bits"),
    ('SELECT * FROM "{0}" WHERE pk = 1e99999999999', MALFORMED, "far beyond"),
    ('SELECT * FROM "{0}" WHERE pk = 1.5e-2147483647', MALFORMED, "a scale beyond"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' # note", MALFORMED, "no such comment"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' /* note", MALFORMED, "a comment without end"),
    ('SELECT * FROM "{0}', MALFORMED, "a name without end"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x", MALFORMED, "a text without end"),
    ("DELETE FROM", NO_NAME, "no table to delete from"),
    ("DELETE FROM;", NO_NAME, "nor before the end"),
    ("DELETE FROM WHERE pk = 'a'", NO_NAME, "a keyword is no name"),
    ("x IS INT4", "Unsupported operation: IsType", "an expression is no statement"),
    ("x IS DOUBLE PRECISION", "Unsupported operation: IsType", "types of two words"),
    ("SELECT * FROM \"{0}\" t WHERE pk = 'x'", "Aliasing is not supported", "no aliases"),
    ("SELECT * FROM \"{0}\" AS t WHERE pk = 'x'", "Aliasing is not supported", "nor with AS"),
    ("UPDATE \"{0}\" t SET a = 3 WHERE pk = 'x'", "Aliasing is not supported", "nor in an UPDATE"),
    ("DELETE FROM \"{0}\" t WHERE pk = 'x'", "Aliasing is not supported", "nor in a DELETE"),
    ('SELECT * FROM "{0}" WHERE pk = 1e126', OVERFLOW + " under root", "too large a number"),
    ('SELECT * FROM "{0}" WHERE pk = 1e-131', UNDERFLOW + " under root", "too small a number"),
    ("SELECT * FROM \"{0}\" WHERE pk = " + "1234567890" * 3 + "123456789", "Attempting to store more than 38 significant digits in a Number under root", "39 digits"),
    ("INSERT INTO \"{0}\" VALUE {{'pk': 'x', 'v': 1e126}}", OVERFLOW + " under root", "an attribute is a root"),
    ("INSERT INTO \"{0}\" VALUE {{'pk': 'x', 'm': {{'x': 1e126}}}}", OVERFLOW + " under root.x", "in a map"),
    ("INSERT INTO \"{0}\" VALUE {{'pk': 'x', 'l': [1, 1e126]}}", OVERFLOW + " under root[1]", "in a list"),
    ("UPDATE \"{0}\" SET a = 1e-131 WHERE pk = 'x'", UNDERFLOW + " under root", "in an UPDATE"),
    ("UPDATE \"{0}\" SET a = <<>> WHERE pk = 'x'", "Empty bags are not supported", "there are no empty sets"),
    ("UPDATE \"{0}\" SET a = <<1, 'a'>> WHERE pk = 'x'", BAG, "sets have one type"),
    ("UPDATE \"{0}\" SET a = <<true>> WHERE pk = 'x'", BAG, "of texts or numbers"),
    (
        "UPDATE \"{0}\" SET a = <<'x', 'x'>> WHERE pk = 'x'",
        "One or more parameter values were invalid: Input collection [x, x] contains duplicates.",
        "each element once",
    ),
    ('UPDATE "{0}" SET c = 1', NO_KEY, "which item?"),
    ('UPDATE "{0}" SET c = 1 WHERE a = 1', NO_KEY, "not by other attributes"),
    ("UPDATE \"{0}\" SET c = 1 WHERE pk > 'x'", NO_KEY, "not by a comparison"),
    ("UPDATE \"{0}\" SET c = 1 WHERE pk = 'x' OR pk = 'y'", NO_KEY, "only one"),
    ('DELETE FROM "{0}"', NO_KEY, "nor all of them"),
    ('FROM "{0}" REMOVE a', NO_KEY, "in the other form"),
    (
        "UPDATE \"{0}\" SET c = 1 WHERE pk = 'x' AND pk = 'y'",
        "Multiple conditions on same key pk. Only single item Update/Insert/Delete are supported",
        "only one key",
    ),
    ('DELETE FROM "{0}" WHERE pk = 1', "Key attribute's data type should match its data type in table's schema: Key pk", "of the key's type"),
    (
        "UPDATE \"{0}\" SET pk = 'y' WHERE pk = 'x'",
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        "keys do not change",
    ),
    ("UPDATE \"{0}\".\"i\" SET c = 1 WHERE pk = 'x'", "This operation is not supported on an index", "indexes are only read"),
    ('SELECT * FROM "{0}"."i" WHERE pk = \'x\'', "The table does not have the specified index", "no such index"),
    ('SELECT * FROM "{0}"."i"."j"', "A path may contain at most 2 components in the FROM clause", "a table and an index"),
    ('SELECT * FROM "{0}"."" WHERE pk = \'x\'', "Path component cannot be an empty string", "an empty name"),
    ("SELECT * FROM \"\" WHERE pk = 'x'", "Path component cannot be an empty string", "an empty table name"),
    ('SELECT *, a FROM "{0}"', "Other attributes should not be present in the projection when '*' is used.", "all is all"),
    ('SELECT a, a FROM "{0}"', "Duplicate identifiers in select clause: a", "each once"),
    (
        "DELETE FROM \"{0}\" WHERE pk = 'x' RETURNING MODIFIED OLD *",
        "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
        "a DELETE modifies nothing",
    ),
    (
        "DELETE FROM \"{0}\" WHERE pk = 'x' RETURNING ALL NEW *",
        "Invalid returning clause: RETURNING ALL NEW *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
        "and leaves nothing",
    ),
    ("INSERT INTO \"{0}\" VALUE {{'pk': 'x'}} RETURNING ALL NEW *", "RETURNING is not supported in INSERT", "nor does an INSERT return"),
    ("INSERT INTO \"{0}\" VALUE {{'pk': 'x', 'pk': 'y'}}", "Duplicate keys in tuple. Key: pk under root", "each member once"),
    (
        'INSERT INTO "{0}" VALUE [1]',
        "Unsupported format in item expression. Please use struct format {{...}} to express item values for insert statement.",
        "an item is a tuple",
    ),
    ("INSERT INTO \"{0}\" VALUE {{'a': 1}}", "One or more parameter values were invalid: Missing the key pk in the item", "with its key"),
    (
        'SELECT * FROM "{0}" ORDER BY pk',
        "Must have WHERE clause in the statement when using ORDER BY clause.",
        "a scan has no order",
    ),
    (
        'SELECT * FROM "{0}" WHERE a = 1 ORDER BY pk',
        "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        "nor has one with a filter",
    ),
    (
        "SELECT * FROM \"{0}\" WHERE pk = 'x' ORDER BY a",
        "Variable reference a in ORDER BY clause must be part of the primary key",
        "order is that of keys",
    ),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' AND a = MISSING", "MISSING must be compared using IS operator", "MISSING is no value"),
    (
        "SELECT * FROM \"{0}\" WHERE pk = 'x' AND attribute_exists('a')",
        "Operator or function requires a document path; operator or function: attribute_exists",
        "a path is wanted",
    ),
    (
        "SELECT * FROM \"{0}\" WHERE pk = 'x' AND attribute_exists()",
        "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 0",
        "one operand",
    ),
    (
        "SELECT * FROM \"{0}\" WHERE pk = 'x' AND attribute_exists(a, b)",
        "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
        "only one",
    ),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' AND attribute_exists(m.inner)", MALFORMED + "Invalid path dot component", "a keyword in a path"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' AND a < true", "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL", "no order"),
    (
        "SELECT * FROM \"{0}-absent\" WHERE pk = 'x' AND a < true",
        "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        "said before the table is looked for",
    ),
    ("UPDATE \"{0}\" SET a = a * 2 WHERE pk = 'x'", "Unsupported operator in Update Expression. Operator: *", "only plus and minus"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' AND a + 1 > 2", "Unsupported operator in Condition Expression. Operator: +", "not in conditions"),
    ("EXISTS(SELECT * FROM \"{0}\" WHERE pk = 'x' AND a = 1)", "EXISTS can only be used in ExecuteTransaction write requests.", "only there"),
    ("SELECT * FROM \"{0}\" WHERE pk = ?", "Number of parameters in request and statement don't match.", "a parameter is missing"),
]


@pytest.mark.parametrize(("statement", "message", "why"), STATEMENTS, ids=[str(at) for at in range(len(STATEMENTS))])
def test_statements_that_are_refused(db: Any, simple: str, statement: str, message: str, why: str) -> None:
    """A statement that cannot be carried out says what is wrong with it, and does nothing."""
    assert invalid(db.execute_statement, Statement=statement.format(simple)) == message.replace("{{", "{").replace("}}", "}"), why


# The place of the token is written {at:token}.
PLACES = [
    ("SELECT attribute_exists(a) FROM \"{0}\" WHERE pk = 'x'", "Unexpected path component at {1}", "attribute_exists", "columns are paths"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' AND EXISTS(a)", "Unrecognized function: exists at {1}", "EXISTS", "EXISTS is no function"),
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' AND set_add(a, <<'x'>>) = a", "Unrecognized function: set_add at {1}", "set_add", "only in SET"),
    ("UPDATE \"{0}\" SET t = set_add(ss, <<'x'>>) WHERE pk = 'x'", "The first argument to SET_ADD must equal the assignment value at {1}", "set_add", "itself"),
    ("UPDATE \"{0}\" SET ss = set_add(<<'a'>>, <<'b'>>) WHERE pk = 'x'", "The first argument to SET_ADD must equal the assignment value at {1}", "set_add", "a path"),
    ("UPDATE \"{0}\" SET q = set_add(ss) WHERE pk = 'x'", "SET_ADD must have exactly two arguments at {1}", "set_add", "two"),
    ("UPDATE \"{0}\" SET q = set_add(q, <<'x'>>, <<'y'>>) WHERE pk = 'x'", "SET_ADD must have exactly two arguments at {1}", "set_add", "not three"),
    ("UPDATE \"{0}\" SET q = set_add(zz, 1) WHERE pk = 'x'", "The first argument to SET_ADD must equal the assignment value at {1}", "set_add", "in this order"),
    ("UPDATE \"{0}\" SET t = set_delete(ss, <<'a'>>) WHERE pk = 'x'", "The first argument to SET_DELETE must equal the assignment value at {1}", "set_delete", "itself"),
    ("INSERT INTO \"{0}\" VALUE {{'pk': 'x', 'a': set_add(<<'a'>>, <<'b'>>)}}", "Unsupported data type: set_add under key root at {1}", "set_add", "no value"),
]


@pytest.mark.parametrize(("statement", "message", "token", "why"), PLACES, ids=[str(at) for at in range(len(PLACES))])
def test_messages_with_places(db: Any, simple: str, statement: str, message: str, token: str, why: str) -> None:
    """Some messages say where: line, column and length."""
    text = statement.format(simple)
    assert invalid(db.execute_statement, Statement=text) == message.format("", f"1:{text.index(token) + 1}:{len(token)}"), why


SETS = [
    ("ss = set_add(ss, 'x')", "SET_ADD"),
    ("ss = set_add(ss, ['x'])", "SET_ADD"),
    ("ss = set_delete(ss, 'a')", "SET_DELETE"),
]


@pytest.mark.parametrize(("change", "name"), SETS)
def test_sets_are_changed_by_sets(db: Any, simple: str, change: str, name: str) -> None:
    """The place shown is that of the first argument."""
    text = f"UPDATE \"{simple}\" SET {change} WHERE pk = 'x'"
    column = text.index("(ss") + 2
    assert invalid(db.execute_statement, Statement=text) == f"The second argument to {name} must be a value with type SET at 1:{column}:2"


MISMATCHES = ["ss = set_add(ss, <<1>>)", "a = set_add(a, <<'x'>>)", "ss = set_delete(ss, <<1>>)", "b = b + 1", "l = list_append(a, l)"]


@pytest.mark.parametrize("change", MISMATCHES)
def test_types_that_do_not_fit(db: Any, simple: str, world: World, change: str) -> None:
    """What an operand is shows only when the item is there."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "ss": {"SS": ["a"]}, "a": n(1), "b": s("x"), "l": {"L": []}})
    message = invalid(db.execute_statement, Statement=f'UPDATE "{simple}" SET {change} WHERE pk = ?', Parameters=[key])
    assert message == "An operand in the update expression has an incorrect data type"


TRANSACTED = [
    ("SELECT * FROM \"{0}\" WHERE pk = 'x' AND a = 1", "Select statements within ExecuteTransaction must specify the primary key in the where clause.", "no conditions"),
    ('SELECT * FROM "{0}" WHERE', NO_TERM, "malformed"),
    ('SELECT * FROM "{0}"."i" WHERE pk = \'x\'', "Reads on indices are not supported within transactions.", "no indexes"),
    ("UPDATE \"{0}\" SET a = 1 WHERE pk = 'x' RETURNING ALL NEW *", "RETURNING clause is not supported in ExecuteTransaction.", "nothing is returned"),
    ("EXISTS(SELECT * FROM \"{0}\" WHERE pk = 'x')", "EXISTS() must contain a single item read with additional condition", "a condition is wanted"),
]


@pytest.mark.parametrize(("statement", "message", "why"), TRANSACTED, ids=[one[2] for one in TRANSACTED])
def test_statements_that_a_transaction_refuses(db: Any, simple: str, statement: str, message: str, why: str) -> None:
    """The message says which statement it was."""
    found = invalid(db.execute_transaction, TransactStatements=[{"Statement": statement.format(simple)}])
    assert found == f"Validation failed in TransactStatements[0]: {message}", why


def test_missing_tables(db: Any, simple: str) -> None:
    """A table that is not there."""
    found = failure(db.execute_statement, Statement=f"SELECT * FROM \"{simple}-absent\" WHERE pk = 'x'")
    assert found == ("ResourceNotFoundException", "Requested resource not found")


def test_tokens_belong_to_their_statement(db: Any, sorted_table: str, world: World) -> None:
    """A NextToken goes on with the statement that gave it, and with no other."""
    key = world.new_key()
    for number in range(3):
        db.put_item(TableName=sorted_table, Item={"pk": key, "sk": n(number)})
    statement = f"SELECT * FROM \"{sorted_table}\" WHERE pk = '{key['S']}'"
    token = db.execute_statement(Statement=statement, Limit=1)["NextToken"]
    assert len(db.execute_statement(Statement=statement, NextToken=token)["Items"]) == 2
    assert invalid(db.execute_statement, Statement=statement + " AND sk > 0", NextToken=token) == "NextToken does not match request"
    assert invalid(db.execute_statement, Statement=statement, NextToken="nonsense") == "Invalid NextToken"


def test_indexes(db: Any, indexed: str, world: World) -> None:
    """Reads of indexes: by their own keys, by scans, within what they hold."""
    key = world.new_key()
    db.put_item(TableName=indexed, Item={"pk": key, "sk": s("1"), "g": key, "h": n(1), "l": s("x"), "a": s("A"), "b": s("B")})

    def rows(text: str, **more: Any) -> list[Any]:
        return list(db.execute_statement(Statement=text.format(indexed, key["S"]), **more)["Items"])

    def refused(text: str, **more: Any) -> str:
        return invalid(db.execute_statement, Statement=text.format(indexed, key["S"]), **more)

    assert len(rows("SELECT * FROM \"{0}\".\"g-all\" WHERE g = '{1}'")) == 1
    assert len(rows("SELECT * FROM \"{0}\".\"g-all\" WHERE g = '{1}' AND h > 0 ORDER BY h DESC")) == 1
    assert len(rows("SELECT * FROM \"{0}\".\"g-all\" WHERE pk = '{1}'")) == 1
    assert rows("SELECT b FROM \"{0}\".\"l-keys\" WHERE pk = '{1}' AND l = 'x'", ConsistentRead=True) == [{"b": s("B")}]
    assert refused("SELECT b FROM \"{0}\".\"g-some\" WHERE g = '{1}'") == "One or more parameter values were invalid: Global secondary index g-some does not project [b]"
    for name in ("g-some\" WHERE g = '{1}'", "l-keys\" WHERE pk = '{1}'"):
        found = refused("SELECT pk FROM \"{0}\".\"" + name + " AND b = 'B'")
        short = name.split('"')[0]
        assert found == f"One or more parameter values were invalid: Secondary index {short} does not project one or more filter attributes: [b]"
    assert refused("SELECT * FROM \"{0}\".\"g-all\" WHERE g = 'x'", ConsistentRead=True) == "Strongly consistent read is not supported on Global Secondary Indexes"


OVERLAPS = [("x = '1'", False), ("x <> '1'", False), ("NOT sk = '1'", True), ("sk <> '1'", True), ("NOT begins_with(sk, 'x')", True), ("NOT sk IN ['1', '3']", True)]


@pytest.mark.parametrize(("condition", "allowed"), OVERLAPS)
def test_alternatives_that_overlap(db: Any, texts: str, world: World, condition: str, allowed: bool) -> None:
    """Alternatives may not read parts of one partition twice; where the sort key is negated, the partition is read as a whole."""
    key = world.new_key()["S"]
    statement = f"SELECT * FROM \"{texts}\" WHERE pk = '{key}' AND {condition} OR pk = '{key}' AND sk = '2'"
    if allowed:
        db.execute_statement(Statement=statement)
    else:
        assert invalid(db.execute_statement, Statement=statement) == "Overlapping conditions with range keys are not supported in where clause"


MULTI = "PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute RANGE keys."


@pytest.fixture(scope="module")
def multi(world: World) -> str:
    """A table with an index on two hashed attributes."""
    keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("h1", "HASH"), ("h2", "HASH"), ("r1", "RANGE"))]
    index = {"IndexName": "multi", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
    return world.make_table({"pk": "S"}, more={"h1": "S", "h2": "S", "r1": "S"}, GlobalSecondaryIndexes=[index])


@pytest.mark.parametrize("where", ["WHERE h1 = 'a' AND h2 = 'x'", "WHERE h1 = 5", "WHERE pk = 'i1'", "", "WHERE h1 = 'a' ORDER BY r1"])
def test_indexes_on_several_attributes(db: Any, multi: str, where: str) -> None:
    """They are not for PartiQL, whatever is asked of them; the table is."""
    assert invalid(db.execute_statement, Statement=f'SELECT * FROM "{multi}"."multi" {where}') == MULTI
    assert invalid(db.execute_statement, Statement=f'SELECT COUNT(*) FROM "{multi}"."multi" {where}') == MULTI
    (response,) = db.batch_execute_statement(Statements=[{"Statement": f'SELECT * FROM "{multi}"."multi" {where}'}])["Responses"]
    assert response["Error"]["Message"] == MULTI
    assert db.execute_statement(Statement=f"SELECT * FROM \"{multi}\" WHERE pk = 'i1'")["Items"] == []


NUMBERS = ["1e99999999999", "-1e99999999999", "1e-99999999999", "1e2147483648", "1e-2147483648", "abc"]
PLACES = ["SELECT * FROM \"{0}\" WHERE pk = 'x' AND v = ?", "INSERT INTO \"{0}\" VALUE {{'pk': 'x', 'v': ?}}", "UPDATE \"{0}\" SET v = ? WHERE pk = 'x'", 'SELECT * FROM "{0}" WHERE pk = ?']


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("statement", PLACES)
def test_numbers_of_parameters(db: Any, simple: str, statement: str, number: str) -> None:
    """Exponents have 32 bits here; what goes beyond is no number."""
    message = f"The parameter cannot be converted to a numeric value: {number}"
    for value in (n(number), {"L": [n(1), n(number)]}, {"M": {"a": n(number)}}, {"NS": ["1", number]}):
        assert invalid(db.execute_statement, Statement=statement.format(simple), Parameters=[value]) == message
