"""An account's identities as rows of the store: one class for reading them and, in a transaction, for changing them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from haneul.core.arn import parse_arn
from haneul.services.iam.errors import already_exists, no_such_entity, quota_exceeded
from haneul.services.iam.records import (
    GROUP,
    POLICY,
    ROLE,
    USER,
    Account,
    Counts,
    Entity,
    InlinePolicy,
    Kind,
    ManagedPolicy,
    Named,
    Place,
    PolicyUse,
    PolicyVersion,
    arn_of,
)
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

R = TypeVar("R", bound=Named)
T = TypeVar("T")

SPACE = "iam"
ENTITY_KINDS: dict[str, Kind[Any]] = {"user": USER, "group": GROUP, "role": ROLE}


def accounts(reader: Reader) -> Iterator[str]:
    """The accounts that have something in IAM."""
    start, end = prefix_range(pack((SPACE,)))
    while rows := reader.range(start, end, 1):
        account = str(unpack(rows[0][0])[1])
        yield account
        start = prefix_range(pack((SPACE, account)))[1]


class Directory:
    """One account's rows. Writing needs a transaction; everything that raises does so with IAM's words."""

    def __init__(self, reader: Reader, account: str) -> None:
        self._reader = reader
        self.account = account

    # ---- rows

    def key(self, *parts: str | int) -> bytes:
        return pack((SPACE, self.account, *parts))

    def get(self, key: bytes, kind: type[T]) -> T | None:
        """The record at a key."""
        found = self._reader.get(key)
        return decode(found, kind) if found is not None else None

    def put(self, key: bytes, record: Any) -> None:
        self._transaction().put(key, encode(record))

    def delete(self, key: bytes) -> None:
        self._transaction().delete(key)

    def rows(self, *parts: str | int) -> Iterator[tuple[bytes, bytes]]:
        """The rows whose keys begin with `parts`."""
        return self._reader.iterate(*prefix_range(self.key(*parts)))

    def _transaction(self) -> Transaction:
        return self._reader  # type: ignore[return-value]

    # ---- named resources

    def find(self, kind: Kind[R], name: str) -> R | None:
        """The resource of this name, in whatever case it is written."""
        return self.get(self.key(kind.space, name.lower()), kind.record)

    def named(self, kind: Kind[R], name: str) -> R:
        """The resource of this name; NoSuchEntity without one."""
        found = self.find(kind, name)
        if found is None:
            raise no_such_entity(kind.missing.format(name))
        return found

    def add(self, kind: Kind[R], record: R) -> None:
        """Put in a new resource: its name must be free and the account's quota not yet reached."""
        if self.find(kind, record.name) is not None:
            raise already_exists(kind.taken.format(record.name))
        counts = self.counts()
        count = getattr(counts, kind.counter) + 1
        if count > kind.quota_max:
            raise quota_exceeded(kind.quota, kind.quota_max)
        setattr(counts, kind.counter, count)
        self.put(self.key("counts"), counts)
        self.save(kind, record)
        self.put(self.key("id", record.id), Place(kind.space, record.name.lower()))

    def save(self, kind: Kind[R], record: R) -> None:
        self.put(self.key(kind.space, record.name.lower()), record)

    def rename(self, kind: Kind[R], record: R, new_name: str | None, new_path: str | None) -> None:
        """Give a resource another name or path; its id stays, and with it all that hangs on it."""
        if new_path is not None:
            record.path = new_path
        if new_name is not None and new_name != record.name:
            if new_name.lower() != record.name.lower():
                if self.find(kind, new_name) is not None:
                    raise already_exists(kind.taken.format(new_name))
                self.delete(self.key(kind.space, record.name.lower()))
                self.put(self.key("id", record.id), Place(kind.space, new_name.lower()))
            record.name = new_name
        self.save(kind, record)

    def remove(self, kind: Kind[R], record: R) -> None:
        self.delete(self.key(kind.space, record.name.lower()))
        self.delete(self.key("id", record.id))
        self.count(kind.counter, -1)

    def by_id(self, kind: Kind[R], unique_id: str) -> R | None:
        """The resource of a unique id."""
        place = self.get(self.key("id", unique_id), Place)
        if place is None or place.space != kind.space:
            return None
        return self.get(self.key(kind.space, place.name), kind.record)

    def entity_of(self, unique_id: str) -> tuple[Kind[Any], Entity] | None:
        """The user, group or role of a unique id."""
        place = self.get(self.key("id", unique_id), Place)
        if place is None or place.space not in ENTITY_KINDS:
            return None
        kind = ENTITY_KINDS[place.space]
        found = self.get(self.key(place.space, place.name), kind.record)
        return (kind, found) if found is not None else None

    def by_arn(self, kind: Kind[R], arn: str) -> R | None:
        """The resource whose ARN this is, letter for letter."""
        parsed = parse_arn(arn)
        if parsed is None or parsed.account != self.account:
            return None
        found = self.find(kind, arn.rpartition("/")[2])
        return found if found is not None and arn_of(self.account, kind, found) == arn else None

    # ---- counters and what the account has once

    def counts(self) -> Counts:
        return self.get(self.key("counts"), Counts) or Counts()

    def count(self, counter: str, change: int) -> None:
        counts = self.counts()
        setattr(counts, counter, getattr(counts, counter) + change)
        self.put(self.key("counts"), counts)

    def account_record(self) -> Account:
        return self.get(self.key("account"), Account) or Account()

    def save_account(self, record: Account) -> None:
        self.put(self.key("account"), record)

    # ---- policies

    def inline_policies(self, entity_id: str) -> list[InlinePolicy]:
        """An entity's inline policies in the order of their names."""
        return [decode(value, InlinePolicy) for _, value in self.rows("inline", entity_id)]

    def version(self, policy: ManagedPolicy, number: int) -> PolicyVersion | None:
        return self.get(self.key("policy-version", policy.id, number), PolicyVersion)

    def version_numbers(self, policy: ManagedPolicy) -> list[int]:
        return [int(unpack(key)[4]) for key, _ in self.rows("policy-version", policy.id)]

    def policy(self, arn: str) -> ManagedPolicy | None:
        """The customer managed policy of an ARN."""
        return self.by_arn(POLICY, arn)

    def default_document(self, arn: str) -> str | None:
        """The default version's document of a customer managed policy."""
        policy = self.policy(arn)
        found = self.version(policy, policy.default_version) if policy is not None else None
        return found.document if found is not None else None

    def attachable(self, arn: str) -> ManagedPolicy | None:
        """The same policy if it is one: a template of one is not, before its parameters are known."""
        policy = self.policy(arn)
        return policy if policy is not None and not policy.is_template else None

    def attachable_document(self, arn: str) -> str | None:
        return self.default_document(arn) if self.attachable(arn) is not None else None

    def use_of(self, arn: str) -> PolicyUse:
        return self.get(self.key("policy-use", arn), PolicyUse) or PolicyUse()

    def note_use(self, arn: str, entity_id: str, *, bounding: bool, begins: bool) -> None:
        """Keep book of what a managed policy is attached to (or bounds)."""
        use, change = self.use_of(arn), 1 if begins else -1
        if bounding:
            use.bounding += change
        else:
            use.attached += change
        key, row = self.key("policy-use", arn), self.key("bounds" if bounding else "attached", arn, entity_id)
        if use.attached or use.bounding:
            self.put(key, use)
        else:
            self.delete(key)
        if begins:
            self._transaction().put(row, b"")
        else:
            self.delete(row)
