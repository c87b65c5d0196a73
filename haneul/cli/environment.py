"""Options from the environment: `--data-dir` of every command that has it is also HANEUL_DATA_DIR."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

_OFF = ("0", "false", "no", "off")


def variable_of(action: argparse.Action) -> str | None:
    """The environment variable of an option; None for what is no option (an argument, or --help)."""
    name = next((text for text in action.option_strings if text.startswith("--")), None)
    return None if name is None or name == "--help" else "HANEUL_" + name[2:].upper().replace("-", "_")


class Parser(argparse.ArgumentParser):
    """The parser of one command. A variable is read when its command is chosen, so that what is wrong with one stops no other command, nor any --help.
    Options may stand anywhere: `invoke NAME --async PAYLOAD` too, where argparse by itself takes an argument that may be left out as left out.
    """

    _intermixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's own, with defaults from the environment. Ends the process (exit code 2) when a variable has a value that its option would not take."""
        if not {"-h", "--help"} & set(args or ()):
            self._take_environment(self._actions)
        if self._intermixing or any(action.nargs == argparse.PARSER for action in self._actions):
            return super().parse_known_args(args, namespace)
        self._intermixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixing = False

    def _take_environment(self, actions: Sequence[argparse.Action]) -> None:
        for action in actions:
            name = variable_of(action)
            text = os.environ.get(name, "") if name is not None else ""
            if not text:
                continue
            try:
                action.default = self._value(action, text)
            except (argparse.ArgumentTypeError, ValueError) as error:
                self.error(f"the environment variable {name} has the value {text!r}, which is not one of this option: {error}")

    @staticmethod
    def _value(action: argparse.Action, text: str) -> Any:
        """What the option would have with this text: a switch is on unless the text says no; what may be given several times is separated by spaces."""
        if action.nargs == 0:
            return text.lower() not in _OFF
        convert: Any = action.type or str
        found = [convert(part) for part in text.split()] if isinstance(action.default, list) else convert(text)
        if action.choices is not None and found not in action.choices:
            raise ValueError(f"choose from {', '.join(map(str, action.choices))}")
        return found
