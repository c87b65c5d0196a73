"""Keys sort as their tuples do."""

from hypothesis import given
from hypothesis import strategies as st

from haneul.store.keys import after, pack, prefix_range, unpack

parts = st.one_of(st.text(max_size=8), st.binary(max_size=8), st.integers(-(2**64) + 1, 2**64 - 1))
same_shape = st.lists(st.tuples(st.text(max_size=6), st.integers(-(2**40), 2**40), st.binary(max_size=4)), min_size=2, max_size=2)


@given(st.lists(parts, max_size=5))
def test_unpack_is_the_inverse_of_pack(values: list[str | bytes | int]) -> None:
    """What is packed must come back unchanged, zero bytes and empty parts included."""
    assert unpack(pack(values)) == tuple(values)


@given(same_shape)
def test_order_of_bytes_is_order_of_tuples(pair: list[tuple[str, int, bytes]]) -> None:
    """Ranges of keys are ranges of tuples: text by its UTF-8 bytes, integers by value, bytes unsigned."""
    a, b = [(text.encode("utf-8", "surrogatepass"), number, raw) for text, number, raw in pair]
    packed_a, packed_b = pack(pair[0]), pack(pair[1])
    assert (packed_a < packed_b) == (a < b)
    assert (packed_a == packed_b) == (a == b)


@given(st.lists(parts, max_size=3), st.lists(parts, min_size=1, max_size=3))
def test_longer_tuples_lie_in_the_range_of_their_prefix(prefix: list[str | bytes | int], more: list[str | bytes | int]) -> None:
    """All keys of a table, and no others, lie between prefix_range's ends."""
    if prefix:
        start, end = prefix_range(pack(prefix))
        assert start <= pack([*prefix, *more]) < end


def test_nothing_sorts_behind_a_prefix_of_high_bytes_only() -> None:
    """`after` has no answer for ff…ff, and says so instead of giving a wrong range."""
    try:
        after(b"\xff\xff")
    except ValueError:
        return
    raise AssertionError("after() invented an end")
