"""Numbers: 38 digits, magnitudes from 1E-130 to 9.99…E+125, one form for one value. (Developer Guide: "Supported data types and naming rules".)"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.conformance.dynamodb.world import World, invalid, n

NINES = "9" * 38
FORMS = [
    ("0", "0", "zero"),
    ("-0", "0", "zero has no sign"),
    ("+0", "0", "nor this one"),
    ("0.0", "0", "nor decimals"),
    ("000", "0", "nor leading zeros"),
    ("0e5", "0", "nor an exponent"),
    ("0e125", "0", "up to the largest"),
    ("1", "1", "one"),
    ("+1", "1", "a plus says nothing"),
    ("01", "1", "leading zeros say nothing"),
    ("1.0", "1", "nor do trailing ones"),
    ("1.", "1", "nor a point"),
    (".5", "0.5", "a zero before the point"),
    ("-.5", "-0.5", "with a sign"),
    ("0.50", "0.5", "no trailing zeros"),
    ("00.5", "0.5", "one zero before the point"),
    ("100", "100", "zeros that count"),
    ("1e2", "100", "an exponent is written out"),
    ("1E2", "100", "in capitals"),
    ("1e+2", "100", "with a sign"),
    ("1e-2", "0.01", "a negative one"),
    ("12.34e1", "123.4", "with decimals"),
    ("12.34e-3", "0.01234", "to the right"),
    ("1234e-2", "12.34", "back to the middle"),
    ("-1e3", "-1000", "negative"),
    ("-12.50", "-12.5", "negative with decimals"),
    ("0.000001", "0.000001", "small"),
    ("1e-130", "0." + "0" * 129 + "1", "the smallest magnitude"),
    ("-1e-130", "-0." + "0" * 129 + "1", "and its negative"),
    ("1e125", "1" + "0" * 125, "a large one"),
    ("9." + "9" * 37 + "e125", NINES + "0" * 88, "the largest"),
    ("-9." + "9" * 37 + "e125", "-" + NINES + "0" * 88, "the smallest of all"),
    (NINES, NINES, "38 digits"),
    ("-" + NINES, "-" + NINES, "negative"),
    (NINES + "000", NINES + "000", "38 digits that count"),
    ("0." + NINES, "0." + NINES, "behind the point"),
    ("0.000" + NINES, "0.000" + NINES, "further behind it"),
    (NINES[:19] + "." + NINES[:19], NINES[:19] + "." + NINES[:19], "around it"),
    (NINES + ".000", NINES, "zeros behind the point do not count"),
    ("000" + NINES, NINES, "nor do those before"),
    ("1" + "0" * 125, "1" + "0" * 125, "126 places, one digit that counts"),
    ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678", "exactly 38"),
]


@pytest.mark.parametrize(("written", "stored", "why"), FORMS, ids=[one[0][:24] for one in FORMS])
def test_forms(db: Any, simple: str, world: World, written: str, stored: str, why: str) -> None:
    """A number comes back in its shortest plain form."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "v": n(written)})
    assert db.get_item(TableName=simple, Key={"pk": key}, ConsistentRead=True)["Item"]["v"] == n(stored), why


NOT_NUMERIC = "The parameter cannot be converted to a numeric value"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
DIGITS = "Attempting to store more than 38 significant digits in a Number"
REFUSED = [
    ("abc", f"{NOT_NUMERIC}: abc", "no number"),
    ("1.2.3", f"{NOT_NUMERIC}: 1.2.3", "two points"),
    (" 1", f"{NOT_NUMERIC}:  1", "a blank before"),
    ("1 ", f"{NOT_NUMERIC}: 1 ", "a blank behind"),
    ("0x10", f"{NOT_NUMERIC}: 0x10", "not hexadecimal"),
    ("1e", f"{NOT_NUMERIC}: 1e", "no exponent"),
    ("e5", f"{NOT_NUMERIC}: e5", "no mantissa"),
    (".", f"{NOT_NUMERIC}: .", "no digit"),
    ("-", f"{NOT_NUMERIC}: -", "only a sign"),
    ("--1", f"{NOT_NUMERIC}: --1", "two signs"),
    ("1,5", f"{NOT_NUMERIC}: 1,5", "a comma"),
    ("1_000", f"{NOT_NUMERIC}: 1_000", "an underscore"),
    ("NaN", f"{NOT_NUMERIC}: NaN", "not a number, and so called"),
    ("Infinity", f"{NOT_NUMERIC}: Infinity", "no bounds"),
    ("１", f"{NOT_NUMERIC}: １", "a digit of another script"),
    ("1e126", OVERFLOW, "one too large"),
    ("-1e126", OVERFLOW, "its negative"),
    ("10e125", OVERFLOW, "written otherwise"),
    ("1e99999999999", OVERFLOW, "far too large"),
    ("-1e99999999999", OVERFLOW, "far on the other side"),
    ("1e2147483648", OVERFLOW, "an exponent beyond 32 bits"),
    ("0e126", OVERFLOW, "zero is checked by its exponent too"),
    ("1e-131", UNDERFLOW, "one too small"),
    ("0.1e-130", UNDERFLOW, "written otherwise"),
    ("1e-99999999999", UNDERFLOW, "far too small"),
    ("0e-131", UNDERFLOW, "zero again"),
    ("1" * 39, DIGITS, "39 digits"),
    ("0." + "1" * 39, DIGITS, "behind the point"),
    ("1" + "0" * 37 + "1", DIGITS, "zeros between digits count"),
    ("1.5" + "0" * 36 + "1", DIGITS, "everywhere"),
    ("1e9223372036854775808", f"{NOT_NUMERIC}: 1e9223372036854775808", "an exponent beyond 64 bits"),
]


@pytest.mark.parametrize(("written", "message", "why"), REFUSED, ids=[one[0][:24] for one in REFUSED])
def test_refused(db: Any, simple: str, world: World, written: str, message: str, why: str) -> None:
    """What is no number, or one that has no place."""
    assert invalid(db.put_item, TableName=simple, Item={"pk": world.new_key(), "v": n(written)}) == message, why


PLACES: list[dict[str, Any]] = [{"NS": ["1", "1e126"]}, {"L": [n("1e126")]}, {"M": {"a": n("1e126")}}, {"M": {"a": {"L": [{"NS": ["1e126"]}]}}}]


@pytest.mark.parametrize("value", PLACES, ids=lambda value: next(iter(value)))
def test_refused_wherever_they_stand(db: Any, simple: str, world: World, value: dict[str, Any]) -> None:
    """A number within sets, lists and maps keeps the same rules."""
    assert invalid(db.put_item, TableName=simple, Item={"pk": world.new_key(), "v": value}) == OVERFLOW


SUMS = [
    ("0.1", "0.2", "0.3", "decimal, not binary"),
    ("1", "-1", "0", "zero"),
    ("-5", "3", "-2", "below zero"),
    ("1e125", "1e125", "2" + "0" * 125, "large"),
    (NINES, "1", "1" + "0" * 38, "a carry through all digits"),
    ("1e-130", "1e-130", "0." + "0" * 129 + "2", "small"),
    ("12345678901234567890", "0.000000000000000001", "12345678901234567890.000000000000000001", "38 digits apart"),
    ("1.50", "1.50", "3", "trailing zeros go"),
    ("-0.5", "0.5", "0", "no sign at zero"),
    ("100", "1e2", "200", "any form"),
    ("0.999", "0.001", "1", "to a whole"),
    ("9e37", "9e37", "18" + "0" * 37, "another place"),
]


@pytest.mark.parametrize(("one", "other", "total", "why"), SUMS, ids=[f"{one[0][:12]} {one[1][:12]}" for one in SUMS])
@pytest.mark.parametrize("expression", ["SET v = v + :o", "ADD v :o", "SET v = v - :m"])
def test_sums(db: Any, simple: str, world: World, one: str, other: str, total: str, why: str, expression: str) -> None:
    """Sums are exact, however they are asked for."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "v": n(one)})
    value = {":m": n(other[1:] if other[0] == "-" else "-" + other)} if ":m" in expression else {":o": n(other)}
    answer = db.update_item(TableName=simple, Key={"pk": key}, UpdateExpression=expression, ExpressionAttributeValues=value, ReturnValues="UPDATED_NEW")
    assert answer["Attributes"]["v"] == n(total), why


LOST = [("9" * 38 + "e88", "1e125", OVERFLOW), ("1e38", "0.1", DIGITS), ("1e125", "1", DIGITS)]


@pytest.mark.parametrize(("one", "other", "message"), LOST)
def test_sums_that_do_not_fit(db: Any, simple: str, world: World, one: str, other: str, message: str) -> None:
    """A sum that cannot be kept exactly is refused."""
    key = world.new_key()
    db.put_item(TableName=simple, Item={"pk": key, "v": n(one)})
    found = invalid(db.update_item, TableName=simple, Key={"pk": key}, UpdateExpression="SET v = v + :o", ExpressionAttributeValues={":o": n(other)})
    assert found.startswith(message.split(".")[0])


ORDER = ["-1e125", "-10", "-9.99", "-1.1", "-1", "-0.5", "-1e-130", "0", "1e-130", "0.001", "0.5", "1", "1.0000001", "2", "9.99", "10", "11", "100", "1e38", "1e125"]


def test_sort_keys_sort_by_value(db: Any, sorted_table: str, world: World) -> None:
    """Numbers as sort keys are in the order of numbers, not of their texts."""
    key = world.new_key()
    for written in reversed(ORDER):
        db.put_item(TableName=sorted_table, Item={"pk": key, "sk": n(written)})
    found = db.query(TableName=sorted_table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": key}, ConsistentRead=True)["Items"]
    assert [Decimal(item["sk"]["N"]) for item in found] == [Decimal(written) for written in ORDER]


@pytest.mark.parametrize("same", ["5.0", "5.00", "05", "+5", "50e-1", "0.5e1"])
def test_one_key_for_one_value(db: Any, sorted_table: str, world: World, same: str) -> None:
    """However a number is written, it is the same key."""
    key = world.new_key()
    db.put_item(TableName=sorted_table, Item={"pk": key, "sk": n("5")})
    assert db.get_item(TableName=sorted_table, Key={"pk": key, "sk": n(same)}, ConsistentRead=True)["Item"]["sk"] == n("5")
