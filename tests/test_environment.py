"""The environment is read where a process begins, in the definitions and the command line, and handed to the rest."""

import ast

import pytest
from nights import REPOSITORY

READERS = ("pipelines/definitions.py", "pipelines/cli/")
NAMES = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv", "expandvars"})


def uses(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="os" | "path") | ast.Attribute(attr="path"), attr=name) if (
                name in NAMES
            ):
                found.add(name)
            case ast.ImportFrom(module="os" | "os.path" | "posixpath", names=names):
                found |= {alias.name for alias in names} & NAMES
    return found


def test_only_the_definitions_and_the_command_line_read_the_environment() -> None:
    readers = {
        path.relative_to(REPOSITORY).as_posix()
        for package in ("pipelines", "resources")
        for path in (REPOSITORY / package).rglob("*.py")
        if uses(path.read_text("utf-8"))
    }
    assert {file for file in readers if not file.startswith(READERS)} == set()
    assert "pipelines/definitions.py" in readers


@pytest.mark.parametrize(
    "source",
    [
        "import os; os.environ['X']",
        "import os; os.getenv('X')",
        "from os import environ as given",
        "from os.path import expandvars",
        "import os; os.path.expandvars('$X')",
    ],
)
def test_a_reader_is_found_however_it_reads(source: str) -> None:
    assert uses(source) != set()
