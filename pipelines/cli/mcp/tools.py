"""Every tool: each one query of the published file, or the explanation of one thing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from pipelines.cli.dictionary import DESCRIBED
from pipelines.cli.mcp.answer import Answer
from pipelines.cli.mcp.figures import FigureTools
from pipelines.cli.mcp.items import ItemTools
from pipelines.cli.mcp.parameters import Limit
from pipelines.cli.mcp.queries import ROWS, Published


def tools_of(published: Published) -> tuple[Callable[..., Answer], ...]:
    """The tools over one published file; the name and the docstring of each are what a client sees."""
    figures, items, texts = FigureTools(published), ItemTools(published), TextTools(published)
    return (
        figures.coverage, items.resource, items.search, figures.cost, items.changes, figures.findings, items.explain,
        texts.tables, texts.sql,
    )  # fmt: skip


@dataclass(frozen=True)
class TextTools:
    """What an assistant may ask in words of its own: the dictionary by a word, and a free query."""

    published: Published

    def tables(
        self, word: Annotated[str, Field(description="Part of a name or of a description; empty for all.")] = ""
    ) -> Answer:
        """The data dictionary: tables and columns whose name or description has a word. Look here before `sql`."""
        return self.published.answer(DESCRIBED, {"word": word}, [])

    def sql(
        self,
        query: Annotated[str, Field(description="One SELECT in DuckDB's SQL; nothing else runs.")],
        limit: Limit = ROWS,
    ) -> Answer:
        """A free query of the published file, read-only. Its scope is that of every table that it reads.

        Compare account_id and region with literals for the scope of that account or region alone.
        """
        return self.published.free_answer(query, limit)
