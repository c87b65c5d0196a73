"""DynamoDB's numbers: up to 38 digits, magnitudes from 1E-130 to 9.99…E+125, exact.

A number travels as text. Its canonical form is the shortest plain decimal: no exponent, no leading plus, no zeros that say nothing. Two numbers are
equal when their canonical texts are. `encode` gives bytes that sort as the numbers do.
(Developer Guide: "Supported data types and naming rules", Number.)
"""

from __future__ import annotations

import re
from typing import Final

from haneul.services.dynamodb.errors import validation

DIGITS_MAX: Final = 38
EXPONENT_MAX: Final = 125
EXPONENT_MIN: Final = -130

_NUMBER: Final = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?", re.ASCII)
_EXPONENT_DIGITS_MAX: Final = 18

_NEGATIVE, _ZERO, _POSITIVE = b"\x7f", b"\x80", b"\x81"
_BEHIND_ALL_DIGITS: Final = b"\x66"


def canonical(text: str) -> str:
    """The canonical form of a number's text; ValidationException for what is no number or out of range."""
    if text.isdigit() and text.isascii() and len(text) <= DIGITS_MAX and (text[0] != "0" or len(text) == 1):
        return text
    if not text:
        raise validation("The parameter cannot be converted to a numeric value")
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise validation(f"The parameter cannot be converted to a numeric value: {text}")
    sign, whole, fraction, bare_fraction, exponent_text = found.groups()
    whole, fraction = whole or "", fraction or bare_fraction or ""
    digits = (whole + fraction).lstrip("0")
    if exponent_text is not None and len(exponent_text) > _EXPONENT_DIGITS_MAX:
        exponent_text = exponent_text[0].strip("+0123456789") + (exponent_text.lstrip("+-0") or "0")
        # Of an exponent beyond 64 bits, only the length is looked at.
        if len(exponent_text) > _EXPONENT_DIGITS_MAX + 2 or not -(2**63) <= int(exponent_text) < 2**63:
            raise validation(f"The parameter cannot be converted to a numeric value: {text}")
    if not digits:
        # Zero, too, is checked by the exponent that it is written with.
        _check_exponent(int(exponent_text or 0))
        return "0"
    # The first digit that counts stands for digit × 10^exponent.
    exponent = len(digits) - len(fraction) - 1
    if exponent_text is not None:
        exponent += int(exponent_text)
    digits = digits.rstrip("0")
    _check_exponent(exponent)
    if len(digits) > DIGITS_MAX:
        raise validation("Attempting to store more than 38 significant digits in a Number")
    if exponent >= len(digits) - 1:
        plain = digits + "0" * (exponent + 1 - len(digits))
    elif exponent >= 0:
        plain = f"{digits[: exponent + 1]}.{digits[exponent + 1 :]}"
    else:
        plain = "0." + "0" * (-exponent - 1) + digits
    return "-" + plain if sign == "-" else plain


def _check_exponent(exponent: int) -> None:
    if exponent > EXPONENT_MAX:
        raise validation("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if exponent < EXPONENT_MIN:
        raise validation("Number underflow. Attempting to store a number with magnitude smaller than supported range")


def significant(text: str) -> tuple[bool, str, int]:
    """Sign, significant digits and exponent of the first of them, of a canonical number other than zero."""
    negative = text[0] == "-"
    if negative:
        text = text[1:]
    whole, _, fraction = text.partition(".")
    if whole != "0":
        return negative, (whole + fraction).rstrip("0"), len(whole) - 1
    digits = fraction.lstrip("0")
    return negative, digits, len(digits) - len(fraction) - 1


def whole_size(text: str) -> int:
    """`size` of a positive whole number that is in its canonical form already; 0 for any other text."""
    if text.isdigit() and text.isascii() and len(text) <= DIGITS_MAX and text[0] != "0":
        return 1 + (len(text.rstrip("0")) + 1) // 2
    return 0


def size(text: str) -> int:
    """Bytes that a canonical number counts for: one, one for every two significant digits on each side of the point, and one for a minus."""
    if text == "0":
        return 1
    if text.isdigit():
        return 1 + (len(text.rstrip("0")) + 1) // 2
    negative = text[0] == "-"
    whole, _, fraction = text[negative:].partition(".")
    if whole == "0":
        whole, fraction = "", fraction.lstrip("0")
    elif not fraction:
        whole = whole.rstrip("0")
    return 1 + (len(whole) + 1) // 2 + (len(fraction) + 1) // 2 + negative


def encode_whole(text: str) -> bytes:
    """`encode` for a positive whole number without leading zeros."""
    digits = text.rstrip("0")
    if len(digits) % 2:
        digits += "0"
    encoded = bytearray((0x81, len(text) - 1 - EXPONENT_MIN))
    for at in range(0, len(digits), 2):
        encoded.append(int(digits[at : at + 2]) + 1)
    # The exponent's byte is never 0 here, so the key needs no escape.
    return bytes(encoded)


def encode(text: str) -> bytes:
    """A canonical number as bytes that sort as the numbers do."""
    if text == "0":
        return _ZERO
    if text[0] != "-" and "." not in text:
        return encode_whole(text)
    negative, digits, exponent = significant(text)
    if len(digits) % 2:
        digits += "0"
    pairs = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    if negative:
        # Everything is turned round, and the end sorts behind every digit, because of two equal beginnings the longer one is the smaller number.
        return _NEGATIVE + bytes((255 - (exponent - EXPONENT_MIN),)) + bytes([100 - pair for pair in pairs]) + _BEHIND_ALL_DIGITS
    return _POSITIVE + bytes((exponent - EXPONENT_MIN,)) + bytes([pair + 1 for pair in pairs])
