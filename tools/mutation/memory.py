"""What is known of mutants from earlier runs, kept in `.mutants/`.

It holds for as long as the function that is changed and the test that killed it or, where none did, all the tests of
its target stay as they are.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Sequence

from tools.mutation.mutations import Mutant
from tools.mutation.trials import REPOSITORY

STATE = REPOSITORY / ".mutants"


class Memory:
    """What is known of the mutants of one target from earlier runs."""

    def __init__(self, name: str) -> None:
        self._path = STATE / f"{name}.jsonl"
        self._known: dict[str, dict[str, str]] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self._known[entry["key"]] = entry

    def killer(self, mutant: Mutant) -> str:
        """The test that killed a mutant of this key last; empty where none did or it was never tried."""
        return self._known.get(mutant.key, {}).get("killer", "")

    def is_current(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        """Whether a trial would find what is known."""
        known = self._known.get(mutant.key)
        return known is not None and known["evidence"] == evidence(mutant, known["killer"], tests)

    def keep(self, mutant: Mutant, killer: str, tests: Sequence[str]) -> None:
        """Remember the end of a trial, at once."""
        entry = {"key": mutant.key, "killer": killer, "evidence": evidence(mutant, killer, tests)}
        self._known[mutant.key] = entry
        STATE.mkdir(exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def evidence(mutant: Mutant, killer: str, tests: Sequence[str]) -> str:
    """What a verdict rests on: the change, the function around it, and the test that killed it or all that did not."""
    parts = [mutant.key, _scope(mutant.path, mutant.where)]
    parts += [_function(killer) if "::" in killer else source_of(killer)] if killer else map(source_of, tests)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def source_of(test: str) -> str:
    """The text of a file below the repository, or of the file of a test; empty where there is none."""
    path = REPOSITORY / test.partition("::")[0]
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@functools.cache
def _function(test: str) -> str:
    """The source of a test function and of its cases, without those around it."""
    name = test.partition("::")[2].partition("[")[0]
    return _found(source_of(test), [name])


@functools.cache
def _scope(path: str, where: str) -> str:
    """The source of the function or class that is changed; of SQL and of what stands in none, the whole file."""
    text = source_of(path)
    return (where and path.endswith(".py") and _found(text, where.split("."))) or text


def _found(text: str, names: Sequence[str]) -> str:
    """The source of a function or class within others; empty where there is none."""
    inside: list[ast.stmt] = ast.parse(text).body
    first, last = 0, 0
    for name in names:
        found = [
            node
            for node in inside
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name
        ]
        if not found:
            return ""
        node = found[-1]
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        last, inside = node.end_lineno or node.lineno, node.body
    return "\n".join(text.splitlines()[first - 1 : last])
