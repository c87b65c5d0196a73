"""Encryption of tables at rest with the key that KMS keeps for DynamoDB (`alias/aws/dynamodb`), one in each account and region.

What such a table holds is sealed on the disk: items, entries of indexes, stream records, the log of the past, and what is in its backups; keys of items stay
readable there, since rows lie in their order. A table that is given another encryption is so from then on, and its older rows follow in the background. (Developer Guide:
"DynamoDB encryption at rest"; API Reference: "SSESpecification", "SSEDescription".)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from haneul.clock import DAY, HOUR, SECOND, Ids
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.errors import invalid, limit_exceeded, still_in_use, timestamp
from haneul.services.dynamodb.history.log import log_prefix
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import CHANGE_SPACE, Encryption, TableRecord, rows_of
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

Shape = dict[str, Any]

ENCRYPT = "dynamodb-encrypt"
SEAL = "dynamodb-seal"
PARTIAL = "keys of KMS but the one that it keeps for DynamoDB"
OWN_ALIAS = "alias/aws/dynamodb"
REPLICA_KEY = "KMSMasterKeyId must be specified for each replica."
_KEY_SPACE = "dynamodb-own-key"
_CHANGES_MAX = 4
_CHANGES_WITHIN = DAY
_FURTHER_AFTER = 6 * HOUR
_CHUNK_ROWS = 250
_CHUNK_BYTES = 1 << 20


class Wanted(NamedTuple):
    """An encryption that a request asks for. `by_arn`: it names the key by its own ARN, and so wants no other."""

    managed: bool
    by_arn: bool = False

    @property
    def name(self) -> str:
        """How it stands in a table's record while the change is under way."""
        return "KMS" if self.managed else "DEFAULT"


def wanted_encryption(call: Call, given: Shape | None) -> Wanted | None:
    """What an SSESpecification asks for; None where there is none. ValidationException when its members do not go together."""
    if given is None:
        return None
    enabled, kind, key = given.get("Enabled"), given.get("SSEType"), given.get("KMSMasterKeyId")
    if enabled is False:
        for name in ("SSEType", "KMSMasterKeyId"):
            if given.get(name) is not None:
                raise invalid(f"{name} can not be specified if Enabled is false")
        return Wanted(False)
    if kind == "AES256":
        raise invalid("SSEType AES256 is not supported")
    if key is not None and kind is None:
        raise invalid("SSEType KMS is required if KMSMasterKeyId is specified")
    if key is None:
        return Wanted(enabled is True or kind is not None)
    return _named(call, key)


def _named(call: Call, key: str) -> Wanted:
    """The encryption with a key that a request names."""
    _check_own_key(call, call.account, call.region, key)
    return Wanted(True, by_arn=key.startswith("arn:") and OWN_ALIAS not in key)


def _check_own_key(call: Call, account: str, region: str, key: str) -> None:
    """There is only one key that a request may name as long as there is no KMS: by its alias, its id or their ARNs."""
    start = f"arn:aws:kms:{region}:{account}:"
    known = call.cloud.store.get(_key_place(account, region))
    if key.removeprefix(start) != OWN_ALIAS and (known is None or key.removeprefix(start + "key/") != known.decode()):
        raise NotBuilt(f"KMS, so that there is no key {key} for a table; {OWN_ALIAS} encrypts it")


def _key_place(account: str, region: str) -> bytes:
    return pack((_KEY_SPACE, account, region))


def key_arn(reader: Reader, record: TableRecord) -> str | None:
    """The ARN of the key that a table shows as its own; None for one with the default encryption."""
    if record.encryption is None or not record.encryption.managed:
        return None
    known = reader.get(_key_place(record.account, record.region))
    assert known is not None  # It is made before the first table under it is, and stays.
    return f"arn:aws:kms:{record.region}:{record.account}:key/{known.decode()}"


def _have_key(tx: Transaction, record: TableRecord, ids: Ids) -> None:
    place = _key_place(record.account, record.region)
    if tx.get(place) is None:
        tx.put(place, ids.uuid().encode())


def encrypt_new(tx: Transaction, record: TableRecord, *, managed: bool, ids: Ids) -> None:
    """Have a table that is being made encrypted as it is to be, before its first row."""
    if managed:
        _have_key(tx, record, ids)
        record.encryption = Encryption(sealed=True, managed=True)


def check_replica_key(call: Call, source: TableRecord, part: Shape) -> None:
    """The key that a new replica is to have, if the request names one: that of its own region, where the table has that of its region, too."""
    key = part.get("KMSMasterKeyId")
    if key is None:
        return
    if source.encryption is None or not source.encryption.managed:
        raise invalid(REPLICA_KEY)
    _check_own_key(call, source.account, part["RegionName"], key)


def describe_encryption(reader: Reader, record: TableRecord) -> Shape:
    """The SSEDescription of a table, or nothing."""
    state = record.encryption
    if state is None or not (state.managed or state.wanted):
        return {}
    found: Shape = {"Status": "UPDATING" if state.wanted else "ENABLED"}
    arn = key_arn(reader, record)
    if arn is not None:
        found |= {"SSEType": "KMS", "KMSMasterKeyArn": arn}
    return {"SSEDescription": found}


# ---- changes


def is_changing(record: TableRecord) -> bool:
    """Whether a change of the encryption is under way. The table is ACTIVE all the time."""
    return record.encryption is not None and record.encryption.wanted != ""


def change_encryption(service: DynamoDb, tx: Transaction, record: TableRecord, wanted: Wanted, *, limited: bool) -> None:
    """Begin a change of a table's encryption; the record is to be written.

    Raises ValidationException when it would be none, ResourceInUseException while another one is under way, LimitExceededException after four within 24 hours (if `limited`).
    To ask once more for the key that there is, other than by its ARN, is a change.
    """
    state = record.encryption or Encryption()
    if state.wanted:
        if state.wanted == wanted.name:
            return
        raise still_in_use("Server-Side Encryption is still being updated")
    if not wanted.managed and not state.managed:
        raise invalid("Table is already encrypted by default")
    if wanted.by_arn and state.managed:
        raise invalid("Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change Master Key")
    now = service.cloud.clock.now()
    if state.changes and now >= state.changes[0] + _CHANGES_WITHIN:
        state.changes = []
    if limited:
        _check_changes(state.changes, now)
    state.changes.append(now)
    state.wanted = wanted.name
    record.encryption = state
    _have_key(tx, record, service.cloud.ids)
    lifecycle.plan(service, tx, ENCRYPT, record)


def _check_changes(changes: list[int], now: int) -> None:
    """Four changes within the day that begins with the first of them, then one each six hours."""
    if len(changes) >= _CHANGES_MAX and now < changes[-1] + _FURTHER_AFTER:
        raise limit_exceeded(
            f"Subscriber limit exceeded: Encryption mode changes are limited in the 24h window ending at {timestamp(changes[0] + _CHANGES_WITHIN)}Z. "
            f"After the first {_CHANGES_MAX} change, each subsequent change in the same window can be performed at most once every {_FURTHER_AFTER // SECOND} seconds. "
            f"Number of updates today: {len(changes)}. Last change at {timestamp(changes[-1])}Z"
        )


async def encrypt(service: DynamoDb, payload: Shape) -> None:
    """What a table is written under from now on. Its older rows follow when nobody works with what the table was before."""

    def work(tx: Transaction) -> None:
        record = lifecycle.read_record(tx, payload)
        state = record.encryption if record is not None else None
        if record is None or state is None:
            return
        first = state.wanted == "KMS" and not state.sealed
        state.managed = state.wanted == "KMS"
        state.sealed = state.sealed or state.managed
        lifecycle.write_record(tx, record)
        lifecycle.plan(service, tx, SEAL, record, rows=first)

    await service.cloud.store.transact(work)


async def seal(service: DynamoDb, payload: Shape) -> None:
    """Seal the rows that were written before a table's encryption was changed (`rows`), a portion at a time; then the change is done."""
    table = service.stored_table(payload["account"], payload["region"], payload["name"])
    if table is None or table.id != payload["id"]:
        return
    for prefix in _prefixes(table) if payload["rows"] else ():
        start, end = prefix_range(prefix)
        while start:
            start = await service.cloud.store.transact(_portion(table, start, end))

    def work(tx: Transaction) -> None:
        record = lifecycle.read_record(tx, payload)
        if record is not None and record.encryption is not None:
            record.encryption.wanted = ""
            lifecycle.write_record(tx, record)

    await service.cloud.store.transact(work)


def _prefixes(table: Table) -> list[bytes]:
    """Where the rows lie that hold what a table's items hold, or held."""
    record = table.record
    found = [table.prefix, *(index.prefix for index in table.indexes)]
    if record.history.log_id:
        found.append(log_prefix(record))
    if record.stream is not None:
        found.append(rows_of(CHANGE_SPACE, record.stream.id))
    return found


def _portion(table: Table, start: bytes, end: bytes) -> Callable[[Transaction], bytes]:
    """What writes some rows once more, so that they are sealed, and says where the next portion begins (nothing when there is none)."""

    def work(tx: Transaction) -> bytes:
        size = 0
        for number, (key, value) in enumerate(tx.iterate(start, end)):
            if number == _CHUNK_ROWS or size > _CHUNK_BYTES:
                return key
            table.put(tx, key, value)
            size += len(value)
        return b""

    return work


Handler = Callable[["DynamoDb", Shape], Awaitable[None]]
HANDLERS: tuple[tuple[str, Handler], ...] = ((ENCRYPT, encrypt), (SEAL, seal))
