"""The statements of PartiQL."""

from __future__ import annotations

from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.tokens import Token
from haneul.services.dynamodb.partiql.parse import Reader
from haneul.services.dynamodb.partiql.syntax import (
    Assignment,
    Change,
    Delete,
    Exists,
    Insert,
    OrderTerm,
    Parsed,
    Reference,
    Select,
    Source,
    Statement,
    Term,
)
from haneul.services.dynamodb.partiql.tokens import malformed

_EXPECTED_NAME = "Expected identifier for simple path"
_LEFTOVER = "Unexpected token after expression"


def parse_statement(text: str) -> Parsed:
    """A whole statement; ValidationException for what is none."""
    parser = _Parser(text)
    return Parsed(parser.whole(), text, parser.parameters)


class _Parser(Reader):
    def whole(self) -> Statement:
        found = self.statement()
        self.accept(";")
        if self.token.kind != "end":
            raise malformed(_LEFTOVER)
        return found

    def statement(self) -> Statement:
        token = self.token
        verb = token.upper if token.kind == "keyword" else ""
        if verb in ("SELECT", "INSERT", "UPDATE", "DELETE", "FROM", "EXISTS"):
            self.at += 1
        if verb == "SELECT":
            return self.select()
        if verb == "INSERT":
            return self.insert()
        if verb == "UPDATE":
            return self.update()
        if verb == "DELETE":
            return self.delete()
        if verb == "FROM":
            return self.from_first()
        if verb == "EXISTS":
            return self.exists()
        raise self.no_statement(token)

    def no_statement(self, token: Token) -> Exception:
        """What is wrong with a text that begins with none of the verbs."""
        if token.kind == "end":
            return malformed("Unexpected term")
        if token.kind == "keyword":
            return malformed("Unexpected keyword")
        following = self.tokens[self.at + 1]
        if following.kind == "keyword" and following.upper == "IS":
            self.expression()
            return validation("Unsupported operation: IsType")
        return malformed("Expected data manipulation")

    # ---- parts

    def source(self, *, of_select: bool) -> Source:
        """A table name, and perhaps an index's."""
        token = self.token
        if token.kind not in ("word", "quoted"):
            if not of_select:
                raise malformed(_EXPECTED_NAME)
            raise self.unexpected()
        self.at += 1
        names = [token.text]
        while self.accept("."):
            part = self.take()
            if part.kind not in ("word", "quoted"):
                raise malformed("Invalid path dot component")
            names.append(part.text)
        if len(names) > 2:
            raise validation("A path may contain at most 2 components in the FROM clause")
        if not all(names):
            raise validation("Path component cannot be an empty string")
        if not of_select and len(names) > 1:
            raise validation("This operation is not supported on an index")
        return Source(names[0], names[1] if len(names) > 1 else None)

    def refuse_alias(self) -> None:
        token = self.token
        if token.kind in ("word", "quoted") or (token.kind == "keyword" and token.upper in ("AS", "AT", "BY")):
            raise validation("Aliasing is not supported")

    def where(self) -> Term | None:
        return self.expression() if self.accept_word("WHERE") else None

    def select(self) -> Select:
        columns = self.columns()
        if not self.accept_word("FROM"):
            raise malformed("Expected FROM")
        source = self.source(of_select=True)
        self.refuse_alias()
        if self.accept(",") or self.accept_word("JOIN", "INNER", "CROSS", "LEFT", "RIGHT", "FULL"):
            raise validation("Only select from a single table or index is supported.")
        where = self.where()
        order: list[OrderTerm] = []
        if self.accept_word("ORDER"):
            if not self.accept_word("BY"):
                raise malformed("Expected BY after ORDER")
            order.append(self.order_term())
            while self.accept(","):
                order.append(self.order_term())
        for clause in ("GROUP", "HAVING", "LIMIT", "LET"):
            if self.accept_word(clause):
                raise validation(f"Unsupported clause: {clause}")
        return Select(columns, source, where, tuple(order))

    def columns(self) -> tuple[Term, ...] | None:
        if self.accept_word("VALUE", "PIVOT"):
            raise validation("Select projection doesn't support value or pivot keywords")
        if self.accept_word("DISTINCT"):
            raise validation("Unsupported clause: DISTINCT")
        if self.accept("*"):
            if self.token.text == ",":
                raise validation("Other attributes should not be present in the projection when '*' is used.")
            return None
        found = [self.expression()]
        while self.accept(","):
            if self.token.text == "*" and self.token.kind == "sign":
                raise validation("Other attributes should not be present in the projection when '*' is used.")
            found.append(self.expression())
        self.refuse_alias()
        return tuple(found)

    def order_term(self) -> OrderTerm:
        term = self.expression()
        return OrderTerm(term, self.accept_word("ASC", "DESC") == "DESC")

    def returning(self) -> str | None:
        if not self.accept_word("RETURNING"):
            return None
        which, age = self.accept_word("ALL", "MODIFIED"), self.accept_word("OLD", "NEW")
        if which is None or age is None:
            raise malformed("Expected ( MODIFIED | ALL ) ( NEW | OLD ) in RETURNING clause")
        if not self.accept("*"):
            raise validation("Expected '*' after ( MODIFIED | ALL ) ( NEW | OLD ) in RETURNING clause")
        if self.accept(","):
            raise validation("Invalid syntax with multiple returning elements in RETURNING clause")
        return f"{which} {age}"

    def insert(self) -> Insert:
        if not self.accept_word("INTO"):
            raise malformed("Expected INTO")
        source = self.source(of_select=False)
        if self.accept_word("VALUES"):
            raise validation(
                "Unsupported operation: Inserting multiple items in a single statement is not supported, "
                'use "INSERT INTO tableName VALUE item" instead'
            )
        if not self.accept_word("VALUE"):
            raise malformed(_LEFTOVER)
        item = self.expression()
        if self.accept_word("AT"):
            raise validation("AT is not supported in insert statements.")
        if self.token.upper == "RETURNING" and self.token.kind == "keyword":
            raise validation("RETURNING is not supported in INSERT")
        return Insert(source, item)

    def assignments(self) -> tuple[Assignment, ...]:
        """`SET path = value` and `REMOVE path`, as often as they come."""
        found: list[Assignment] = []
        while True:
            if self.accept_word("SET"):
                found.append(self.assignment())
                while self.accept(","):
                    found.append(self.assignment())
            elif self.accept_word("REMOVE"):
                found.append(Assignment(self.target(), None))
                while self.accept(","):
                    found.append(Assignment(self.target(), None))
            else:
                return tuple(found)

    def target(self) -> Reference:
        term = self.primary()
        if not isinstance(term, Reference):
            raise validation(f"Unrecognized assignment target: {self.text[term.token.start : term.token.end]}")
        return term

    def assignment(self) -> Assignment:
        path = self.target()
        self.expect("=", "Expected '=' in a SET clause")
        return Assignment(path, self.expression())

    def update(self) -> Change:
        source = self.source(of_select=False)
        if self.token.kind != "keyword":
            self.refuse_alias()
        changes = self.assignments()
        if not changes:
            raise malformed("Expected data manipulation")
        return Change(source, changes, self.where(), self.returning())

    def from_first(self) -> Change:
        """`FROM table WHERE … SET …`, the other form of an update."""
        source = self.source(of_select=False)
        self.refuse_alias()
        where = self.where()
        changes = self.assignments()
        if not changes:
            raise malformed("Expected data manipulation")
        return Change(source, changes, where, self.returning())

    def delete(self) -> Delete:
        if not self.accept_word("FROM"):
            raise malformed("Expected FROM")
        source = self.source(of_select=False)
        self.refuse_alias()
        return Delete(source, self.where(), self.returning())

    def exists(self) -> Exists:
        self.expect("(", "Expected an opening parenthesis")
        if not self.accept_word("SELECT"):
            raise malformed("Unexpected term")
        select = self.select()
        self.expect(")", "Expected a closing parenthesis")
        return Exists(select)
