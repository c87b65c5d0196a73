"""Shard iterators: opaque to clients, good for 15 minutes.

An iterator is the stream's ARN and, behind two bars, the shard, the place in it and the time of its making. It grants nothing: who uses it must be allowed to
read that stream.
"""

from __future__ import annotations

import base64
import binascii
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from haneul.clock import MINUTE
from haneul.core.errors import ServiceError

ITERATOR_LIFE = 15 * MINUTE
_FORM = Struct(">BIIQQQ")
_VERSION = 4


class Iterator(NamedTuple):
    """A shard's lane and its number in that, the first sequence number that is still to be read, when the iterator was made (nanoseconds), and whose it is (0: nobody's yet)."""

    arn: str
    lane: int
    shard: int
    sequence: int
    made_at: int
    reader: int


def no_iterator() -> ServiceError:
    """What is said of a text that is no iterator, or of one that leads nowhere."""
    return ServiceError("ValidationException", "Invalid ShardIterator", 400)


def make_iterator(arn: str, lane: int, shard: int, sequence: int, now: int, reader: int = 0) -> str:
    return f"{arn}|1|{base64.b64encode(_FORM.pack(_VERSION, lane, shard, sequence, now, reader)).decode()}"


def read_iterator(text: str) -> Iterator:
    """What an iterator says; ValidationException for a text that is none."""
    arn, bar, place = text.partition("|1|")
    try:
        version, lane, shard, sequence, made_at, reader = _FORM.unpack(base64.b64decode(place, validate=True))
    except (binascii.Error, ValueError, StructError):
        version = 0
    if not bar or version != _VERSION:
        raise no_iterator()
    return Iterator(arn, lane, shard, sequence, made_at, reader)
