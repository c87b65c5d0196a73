"""Keys in the store are in the order that the service promises."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from haneul.services.dynamodb import numbers
from haneul.services.dynamodb.keys import HASH_BYTES, KeySchema, beyond, packed, segment_bounds

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
BINARIES = st.binary(min_size=1, max_size=6)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6).map(lambda d: numbers.canonical(format(d, "f")))


def suffix(kind: str, inner: str) -> bytes:
    schema = KeySchema([("pk", "S")], [("sk", kind)])
    return schema.suffix({"pk": {"S": "p"}, "sk": {kind: inner}})


@given(TEXTS, TEXTS)
@example("a", "a\0b")
@example("\0", "\0\0")
def test_texts_sort_by_their_bytes(one: str, other: str) -> None:
    """Sort keys of type S are in the order of their UTF-8 bytes, embedded zeros included."""
    assert (suffix("S", one) < suffix("S", other)) == (one.encode() < other.encode())


@given(BINARIES, BINARIES)
def test_binaries_sort_unsigned(one: bytes, other: bytes) -> None:
    """Sort keys of type B are in the order of unsigned bytes."""
    left, right = (suffix("B", b64encode(data).decode()) for data in (one, other))
    assert (left < right) == (one < other)


@given(NUMBERS, NUMBERS)
def test_numbers_sort_by_value(one: str, other: str) -> None:
    """Sort keys of type N are in numerical order."""
    assert (suffix("N", one) < suffix("N", other)) == (Decimal(one) < Decimal(other))


@given(TEXTS, TEXTS, TEXTS)
@example("a", "a\0b", "c")
def test_the_rows_of_one_part_are_a_range(part: str, other: str, behind: str) -> None:
    """An equality condition finds exactly the rows with that part, not those whose part only begins like it."""
    place = packed(part.encode())
    row = packed(other.encode()) + packed(behind.encode())
    assert (place <= row < beyond(place)) == (part == other)


@given(st.one_of(TEXTS, st.integers(1, 10**37).map(str)))
def test_the_short_way_leads_to_the_same_place(text: str) -> None:
    """GetItem computes keys in a shorter way than the rest, which must not differ."""
    for kind in ("S", "N") if text.isdigit() and text.isascii() and text[0] != "0" else ("S",):
        schema = KeySchema([("pk", kind)], [("sk", "S")])
        key = {"pk": {kind: text}, "sk": {"S": "x\0y"}}
        assert schema.quick_suffix(key) == schema.suffix(key)


@given(st.integers(1, 50), TEXTS)
def test_segments_cut_a_table_into_parts(segments: int, text: str) -> None:
    """Each item lies in exactly one segment of a parallel scan."""
    row = b"prefix" + KeySchema([("pk", "S")], []).suffix({"pk": {"S": text}})
    inside = [low <= row < high for low, high in (segment_bounds(b"prefix", segment, segments) for segment in range(segments))]
    assert inside.count(True) == 1
    assert HASH_BYTES == 4
