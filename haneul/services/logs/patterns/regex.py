"""Regular expressions of filter patterns (`%[Ee]rror|fail%`), matched in time linear in the message whatever the expression.

Supported are what the service supports: letters, digits, `:_#=@/;,-`, and the operators `^ $ ? [ ] { } | \\ * + .`; parentheses are refused.
The expression becomes a nondeterministic automaton; sets of its states are turned into deterministic ones as messages need them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from haneul.services.logs.patterns.base import PatternError

_PLAIN = re.compile(r"[A-Za-z0-9:_#=@/;, \-]")
_COUNT = re.compile(r"\{(\d{1,4})(,(\d{0,4}))?\}")
_HEX = re.compile(r"[0-9A-Fa-f]{2}")
_NODES_MAX = 4000
_STATES_MAX = 2000
_MOVES_MAX = 50_000

Test = Callable[[str], bool]

_DIGITS = frozenset("0123456789")
_SPACES = frozenset(" \t\n\r\f\v")
_WORDS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_CLASSES = {"d": _DIGITS, "s": _SPACES, "w": _WORDS}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}


class _Node:
    """One step of the automaton: a character test, an assertion ("^", "$"), or (without either) a fork."""

    __slots__ = ("assertion", "out", "test")

    def __init__(self, test: Test | None = None, assertion: str = "") -> None:
        self.test = test
        self.assertion = assertion
        self.out: list[_Node] = []


class _State:
    """A set of nodes, with the moves that are known so far."""

    __slots__ = ("accepts", "accepts_at_end", "moves", "nodes")

    def __init__(self, nodes: frozenset[_Node], accepts: bool, accepts_at_end: bool) -> None:
        self.nodes = nodes
        self.accepts = accepts
        self.accepts_at_end = accepts_at_end
        self.moves: dict[str, _State] = {}


# A parsed expression, from which nodes are made as often as a repetition needs them.
Tree = tuple[str, object]


class LinearRegex:
    """A compiled expression; PatternError when the service would refuse it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        tree = self._alternatives()
        if self._at != len(text):
            raise PatternError("Invalid filter pattern")
        self._count = 0
        self._accept = _Node()
        self._start = self._build(tree, self._accept)
        self._moves_known = 0
        self._states: dict[tuple[frozenset[_Node], bool], _State] = {}
        self._first = self._state((self._start,), at_start=True)

    def search(self, message: str) -> bool:
        """Whether the expression matches anywhere in the message."""
        state = self._first
        for character in message:
            if state.accepts:
                return True
            following = state.moves.get(character)
            state = following if following is not None else self._move(state, character)
        return state.accepts or state.accepts_at_end

    # ---- running

    def _move(self, state: _State, character: str) -> _State:
        reached = [node.out[0] for node in state.nodes if node.test is not None and node.test(character)]
        following = self._state((*reached, self._start), at_start=False)
        self._moves_known += 1
        if self._moves_known > _MOVES_MAX:
            self._forget()
        state.moves[character] = following
        return following

    def _forget(self) -> None:
        """Drop what was worked out so far; it costs only time to find it again."""
        for state in self._states.values():
            state.moves = {}
        self._states.clear()
        self._first.moves = {}
        self._moves_known = 0

    def _state(self, nodes: tuple[_Node, ...], *, at_start: bool) -> _State:
        closed = self._closure(nodes, at_start, at_end=False)
        key = (closed, at_start)
        known = self._states.get(key)
        if known is None:
            if len(self._states) >= _STATES_MAX:
                self._forget()
            at_end = self._accept in self._closure(nodes, at_start, at_end=True)
            known = self._states[key] = _State(closed, self._accept in closed, at_end)
        return known

    def _closure(self, nodes: tuple[_Node, ...], at_start: bool, at_end: bool) -> frozenset[_Node]:
        found: set[_Node] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node in found or (node.assertion == "^" and not at_start):
                continue
            found.add(node)
            # A node that waits at "$" stays in the set, so that a message that ends here is accepted.
            if node.test is None and not (node.assertion == "$" and not at_end):
                waiting.extend(node.out)
        return frozenset(found)

    # ---- making the automaton

    def _build(self, tree: Tree, following: _Node) -> _Node:
        """The first node of what matches `tree` and then goes on to `following`."""
        kind, value = tree
        self._count += 1
        if self._count > _NODES_MAX:
            raise PatternError("Invalid filter pattern")
        if kind == "test":
            node = _Node(test=value)  # type: ignore[arg-type]
            node.out = [following]
            return node
        if kind in "^$":
            node = _Node(assertion=kind)
            node.out = [following]
            return node
        if kind == "sequence":
            for part in reversed(value):  # type: ignore[call-overload]
                following = self._build(part, following)
            return following
        if kind == "any":
            node = _Node()
            node.out = [self._build(part, following) for part in value]  # type: ignore[attr-defined]
            return node
        inner, least, most = value  # type: ignore[misc]
        return self._repeat(inner, least, most, following)  # type: ignore[has-type]

    def _repeat(self, inner: Tree, least: int, most: int | None, following: _Node) -> _Node:
        if most is None:
            loop = _Node()
            loop.out = [self._build(inner, loop), following]
            following = loop
        else:
            for _ in range(most - least):
                skip = _Node()
                skip.out = [self._build(inner, following), following]
                following = skip
        for _ in range(least):
            following = self._build(inner, following)
        return following

    # ---- reading

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _alternatives(self) -> Tree:
        parts = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else ("any", parts)

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while self._peek() not in ("", "|"):
            parts.append(self._quantified(self._atom()))
        return ("sequence", parts)

    def _quantified(self, atom: Tree) -> Tree:
        while (mark := self._peek()) and mark in "*+?{":
            if atom[0] in "^$":
                raise PatternError("Invalid filter pattern")
            if mark == "{":
                found = _COUNT.match(self._text, self._at)
                if found is None:
                    raise PatternError("Invalid filter pattern")
                least = int(found[1])
                most = least if found[2] is None else int(found[3]) if found[3] else None
                if most is not None and most < least:
                    raise PatternError("Invalid filter pattern")
                self._at = found.end()
                atom = ("repeat", (atom, least, most))
            else:
                self._at += 1
                atom = ("repeat", (atom, 1 if mark == "+" else 0, 1 if mark == "?" else None))
        return atom

    def _atom(self) -> Tree:
        character = self._peek()
        self._at += 1
        if character in "^$":
            return (character, None)
        if character == ".":
            return ("test", lambda one: one != "\n")
        if character == "[":
            return ("test", self._class())
        if character == "\\":
            return ("test", self._escape())
        if not _PLAIN.match(character):
            raise PatternError("Invalid filter pattern")
        return ("test", character.__eq__)

    def _escape(self) -> Test:
        character = self._peek()
        self._at += 1
        if character.lower() in _CLASSES and character:
            members = _CLASSES[character.lower()]
            return members.__contains__ if character.islower() else lambda one: one not in members
        return self._escaped(character).__eq__

    def _escaped(self, character: str) -> str:
        if character == "x":
            found = _HEX.match(self._text, self._at)
            if found is None:
                raise PatternError("Invalid filter pattern")
            self._at += 2
            return chr(int(found[0], 16))
        if character in _CONTROLS and character:
            return _CONTROLS[character]
        if not character or character.isalnum() or not character.isascii():
            raise PatternError("Invalid filter pattern")
        return character

    def _class(self) -> Test:
        negated = self._peek() == "^"
        self._at += negated
        members: set[str] = set()
        excluded: list[frozenset[str]] = []
        first = True
        while (character := self._peek()) != "]" or first:
            if not character:
                raise PatternError("Invalid filter pattern")
            first = False
            self._at += 1
            if character == "\\":
                character = self._peek()
                self._at += 1
                if character and character.lower() in _CLASSES:
                    if character.islower():
                        members |= _CLASSES[character]
                    else:
                        excluded.append(_CLASSES[character.lower()])
                    continue
                character = self._escaped(character)
            last = self._range_end(character)
            members.update(map(chr, range(ord(character), ord(last) + 1)))
        self._at += 1
        if excluded:
            return lambda one: (one in members or any(one not in group for group in excluded)) != negated
        held = frozenset(members)
        return held.__contains__ if not negated else lambda one: one not in held

    def _range_end(self, first: str) -> str:
        if not first.isascii():
            raise PatternError("Invalid filter pattern")
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return first
        last = self._text[self._at + 1]
        self._at += 2
        if last == "\\":
            last = self._escaped(self._peek())
            self._at += 1
        if last < first or not last.isascii():
            raise PatternError("Invalid filter pattern")
        return last
