"""Reading the history: the tables and views of one publication, made as views when a query names them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import duckdb

from resources.store.engine import reading_folder
from resources.store.history.manifest import RELATIONS, HistoryFolder, Manifest, Publication
from resources.store.history.state import state_sql
from resources.store.sql import identifier

_WORD = re.compile(r"[a-z_][a-z0-9_]*")

_CATALOG_WORDS = frozenset({"show", "information_schema", "pg_catalog", "sqlite_master"})
"""Words of a query that looks at the names of all tables; so do those that begin with `duckdb_` or `pragma_`."""


@dataclass(frozen=True)
class Described:
    """A table or view of a publication, as its file describes it.

    Attributes:
        sql: the statement that makes a view; empty for a table.
        column_comments: comments by column, in order.
    """

    schema: str
    name: str
    sql: str
    comment: str
    column_comments: Mapping[str, str]

    @property
    def full_name(self) -> str:
        """With its schema, such as `cost.daily`."""
        return f"{self.schema}.{self.name}"

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of a view's query; other relations that it reads are among them."""
        return words_of(self.sql)

    def reads(self, relations: Mapping[str, "Described"]) -> list["Described"]:
        """The relations whose name is a word of this view's query: those that it reads, and some that it does not."""
        return [
            other
            for other in relations.values()
            if other.name.lower() in self.words and other.full_name != self.full_name
        ]


def words_of(text: str) -> frozenset[str]:
    """The words of a query that may name a relation, in small letters."""
    return frozenset(_WORD.findall(text.lower()))


@dataclass(frozen=True)
class AsOf:
    """A connection that answers as the file of one publication did.

    Attributes:
        catalog: the in-memory database that holds its views.
    """

    connection: duckdb.DuckDBPyConnection
    history: HistoryFolder
    manifest: Manifest
    publication: Publication
    catalog: str = "memory"
    _made: set[str] = field(default_factory=set)

    @cached_property
    def relations(self) -> Mapping[str, Described]:
        """The tables and views of the publication, by full name."""
        layout = self.manifest.layouts_of(self.publication.number)[RELATIONS]
        query = state_sql(self.manifest, self.history.folder, layout, self.publication.number)
        rows = self.connection.execute(
            f"select schema_name, relation_name, sql, comment, column_comments from ({query}) order by all"
        ).fetchall()
        return {
            f"{schema}.{name}": Described(
                schema, name, sql or "", comment or "", {part["name"]: part["comment"] or "" for part in columns}
            )
            for schema, name, sql, comment, columns in rows
        }

    def prepare(self, query: str) -> None:
        """Make the relations that a query may name, as views over the history.

        Every relation whose name is a word of the query is made, so that no query has to be understood.

        Raises:
            WarehouseError: a file of the history is missing or cannot be read.
        """
        words = words_of(query)
        looks_around = bool(words & _CATALOG_WORDS) or any(word.startswith(("duckdb_", "pragma_")) for word in words)
        with self.history.explained():
            for relation in self.relations.values():
                if looks_around or relation.name.lower() in words:
                    self._make(relation)

    def _make(self, relation: Described) -> None:
        """Make one relation, after those that it reads."""
        if relation.full_name in self._made:
            return
        self._made.add(relation.full_name)
        schema = f"{self.catalog}.{identifier(relation.schema)}"
        self.connection.execute(f"create schema if not exists {schema}")
        if not relation.sql:
            layout = self.manifest.layouts_of(self.publication.number)[relation.full_name]
            query = state_sql(self.manifest, self.history.folder, layout, self.publication.number)
            self.connection.execute(f"create view {schema}.{identifier(relation.name)} as {query}")
            return
        for other in relation.reads(self.relations):
            self._make(other)
        query = relation.sql.partition(" AS ")[2]
        self.connection.execute(f"create view {schema}.{identifier(relation.name)} as {query}")


@contextmanager
def opened(history: HistoryFolder, manifest: Manifest, publication: Publication) -> Iterator[AsOf]:
    """The tables of one publication, for a person's SELECTs."""
    with reading_folder(history.folder) as connection:
        yield AsOf(connection, history, manifest, publication)


@contextmanager
def compared(
    history: HistoryFolder, manifest: Manifest, before: Publication, after: Publication
) -> Iterator[tuple[AsOf, AsOf]]:
    """The tables of two publications in one connection, in its catalogs `before` and `after`."""
    with reading_folder(history.folder, ("before", "after")) as connection:
        yield (
            AsOf(connection, history, manifest, before, "before"),
            AsOf(connection, history, manifest, after, "after"),
        )
