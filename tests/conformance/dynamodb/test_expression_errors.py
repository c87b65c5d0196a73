"""What is wrong with expressions, in the service's words. (Developer Guide: "Using expressions in DynamoDB", "Reserved words", "Quotas".)"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, invalid, n, s

V: dict[str, Any] = {":v": n(1)}
T: dict[str, Any] = {":t": s("x")}
OPERAND = "Incorrect operand type for operator or function; operator or function: "
COUNT = "Incorrect number of operands for operator or function; operator or function: "
DISTINCT = "The first operand must be distinct from the remaining operands for this operator or function; operator: "
MISUSE = "The function is not allowed to be used this way in an expression; function: "
NO_NAME = "An expression attribute name used in the document path is not defined; attribute name: "
NO_VALUE = "An expression attribute value used in expression is not defined; attribute value: "
PATH = "Operator or function requires a document path; operator or function: "
BOUNDS = "lower bound operand: AttributeValue: "

CONDITIONS: list[tuple[str, Any, Any, str, str]] = [
    ("", None, None, "The expression can not be empty;", "nothing"),
    ("   ", None, None, "The expression can not be empty;", "blanks"),
    ("a", None, None, 'Syntax error; token: "<EOF>", near: "a"', "a path is no condition"),
    (":v", V, None, 'Syntax error; token: "<EOF>", near: ":v"', "nor is a value"),
    ("a =", None, None, 'Syntax error; token: "<EOF>", near: "="', "half a comparison"),
    ("= :v", V, None, 'Syntax error; token: "=", near: "= :v"', "the other half"),
    ("a == :v", V, None, 'Syntax error; token: "=", near: "== :v"', "one sign only"),
    ("a ! :v", V, None, 'Syntax error; token: "!", near: "a ! :v"', "no such sign"),
    ("a = :v b", V, None, 'Syntax error; token: "b", near: ":v b"', "a word too many"),
    ("a = :v AND", V, None, 'Syntax error; token: "<EOF>", near: "AND"', "half an AND"),
    ("AND a = :v", V, None, 'Syntax error; token: "AND", near: "AND a"', "the other half"),
    ("a = :v OR OR b = :v", V, None, 'Syntax error; token: "OR", near: "OR OR b"', "twice"),
    ("NOT", None, None, 'Syntax error; token: "<EOF>", near: "NOT"', "NOT what?"),
    ("(a = :v", V, None, 'Syntax error; token: "<EOF>", near: ":v"', "an open parenthesis"),
    ("a = :v)", V, None, 'Syntax error; token: ")", near: ":v)"', "a closed one"),
    ("()", None, None, 'Syntax error; token: ")", near: "()"', "an empty one"),
    ("a BETWEEN :v", V, None, 'Syntax error; token: "<EOF>", near: ":v"', "one bound"),
    ("a BETWEEN :v OR :v", V, None, 'Syntax error; token: "OR", near: ":v OR :v"', "bounds are joined by AND"),
    ("a IN :v", V, None, 'Syntax error; token: ":v", near: "IN :v"', "a list is wanted"),
    ("a IN ()", None, None, 'Syntax error; token: ")", near: "()"', "with something in it"),
    ("a[0 = :v", V, None, 'Syntax error; token: "=", near: "0 = :v"', "an open bracket"),
    ("a[x] = :v", V, None, 'Syntax error; token: "x", near: "[x]"', "a position is a number"),
    ("a[-1] = :v", V, None, 'Syntax error; token: "-", near: "[-1"', "not below zero"),
    ("a..b = :v", V, None, 'Syntax error; token: ".", near: "..b"', "two points"),
    ("1a = :v", V, None, 'Syntax error; token: "1", near: "1a"', "a name begins with a letter"),
    ("a = 1", None, None, 'Syntax error; token: "1", near: "= 1"', "no literals"),
    ("a = 'x'", None, None, "Syntax error; token: \"'\", near: \"= 'x\"", "of no kind"),
    ("((a = :v))", V, None, "The expression has redundant parentheses;", "one pair is enough"),
    ("(((a = :v AND b = :v)))", V, None, "The expression has redundant parentheses;", "two are too many"),
    ("foo(a)", None, None, "Invalid function name; function: foo", "no such function"),
    ("SIZE(a) = :v", V, None, "Invalid function name; function: SIZE", "names know their case"),
    ("Attribute_Exists(a)", None, None, "Invalid function name; function: Attribute_Exists", "exactly"),
    ("if_not_exists(a, :v) = :v", V, None, "Invalid function name; function: if_not_exists", "only in updates"),
    ("size(a)", None, None, MISUSE + "size", "a size is no condition"),
    ("attribute_exists(a) = :v", V, None, MISUSE + "attribute_exists", "a condition is no value"),
    (":v = begins_with(a, :v)", V, None, MISUSE + "begins_with", "on either side"),
    ("contains(a, contains(b, :v))", V, None, MISUSE + "contains", "nor an argument"),
    ("size(size(a)) = :v", V, None, OPERAND + "size, operand type: N", "a number has no size"),
    ("status = :v", V, None, "Attribute name is a reserved keyword; reserved keyword: status", "reserved words need a placeholder"),
    ("a.name = :v", V, None, "Attribute name is a reserved keyword; reserved keyword: name", "within paths too"),
    ("SIZE = :v", V, None, "Attribute name is a reserved keyword; reserved keyword: SIZE", "in any case"),
    ("#x = :v", V, None, NO_NAME + "#x", "an undefined name"),
    ("a.#x = :v", V, None, NO_NAME + "#x", "within a path"),
    ("a = :w", V, None, NO_VALUE + ":w", "an undefined value"),
    ("a BETWEEN :v AND :w", V, None, NO_VALUE + ":w", "as a bound"),
    ("a = a", None, None, DISTINCT + "=, first operand: [a]", "with itself"),
    ("a.b[0] <> a.b[0]", None, None, DISTINCT + "<>, first operand: [a, b, [0]]", "a path with itself"),
    ("#x = a", None, {"#x": "a"}, DISTINCT + "=, first operand: [a]", "under another name"),
    ("contains(a, a)", None, None, DISTINCT + "contains, first operand: [a]", "in a function"),
    ("begins_with(a, a)", None, None, DISTINCT + "begins_with, first operand: [a]", "in another"),
    ("attribute_exists(a, b)", None, None, COUNT + "attribute_exists, number of operands: 2", "one argument"),
    ("attribute_not_exists(a, b)", None, None, COUNT + "attribute_not_exists, number of operands: 2", "one"),
    ("attribute_type(a)", None, None, COUNT + "attribute_type, number of operands: 1", "two"),
    ("begins_with(a)", None, None, COUNT + "begins_with, number of operands: 1", "two"),
    ("contains(a, :v, :v)", V, None, COUNT + "contains, number of operands: 3", "two"),
    ("size(a, b) = :v", V, None, COUNT + "size, number of operands: 2", "one"),
    ("attribute_exists(:v)", V, None, PATH + "attribute_exists", "a path"),
    ("attribute_not_exists(:v)", V, None, PATH + "attribute_not_exists", "a path"),
    ("attribute_exists(size(a))", None, None, PATH + "attribute_exists", "not a function"),
    ("attribute_type(a, :v)", V, None, OPERAND + "attribute_type, operand type: N", "a type's name is a text"),
    ("attribute_type(a, :t)", T, None, "Invalid attribute type name found; type: x, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", "one of ten"),
    ("begins_with(a, :v)", V, None, OPERAND + "begins_with, operand type: N", "numbers have no beginning"),
    ("begins_with(:v, a)", V, None, OPERAND + "begins_with, operand type: N", "on either side"),
    ("size(:v) = :v", V, None, OPERAND + "size, operand type: N", "nor a size"),
    ("a < :b", {":b": {"BOOL": True}}, None, OPERAND + "<, operand type: BOOL", "no order"),
    ("a BETWEEN :b AND :b", {":b": {"BOOL": True}}, None, OPERAND + "BETWEEN, operand type: BOOL", "nor anything between"),
    (":b > a", {":b": {"NULL": True}}, None, OPERAND + ">, operand type: NULL", "on either side"),
    (
        "a BETWEEN :v AND :t",
        {**V, **T},
        None,
        f"The BETWEEN operator requires same data type for lower and upper bounds; {BOUNDS}{{N:1}}, upper bound operand: AttributeValue: {{S:x}}",
        "bounds of one type",
    ),
    (
        "a BETWEEN :b AND :v",
        {**V, ":b": n(2)},
        None,
        f"The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {BOUNDS}{{N:2}}, upper bound operand: AttributeValue: {{N:1}}",
        "in order",
    ),
    ("a" * 4097, None, None, "Expression size has exceeded the maximum allowed size; expression size: 4097", "4 KB"),
    ("a = :v AND " * 150 + "a = :v", V, None, "The expression contains too many operators; operator count: 301", "300 operators"),
    (".".join(["a"] * 33) + " = :v", V, None, "The document path has too many nesting elements; nesting levels: 33", "32 levels"),
    ("a IN (" + ", ".join([":v"] * 101) + ")", V, None, "The IN operator is provided with too many operands; number of operands: 101", "100 operands"),
]


def shaped(text: str, values: Any, names: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if values:
        found["ExpressionAttributeValues"] = values
    if names:
        found["ExpressionAttributeNames"] = names
    return found


@pytest.mark.parametrize(("text", "values", "names", "message", "why"), CONDITIONS, ids=[f"{at}-{one[4]}" for at, one in enumerate(CONDITIONS)])
@pytest.mark.parametrize("parameter", ["ConditionExpression", "FilterExpression"])
def test_conditions_and_filters(db: Any, simple: str, parameter: str, text: str, values: Any, names: Any, message: str, why: str) -> None:
    """The same is wrong in a condition and in a filter; the message says which of them it is."""
    more = shaped(text, values, names)
    if parameter == "ConditionExpression":
        found = invalid(db.delete_item, TableName=simple, Key={"pk": s("x")}, ConditionExpression=text, **more)
    else:
        found = invalid(db.scan, TableName=simple, FilterExpression=text, **more)
    assert found == f"Invalid {parameter}: {message}", why


OVERLAP = "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: "
CONFLICT = "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: "
PROJECTIONS = [
    ("", None, "The expression can not be empty;", "nothing"),
    ("a,", None, 'Syntax error; token: "<EOF>", near: ","', "a comma too many"),
    (",a", None, 'Syntax error; token: ",", near: ",a"', "before"),
    ("a[01]", None, 'Syntax error; token: "1", near: "01]"', "an index that begins with a zero"),
    ("a[001]", None, 'Syntax error; token: "0", near: "001"', "with two"),
    ("a[0000000000001]", None, 'Syntax error; token: "0", near: "000"', "with many"),
    ("a[00]", None, 'Syntax error; token: "0", near: "00]"', "nothing but zeros"),
    ("a[4294967295]", None, "List index is not within the allowable range; index: [4294967295]", "too large an index"),
    ("a[999999999999999999999]", None, "List index is not within the allowable range; index: [999999999999999999999]", "far too large"),
    ("a b", None, 'Syntax error; token: "b", near: "a b"', "no comma"),
    ("a.", None, 'Syntax error; token: "<EOF>", near: "."', "half a path"),
    ("a[]", None, 'Syntax error; token: "]", near: "[]"', "no position"),
    ("*", None, 'Syntax error; token: "*", near: "*"', "no star"),
    ("size(a)", None, 'Syntax error; token: "(", near: "size(a"', "no functions"),
    (":v", None, 'Syntax error; token: ":v", near: ":v"', "no values"),
    ("name", None, "Attribute name is a reserved keyword; reserved keyword: name", "reserved words"),
    ("#x", None, NO_NAME + "#x", "undefined"),
    ("a, a", None, OVERLAP + "[a], path two: [a]", "twice"),
    ("a, a.b", None, OVERLAP + "[a], path two: [a, b]", "within each other"),
    ("a.b, a", None, OVERLAP + "[a, b], path two: [a]", "the other way round"),
    ("a[0], a[0]", None, OVERLAP + "[a, [0]], path two: [a, [0]]", "elements"),
    ("#x, a", {"#x": "a"}, OVERLAP + "[a], path two: [a]", "under another name"),
    ("a.b, a[0]", None, CONFLICT + "[a, b], path two: [a, [0]]", "a map or a list?"),
]


def test_the_largest_index(db: Any, simple: str, world: World) -> None:
    """An index may be far beyond the end of any list, where there is nothing to show and what is set goes behind the end."""
    key = {"pk": world.new_key()}
    db.put_item(TableName=simple, Item={**key, "l": {"L": [n(1)]}})
    assert db.get_item(TableName=simple, Key=key, ProjectionExpression="l[4294967294]", ConsistentRead=True)["Item"] == {}
    db.update_item(TableName=simple, Key=key, UpdateExpression="SET l[4294967294] = :v", ExpressionAttributeValues={":v": n(2)})
    assert db.get_item(TableName=simple, Key=key, ConsistentRead=True)["Item"]["l"] == {"L": [n(1), n(2)]}


@pytest.mark.parametrize(("text", "names", "message", "why"), PROJECTIONS, ids=[f"{at}-{one[3]}" for at, one in enumerate(PROJECTIONS)])
@pytest.mark.parametrize("operation", ["get_item", "scan"])
def test_projections(db: Any, simple: str, operation: str, text: str, names: Any, message: str, why: str) -> None:
    """Projections name paths between commas."""
    more: dict[str, Any] = {"Key": {"pk": s("x")}} if operation == "get_item" else {}
    if names:
        more["ExpressionAttributeNames"] = names
    assert invalid(getattr(db, operation), TableName=simple, ProjectionExpression=text, **more) == f"Invalid ProjectionExpression: {message}", why


L: dict[str, Any] = {":l": {"L": []}}
SS: dict[str, Any] = {":s": {"SS": ["x"]}}
UPDATES = [
    ("", None, "The expression can not be empty;", "nothing"),
    ("a = :v", V, 'Syntax error; token: "a", near: "a ="', "no section"),
    ("SET", None, 'Syntax error; token: "<EOF>", near: "SET"', "set what?"),
    ("SET a", None, 'Syntax error; token: "<EOF>", near: "a"', "to what?"),
    ("SET a :v", V, 'Syntax error; token: ":v", near: "a :v"', "no sign"),
    ("SET a = :v,", V, 'Syntax error; token: "<EOF>", near: ","', "a comma too many"),
    ("SET a = :v + ", V, 'Syntax error; token: "<EOF>", near: "+"', "half a sum"),
    ("SET a = :v + :v + :v", V, 'Syntax error; token: "+", near: ":v + :v"', "one sum only"),
    ("SET a = :v * :v", V, 'Syntax error; token: "*", near: ":v * :v"', "no products"),
    ("ADD a = :v", V, 'Syntax error; token: "=", near: "a = :v"', "ADD has no sign"),
    ("ADD a b", None, 'Syntax error; token: "b", near: "a b"', "ADD takes a value"),
    ("REMOVE a = :v", V, 'Syntax error; token: "=", near: "a = :v"', "REMOVE takes none"),
    ("SET a = :v SET b = :v", V, 'The "SET" section can only be used once in an update expression;', "each section once"),
    ("REMOVE a REMOVE b", None, 'The "REMOVE" section can only be used once in an update expression;', "each"),
    ("ADD a :v ADD b :v", V, 'The "ADD" section can only be used once in an update expression;', "of"),
    ("DELETE a :s DELETE b :s", SS, 'The "DELETE" section can only be used once in an update expression;', "them"),
    ("SET name = :v", V, "Attribute name is a reserved keyword; reserved keyword: name", "reserved words"),
    ("SET #x = :v", V, NO_NAME + "#x", "an undefined name"),
    ("SET a = :w", V, NO_VALUE + ":w", "an undefined value"),
    ("SET a = foo(:v)", V, "Invalid function name; function: foo", "no such function"),
    ("SET a = size(b)", None, "Invalid function name; function: size", "only in conditions"),
    ("SET a = :v, a = :v", V, OVERLAP + "[a], path two: [a]", "twice"),
    ("SET a = :v REMOVE a", V, OVERLAP + "[a], path two: [a]", "set and removed"),
    ("SET a.b = :v, a = :v", V, OVERLAP + "[a, b], path two: [a]", "within each other"),
    ("SET a.b = :v, a[0] = :v", V, CONFLICT + "[a, b], path two: [a, [0]]", "a map or a list?"),
    ("SET a = if_not_exists(b)", None, COUNT + "if_not_exists, number of operands: 1", "two arguments"),
    ("SET a = list_append(:l)", L, COUNT + "list_append, number of operands: 1", "two"),
    ("SET a = if_not_exists(:v, :v)", V, PATH + "if_not_exists", "a path first"),
    ("SET a = list_append(a, :v)", V, OPERAND + "list_append, operand type: N", "lists"),
    ("SET a = list_append(:t, a)", T, OPERAND + "list_append, operand type: S", "both"),
    ("SET a = a + :t", T, OPERAND + "+, operand type: S", "numbers"),
    ("SET a = :t - a", T, OPERAND + "-, operand type: S", "both of them"),
    ("ADD a :t", T, "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND", "numbers and sets"),
    ("ADD a :l", L, "Incorrect operand type for operator or function; operator: ADD, operand type: LIST, typeSet: ALLOWED_FOR_ADD_OPERAND", "no lists"),
    ("DELETE a :v", V, "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND", "sets only"),
    ("SET " + "a" * 4097 + " = :v", V, "Expression size has exceeded the maximum allowed size; expression size: 4106", "4 KB"),
]


@pytest.mark.parametrize(("text", "values", "message", "why"), UPDATES, ids=[f"{at}-{one[3]}" for at, one in enumerate(UPDATES)])
def test_updates(db: Any, simple: str, text: str, values: Any, message: str, why: str) -> None:
    """What an update expression must not be; nothing is changed by it."""
    found = invalid(db.update_item, TableName=simple, Key={"pk": s("x")}, UpdateExpression=text, **shaped(text, values, None))
    assert found == f"Invalid UpdateExpression: {message}", why


PLACEHOLDERS: list[tuple[dict[str, Any], str, str]] = [
    ({"ExpressionAttributeNames": {"#a": "a"}}, "ExpressionAttributeNames can only be specified when using expressions", "names alone"),
    ({"ExpressionAttributeValues": V}, "ExpressionAttributeValues can only be specified when using expressions", "values alone"),
    (
        {"ConditionExpression": "a = :v", "ExpressionAttributeValues": V, "ExpressionAttributeNames": {"#a": "a", "#b": "b"}},
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {",
        "names that are not used",
    ),
    (
        {"ConditionExpression": "a = :v", "ExpressionAttributeValues": {**V, ":w": n(1)}},
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
        "values that are not used",
    ),
    ({"ConditionExpression": "a = :v", "ExpressionAttributeValues": {}}, "ExpressionAttributeValues must not be empty", "no values"),
    ({"ConditionExpression": "attribute_exists(a)", "ExpressionAttributeNames": {}}, "ExpressionAttributeNames must not be empty", "no names"),
    (
        {"ConditionExpression": "a = :v", "ExpressionAttributeValues": {"v": n(1)}},
        'ExpressionAttributeValues contains invalid key: Syntax error; key: "v"',
        "a value's key begins with a colon",
    ),
    (
        {"ConditionExpression": "#a = :v", "ExpressionAttributeValues": V, "ExpressionAttributeNames": {"a": "a"}},
        'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"',
        "a name's with a hash",
    ),
    (
        {"ConditionExpression": "attribute_exists(a)", "Expected": {"a": {"Exists": False}}},
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
        "old and new",
    ),
    (
        {"ConditionExpression": "attribute_exists(a)", "ConditionalOperator": "AND"},
        "Can not use both expression and non-expression parameters in the same request: "
        "Non-expression parameters: {ConditionalOperator} Expression parameters: {ConditionExpression}",
        "any of them",
    ),
]


@pytest.mark.parametrize(("more", "message", "why"), PLACEHOLDERS, ids=[one[2] for one in PLACEHOLDERS])
@pytest.mark.parametrize("operation", ["put_item", "delete_item"])
def test_placeholders(db: Any, simple: str, operation: str, more: dict[str, Any], message: str, why: str) -> None:
    """Placeholders are defined, used, and belong to an expression."""
    target = {"Item": {"pk": s("x")}} if operation == "put_item" else {"Key": {"pk": s("x")}}
    assert invalid(getattr(db, operation), TableName=simple, **target, **more).startswith(message), why


def names_of(count: int) -> tuple[str, dict[str, str]]:
    """A condition on so many attributes with the longest of names, and those names: 64 KB each with their placeholders."""
    names = {f"#{at:x}": f"{at:02x}" + "n" * 65_533 for at in range(count)}
    return " OR ".join(f"attribute_exists({key})" for key in names), names


def values_of(count: int) -> dict[str, Any]:
    """So many values of 64 KB each with their placeholders."""
    return {f":{at:x}": s("x" * 65_533 + str(at % 10)) for at in range(count)}


SUBSTITUTIONS = [
    (16, 15, None, "less than 2 MB together"),
    (16, 17, "Combined size of ExpressionAttributeNames and ExpressionAttributeValues exceeds max size", "more than 2 MB together"),
    (0, 33, "ExpressionAttributeValues exceeds max size", "more than 2 MB of values"),
    (33, 0, "ExpressionAttributeNames exceeds max size", "more than 2 MB of names"),
    (33, 33, "ExpressionAttributeNames exceeds max size", "of both"),
]


@pytest.mark.parametrize(("names", "values", "message", "why"), SUBSTITUTIONS, ids=[one[3] for one in SUBSTITUTIONS])
def test_names_and_values_end_at_2_mb(db: Any, simple: str, names: int, values: int, message: str | None, why: str) -> None:
    """What is put in for placeholders has a limit, names and values and both together."""
    text, given = names_of(names)
    more: dict[str, Any] = {"ExpressionAttributeNames": given} if given else {}
    if values:
        more["ExpressionAttributeValues"] = values_of(values)
        text = " OR ".join(filter(None, [text, *(f"a = {key}" for key in more["ExpressionAttributeValues"])]))
    call: dict[str, Any] = {"TableName": simple, "FilterExpression": text, **more}
    if message is None:
        assert db.scan(**call, Limit=1)["ScannedCount"] <= 1
    else:
        assert invalid(db.scan, **call) == message, why


FIRST = [
    ({"ConditionExpression": "a = ", "TableName": "no-such-table"}, 'Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="', "syntax before tables"),
    ({"ConditionExpression": "#a = :v AND name = :v", "ExpressionAttributeValues": V}, "Invalid ConditionExpression: Attribute name is a reserved", "words before names"),
    ({"ConditionExpression": "foo(a) AND name = :v", "ExpressionAttributeValues": V}, "Invalid ConditionExpression: Invalid function name; function: foo", "functions before words"),
    ({"ConditionExpression": "((foo(a)))"}, "Invalid ConditionExpression: The expression has redundant parentheses;", "parentheses before functions"),
    ({"ConditionExpression": "#a = :v", "ExpressionAttributeValues": {**V, ":w": n(1)}}, f"Invalid ConditionExpression: {NO_NAME}#a", "undefined before unused"),
    ({"ConditionExpression": "a = ", "Key": {"pk": {}}}, "Supplied AttributeValue is empty", "keys before expressions"),
    ({"ConditionExpression": "a = ", "Expected": {"a": {"Exists": False}}}, "Can not use both expression and non-expression", "mixing before all"),
]


@pytest.mark.parametrize(("more", "message", "why"), FIRST, ids=[one[2] for one in FIRST])
def test_what_is_said_first(db: Any, simple: str, world: World, more: dict[str, Any], message: str, why: str) -> None:
    """Of several mistakes, the one that the real service finds first."""
    call: dict[str, Any] = {"TableName": simple, "Key": {"pk": s("x")}, **more}
    assert invalid(db.delete_item, **call).startswith(message), why
