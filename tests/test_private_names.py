"""Private names of other packages: what we rely upon stands on one page, with the test that fails when it changes."""

import ast
import importlib
import importlib.util
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from nights import REPOSITORY

PAGE = REPOSITORY / "docs" / "dev" / "private-names.md"
PACKAGES = ("pipelines", "resources")
ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| `(?P<file>[^`]+)` \| (?P<why>[^|]+) \| `(?P<test>[^`]+)` \|$", re.MULTILINE)


class Use(NamedTuple):
    """A private name in a file of ours: the last part of what the page has, or all of it where a module is private."""

    name: str
    file: str


class Row(NamedTuple):
    """A line of the page; the name with the module and the class that have it."""

    name: str
    file: str
    why: str
    test: str


def rows() -> list[Row]:
    return [Row(*found.groups()) for found in ROW.finditer(PAGE.read_text("utf-8"))]


def short(name: str) -> str:
    last = name.rpartition(".")[2]
    return last if is_private(last) else name


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name.strip("_") != ""


def has_private(dotted: str) -> bool:
    return any(map(is_private, dotted.split(".")))


def private_names(source: str) -> Iterator[str]:
    """The private names that a module takes from something else than `self` and `cls`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name) if is_private(name):
                yield name
            case ast.ImportFrom(module=str(module), names=names):
                yield from (short(whole) for alias in names if has_private(whole := f"{module}.{alias.name}"))
            case ast.Import(names=names):
                yield from (short(alias.name) for alias in names if has_private(alias.name))
            case ast.Call(
                func=ast.Name(id="getattr" | "setattr" | "hasattr"), args=[_, ast.Constant(value=str(name)), *_]
            ):
                if is_private(name):
                    yield name


def inherited_names(module: str) -> Iterator[Use]:
    """The private names of another package's class that a class of ours calls, sets or replaces, mixins too."""
    for owner in vars(importlib.import_module(module)).values():
        if not (inspect.isclass(owner) and owner.__module__ == module):
            continue
        theirs = frozenset().union(*map(own_names, filter(is_foreign, owner.__mro__)))
        for ours in owner.__mro__:
            if not is_foreign(ours):
                file = f"{ours.__module__.replace('.', '/')}.py"
                yield from (Use(name, file) for name in theirs & own_names(ours))


def is_foreign(owner: type) -> bool:
    return owner.__module__.partition(".")[0] not in (*PACKAGES, "builtins")


@cache
def own_names(owner: type) -> frozenset[str]:
    """The private names that a class itself defines, or that it uses of `self` or `cls`."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except (OSError, TypeError):
        # Compiled: nothing of it can be read, nor replaced.
        return frozenset()
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                names.add(name)
    return frozenset(filter(is_private, names))


def uses(root: Path = REPOSITORY) -> set[Use]:
    """Every private name of another package in the sources, by file."""
    found: set[Use] = set()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            file = path.relative_to(root).as_posix()
            if path.suffix == ".py":
                found |= {Use(name, file) for name in private_names(path.read_text("utf-8"))}
                found |= set(inherited_names(module_of(file)))
            elif path.suffix == ".yaml":
                found |= {
                    Use(name, file) for name in re.findall(r"\b\w+(?:\.\w+)*\._[a-z][\w.]*", path.read_text("utf-8"))
                }
    return found


def module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_every_private_name_is_on_the_page_and_every_name_of_the_page_is_used() -> None:
    listed = [Use(short(row.name), row.file) for row in rows()]
    assert len(listed) == len(set(listed)), "a name stands twice"
    assert uses() - set(listed) == set(), "not on docs/dev/private-names.md"
    assert set(listed) - uses() == set(), "no longer used: take it off docs/dev/private-names.md"


@pytest.mark.parametrize("name", sorted({row.name for row in rows()}))
def test_the_installed_package_has_the_name(name: str) -> None:
    parts = name.split(".")
    module = next(".".join(parts[:length]) for length in range(len(parts), 0, -1) if exists(".".join(parts[:length])))
    inside = name.removeprefix(module).split(".")[1:]
    source = inspect.getsource(importlib.import_module(module))
    assert [part for part in inside if not re.search(rf"\b{part}\b", source)] == []


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def test_every_row_of_the_page_is_read() -> None:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert len(lines) == len(rows())


@pytest.mark.parametrize("test", sorted({row.test for row in rows()}))
def test_the_test_that_holds_a_name_exists(test: str) -> None:
    file, _, name = test.partition("::")
    functions = [
        node for node in ast.parse((REPOSITORY / file).read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    ]
    assert name in {function.name for function in functions} and name.startswith("test_")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("client._endpoint.http_session = 1", "_endpoint"),
        ("super()._parse_shape()", "_parse_shape"),
        ("made()._x", "_x"),
        ("self.log._engines", "_engines"),
        ("from dagster._core.storage import noop", "dagster._core.storage.noop"),
        ("from dagster import _utils", "_utils"),
        ("import dagster._core.storage as storage", "dagster._core.storage"),
        ("getattr(client, '_endpoint')", "_endpoint"),
    ],
)
def test_a_private_name_is_found_however_it_is_reached(source: str, name: str) -> None:
    assert list(private_names(source)) == [name]


@pytest.mark.parametrize("source", ["self._x", "cls._x", "made.__dict__", "_x = 1; _x", "for _ in x: x.y", "f'{x}._y'"])
def test_what_is_ones_own_is_no_private_name(source: str) -> None:
    assert list(private_names(source)) == []


def test_what_a_class_of_ours_replaces_of_another_package_is_found() -> None:
    assert Use("_initdb", "pipelines/kept_event_log.py") in set(inherited_names("pipelines.kept_event_log"))
