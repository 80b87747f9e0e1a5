"""How large a module and a class may become before it is split; which module stands where is import-linter's."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
LINES, CLASS_LINES = 400, 250
WHY = "Larger than others, since"
"""How the docstring of what is larger begins to say why."""

MODULES = sorted(path for top in ("resources", "pipelines", "tools") for path in (REPOSITORY / top).rglob("*.py"))


def too_large(source: str) -> list[str]:
    """What of a module is too large and does not say why."""
    tree = ast.parse(source)
    found = []
    if len(source.splitlines()) > LINES and WHY not in (ast.get_docstring(tree) or ""):
        found.append("the module")
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ClassDef)
            and (node.end_lineno or node.lineno) - node.lineno >= CLASS_LINES
            and WHY not in (ast.get_docstring(node) or "")
        ):
            found.append(node.name)
    return found


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 150


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_module_and_no_class_is_too_large(path: Path) -> None:
    assert too_large(path.read_text(encoding="utf-8")) == []


def test_what_is_too_large_is_found_unless_it_says_why() -> None:
    body = "    x = 1\n" * CLASS_LINES
    assert too_large(f"class Large:\n{body}") == ["Large"]
    assert too_large(f'class Large:\n    """It is large. {WHY} it must."""\n{body}') == []
    assert too_large("x = 1\n" * (LINES + 1)) == ["the module"]
    assert too_large(f'"""It is large. {WHY} it must."""\n' + "x = 1\n" * LINES) == []
