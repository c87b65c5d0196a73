"""Numbers are exact, and their encoding sorts as they do."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haneul.core.errors import ServiceError
from haneul.services.dynamodb import numbers

DIGITS = st.text("0123456789", min_size=1, max_size=38).filter(lambda text: text.strip("0") != "")


@st.composite
def number_texts(draw: st.DrawFn) -> str:
    """Numbers of every form that clients write: signs, leading zeros, fractions, exponents."""
    digits = draw(DIGITS)
    point = draw(st.integers(0, len(digits)))
    whole, fraction = digits[:point], digits[point:]
    first = Decimal(digits).adjusted() - len(fraction)
    exponent = draw(st.integers(numbers.EXPONENT_MIN - first, numbers.EXPONENT_MAX - first))
    sign = draw(st.sampled_from(["", "-", "+"]))
    body = f"{whole}.{fraction}" if fraction and whole else f".{fraction}" if fraction else whole
    return f"{sign}{body}" + (f"{draw(st.sampled_from('eE'))}{exponent:+d}" if exponent or draw(st.booleans()) else "")


@given(number_texts())
@example("-0")
@example("0.000")
@example("1e125")
@example("-1e-130")
def test_canonical_is_exact_and_final(text: str) -> None:
    """A number comes back as the same number, in a form that does not change any more."""
    plain = numbers.canonical(text)
    assert Decimal(plain) == Decimal(text)
    assert numbers.canonical(plain) == plain
    assert "e" not in plain.lower() and "+" not in plain


@given(number_texts(), number_texts())
@example("1.2", "1.23")
@example("-1.2", "-1.23")
@example("0", "1e-130")
@example("100", "99")
def test_encoding_sorts_as_numbers_do(one: str, other: str) -> None:
    """Sort keys of type N are in numerical order in the store."""
    one, other = numbers.canonical(one), numbers.canonical(other)
    left, right = numbers.encode(one), numbers.encode(other)
    assert (left < right) == (Decimal(one) < Decimal(other))
    assert (left == right) == (one == other)


@given(number_texts(), number_texts())
def test_equal_numbers_have_one_form(one: str, other: str) -> None:
    """Equality of numbers is equality of canonical texts."""
    assert (numbers.canonical(one) == numbers.canonical(other)) == (Decimal(one) == Decimal(other))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The parameter cannot be converted to a numeric value"),
        ("abc", "The parameter cannot be converted to a numeric value: abc"),
        ("1e", "The parameter cannot be converted to a numeric value: 1e"),
        (" 1", "The parameter cannot be converted to a numeric value:  1"),
        ("٣", "The parameter cannot be converted to a numeric value: ٣"),
        ("NaN", "The parameter cannot be converted to a numeric value: NaN"),
        ("1e126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1e999999999999999999", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1e-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
    ],
)
def test_what_is_no_number_is_refused_in_the_services_words(text: str, message: str) -> None:
    """Clients show these messages to people."""
    with pytest.raises(ServiceError) as caught:
        numbers.canonical(text)
    assert caught.value.message == message


@pytest.mark.parametrize(("text", "size"), [("0", 1), ("1", 2), ("12", 2), ("100", 2), ("-5", 3), ("123", 3), ("12.5", 3)])
def test_size_is_about_half_the_digits(text: str, size: int) -> None:
    """Capacity is counted with these sizes."""
    assert numbers.size(text) == size
