"""SQL files as models: `warehouse/<schema>/<table>.sql` is the relation `<schema>.<table>`. Written once for all.

The header of a file is its documentation: a description, then `name: text` lines. `key` names the columns that
identify a row, `materialized` states how the query becomes a relation, `owner` names the column with the account of a
row that several accounts list, every other name is a column. What a file reads is found in its query. Beside
`landing(listing, type)` a query may use the macros `aws_arn(service, region, account_id, resource)`,
`aws_partition(region)`, `tag_map(tags)` and `part_of(units, weight, total)`. Kinds of materialisation:

incremental_by_cell  reads `landing(listing, type)`; rows are replaced cell by cell, and only by trusted cells.
append_by_cell       as `incremental_by_cell`, but a response whose rows the table holds is not read again: for
                     queries whose rows come from one record each, where a run requests a part only, such as the
                     newest months of a bill. Where the header names a column of days (`days: usage_date`), a response
                     of some days of its cell (`days` in its evidence) replaces the rows of those days only.
full                 the query's rows replace the table's.
full_from_previous   as `full`, but the query also reads the table's own rows of the last run.
                     Where the header of either names a table and a number (`in_parts_by: cost.daily 30000`), the query
                     is run once for each so many rows of that table, so that it takes less memory: for the rows of
                     whose key `in_part(<key>)` is true, such as those of some accounts.
scd_type_2           the query's rows are versions, keyed by what they are versions of and `valid_from`: each closes
                     the current version of its own that began before it, and takes the place of the one that began
                     with it. Nothing else is touched, so a query without rows changes nothing.
log                  the query's rows are appended; it is run while the table that it logs (`logs`) is being replaced,
                     and sees the rows that come in as `incoming`.
view                 a view.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar, cast, get_args

from pipelines.catalogue.names import METRIC
from pipelines.catalogue.registry import listings
from pipelines.errors import SqlFileError, UnreadableQueryError
from pipelines.models import claims, relation_union, resource_union
from pipelines.models.macros import RECORD, called_by
from pipelines.models.sql_files import Header, read_header, reads
from pipelines.settings import WAREHOUSE_FOLDER
from resources import release
from resources.store.sql import identifier

T = TypeVar("T")

Materialization = Literal[
    "incremental_by_cell", "append_by_cell", "full", "full_from_previous", "scd_type_2", "log", "view"
]

SCHEMAS = ("ref", "stage", "org", "aws", "cost", "cmdb", "audit")
"""Folders of SQL files, in the order in which they build on each other."""

CELL_COLUMNS = {
    "run_id": "The run that collected this row; leads to audit.collection.",
    "role": "The role of the contract that sent the request: management, operations, billing or workload.",
    "caller_account_id": "The AWS account of the request, 12 digits: the account of the cell in audit.collection.",
    "cell_region": "The region of the cell in audit.collection; aws-global where the service has none.",
    "listing": "The listing that this row came in, with its parameter; leads to audit.collection.",
    "collected_at": "When the response of the row's cell was complete, UTC.",
    "is_stale": "True when the newest cell of this key is not trusted: the row is the last that was.",
}
"""What every collected row carries through `cell.*`, and how it is documented."""

RECORD_COLUMN = {
    RECORD: "The whole record as AWS gave it, JSON, without the fields that its listing redacts. NULL where an earlier "
    "release collected the row and its landed record is gone."
}
"""What it carries besides, where its table keeps whole records."""


class ModelError(SqlFileError):
    """A model's file is not what this module reads, or does not fit its table."""


@dataclass(frozen=True)
class Model:
    """One SQL file: a relation and its documentation.

    Attributes:
        uses: the relations that its query reads.
        listings: the listings that its query reads of the landing.
        sources: every listing that it rests on, however far away.
        place: the file that its query is written in, or made by, below the product's folder.
    """

    schema: str
    name: str
    sql: str
    header: Header
    uses: frozenset[str] = frozenset()
    listings: tuple[str, ...] = ()
    sources: frozenset[str] = field(default_factory=frozenset)
    place: str = ""

    @property
    def relation(self) -> str:
        """`org.account`."""
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The relation, quoted for SQL."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @property
    def materialized(self) -> Materialization:
        """How the query becomes a relation."""
        kind = self.header.entries.get("materialized", "incremental_by_cell" if self.listings else "full")
        for known in get_args(Materialization):
            if kind == known:
                return known  # type: ignore[no-any-return]  # get_args is untyped
        raise ModelError(
            f"{self.place}: materialized: {kind} is unknown; write one of {', '.join(get_args(Materialization))}."
        )

    @property
    def keeps_records(self) -> bool:
        """Whether each row has the whole record of AWS beside its columns: all that is collected of resources has.

        A record of metrics is many rows.
        """
        if not self.listings or METRIC in self.listings:
            return False
        of_items = any(listings()[name].resource_type for name in self.listings)
        return self.schema == "aws" or of_items or f"cell.{RECORD}" in self.sql

    @property
    def query(self) -> str:
        """Its query as it is run: where it keeps records, `cell.*` has them too."""
        return self.sql.replace("landing(", "landing_with_record(") if self.keeps_records else self.sql

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row; empty where the file names none."""
        return tuple(word.strip() for word in self.header.entries.get("key", "").split(",") if word.strip())

    @property
    def logs(self) -> str:
        """The relation whose replacement a `log` records."""
        return self.header.entries.get("logs", "")

    @property
    def days(self) -> str:
        """The column with the day of a row, where a response may have some days of its cell only; else empty."""
        return self.header.entries.get("days", "") if self.materialized == "append_by_cell" else ""

    @property
    def in_parts_by(self) -> str:
        """The table whose rows decide in how many parts the query is run; empty for all at once."""
        return self._parts[0]

    @property
    def rows_a_part(self) -> int:
        """Of how many rows of `in_parts_by` one part is made."""
        return int(self._parts[1])

    @property
    def _parts(self) -> tuple[str, str]:
        table, _, rows = self.header.entries.get("in_parts_by", "").partition(" ")
        return table, rows

    @property
    def owner(self) -> str:
        """The column that names the account of a row, where what is shared is listed by other accounts too."""
        return self.header.entries.get("owner", "") if self.listings else ""

    @cached_property
    def columns(self) -> dict[str, str]:
        """The documentation of each column."""
        # Of a table that is not collected, an owner is a column: whom to ask.
        reserved = {
            *("key", "materialized", "logs", "days", "in_parts_by"),
            *(resource_union.ENTRY, relation_union.ENTRY, claims.ENTRY),
            *(("owner",) if self.listings else ()),
        }
        named = {name: text for name, text in self.header.entries.items() if name not in reserved}
        return {**CELL_COLUMNS, **(RECORD_COLUMN if self.keeps_records else {}), **named}

    @property
    def documented(self) -> list[str]:
        """Names of the columns that its file documents; of what is collected also those that a row has of its cell."""
        return [name for name in self.columns if self.listings or name in self.header.entries]


_WORKED_OUT: dict[object, tuple[tuple[tuple[str, str], ...], object]] = {}


def once(work_out: Callable[[Mapping[str, Model]], T], models: Mapping[str, Model]) -> T:
    """What a function works out of models; again only for other models or other SQL than at its last call.

    A process that builds its definitions more than once would else parse every query each time.
    """
    texts = tuple((model.relation, model.sql) for model in models.values())
    kept = _WORKED_OUT.get(work_out)
    if kept is None or kept[0] != texts:
        kept = _WORKED_OUT[work_out] = texts, work_out(models)
    return cast(T, kept[1])


def read_models(folder: Path = WAREHOUSE_FOLDER) -> dict[str, Model]:
    """Every SQL file below the schema folders, by relation, in an order in which each can be built.

    Raises:
        ProductFileError: a file that this release ships is missing, or another folder holds no models.
        ModelError: a file does not parse, or files depend on each other in a circle.
    """
    is_whole = folder == WAREHOUSE_FOLDER
    if is_whole:
        release.require(*(f"warehouse/{schema}" for schema in SCHEMAS))
    found: dict[str, Model] = {}
    for schema in SCHEMAS:
        for path in sorted((folder / schema).glob("[!.]*.sql")):
            found[f"{schema}.{path.stem}"] = _read(path, schema)
    for made in _unions(found, is_whole=is_whole):
        found[made.relation] = made
    if is_whole:
        for made in _claims(found):
            found[made.relation] = made
    if not found:
        raise ModelError(f"{folder} holds no models in {', '.join(SCHEMAS)}. Nothing was loaded. Name another folder.")
    ordered: dict[str, Model] = {}
    while len(ordered) < len(found):
        ready = [
            model
            for model in found.values()
            if model.relation not in ordered
            and all(name in ordered for name in model.uses & found.keys() if name != model.relation)
        ]
        if not ready:
            circle = ", ".join(sorted(found.keys() - ordered.keys()))
            raise ModelError(f"These SQL files depend on each other in a circle: {circle}.")
        for model in ready:
            ordered[model.relation] = _with_sources(model, ordered)
    return ordered


def _read(path: Path, schema: str) -> Model:
    return _model(schema, path.stem, path.read_text(encoding="utf-8"), f"warehouse/{schema}/{path.name}")


def _model(schema: str, name: str, sql: str, place: str) -> Model:
    try:
        found = reads(sql)
    except UnreadableQueryError as error:
        raise ModelError(f"{place} does not parse: {error}") from error
    return Model(schema, name, sql, read_header(sql), found.relations, found.listings, place=place)


def _unions(models: Mapping[str, Model], *, is_whole: bool) -> list[Model]:
    """The unions of all items and of their relations, generated from the headers of the tables; none without any."""
    tables = [
        resource_union.Table(model.name, model.header, model.listings)
        for model in models.values()
        if model.schema == "aws"
    ]
    types = {name: listing.resource_type for name, listing in listings().items() if listing.resource_type}
    generated = (
        (resource_union, resource_union.observed_resource(tables, types, is_whole=is_whole)),
        (relation_union, relation_union.listed_relation(tables, types)),
    )
    return [
        _model(of.SCHEMA, of.NAME, sql, f"pipelines/models/{of.__name__.rpartition('.')[2]}.py")
        for of, sql in generated
        if sql
    ]


def _claims(models: Mapping[str, Model]) -> list[Model]:
    """What each table rests on, and the listings that there are."""
    generated = {"claim_listing": once(claims.claim_listing, models), "listing": claims.catalogue()}
    # They read nothing: each is a list of values, which takes long to parse.
    return [
        Model(claims.SCHEMA, name, sql, read_header(sql), place="pipelines/models/claims.py")
        for name, sql in generated.items()
    ]


def _with_sources(model: Model, earlier: Mapping[str, Model]) -> Model:
    """The model with every listing that it rests on, however far away."""
    sources = set(model.listings)
    for name in model.uses:
        if name in earlier:
            sources |= earlier[name].sources
    return replace(model, sources=frozenset(sources))


def fingerprint(model: Model) -> str:
    """SHA-256 of the product files that decide which rows a query makes of a response."""
    return hashlib.sha256("\0".join((model.query, *called_by([model.query]))).encode()).hexdigest()


def made_by(listing: str, models: Mapping[str, Model]) -> str:
    """SHA-256 of the product files that decide which rows a response of a listing becomes."""
    readers = sorted(fingerprint(model) for model in models.values() if listing in model.listings)
    return hashlib.sha256("".join(readers).encode()).hexdigest()
