"""The names that a mutation target gives, held against what is there: one that is unknown would change or try nothing.

Only reads files; loads neither what is changed nor the tests.
"""

import ast
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from tools.mutation.mutations import is_in
from tools.mutation.sql_mutations import changes


def unknown_places(repository: Path, path: str, only: Collection[str]) -> list[str]:
    """What is wrong with the place of a source, each as a sentence; nothing where all of it is there.

    Args:
        path: of the file that is changed, below the repository.
        only: its functions, classes or, of SQL, columns.
    """
    file = repository / path
    if not file.is_file():
        return [f"There is no file {path}."]
    text = file.read_text(encoding="utf-8")
    if path.endswith(".sql"):
        # A file of which all is changed needs no look at its columns, which takes seconds.
        places = {where for where, _, _ in changes(text)} if only else set()
        known = [name for name in only if any(is_in(place, [name]) for place in places)]
        return [f"{path} has no column or query {name} that could be changed." for name in only if name not in known]
    defined = set(_definitions(ast.parse(text).body))
    return [f"{path} has no function or class {name}." for name in only if name not in defined]


def unknown_tests(repository: Path, tests: Sequence[str], once: str = "") -> list[str]:
    """What is wrong with the names of tests, each as a sentence; nothing where all of them are there.

    Args:
        tests: as pytest takes them, `tests/test_x.py` or `tests/test_x.py::test_that`.
        once: a function of a module beside the tests, `module:name`; none where empty.
    """
    module, _, function = once.partition(":")
    beside = Path(tests[0].partition("::")[0]).parent if tests else Path()
    named = [*tests, *([f"{beside / module}.py::{function}"] if once else [])]
    wrong = []
    for test in named:
        path, _, inside = test.partition("::")
        if not (repository / path).is_file():
            wrong.append(f"There is no file {path}.")
            continue
        # The name of a case, in brackets, is what pytest makes of it.
        name = inside.partition("[")[0].replace("::", ".")
        if name and name not in _definitions(ast.parse((repository / path).read_text(encoding="utf-8")).body):
            wrong.append(f"{path} has no function or class {name}.")
    return wrong


def _definitions(body: Sequence[ast.stmt], above: str = "") -> Iterator[str]:
    """Qualified names of every function and class, those within others too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield f"{above}{node.name}"
            yield from _definitions(node.body, f"{above}{node.name}.")
