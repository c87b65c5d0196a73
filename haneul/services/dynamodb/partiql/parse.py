"""Expressions of PartiQL, by precedence climbing; `statements` has the statements around them.

What is wrong with a text is said in the real service's words, as far as they are known.
"""

from __future__ import annotations

from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.expressions.syntax import ExpressionError, list_index
from haneul.services.dynamodb.expressions.tokens import Token, Walk
from haneul.services.dynamodb.partiql.syntax import Invocation, Literal, Operation, Parameter, Reference, Sequence, Star, Structure, Term, TypeTest
from haneul.services.dynamodb.partiql.tokens import malformed, position, tokenize

DEPTH_MAX = 100
_INDEX_MAX = 2**31 - 1

_OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY = range(1, 7)
_BINDING = {
    "OR": _OR,
    "AND": _AND,
    **dict.fromkeys(("=", "<>", "!=", "<", "<=", ">", ">=", "IN", "BETWEEN", "LIKE", "IS", "NOT"), _COMPARE),
    **dict.fromkeys(("+", "-", "||"), _ADD),
    **dict.fromkeys(("*", "/", "%"), _MULTIPLY),
}
_CONSTANTS = {"TRUE": "BOOL", "FALSE": "BOOL", "NULL": "NULL", "MISSING": "MISSING"}
_OPERATOR_WORDS = frozenset(("IS", "LIKE", "IN", "BETWEEN", "AND", "OR"))
# Types that IS may name; the first word of those that have two.
_TYPE_WORDS = """
    MISSING NULL BOOL BOOLEAN BLOB CLOB STRING SYMBOL CHAR CHARACTER VARCHAR NUMERIC DECIMAL DEC INT INT4 INT8 INTEGER SMALLINT BIGINT FLOAT REAL
    DOUBLE STRUCT TUPLE LIST BAG SEXP TIMESTAMP DATE TIME ANY
"""
_TYPE_NAMES = frozenset(_TYPE_WORDS.split())
_SECOND_WORDS = {"DOUBLE": "PRECISION", "CHARACTER": "VARYING"}


class Reader(Walk):
    """Walks over the tokens of one statement."""

    def __init__(self, text: str) -> None:
        super().__init__(text, tokenize(text))
        self.depth = 0
        self.parameters = 0

    def accept_word(self, *words: str) -> str | None:
        """Take the next token if it is one of these words, keywords or not; which it was."""
        token = self.tokens[self.at]
        if token.kind in ("word", "keyword") and token.upper in words:
            self.at += 1
            return token.upper
        return None

    def expect(self, sign: str, detail: str) -> None:
        if not self.accept(sign):
            raise malformed(detail)

    def where_is(self, token: Token) -> str:
        return position(self.text, token)

    def unexpected(self) -> Exception:
        """The error for a token where a term should begin."""
        token = self.token
        if token.kind == "keyword":
            return malformed("Unexpected operator" if token.upper in _OPERATOR_WORDS else "Unexpected keyword")
        return malformed("Unexpected term")

    # ---- terms

    def expression(self, level: int = _OR) -> Term:
        """Everything that binds at least as tightly as `level`."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise malformed("")
        token = self.token
        if level <= _NOT and self.accept_word("NOT"):
            left: Term = Operation("NOT", (self.expression(_NOT),), token)
        else:
            left = self.primary()
        while True:
            token = self.token
            binding = _BINDING.get(token.upper, 0) if token.kind in ("sign", "keyword") else 0
            if not binding or binding < level:
                break
            self.at += 1
            left = self.infix(token, left, binding)
        self.depth -= 1
        return left

    def infix(self, token: Token, left: Term, binding: int) -> Term:
        """What follows an operator behind `left`."""
        operator = token.upper
        if operator == "IS":
            return self.type_test(token, left)
        if operator == "NOT":
            inner = self.take()
            if inner.kind != "keyword" or inner.upper not in ("IN", "BETWEEN", "LIKE"):
                raise malformed("Unexpected token after expression")
            return Operation("NOT", (self.infix(inner, left, binding),), token)
        if self.token.kind == "end":
            raise malformed("Missing right-hand side expression of infix operator")
        if operator == "BETWEEN":
            low = self.expression(_ADD)
            if not self.accept_word("AND"):
                raise malformed("Expected AND after BETWEEN")
            return Operation(operator, (left, low, self.expression(_ADD)), token)
        if operator == "IN":
            return Operation(operator, (left, self.expression(_ADD)), token)
        right = self.expression(binding + 1)
        operator = "<>" if operator == "!=" else operator
        if operator in ("AND", "OR") and isinstance(left, Operation) and left.operator == operator:
            return Operation(operator, (*left.operands, right), left.token)
        return Operation(operator, (left, right), token)

    def type_test(self, token: Token, left: Term) -> Term:
        negated = self.accept_word("NOT") is not None
        name = self.token
        if name.kind not in ("word", "keyword") or name.upper not in _TYPE_NAMES:
            raise malformed("Expected type name")
        self.at += 1
        if name.upper in _SECOND_WORDS:
            self.accept_word(_SECOND_WORDS[name.upper])
        test = TypeTest(left, name.upper, token)
        return Operation("NOT", (test,), token) if negated else test

    def primary(self) -> Term:
        """A term without operators."""
        token = self.token
        kind = token.kind
        if kind == "text":
            self.at += 1
            return Literal("S", token.text, token)
        if kind == "number":
            self.at += 1
            return Literal("N", token.text, token)
        if kind in ("word", "quoted"):
            self.at += 1
            if kind == "word" and self.token.text == "(" and self.token.kind == "sign":
                return self.invocation(token)
            return self.path(token)
        if kind == "keyword":
            return self.keyword_term(token)
        if kind == "sign":
            return self.sign_term(token)
        raise self.unexpected()

    def keyword_term(self, token: Token) -> Term:
        if token.upper in _CONSTANTS:
            self.at += 1
            return Literal(_CONSTANTS[token.upper], token.upper.lower(), token)
        following = self.tokens[self.at + 1]
        if following.kind == "sign" and following.text == "(" and token.upper not in _OPERATOR_WORDS:
            self.at += 1
            return self.invocation(token)
        raise self.unexpected()

    def sign_term(self, token: Token) -> Term:
        sign = token.text
        self.at += 1
        if sign == "?":
            self.parameters += 1
            return Parameter(self.parameters - 1, token)
        if sign in "+-":
            number = self.token
            if number.kind != "number":
                raise self.unexpected()
            self.at += 1
            return Literal("N", number.text if sign == "+" else "-" + number.text, token)
        if sign == "(":
            return self.parentheses(token)
        if sign == "[":
            return Sequence("L", self.elements("]"), token)
        if sign == "<<":
            return Sequence("BAG", self.elements(">>"), token)
        if sign == "{":
            return self.structure(token)
        self.at -= 1
        raise self.unexpected()

    def parentheses(self, token: Token) -> Term:
        if self.token.kind == "keyword" and self.token.upper == "SELECT":
            raise malformed("Unexpected keyword")
        elements = self.elements(")")
        if len(elements) == 1:
            return elements[0]
        return Sequence("ROW", elements, token)

    def elements(self, end: str) -> tuple[Term, ...]:
        """Terms between commas, up to the closing sign."""
        if self.accept(end):
            return ()
        found = [self.expression()]
        while self.accept(","):
            found.append(self.expression())
        self.expect(end, "Unexpected term" if self.token.kind == "end" else "Expected closing of a list")
        return tuple(found)

    def structure(self, token: Token) -> Structure:
        members: list[tuple[Term, Term]] = []
        while not self.accept("}"):
            if members:
                self.expect(",", "Expected a comma between the members of a tuple")
            name = self.expression(_ADD)
            self.expect(":", "Expected a colon in a member of a tuple")
            members.append((name, self.expression()))
        return Structure(tuple(members), token)

    def invocation(self, token: Token) -> Invocation:
        self.expect("(", "Expected an opening parenthesis")
        star = self.token
        if self.accept("*"):
            self.expect(")", "Expected a closing parenthesis")
            return Invocation(token.text.lower(), (Star(star),), token)
        return Invocation(token.text.lower(), self.elements(")"), token)

    def path(self, token: Token) -> Reference:
        """The rest of a document path behind its first name."""
        if not token.text:
            raise validation("Path component cannot be an empty string")
        parts: list[str | int] = [token.text]
        while True:
            if self.accept("."):
                part = self.token
                if part.kind == "sign" and part.text == "*":
                    raise validation("Unpivot path component like a.*.b are not supported")
                if part.kind not in ("word", "quoted"):
                    raise malformed("Invalid path dot component")
                self.at += 1
                if not part.text:
                    raise validation("Path component cannot be an empty string")
                parts.append(part.text)
            elif self.accept("["):
                parts.append(self.index())
            else:
                return Reference(tuple(parts), token)

    def index(self) -> str | int:
        part = self.take()
        if part.kind == "sign" and part.text == "*":
            raise validation("Wildcard path component like a[*].b are not supported")
        if part.kind == "text":
            found: str | int = part.text
        elif part.kind == "number" and part.text.isdigit():
            try:
                found = list_index(part.text, _INDEX_MAX)
            except ExpressionError as problem:
                raise validation(problem.message) from None
        else:
            raise malformed("Unexpected path component")
        self.expect("]", "Expected a closing bracket")
        return found
