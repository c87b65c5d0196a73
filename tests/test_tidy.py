"""The house rules, as far as a machine can check them. What stands here is not argued about in a review."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from haneul.services import registry
from tests import tidy_exceptions

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "haneul"
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# Folder (or file) → what it may import of Haneul, besides itself and what those may import (docs/ARCHITECTURE.md).
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "clock": (),
    "store": ("clock",),
    "metering": ("clock", "store"),
    "core": ("clock", "store.port", "store.blobs", "store.vault", "metering"),
    "wire": ("core", "clock"),
    "auth": ("core", "clock", "store"),
    "events": ("core", "clock", "store"),
    "runtime": ("clock", "core"),
    "runtime/inside": (),
    "services": ("core", "clock", "store", "metering"),
    "services/lambda_": ("core", "clock", "store", "metering", "runtime"),
    "front": ("wire", "auth", "core", "clock"),
    "assembly.py": ("clock", "core", "wire", "auth", "front"),
    "workers": ("assembly", "clock", "store", "metering", "core", "events", "services.registry", "front"),
    "cli": (),
    "__main__.py": ("app", "core", "store", "workers"),
    "app.py": ("assembly", "clock", "store", "metering", "core", "auth", "events", "runtime", "services.registry", "front", "workers"),
    "__init__.py": (),
}

# Module or attribute that brings time or chance from elsewhere than Clock and Ids.
FORBIDDEN_SOURCES = re.compile(
    r"^(time\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns|sleep|localtime|gmtime)|datetime\.(now|utcnow|today)|date\.today"
    r"|uuid(\..*)?|random(\..*)?|secrets(\..*)?|os\.urandom|os\.getrandom)$"
)
FORBIDDEN_CODE = frozenset(("pickle", "cPickle", "shelve", "marshal", "dill"))
MUTATORS = frozenset(("append", "add", "update", "pop", "popitem", "clear", "setdefault", "extend", "insert", "remove", "discard", "appendleft"))
DOCUMENTED = ("core", "store", "clock", "auth", "front", "events", "metering", "wire")


@cache
def python_files() -> tuple[Path, ...]:
    return tuple(sorted(path for path in HOUSE.rglob("*.py")))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree))


def name_of(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names of modules (or of names in them) that a tree imports."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def excused(problems: Iterable[str], exceptions: Iterable[str]) -> tuple[list[str], list[str]]:
    """Problems that no exception names, and exceptions that no problem needs any more."""
    found, known = set(problems), set(exceptions)
    return sorted(found - known), sorted(known - found)


def check(problems: Iterable[str], exceptions: Iterable[str], advice: str) -> None:
    fresh, stale = excused(problems, exceptions)
    assert not fresh, advice + "\n  " + "\n  ".join(fresh)
    assert not stale, "these exceptions are no longer needed: take them out of tests/tidy_exceptions.py\n  " + "\n  ".join(stale)


# ---- who imports whom


def folder_of(name: str) -> str:
    """The row of the table that a file belongs to."""
    parts = name.split("/")
    for depth in (2, 1):
        if (row := "/".join(parts[:depth])) in MAY_IMPORT:
            return row
    raise AssertionError(f"haneul/{name} lies in no folder of the table in docs/ARCHITECTURE.md")


def test_imports_go_downwards() -> None:
    """Because a layer that reaches up, or a service that reaches into another, cannot be changed or read alone."""
    problems = []
    for path in python_files():
        name = name_of(path)
        row = folder_of(name)
        own = ".".join(name.split("/")[:2]) if row == "services" else row.replace("/", ".").removesuffix(".py")
        allowed = [*MAY_IMPORT[row], own] if name != "services/registry.py" else ["core"]
        for module in imported(tree_of(path)):
            if not module.startswith("haneul.") or module == "haneul.__version__":
                continue
            inner = module.removeprefix("haneul.")
            if not any(inner == one or inner.startswith(one + ".") for one in allowed):
                problems.append(f"haneul/{name} imports {module}")
    check(problems, tidy_exceptions.IMPORTS, "imports go downwards only; a service calls another with call.invoke")


def test_nobody_imports_inside_a_function() -> None:
    """Because such an import hides a circle."""
    problems = []
    for path in python_files():
        for function in functions(tree_of(path)):
            problems += [f"haneul/{name_of(path)}: {function.name}" for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
    check(problems, tidy_exceptions.IMPORTS_INSIDE, "put the import at the top of the file")


# ---- small rooms


def over(sizes: dict[str, int], limit: int, ratchet: dict[str, int]) -> tuple[list[str], list[str]]:
    grown = [f"{name}: {size} lines (at most {max(limit, ratchet.get(name, 0))})" for name, size in sizes.items() if size > max(limit, ratchet.get(name, 0))]
    slack = [f"{name}: {sizes.get(name, 0)} lines, the exception says {known}" for name, known in ratchet.items() if sizes.get(name, 0) < known - 10 or sizes.get(name, 0) <= limit]
    return grown, slack


def test_files_are_short() -> None:
    """Because a newcomer reads a file in one sitting; the list of exceptions only shrinks."""
    sizes = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in python_files()}
    grown, slack = over(sizes, FILE_LINES_MAX, tidy_exceptions.FILE_LINES)
    assert not grown, "split these files:\n  " + "\n  ".join(grown)
    assert not slack, "shrink these exceptions in tests/tidy_exceptions.py:\n  " + "\n  ".join(slack)


def test_functions_are_short() -> None:
    """Because a function does one thing; the list of exceptions only shrinks."""
    sizes = {f"{name_of(path)}:{one.name}": (one.end_lineno or 0) - one.lineno + 1 for path in python_files() for one in functions(tree_of(path))}
    grown, slack = over(sizes, FUNCTION_LINES_MAX, tidy_exceptions.FUNCTION_LINES)
    assert not grown, "split these functions:\n  " + "\n  ".join(grown)
    assert not slack, "shrink these exceptions in tests/tidy_exceptions.py:\n  " + "\n  ".join(slack)


# ---- time and chance


def sources(tree: ast.Module) -> Iterator[str]:
    """Uses of time and chance that do not come from Clock and Ids."""
    for module in imported(tree):
        if FORBIDDEN_SOURCES.match(module):
            yield module
    for node in nodes_of(tree):
        if isinstance(node, ast.Attribute) and FORBIDDEN_SOURCES.match(full := dotted(node).removeprefix("datetime.datetime").removeprefix(".") or dotted(node)):
            yield full
        if isinstance(node, ast.Call) and dotted(node.func) in ("asyncio.sleep", "sleep"):
            waits = node.args and not (isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
            if waits:
                yield "asyncio.sleep"


def test_time_and_chance_come_from_objects() -> None:
    """Because what reads the machine's clock or dice cannot be moved 35 days ahead, nor run twice the same way."""
    problems = []
    for path in python_files():
        name = name_of(path)
        if name.startswith(("clock/", "cli/")):
            continue  # The clock is the one source; the command line is a client outside, with its user's time.
        problems += [f"haneul/{name}: {source}" for source in set(sources(tree_of(path)))]
    check(problems, tidy_exceptions.TIME_AND_CHANCE, "time comes from Clock, ids and chance from Ids")


# ---- plain dealing


def test_no_error_is_swallowed() -> None:
    """Because an error that nobody hears of is the one that costs a week."""
    problems = []
    for path in python_files():
        for node in nodes_of(tree_of(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            wide = node.type is None or dotted(node.type).rpartition(".")[2] in ("Exception", "BaseException")
            if wide and all(isinstance(one, ast.Pass | ast.Continue) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)) for one in node.body):
                problems.append(f"haneul/{name_of(path)}")
    check(problems, tidy_exceptions.SWALLOWED, "name the error that is expected, or do something about it")


def test_no_code_comes_from_data() -> None:
    """Because pickles and eval run what they are given."""
    problems = []
    for path in python_files():
        tree = tree_of(path)
        problems += [f"haneul/{name_of(path)}: {module}" for module in imported(tree) if module.partition(".")[0] in FORBIDDEN_CODE]
        for node in nodes_of(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec", "compile", "__import__"):
                problems.append(f"haneul/{name_of(path)}: {node.func.id}")
    check(problems, tidy_exceptions.CODE_FROM_DATA, "no pickle, eval or exec")


def local_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Names that a function binds itself, parameters included."""
    arguments = function.args
    names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg) if one is not None}
    return names | {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def changed_names(function: ast.AST) -> Iterator[str]:
    """Names whose object a function changes."""
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del) and isinstance(node.value, ast.Name):
            yield node.value.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS and isinstance(node.func.value, ast.Name):
            yield node.func.value.id


def test_no_module_keeps_state() -> None:
    """Because two clouds in one process, or two tests, would share it."""
    problems = []
    for path in python_files():
        tree = tree_of(path)
        of_module = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        for function in functions(tree):
            own = local_names(function)
            told = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
            problems += [f"haneul/{name_of(path)}: {name}" for name in changed_names(function) if name in told or (name in of_module and name not in own)]
    check(problems, tidy_exceptions.MODULE_STATE, "keep state in an object that somebody owns")


# ---- words


def test_modules_say_what_they_are_for() -> None:
    """Because a file's first line is where a newcomer begins."""
    assert [name_of(path) for path in python_files() if path.stat().st_size and not ast.get_docstring(tree_of(path))] == []


def test_public_names_are_documented() -> None:
    """Because the lower layers are used by everybody."""
    problems = []
    for path in python_files():
        name = name_of(path)
        if name.split("/")[0] in DOCUMENTED:
            for node in tree_of(path).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                    problems.append(f"haneul/{name}: {node.name}")
    check(problems, tidy_exceptions.UNDOCUMENTED, "say what it is for, its units and errors")


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Every text file of the project: tracked by git, or not yet added."""
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode == 0:
        paths = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:  # An unpacked archive has no repository: then everything in the source folders counts.
        paths = [path for folder in ("haneul", "tests", "docs", "bench", "examples", "scripts") for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in paths:
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue


def test_the_tree_speaks_of_haneul_alone() -> None:
    """Because where and with what it was written is nobody's business; the words themselves are not written here either, only their hashes."""
    word = re.compile(r"[a-z]+(?:[.-][a-z]+)*|(?:/[a-z]+){2}")
    known: dict[str, bool] = {}
    problems = []
    for name, text in tracked_texts():
        for one in set(word.findall(text.lower())) | set(word.findall(name.lower())):
            if one not in known:
                parts = {one, *re.split(r"[.-]", one)}
                known[one] = any(hashlib.sha256(part.encode()).hexdigest()[:16] in tidy_exceptions.FORBIDDEN_WORDS for part in parts)
            if known[one]:
                problems.append(f"{name}: {one}")
    assert problems == []


def test_files_that_the_documentation_names_are_there() -> None:
    """Because a newcomer goes where the documentation points."""
    named = re.compile(r"\b(?:haneul|tests|docs|scripts|examples|bench)/[\w./-]+\.(?:py|md|yaml|json)\b")
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    problems = [f"{page.relative_to(ROOT)}: {name}" for page in pages for name in set(named.findall(page.read_text(encoding="utf-8"))) if not (ROOT / name).exists()]
    assert problems == []


def test_tests_say_why() -> None:
    """Because a test without a reason cannot be told from an accident when it fails."""
    missing: dict[str, int] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node):
                name = path.relative_to(ROOT).as_posix()
                missing[name] = missing.get(name, 0) + 1
    known = tidy_exceptions.TESTS_WITHOUT_REASON
    assert {name: count for name, count in missing.items() if count > known.get(name, 0)} == {}, "give each test a line that says why the behaviour is what it is"
    assert {name: count for name, count in known.items() if missing.get(name, 0) < count} == {}, "shrink these exceptions in tests/tidy_exceptions.py"


def test_no_test_sleeps() -> None:
    """Because a test that waits for time to pass is slow on a good day and fails on a bad one: it advances the clock, or waits for an event."""
    problems = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in nodes_of(tree_of(path)):
            if not isinstance(node, ast.Call) or dotted(node.func) not in ("time.sleep", "asyncio.sleep", "sleep"):
                continue
            if not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0):
                problems.append(path.relative_to(ROOT).as_posix())
    check(problems, tidy_exceptions.SLEEPING_TESTS, "a test does not sleep")


# ---- services


@pytest.mark.parametrize("package", sorted(registry._SERVICES))
def test_a_service_has_its_usual_rooms(package: str) -> None:
    """Because whoever knows one service finds his way in all of them."""
    folder = HOUSE / "services" / package
    assert (folder / "service.py").is_file() and (folder / "quirks.py").is_file()


# ---- compiled modules


def test_compiled_modules_do_not_wait_while_they_handle_an_error() -> None:
    """Because a compiled coroutine that is suspended inside an `except` block leaves its error to whatever runs next on the thread."""
    names = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["haneul"]["compiled"]
    problems = []
    for name in names:
        for handler in [node for node in nodes_of(tree_of(ROOT / name)) if isinstance(node, ast.ExceptHandler)]:
            problems += [f"{name}:{node.lineno}" for node in ast.walk(handler) if isinstance(node, ast.Await | ast.Yield | ast.AsyncFor | ast.AsyncWith)]
    assert names and problems == []


def test_no_code_is_bound_to_one_python() -> None:
    """Because a machine has the Python that runs Haneul, and perhaps no other: `tests/support/python.py` names its runtime."""
    problems = []
    for path in sorted(path for folder in ("haneul", "tests", "bench", "examples") for path in (ROOT / folder).rglob("*.py")):
        for node in nodes_of(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"python3\.\d+", node.value):
                problems.append(f"{path.relative_to(ROOT).as_posix()}:{node.lineno}")
    assert problems == []
