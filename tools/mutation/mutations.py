"""Mutants: a source file with one small thing changed, as a careless hand might change it.

Cosmic Ray's operators change conditions, operators, numbers and arguments. Beside them stand those that the product's
rules need: an entry that is missing from a list, a word that is another, a statement that is not done, a filter that
lets everything pass. Sentences, types and documentation are left alone.
"""

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

_OPPOSITES = {
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Lt": ("LtE", "GtE"),
    "LtE": ("Lt", "Gt"),
    "Gt": ("GtE", "LtE"),
    "GtE": ("Gt", "Lt"),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
}
"""To what a comparison is changed: past its edge, and to the contrary. Cosmic Ray knows every pair."""

_ARITHMETIC = (("Add", "Sub"), ("Sub", "Add"), ("Mul", "Div"), ("Div", "Mul"), ("FloorDiv", "Mul"), ("Mod", "FloorDiv"))
_SETS = (("BitOr", "BitAnd"), ("BitAnd", "BitOr"))

OPERATORS = (
    *(f"core/ReplaceComparisonOperator_{one}_{other}" for one, others in _OPPOSITES.items() for other in others),
    *(f"core/ReplaceBinaryOperator_{one}_{other}" for one, other in (*_ARITHMETIC, *_SETS)),
    "core/AddNot",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/ReplaceUnaryOperator_USub_UAdd",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/NumberReplacer",
    "core/RemoveDecorator",
    "core/ZeroIterationForLoop",
)
"""Those of Cosmic Ray's operators whose mutants say something about this code."""

_SWAPPED = {"any": "all", "all": "any", "min": "max", "max": "min"}

OTHER_WORD = "mutant"
"""What stands in the place of a word or a name in quotes."""


@dataclass(frozen=True)
class Mutant:
    """One change to one file.

    Attributes:
        path: of the file, below the repository.
        where: the function, class or relation that is changed; empty for the module itself.
        change: the lines before and after, which tell it from the others of its place.
        text: the whole file with the change in it.
        lines: where a mark that explains it may stand: the changed line, or the whole query.
        part: the part of the query that is changed; None where it is no query.
    """

    path: str
    where: str
    change: str
    text: str
    lines: range = range(0)
    part: str | None = None

    @property
    def key(self) -> str:
        """What tells it from every other mutant, whatever its line."""
        return f"{self.path} {self.where or 'module'}: {self.change}"


def python_mutants(path: str, source: str, only: Collection[str] = ()) -> list[Mutant]:
    """Every mutant of a Python file, in the order of the file.

    Args:
        path: below the repository.
        only: qualified names of functions and classes; what lies in none of them is left alone. All where empty.
    """
    tree = ast.parse(source)
    ground = Ground(tree, source)
    texts = dict.fromkeys(
        [*_of_cosmic_ray(source, ground), *(ground.spliced(*one) for one in _of_our_own(tree, ground))]
    )
    found = []
    for text in filter(_compiles, texts):
        start = _first_difference(source, text)
        where = ground.where(start)
        if not is_in(where, only):
            continue
        # A line that is gone differs from the end of the line before it on.
        line = source.count("\n", 0, start + len(source[start:]) - len(source[start:].lstrip())) + 1
        found.append((start, Mutant(path, where, change(source, text), text, range(line, line + 1))))
    return numbered(mutant for _, mutant in sorted(found, key=lambda one: one[0]))


def is_in(where: str, only: Collection[str]) -> bool:
    """Whether a place lies in one of those that are named, or none is."""
    return not only or any(where == name or where.startswith(f"{name}.") for name in only)


def numbered(mutants: Iterable[Mutant]) -> list[Mutant]:
    """The mutants with those of one key told apart, since the same lines may stand in one place twice."""
    seen: Counter[str] = Counter()
    told = []
    for mutant in mutants:
        seen[mutant.key] += 1
        count = seen[mutant.key]
        told.append(mutant if count == 1 else replace(mutant, change=f"{mutant.change} (the {count}. such)"))
    return told


def change(before: str, after: str) -> str:
    """The lines in which two texts differ, each side in one line."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    said = [" ".join(" ".join(line.split()) for line in lines).strip() or "nothing" for lines in (old, new)]
    return " → ".join(said)


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _first_difference(before: str, after: str) -> int:
    return next(
        (at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other),
        min(len(before), len(after)),
    )


class Ground:
    """Where things stand in a source file: its functions, and what is not to be changed."""

    def __init__(self, tree: ast.Module, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._source = source
        self._scopes: list[tuple[int, int, str]] = []
        self._quiet: list[tuple[int, int]] = []
        self._enter(tree, "")

    def _enter(self, node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}" if name else child.name
                first = min([child, *child.decorator_list], key=lambda part: part.lineno)
                self._scopes.append((self._starts[first.lineno - 1], self.span(child)[1], inner))
            for quiet in _quiet(child):
                self._quiet.append(self.span(quiet))
            self._enter(child, inner)

    def span(self, node: Any) -> tuple[int, int]:
        """From where to where a node reaches, in bytes."""
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def at(self, line: int, column: int) -> int:
        """The place of a line and a column of characters, in bytes."""
        text = self._bytes[self._starts[line - 1] :].decode().split("\n", 1)[0]
        return self._starts[line - 1] + len(text[:column].encode())

    def line(self, place: int) -> int:
        """The line of a place, which is counted in bytes."""
        return self._bytes.count(b"\n", 0, place) + 1

    def is_quiet(self, start: int) -> bool:
        """Whether the place is an annotation, a type or documentation."""
        return any(first <= start < last for first, last in self._quiet)

    def starts(self, start: int, text: str) -> bool:
        """Whether this stands at a place."""
        return self._bytes.startswith(text.encode(), start)

    def where(self, start: int) -> str:
        """The innermost function or class around a place, which is counted in characters."""
        return self.around(len(self._source[:start].encode()))

    def around(self, place: int) -> str:
        """The innermost function or class around a place, which is counted in bytes."""
        around = [(last - first, name) for first, last, name in self._scopes if first <= place < last]
        return min(around)[1] if around else ""

    def spliced(self, start: int, end: int, text: str) -> str:
        """The source with something in the place of a span."""
        return (self._bytes[:start] + text.encode() + self._bytes[end:]).decode()

    def text(self, node: Any) -> str:
        """The source of a node."""
        start, end = self.span(node)
        return self._bytes[start:end].decode()


def _quiet(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that say something to people and type checkers only."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node
    if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
        yield node.annotation
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
        yield node.returns
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in ("Literal", "tuple"):
        yield node
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        yield node
    if isinstance(node, ast.ClassDef):
        # That a record is not changed afterwards is what mypy sees to.
        yield from (one for one in node.decorator_list if "dataclass" in ast.unparse(one))


def _of_cosmic_ray(source: str, ground: Ground) -> Iterator[str]:
    nodes = list(ast_nodes(get_ast(source)))
    for name in OPERATORS:
        operator = get_operator(name)()
        places = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, place in enumerate(places):
            at = ground.at(*place)
            # The star that ends the positional parameters is no multiplication.
            if ground.is_quiet(at) or ground.starts(at, "*,"):
                continue
            text = mutate_code(source, operator, occurrence)
            if text is not None and text != source:
                yield text


Splice = tuple[int, int, str]


def _of_our_own(tree: ast.Module, ground: Ground) -> Iterator[Splice]:
    for node in _walk(tree, ground):
        yield from _words(node, ground)
        yield from _entries(node, ground)
        yield from _statements(node, ground)
        yield from _conditions(node, ground)


def _walk(node: ast.AST, ground: Ground) -> Iterator[ast.AST]:
    """Every node that may be changed; what stands inside a sentence has no place of its own before Python 3.12."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.JoinedStr) and not (
            hasattr(child, "lineno") and ground.is_quiet(ground.span(child)[0])
        ):
            yield from _walk(child, ground)


def _words(node: ast.AST, ground: Ground) -> Iterator[Splice]:
    """A word in quotes is another; a sentence is left to those who read it."""
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.Constant)
            and isinstance(child.value, str)
            and child.value
            and not any(letter.isspace() for letter in child.value)
            and ground.text(child)[-1:] in "\"'"
            and not ground.is_quiet(ground.span(child)[0])
        ):
            yield *ground.span(child), f'"{OTHER_WORD}"'


def _entries(node: ast.AST, ground: Ground) -> Iterator[Splice]:
    """An entry of a list, a set, a tuple or a mapping is missing, or an argument is not passed on."""
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        for kept in node.elts:
            yield *ground.span(node), f"({ground.text(kept)},)"
    elif isinstance(node, ast.List | ast.Set | ast.Tuple) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        yield from _dropped([ground.span(entry) for entry in node.elts], ground)
    if isinstance(node, ast.Dict):
        firsts = [key or value for key, value in zip(node.keys, node.values, strict=True)]
        starts = [ground.span(first)[0] for first in firsts]
        spans = [(start, ground.span(value)[1]) for start, value in zip(starts, node.values, strict=True)]
        yield from _dropped([span for span, key in zip(spans, node.keys, strict=True) if key], ground)
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg:
                yield from _dropped([ground.span(keyword)], ground)


def _dropped(spans: Iterable[tuple[int, int]], ground: Ground) -> Iterator[Splice]:
    for start, end in spans:
        # The comma goes along.
        yield start, _comma(ground, end), ""


def _comma(ground: Ground, end: int) -> int:
    """The end of an entry with the comma behind it, where there is one."""
    rest = ground.spliced(0, end, "")
    stripped = rest.lstrip()
    if not stripped.startswith(","):
        return end
    return end + len(rest[: len(rest) - len(stripped)].encode()) + 1


def _statements(node: ast.AST, ground: Ground) -> Iterator[Splice]:
    """A statement is not done, or a function gives nothing back."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom):
        yield *ground.span(node), "pass"
    if isinstance(node, ast.AugAssign | ast.Raise):
        yield *ground.span(node), "pass"
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute | ast.Subscript):
        yield *ground.span(node), "pass"
    if isinstance(node, ast.Return) and node.value is not None and ground.text(node.value) != "None":
        yield *ground.span(node.value), "None"


def _conditions(node: ast.AST, ground: Ground) -> Iterator[Splice]:
    """What is in a collection is not, a filter lets everything pass, a choice falls the other way."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.In | ast.NotIn):
        word = "not in" if isinstance(node.ops[0], ast.In) else "in"
        yield *ground.span(node), f"({ground.text(node.left)} {word} {ground.text(node.comparators[0])})"
    if isinstance(node, ast.comprehension):
        for condition in node.ifs:
            yield *ground.span(condition), "True"
            yield *ground.span(condition), f"not ({ground.text(condition)})"
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            rest = [ground.text(other) for other in node.values if other is not value]
            word = " and " if isinstance(node.op, ast.And) else " or "
            yield *ground.span(node), f"({word.join(rest)})"
    if isinstance(node, ast.ExceptHandler) and node.type is not None:
        yield *ground.span(node.type), "()"
    if isinstance(node, ast.IfExp):
        yield *ground.span(node), f"({ground.text(node.body)})"
        yield *ground.span(node), f"({ground.text(node.orelse)})"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SWAPPED:
        yield *ground.span(node.func), _SWAPPED[node.func.id]
