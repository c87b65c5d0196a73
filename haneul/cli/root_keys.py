"""The root keys that `haneul start` is given, and their way to the server process: never through its arguments or its environment."""

from __future__ import annotations

import argparse
import json
import os
import re
import stat

from haneul.cli.output import Trouble

VARIABLE = "HANEUL_ROOT_KEY"
_FORM = "ID:SECRET or ID:SECRET:ACCOUNT (12 digits)"


def root_keys(options: argparse.Namespace) -> list[tuple[str, str, str]]:
    """(key id, secret, account or nothing) of every --root-key and of every line of --root-key-file; Trouble that never shows a secret."""
    found = [_parsed(text, "--root-key takes") for text in options.root_key]
    if options.root_key_file:
        for number, line in enumerate(_read(options.root_key_file).splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                found.append(_parsed(line.strip(), f"{options.root_key_file}, line {number}: each line is"))
    return found


def hand_over(keys: list[tuple[str, str, str]]) -> int | None:
    """A descriptor that the next program of this process reads the keys from, once; None without keys."""
    if not keys:
        return None
    reader, writer = os.pipe()
    data = json.dumps(keys).encode()
    os.set_blocking(writer, False)  # Nobody reads yet: what does not fit into the pipe must not wait for ever.
    if os.write(writer, data) != len(data):
        raise Trouble(f"{len(keys)} root keys are too many to hand over")
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader


def _parsed(text: str, words: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts) or (len(parts) == 3 and not re.fullmatch(r"\d{12}", parts[2])):
        raise Trouble(f"{words} {_FORM}")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else ""


def _read(path: str) -> str:
    """The file's text. A file that others may read or write holds no secret."""
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Trouble(f"--root-key-file {path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}); `chmod 600 {path}` keeps it to its owner")
            if status.st_uid not in (os.geteuid(), 0):
                raise Trouble(f"--root-key-file {path} belongs to another user (id {status.st_uid}), who could change it")
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"--root-key-file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
