"""Parsers, by recursive descent, for condition, projection and update expressions.

The real service finds certain mistakes in the text before it looks at names and values, whatever comes first in the text: redundant parentheses,
unknown functions, misused functions, reserved words, in this order. They are gathered while parsing and raised at the end.
"""

from __future__ import annotations

from haneul.services.dynamodb.expressions.reserved import RESERVED
from haneul.services.dynamodb.expressions.syntax import (
    And,
    Arithmetic,
    Between,
    Clause,
    Compare,
    Condition,
    ExpressionError,
    Function,
    In,
    Not,
    Operand,
    Or,
    Path,
    Reference,
    Update,
    list_index,
)
from haneul.services.dynamodb.expressions.tokens import Reader

OPERATORS_MAX = 300
IN_OPERANDS_MAX = 100
PATH_PARTS_MAX = 32
# Bounds of this parser's own stack: as many parentheses as there may be operators, and far more nested operands than anybody writes.
GROUPS_DEEP_MAX = OPERATORS_MAX + 20
OPERANDS_DEEP_MAX = 60

_COMPARATORS = frozenset({"=", "<>", "<", "<=", ">", ">="})
CONDITION_FUNCTIONS = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2, "size": 1}
UPDATE_FUNCTIONS = {"if_not_exists": 2, "list_append": 2}
_CONDITION_WORDS = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN"})
_UPDATE_WORDS = frozenset({"SET", "REMOVE", "ADD", "DELETE"})
_OR, _AND, _NOT = range(3)


class _Parser(Reader):
    """What all three kinds of expression share: paths, operands, functions, and the mistakes of the text."""

    def __init__(self, text: str, keywords: frozenset[str], functions: dict[str, int]) -> None:
        super().__init__(text)
        self.keywords = keywords
        self.functions = functions
        self.redundant_parentheses = False
        self.unknown_function: str | None = None
        self.misused_function: str | None = None
        self.reserved_word: str | None = None
        self.operators = 0
        self.group = (-1, -1)
        self.depth = 0
        self.operand_depth = 0

    def deeper(self, groups: int, operands: int) -> None:
        """One nesting more (or less) of conditions or of operands."""
        self.depth += groups
        self.operand_depth += operands
        if self.depth > GROUPS_DEEP_MAX or self.operand_depth > OPERANDS_DEEP_MAX:
            raise ExpressionError(f"The expression contains too many operators; operator count: {max(self.operators, OPERATORS_MAX + 1)}")

    def check_text(self) -> None:
        """Raise the most important mistake found in the text."""
        if self.redundant_parentheses:
            raise ExpressionError("The expression has redundant parentheses;")
        if self.unknown_function is not None:
            raise ExpressionError(f"Invalid function name; function: {self.unknown_function}")
        if self.misused_function is not None:
            raise ExpressionError(f"The function is not allowed to be used this way in an expression; function: {self.misused_function}")
        if self.reserved_word is not None:
            raise ExpressionError(f"Attribute name is a reserved keyword; reserved keyword: {self.reserved_word}")
        if self.operators > OPERATORS_MAX:
            raise ExpressionError(f"The expression contains too many operators; operator count: {self.operators}")

    def misuse(self, operand: object) -> None:
        if isinstance(operand, Function) and operand.name != "size" and self.misused_function is None:
            self.misused_function = operand.name

    def path_name(self) -> str:
        token = self.token
        if token.kind == "name":
            self.at += 1
            return token.text
        if token.kind != "word" or token.upper in self.keywords:
            raise self.error()
        self.at += 1
        if token.upper in RESERVED and self.reserved_word is None:
            self.reserved_word = token.text
        return token.text

    def path(self) -> Path:
        return self.path_tail([self.path_name()])

    def path_tail(self, parts: list[str | int]) -> Path:
        while True:
            if self.accept("."):
                parts.append(self.path_name())
            elif self.accept("["):
                if self.token.kind != "number":
                    raise self.error()
                parts.append(list_index(self.take().text))
                self.expect("]")
            else:
                break
        if len(parts) > PATH_PARTS_MAX:
            raise ExpressionError(f"The document path has too many nesting elements; nesting levels: {len(parts)}")
        return Path(tuple(parts))

    def open_group(self) -> int:
        self.expect("(")
        return self.at - 1

    def close_group(self, start: int) -> None:
        """End a parenthesis; one that holds nothing but another one is redundant."""
        inner = self.group
        self.expect(")")
        if inner == (start + 1, self.at - 2):
            self.redundant_parentheses = True
        self.group = (start, self.at - 1)

    def simple_operand(self) -> Operand:
        """A value, a function or a path."""
        token = self.token
        if token.kind == "value":
            self.at += 1
            return Reference(token.text)
        following = self.tokens[self.at + 1] if token.kind == "word" else token
        if token.kind == "word" and token.upper not in self.keywords and following.kind == "sign" and following.text == "(":
            self.at += 1
            return self.function(token.text)
        return self.path()

    def function(self, name: str) -> Function:
        self.operators += 1
        self.deeper(0, 1)
        self.expect("(")
        arguments = [self.operand()]
        while self.accept(","):
            arguments.append(self.operand())
        self.expect(")")
        self.deeper(0, -1)
        if name not in self.functions and self.unknown_function is None:
            self.unknown_function = name
        if self.functions is CONDITION_FUNCTIONS:
            for argument in arguments:
                self.misuse(argument)
        return Function(name, tuple(arguments))

    def operand(self) -> Operand:
        """An operand, in any number of parentheses."""
        if self.token.text != "(" or self.token.kind != "sign":
            return self.simple_operand()
        self.deeper(0, 1)
        start = self.open_group()
        inner = self.operand()
        self.close_group(start)
        self.deeper(0, -1)
        return self.path_tail(list(inner.parts)) if isinstance(inner, Path) else inner


class _ConditionParser(_Parser):
    def __init__(self, text: str) -> None:
        super().__init__(text, _CONDITION_WORDS, CONDITION_FUNCTIONS)

    def whole(self) -> Condition:
        found = self.as_condition(self.expression())
        if self.token.kind != "end":
            raise self.error()
        self.check_text()
        return found

    def as_condition(self, found: Condition | Operand) -> Condition:
        """Only functions are both an operand and a condition."""
        if isinstance(found, (Path, Reference, Arithmetic)):
            raise self.error()
        if isinstance(found, Function) and found.name == "size" and self.misused_function is None:
            self.misused_function = found.name
        return found

    def expression(self, level: int = _OR) -> Condition | Operand:
        """Everything that binds at least as tightly as `level`. One call for each nesting: clients write a parenthesis for every AND."""
        if self.accept_word("NOT"):
            self.operators += 1
            self.deeper(1, 0)
            left: Condition | Operand = Not(self.as_condition(self.expression(_NOT)))
            self.deeper(-1, 0)
        elif self.token.kind == "sign" and self.token.text == "(":
            self.deeper(1, 0)
            start = self.open_group()
            left = self.expression()
            self.close_group(start)
            self.deeper(-1, 0)
            if isinstance(left, Path):
                left = self.path_tail(list(left.parts))
        else:
            left = self.simple_operand()
        if isinstance(left, (Path, Reference, Function)):
            left = self.comparison(left)
        while True:
            word = self.token.upper
            if word == "AND" and level <= _AND:
                left = self.as_condition(left)
                self.take()
                self.operators += 1
                left = And(left, self.as_condition(self.expression(_NOT)))
            elif word == "OR" and level <= _OR:
                left = self.as_condition(left)
                self.take()
                self.operators += 1
                left = Or(left, self.as_condition(self.expression(_AND)))
            else:
                return left

    def comparison(self, left: Operand) -> Condition | Operand:
        """What follows an operand: a comparison, BETWEEN, IN, or nothing."""
        token = self.token
        if token.kind == "sign" and token.text in _COMPARATORS:
            self.at += 1
            self.operators += 1
            right = self.operand()
            self.misuse(left)
            self.misuse(right)
            return Compare(token.text, left, right)
        if self.accept_word("BETWEEN"):
            self.operators += 1
            low = self.operand()
            if not self.accept_word("AND"):
                raise self.error()
            high = self.operand()
            for one in (left, low, high):
                self.misuse(one)
            return Between(left, low, high)
        if self.accept_word("IN"):
            return self.membership(left)
        return left

    def membership(self, left: Operand) -> In:
        self.operators += 1
        self.expect("(")
        options = [self.operand()]
        while self.accept(","):
            options.append(self.operand())
        self.expect(")")
        for one in (left, *options):
            self.misuse(one)
        if len(options) > IN_OPERANDS_MAX:
            raise ExpressionError(f"The IN operator is provided with too many operands; number of operands: {len(options)}")
        return In(left, tuple(options))


class _UpdateParser(_Parser):
    def __init__(self, text: str) -> None:
        super().__init__(text, _UPDATE_WORDS, UPDATE_FUNCTIONS)

    def whole(self) -> Update:
        clauses: list[Clause] = []
        seen: set[str] = set()
        repeated: str | None = None
        while True:
            token = self.token
            if token.kind != "word" or token.upper not in _UPDATE_WORDS:
                raise self.error()
            self.at += 1
            action = token.upper
            clauses.append(self.clause(action))
            while self.accept(","):
                clauses.append(self.clause(action))
            if action in seen and repeated is None:
                repeated = action
            seen.add(action)
            if self.token.kind == "end":
                break
        self.redundant_parentheses = False  # Not minded in update expressions.
        if self.reserved_word is not None:  # Comes before unknown functions here.
            self.unknown_function = None
        self.check_text()
        return Update(tuple(clauses), repeated)

    def clause(self, action: str) -> Clause:
        path = self.path()
        if action == "REMOVE":
            return Clause(action, path, None)
        if action == "SET":
            self.expect("=")
            self.operators += 1
            return Clause(action, path, self.set_value())
        token = self.token
        if token.kind != "value":
            raise self.error()
        self.at += 1
        self.operators += 1
        return Clause(action, path, Reference(token.text))

    def set_value(self) -> Operand:
        left = self.operand_or_sum()
        token = self.token
        if token.kind == "sign" and token.text in "+-":
            self.at += 1
            self.operators += 1
            return Arithmetic(token.text, left, self.operand())
        return left

    def operand_or_sum(self) -> Operand:
        """The left side of a sum; a parenthesis may hold the whole sum."""
        if self.token.kind != "sign" or self.token.text != "(":
            return self.simple_operand()
        self.deeper(0, 1)
        start = self.open_group()
        inner = self.set_value()
        self.close_group(start)
        self.deeper(0, -1)
        return inner


def parse_condition(text: str) -> Condition:
    """A condition, filter or key condition expression."""
    return _ConditionParser(text).whole()


def parse_update(text: str) -> Update:
    """An update expression."""
    return _UpdateParser(text).whole()


def parse_projection(text: str) -> tuple[Path, ...]:
    """A projection expression: paths between commas."""
    parser = _Parser(text, frozenset(), {})
    paths = [parser.path()]
    while parser.accept(","):
        paths.append(parser.path())
    if parser.token.kind != "end":
        raise parser.error()
    parser.check_text()
    return tuple(paths)
