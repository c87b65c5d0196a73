"""The key that a WHERE names."""

from __future__ import annotations

from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.keys import KeySchema
from haneul.services.dynamodb.partiql.plan import conjuncts, key_condition
from haneul.services.dynamodb.partiql.syntax import Term
from haneul.services.dynamodb.partiql.values import Values
from haneul.services.dynamodb.values import Item


def key_of(where: Term | None, schema: KeySchema, values: Values) -> tuple[Item | None, list[Term]]:
    """The key that the conditions make certain (None: not all of it), and the conditions beyond it."""
    key: Item = {}
    rest: list[Term] = []
    for term in conjuncts(where):
        found = key_condition(term, values)
        if found is None or found.operator != "EQ" or found.name not in schema.types:
            rest.append(term)
            continue
        if found.name in key:
            raise validation(f"Multiple conditions on same key {found.name}. Only single item Update/Insert/Delete are supported")
        key[found.name] = found.values[0]
    if len(key) != len(schema.names):
        return None, rest
    for name, kind in schema.attributes:
        if kind not in key[name]:
            raise validation(f"Key attribute's data type should match its data type in table's schema: Key {name}")
    return {name: key[name] for name in schema.names}, rest


def whole_key(where: Term | None, schema: KeySchema, values: Values) -> tuple[Item, list[Term]]:
    """`key_of` for a write, which must name one item."""
    key, rest = key_of(where, schema, values)
    if key is None:
        raise validation("Where clause does not contain a mandatory equality on all key attributes")
    return key, rest
