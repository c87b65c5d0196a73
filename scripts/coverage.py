"""Generates docs/COVERAGE.md: operation by operation what is real, what is partial and what is absent.

The operations come from the services' models, what is built from the registry, what is proven from the tests that call it. With
`--check` nothing is written; exit code 1 says that the page on disk is out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from botocore import xform_name

from haneul.services.registry import service_classes
from haneul.wire.model import load_service

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "COVERAGE.md"
HEADER = """\
# Coverage

Made by `make coverage` from the services' models, Haneul's registry and its tests. **real**: built, and called by a test that speaks the public API;
**untested**: built, but no test calls it by name; **partial**: built, but for what the note names, which is refused; **absent**: answers 501 and names itself.
"""


def tested_names() -> set[str]:
    """Every word in the tests that could be an operation, in either spelling."""
    words: set[str] = set()
    for file in (ROOT / "tests").rglob("*.py"):
        words.update(re.findall(r"[A-Za-z_0-9]+", file.read_text()))
    return words


def page() -> str:
    """The page's text."""
    words = tested_names()
    lines = [HEADER]
    details: list[str] = []
    lines += ["| service | operations | real | partial | untested | absent |", "|---|---|---|---|---|---|"]
    for kind in sorted(service_classes(), key=lambda one: one.name):
        built = kind.operations()
        model = load_service(kind.name)
        counts = {"real": 0, "partial": 0, "untested": 0, "absent": 0}
        rows = []
        for name in sorted(model.operations):
            one = built.get(name)
            note = ""
            if one is None:
                state, note = "absent", kind.absent.get(name, "")
            elif one.partial:
                state, note = "partial", one.partial
            else:
                state = "real" if xform_name(name) in words or name in words else "untested"
            counts[state] += 1
            rows.append(f"| {name} | {state} | {note} |")
        lines.append(f"| [{kind.name}](#{kind.name}) | {len(rows)} | {counts['real']} | {counts['partial']} | {counts['untested']} | {counts['absent']} |")
        details += [f"\n## {kind.name}\n", "| operation | state | what is missing |", "|---|---|---|", *rows]
    return "\n".join(lines + details) + "\n"


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != text:
            print("docs/COVERAGE.md is out of date: run `make coverage`", file=sys.stderr)
            return 1
        return 0
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text)
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
