"""Reading the past, in steps of any length, against a dictionary of what was."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.clock import DAY, SECOND
from haneul.services.dynamodb.history import past as reading
from haneul.services.dynamodb.history.log import day_prefix, stamped
from haneul.services.dynamodb.history.past import Past, read_changes, read_chunk
from haneul.store.keys import pack

BEGIN = 1_700_000_000 * SECOND
ROWS, LOG = pack(("rows",)), pack(("log",))
# One key's bytes begin another's, with the escape of a zero behind: the hardest neighbours in the order of keys.
KEYS = [pack((raw,)) for raw in (b"", b"\x00", b"a", b"a\x00", b"a\x00\xff", b"a\xff", b"b")]


class Memory:
    """A store as far as reading the past needs one."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.order: list[bytes] = []

    def put(self, key: bytes, value: bytes) -> None:
        if key not in self.values:
            self.order.insert(bisect_left(self.order, key), key)
        self.values[key] = value

    def delete(self, key: bytes) -> None:
        if self.values.pop(key, None) is not None:
            self.order.remove(key)

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def range(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        keys = self.order[bisect_left(self.order, start) : bisect_left(self.order, end)]
        return [(key, self.values[key]) for key in (keys[::-1] if reverse else keys)[:limit]]

    def iterate(self, start: bytes, end: bytes, reverse: bool = False, page: int = 256) -> Iterator[tuple[bytes, bytes]]:
        return iter(self.range(start, end, None, reverse))

    @contextmanager
    def snapshot(self) -> Iterator[Memory]:
        yield self

    def write(self, suffix: bytes, row: bytes | None, stamp: int) -> bool:
        """Change an item as a table with a log does."""
        old = self.get(ROWS + suffix)
        if old is None and row is None:
            return False
        self.put(day_prefix(LOG, stamp // DAY) + stamped(suffix, stamp), b"\x01" + (old or b""))
        if row is None:
            self.delete(ROWS + suffix)
        else:
            self.put(ROWS + suffix, row)
        return True


_writes = st.lists(
    st.tuples(st.sampled_from(KEYS), st.one_of(st.none(), st.binary(min_size=1, max_size=2)), st.sampled_from([1, SECOND, 3600 * SECOND, DAY])), max_size=60
)


@pytest.fixture(autouse=True, scope="module")
def short_steps() -> Iterator[None]:
    """Steps so short that all their ends are met."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (("_READ_PAST_MAX", 4), ("_SIGN_EVERY", 2), ("_JUMP_AFTER", 2)):
            patched.setattr(reading, name, value)
        yield


@settings(max_examples=150, deadline=None)
@given(_writes, _writes, st.integers(0, 60), st.integers(0, 60), st.integers(1, 4))
def test_every_moment_and_span(first: list[Any], second: list[Any], at: int, until: int, rows_max: int) -> None:
    """Whatever is written before, and while steps are read, a moment's rows and a span's changes are what they were."""
    store, model, now = Memory(), {}, BEGIN
    history: list[tuple[int, dict[bytes, bytes]]] = [(now, {})]
    times: dict[bytes, list[int]] = {}
    for suffix, row, pause in first:
        now += pause
        if store.write(suffix, row, now):
            model[suffix] = row
            if row is None:
                del model[suffix]
            times.setdefault(suffix, []).append(now)
        history.append((now, dict(model)))
    since, before = history[min(at, len(history) - 1)]
    time, then = history[max(min(at, len(history) - 1), min(until, len(history) - 1))]
    later = iter(second)
    past = Past(ROWS, LOG, time)

    def meanwhile() -> None:
        nonlocal now
        for suffix, row, pause in (entry for _, entry in zip(range(3), later)):
            now += pause
            store.write(suffix, row, now)

    rows, place, last = {}, b"", False
    for step in count():
        assert step < 1_000  # It comes to an end.
        if last:
            break
        some, place, last = read_chunk(store, past, place, rows_max)  # type: ignore[arg-type]
        rows.update(some)
        meanwhile()
    assert rows == then
    if since < time:
        found: list[Any] = []
        place, last = b"", False
        for step in count():
            assert step < 1_000  # It comes to an end.
            if last:
                break
            changes, place, last = read_changes(store, past, since, place)  # type: ignore[arg-type]
            found += changes
            meanwhile()
        changed = {suffix: [one for one in some if since < one <= time] for suffix, some in times.items()}
        expected = [(before.get(suffix), then.get(suffix), some[-1]) for suffix, some in sorted(changed.items()) if some]
        assert [(one.old_row, one.new_row, one.written_at) for one in found] == expected
