"""What the service keeps in the store, and under which keys.

Everything is a document in the shape that the API shows, because clients patch these documents by path. For an account and region:

- `api`, id → the API; `resource`, API, id → a resource with its `methods`, each with its integration and responses
- `authorizer`, `model`, `validator`, `response`: API, id or name → the document
- `deployment`, API, id → the deployment; `snapshot`, API, id → all of the API as it was then; `stage`, API, name → the stage
- `key`, id → an API key; `key-value`, value → its id; `plan`, id → a usage plan; `plan-key`, plan, key → its type; `key-plan`, key, plan
- `account` → the account's settings

`apigateway-owner`, API id → account and region: requests to an API know nothing but its id.
`apigateway-usage`, account, region, plan, key, day → requests counted; apart, because it changes with the requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.apigateway.errors import unknown_api
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

SPACE = "apigateway"
OWNERS = "apigateway-owner"
USAGE = "apigateway-usage"
API_KINDS = ("resource", "authorizer", "model", "validator", "response", "deployment", "snapshot", "stage")


class Home(NamedTuple):
    """The account and region that something belongs to."""

    account: str
    region: str


def home_of(call: Call) -> Home:
    return Home(call.account, call.region)


def key(home: Home, kind: str, *parts: str) -> bytes:
    return pack((SPACE, *home, kind, *parts))


def load(reader: Reader, home: Home, kind: str, *parts: str) -> Shape | None:
    """A document, or None."""
    value = reader.get(key(home, kind, *parts))
    return None if value is None else decode(value, dict)


def save(tx: Transaction, home: Home, document: Shape, kind: str, *parts: str) -> None:
    tx.put(key(home, kind, *parts), encode(document))


def remove(tx: Transaction, home: Home, kind: str, *parts: str) -> None:
    tx.delete(key(home, kind, *parts))


def documents(reader: Reader, home: Home, kind: str, *parts: str) -> Iterator[Shape]:
    """All documents of a kind (below an API), by id."""
    for _, value in reader.iterate(*prefix_range(key(home, kind, *parts))):
        yield decode(value, dict)


def find_api(reader: Reader, home: Home, api_id: str) -> Shape:
    """An API of the caller's account, or NotFoundException."""
    api = load(reader, home, "api", api_id)
    if api is None:
        raise unknown_api(home.account, api_id)
    return api


def owner_of(reader: Reader, api_id: str) -> Home | None:
    """Whose API this is."""
    value = reader.get(pack((OWNERS, api_id)))
    return None if value is None else Home(*decode(value, list))


def put_owner(tx: Transaction, home: Home, api_id: str) -> None:
    tx.put(pack((OWNERS, api_id)), encode(list(home)))


def remove_owner(tx: Transaction, api_id: str) -> None:
    tx.delete(pack((OWNERS, api_id)))
