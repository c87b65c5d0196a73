"""SELECT: pages of items by keys or by a scan, and single items for batches and transactions."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import orjson

from haneul.core.call import Call
from haneul.core.paging import make_token, read_token
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.bind import Parts, find
from haneul.services.dynamodb.expressions.project import check_overlaps
from haneul.services.dynamodb.expressions.request import BOUND, Expressions
from haneul.services.dynamodb.expressions.syntax import ExpressionError
from haneul.services.dynamodb.partiql.answers import added, perform
from haneul.services.dynamodb.partiql.conditions import bind_terms
from haneul.services.dynamodb.partiql.keys import key_of
from haneul.services.dynamodb.partiql.plan import Plan, conjuncts, plan_select
from haneul.services.dynamodb.partiql.syntax import Parsed, Reference, Select
from haneul.services.dynamodb.partiql.tokens import position
from haneul.services.dynamodb.partiql.values import Values
from haneul.services.dynamodb.query import query
from haneul.services.dynamodb.reading import Source, check_filter_projected
from haneul.services.dynamodb.rows import splice
from haneul.services.dynamodb.scan import scan
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.values import Item

Shape = dict[str, Any]

# The answer to an IN over many partitions comes in pages of so many reads.
READS_PER_PAGE = 10
_DIGEST_BYTES = 16


class Columns:
    """What a SELECT shows of an item: paths under the name of their last part. `parts` empty: everything."""

    def __init__(self, select: Select, text: str) -> None:
        self.paths: dict[str, Parts] = {}
        for term in select.columns or ():
            if not isinstance(term, Reference):
                raise validation(f"Unexpected path component at {position(text, term.token)}")
            name = _shown_name(term.parts)
            if name in self.paths:
                raise validation(f"Duplicate identifiers in select clause: {name}")
            self.paths[name] = term.parts
        try:
            check_overlaps(list(self.paths.values()))
        except ExpressionError as error:
            raise validation(error.message) from None

    @property
    def project(self) -> Callable[[Item], Item] | None:
        if not self.paths:
            return None
        paths = tuple(self.paths.items())

        def take(item: Item) -> Item:
            found = ((name, find(item, parts)) for name, parts in paths)
            return {name: value for name, value in found if value is not None}

        return take

    def put(self, bound: Expressions) -> None:
        """Let the operations behind show only these columns."""
        bound.projection = self.project
        bound.projected = tuple(dict.fromkeys(str(parts[0]) for parts in self.paths.values()))
        bound.projection_nested = {str(parts[0]) for parts in self.paths.values() if len(parts) > 1}


def _shown_name(parts: Parts) -> str:
    """The last name of a path, with the positions behind it."""
    name = ""
    for part in parts:
        name = f"{name}[{part}]" if isinstance(part, int) else part
    return name


def find_source(table: Table, select: Select, consistent: bool) -> Source:
    name = select.source.index_name
    if name is None:
        return Source(table, None)
    index = table.index(name)
    if index is None:
        raise validation("The table does not have the specified index")
    if len(index.key.hash_attributes) > 1 or len(index.key.range_attributes) > 1:
        raise validation("PartiQL statements cannot be executed on tables with multi-attribute HASH keys or multi-attribute RANGE keys.")
    if index.is_global and consistent:
        raise validation("Strongly consistent read is not supported on Global Secondary Indexes")
    return Source(table, index)


async def read_page(call: Call, service: DynamoDb, parsed: Parsed, select: Select, values: Values, request: Shape) -> Shape:
    """ExecuteStatement of a SELECT: one page, and the token of the next."""
    whole = bind_terms(values, conjuncts(select.where))
    table = service.table(call, select.source.table)
    source = find_source(table, select, bool(request.get("ConsistentRead")))
    columns = Columns(select, values.text)
    plan = plan_select(select, source, values)
    stamp = _stamp(call, parsed, values, request)
    number, start = _read_token(request["NextToken"], stamp) if "NextToken" in request else (0, None)
    if number > len(plan.reads or ()) or (number and plan.reads is None):
        raise validation("Invalid NextToken")
    bound = Expressions()
    columns.put(bound)
    rest = whole if plan.reads is None or whole is None else bind_terms(values, plan.rest)
    if rest is not None:
        if plan.reads is not None:
            check_filter_projected(source, rest.heads)
        bound.filter = rest.holds
    base = _base_request(select, request, bound)
    if plan.reads is None:
        answer = await perform(scan, call, base if start is None else {**base, "ExclusiveStartKey": start})
        service.latencies.returned(call, "ExecuteStatement", select.source.table, answer["Count"])
        return _answer([answer], None if "LastEvaluatedKey" not in answer else make_token(stamp + orjson.dumps([0, answer["LastEvaluatedKey"]])))
    answers, token = await _read_keys(call, plan, base, bound, stamp, number, start)
    service.latencies.returned(call, "ExecuteStatement", select.source.table, sum(one["Count"] for one in answers))
    return _answer(answers, token)


def _base_request(select: Select, request: Shape, bound: Expressions) -> Shape:
    base: Shape = {"TableName": select.source.table, BOUND: bound}
    if select.source.index_name is not None:
        base["IndexName"] = select.source.index_name
    for name in ("ConsistentRead", "ReturnConsumedCapacity", "Limit"):
        if name in request:
            base[name] = request[name]
    return base


async def _read_keys(call: Call, plan: Plan, base: Shape, bound: Expressions, stamp: bytes, number: int, start: Item | None) -> tuple[list[Shape], str | None]:
    """The answers to one query for each read of the plan, until the page is full; and the token of the next page."""
    reads = plan.reads or []
    answers: list[Shape] = []
    left = base.get("Limit")
    for at in range(number, len(reads)):
        bound.key_conditions = reads[at]
        one = {**base, "ScanIndexForward": not plan.backwards}
        if left is not None:
            one["Limit"] = left
        if start is not None:
            one["ExclusiveStartKey"] = start
            start = None
        answer = await perform(query, call, one)
        answers.append(answer)
        if "LastEvaluatedKey" in answer:
            return answers, make_token(stamp + orjson.dumps([at, answer["LastEvaluatedKey"]]))
        if left is not None:
            left -= answer["ScannedCount"]
        full = left == 0 or len(answers) == READS_PER_PAGE
        if full and at + 1 < len(reads):
            return answers, make_token(stamp + orjson.dumps([at + 1, None]))
    return answers, None


def _answer(answers: list[Shape], token: str | None) -> Shape:
    made: Shape = {"Items": _joined([one["Items"] for one in answers])}
    if token is not None:
        made["NextToken"] = token
        if "LastEvaluatedKey" in answers[-1]:
            made["LastEvaluatedKey"] = answers[-1]["LastEvaluatedKey"]
    capacity = added([one["ConsumedCapacity"] for one in answers if "ConsumedCapacity" in one])
    if capacity:
        made["ConsumedCapacity"] = capacity[0]
    return made


def _joined(pages: list[Any]) -> Any:
    """Items of several answers, as lists or as JSON that is ready."""
    if len(pages) == 1:
        return pages[0]
    if not isinstance(pages[0], orjson.Fragment):
        return [item for page in pages for item in page]
    inner = [orjson.dumps(page)[1:-1] for page in pages]
    return splice(b"[%b]" % b",".join(one for one in inner if one))


# ---- tokens


def _stamp(call: Call, parsed: Parsed, values: Values, request: Shape) -> bytes:
    """What a token belongs to: the account, the place, the statement with its parameters."""
    what = [call.account, call.region, parsed.text, list(values.parameters), bool(request.get("ConsistentRead"))]
    return blake2b(orjson.dumps(what, option=orjson.OPT_SORT_KEYS), digest_size=_DIGEST_BYTES).digest()


def _read_token(token: str, stamp: bytes) -> tuple[int, Item | None]:
    position_in = read_token(token)
    if position_in is None or len(position_in) <= _DIGEST_BYTES:
        raise validation("Invalid NextToken")
    if position_in[:_DIGEST_BYTES] != stamp:
        raise validation("NextToken does not match request")
    try:
        number, start = orjson.loads(position_in[_DIGEST_BYTES:])
    except (orjson.JSONDecodeError, ValueError, TypeError):
        raise validation("Invalid NextToken") from None
    if type(number) is not int or number < 0 or not (start is None or isinstance(start, dict)):
        raise validation("Invalid NextToken")
    return number, start


def single_read(service: DynamoDb, call: Call, select: Select, values: Values, refusal: str) -> tuple[Item, Expressions]:
    """The key and columns of a SELECT that must name one item by its whole key and nothing else; `refusal` is what is said of others."""
    bind_terms(values, conjuncts(select.where))
    table = service.table(call, select.source.table)
    if select.source.index_name is not None or select.order:
        find_source(table, select, False)
        raise validation(refusal)
    columns = Columns(select, values.text)
    key, rest = key_of(select.where, table.key, values)
    if key is None or rest:
        raise validation(refusal)
    bound = Expressions()
    columns.put(bound)
    return key, bound


