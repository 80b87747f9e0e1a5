"""`stage.observed_resource`, generated: the items of every table of warehouse/aws whose header says what one is.

    resource: id=nat_gateway_id state=state created=created_at gone=deleted, failed attributes=vpc_id, subnet_id

Every such table has arn, name, account_id, region and the columns of lineage; tags where its listing gives any. AWS's
name of its type is that of its listing in the catalogue (`resource_type`). What else the line may say, each a column
but for two:

id          the service's own id; the one word that is not optional.
state       the state in the service's own words.
created     when AWS made it.
zone        its availability zone.
attributes  columns that its further attributes are made of, in this order; `column.field` of a list of structures
            whose field is a time.
gone        states in which AWS still lists it, although it is gone for good.
without     `column:value`: rows of this value are no items of their own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipelines.errors import SqlFileError
from pipelines.models.sql_files import Header
from resources.store.sql import identifier, literal

ENTRY = "resource"
"""The header's entry that makes a table one of items."""

SCHEMA, NAME = "stage", "observed_resource"

WORDS = ("id", "state", "created", "zone", "attributes", "gone", "without")

HEADER = """\
-- One row per configuration item that the newest trusted responses contain, whatever its type: what cmdb.resource is
-- made of. Generated from the tables of warehouse/aws whose header has a line `resource`.
-- materialized: view
-- key: arn
-- arn: Amazon Resource Name.
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- resource_id: The service's own id, such as i-0123456789abcdef0.
-- name: The tag Name, or the service's own name; NULL where it has none.
-- account_id: The account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region; aws-global where the service has none.
-- availability_zone: Availability zone; NULL where it stands in none.
-- state: State in the service's own words, such as running; NULL where the type has none.
-- created_at: When AWS made it, or started it last, UTC; NULL where AWS does not report it.
-- tags: Tags; an empty map where it has none, NULL where they could not be read.
-- is_terminated: True where AWS still lists it, but it is gone for good.
-- attributes: Further attributes of the type, JSON.
-- run_id: The run that collected it.
"""

SHARED = ("arn", "name", "account_id", "region")
"""Columns that every table of items documents."""


@dataclass(frozen=True)
class Table:
    """A table of warehouse/aws: its name, header, and the listings that it reads of the landing."""

    name: str
    header: Header
    listings: tuple[str, ...]

    @property
    def place(self) -> str:
        """Its file."""
        return f"warehouse/aws/{self.name}.sql"


def observed_resource(tables: Collection[Table], types: Mapping[str, str], *, is_whole: bool) -> str:
    """The query with its header; empty where no table has items.

    Args:
        types: AWS's name of the type by listing, of those that list items.
        is_whole: the tables are all that there are, so that each listing of items must have one.

    Raises:
        SqlFileError: a header says something else than this module reads, or a listing of items has no table.
    """
    branches: list[str] = []
    seen: set[str] = set()
    for table in sorted(tables, key=lambda table: table.name):
        if ENTRY not in table.header.entries:
            continue
        # What is joined before it becomes a table keeps the name of its listing.
        own = {name: types[name] for name in (table.name, *table.listings) if name in types}
        if not own:
            raise SqlFileError(
                f"{table.place}: it has a line `{ENTRY}`, but no listing that it reads has a resource_type. "
                "Write one into its entry in pipelines/catalogue/."
            )
        seen |= own.keys()
        branches.append(_branch(table, own))
    left = sorted(types.keys() - seen)
    if is_whole and left:
        raise SqlFileError(
            f"{left[0]} lists {types[left[0]]}, and no table makes items of it. "
            f"Write a line `-- {ENTRY}: id=…` into the header of warehouse/aws/{left[0]}.sql, "
            "or take the resource_type out of its entry in pipelines/catalogue/."
        )
    return HEADER + "\nunion all by name\n\n".join(branches) if branches else ""


def required(table: Table, declared: Collection[str]) -> list[str]:
    """The columns of a table that become columns of an item that no item may lack.

    Args:
        declared: the columns of an item that may not be NULL.
    """
    words = _words(table)
    own = {"id": "resource_id", "state": "state", "created": "created_at", "zone": "availability_zone"}
    return [
        *(name for name in SHARED if name in declared),
        *(name for word, column in own.items() if column in declared for name in words.get(word, ())),
    ]


def _branch(table: Table, types: Mapping[str, str]) -> str:
    words = _words(table)

    def column(word: str) -> str:
        named = words.get(word, ())
        if len(named) > 1:
            raise _wrong(table, f"{word} is one column, and there are {len(named)}.")
        return f"item.{identifier(named[0])}" if named else "null"

    attributes = ",\n".join(f"        {_attribute(name)}" for name in words.get("attributes", ()))
    gone = ", ".join(literal(state) for state in words.get("gone", ()))
    if gone and "state" not in words:
        raise _wrong(table, "gone names states, and state names no column.")
    return f"""select -- noqa: AM07
    item.arn,
    {_type(types)} as resource_type,
    {column("id")} as resource_id,
    item.name,
    item.account_id,
    item.region,
    {column("zone")} as availability_zone,
    {column("state")} as state,
    {column("created")} as created_at,
    {"item.tags" if "tags" in table.header.entries else "null"} as tags,
    {f"coalesce({column('state')} in ({gone}), false)" if gone else "false"} as is_terminated,
    {f"to_json({{{chr(10)}{attributes}{chr(10)}    }})" if attributes else "'{}'::json"} as attributes,
    item.is_stale,
    item.run_id,
    item.listing,
    item.role,
    item.caller_account_id,
    item.cell_region,
    item.collected_at
from aws.{identifier(table.name)} as item
{_condition(words)}"""


def _attribute(said: str) -> str:
    """A member of the attributes. Times become text in UTC: DuckDB writes them into JSON in the zone of the reader."""
    name, _, field = said.partition(".")
    column = f"item.{identifier(name)}"
    if field:
        time = _text_in_utc(f"of_list.{identifier(field)}")
        value = f"list_transform({column}, lambda of_list: struct_update(of_list, {identifier(field)} := {time}))"
    else:
        value = _text_in_utc(column) if name.endswith("_at") else column
    return f"{literal(name)}: {value}"


def _text_in_utc(time: str) -> str:
    return f"({time} at time zone 'UTC')::varchar || '+00'"


def _type(types: Mapping[str, str]) -> str:
    """AWS's name of the type; where several listings come into one table, that of a row's own."""
    if len(types) == 1:
        return literal(*types.values())
    whens = " ".join(f"when {literal(name)} then {literal(kind)}" for name, kind in types.items())
    return f"case split_part(item.listing, ':', 1) {whens} end"


def _condition(words: Mapping[str, tuple[str, ...]]) -> str:
    conditions = []
    for entry_text in words.get("without", ()):
        column, _, value = entry_text.partition(":")
        conditions.append(f"item.{identifier(column)} is distinct from {literal(value)}")
    return f"where {' and '.join(conditions)}\n" if conditions else ""


def _words(table: Table) -> dict[str, tuple[str, ...]]:
    """The words of a table's line, each with what it names."""
    found: dict[str, list[str]] = {}
    word = ""
    for part in table.header.entries[ENTRY].replace(",", " ").split():
        name, equals, value = part.partition("=")
        if equals:
            word = name
            if word not in WORDS:
                raise _wrong(table, f"{word} is unknown; write one of {', '.join(WORDS)}.")
            if word in found:
                raise _wrong(table, f"{word} stands twice.")
            found[word] = []
        elif not word:
            raise _wrong(table, f"it begins with {part}; write one of {', '.join(WORDS)}, and `=`.")
        if value or not equals:
            found[word].append(value or part)
    if not found.get("id"):
        raise _wrong(table, "it names no id; write id= and the column with the service's own id.")
    empty = [name for name, named in found.items() if not named]
    if empty:
        raise _wrong(table, f"{empty[0]} names nothing.")
    columns = [
        *SHARED,
        *(name for word in ("id", "state", "created", "zone") for name in found.get(word, ())),
        *(entry_text.partition(".")[0] for entry_text in found.get("attributes", ())),
        *(entry_text.partition(":")[0] for entry_text in found.get("without", ())),
    ]
    missing = [name for name in columns if name not in table.header.entries or name == ENTRY]
    if missing:
        raise _wrong(table, f"the header describes no column {missing[0]}, which an item needs.")
    return {name: tuple(named) for name, named in found.items()}


def _wrong(table: Table, what: str) -> SqlFileError:
    return SqlFileError(f"{table.place}: {ENTRY}: {what}")
