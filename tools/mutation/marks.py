"""Marks of equivalent mutants: a comment at the line that no test can kill a change of, with the reason.

In Python `# equivalent: REASON` stands at the end of the line or alone above it. In a query, `-- equivalent in
CTE.COLUMN: REASON` names the part, as a mutant's key does, or no part: `-- equivalent: REASON`. Where more than one
mutant survives, the mark says how many: `# equivalent (3): REASON`. So it explains none that comes later. The reason
may go on in comments on the following lines.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.mutation.mutations import Mutant

_PYTHON = re.compile(r"# equivalent(?: \((?P<count>\d+)\))?: (?P<reason>.+)")
_SQL = re.compile(r"-- equivalent(?: \((?P<count>\d+)\))?(?: in (?P<part>[\w.]+))?: (?P<reason>.+)")


@dataclass(frozen=True)
class Mark:
    """Why a change of a line makes no difference.

    Attributes:
        path: of the file, below the repository.
        line: the one that is marked; of a query, the one with the mark.
        part: of the query, such as `cte.column`; None for a line of Python.
        count: how many mutants survive there.
    """

    path: str
    line: int
    part: str | None
    count: int
    reason: str

    def explains(self, mutant: Mutant) -> bool:
        """Whether the mutant changes what is marked."""
        return mutant.path == self.path and mutant.part == self.part and self.line in mutant.lines

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


def marks(path: str, text: str) -> list[Mark]:
    """The marks of a file, in its order."""
    comments = _python_comments(text) if path.endswith(".py") else []
    queries = _query_lines(text) if path.endswith(".py") else range(1, text.count("\n") + 2)
    return sorted([*_of_python(path, text, comments), *_of_sql(path, text, queries)], key=lambda mark: mark.line)


def _of_python(path: str, text: str, comments: Sequence[tuple[int, bool, str]]) -> Iterator[Mark]:
    alone = {line: comment for line, is_alone, comment in comments if is_alone}
    code = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in alone]
    for line, is_alone, comment in comments:
        if found := _PYTHON.fullmatch(comment):
            reason = [found["reason"]]
            last = line
            while is_alone and (following := alone.get(last + 1)) and not _PYTHON.fullmatch(following):
                reason.append(following.removeprefix("#").strip())
                last += 1
            marked = next(number for number in code if number >= line) if is_alone else line
            yield Mark(path, marked, None, int(found["count"] or 1), " ".join(reason))


def _of_sql(path: str, text: str, among: range | set[int]) -> Iterator[Mark]:
    lines = text.splitlines()
    for number in among:
        found = _SQL.search(lines[number - 1]) if number <= len(lines) else None
        if found:
            reason = [found["reason"].strip()]
            following = number
            while following < len(lines) and _goes_on(lines[following]):
                reason.append(lines[following].strip().removeprefix("--").strip())
                following += 1
            yield Mark(path, number, found["part"] or "", int(found["count"] or 1), " ".join(reason))


def _goes_on(line: str) -> bool:
    return line.strip().startswith("--") and not _SQL.search(line)


def _python_comments(text: str) -> list[tuple[int, bool, str]]:
    """Line, whether it stands alone there, and text of every comment."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [
        (token.start[0], not token.line[: token.start[1]].strip(), token.string)
        for token in tokens
        if token.type == tokenize.COMMENT
    ]


def _query_lines(text: str) -> set[int]:
    """The lines of a Python file that lie in a text, where queries stand."""
    texts = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant | ast.JoinedStr))
    return {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
