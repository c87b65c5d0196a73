"""Small objects that are read again and again come from memory, and never from a past that is gone."""

from __future__ import annotations

import pytest

from haneul.clock import Ids
from haneul.services.s3 import hot
from haneul.services.s3.hot import HotObjects
from haneul.services.s3.records import Object
from haneul.store.records import encode
from haneul.store.vault import Damaged, Vault

VAULT = Vault(bytes(32), Ids(1))


def row_of(body: bytes, place: str) -> bytes:
    return encode(Object(order=1, modified=1, size=len(body), body=VAULT.seal_body(body, place)))


def test_a_row_is_read_and_its_body_opened_once() -> None:
    """What costs is reading the row and opening the body."""
    objects, row = HotObjects(VAULT), row_of(b"one", "place")
    found = objects.read("place", b"row", row)
    assert objects.read("place", b"row", row) is found
    assert objects.open("place", found) == b"one"
    assert objects.open("place", found) is objects.open("place", found)


def test_a_row_that_was_written_again_is_read_again() -> None:
    """Also when the same bytes were written: only the very same object is known to be the same."""
    objects = HotObjects(VAULT)
    first = objects.read("place", b"row", row_of(b"one", "place"))
    second = objects.read("place", b"row", row_of(b"two", "place"))
    assert objects.open("place", second) == b"two"
    assert objects.open("place", first) == b"one"


def test_nothing_is_kept_of_what_is_gone() -> None:
    """A deleted object's bytes lie nowhere."""
    objects, row = HotObjects(VAULT), row_of(b"one", "place")
    found = objects.read("place", b"row", row)
    objects.open("place", found)
    objects.forget([b"row", b"another"])
    assert not objects._entries and not objects._places


def test_a_body_that_was_moved_does_not_open() -> None:
    """The place is a part of the seal, in memory as on the disk."""
    objects = HotObjects(VAULT)
    found = objects.read("elsewhere", b"row", row_of(b"one", "place"))
    for _ in range(2):
        with pytest.raises(Damaged):
            objects.open("elsewhere", found)


def test_the_memory_is_bounded() -> None:
    """Whoever reads everything once fills no memory."""
    objects, body = HotObjects(VAULT), bytes(60_000)
    for number in range(400):
        place = f"place {number}"
        objects.open(place, objects.read(place, place.encode(), row_of(body, place)))
    assert sum(len(entry.row) + len(entry.body or b"") for entry in objects._entries.values()) <= hot._BYTES_MAX


def test_what_goes_gives_its_room_back() -> None:
    """An object that is written again and again drives out nothing else."""
    objects = HotObjects(VAULT)
    kept = objects.read("kept", b"kept", row_of(b"kept", "kept"))
    for _ in range(400):
        objects.read("place", b"row", row_of(bytes(60_000), "place"))
    assert objects._entries["kept"].found is kept
