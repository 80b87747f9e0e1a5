"""`stage.listed_relation`, generated: the relations of every table of warehouse/aws whose header says what one states.

    relates: attached_to=AWS::EC2::VPC:vpc_ids[] contained_in=AWS::EC2::TransitGateway:transit_gateway_id:owner_id

Each word is one relation of `ref.relation`, the type of the other end, and the column with the other end's id. `[]`
marks a column that is a list of ids. Two columns may follow, `:account` and `:region` of the other end, where the
record names them: an item that nobody lists has its ARN of them. The table must be one of items (`resource`), with
one listing.
"""

import re
from collections.abc import Collection, Mapping

from pipelines.errors import SqlFileError
from pipelines.models.resource_union import ENTRY as ITEMS
from pipelines.models.resource_union import Table
from resources.store.sql import identifier, literal

ENTRY = "relates"
"""The header's entry that makes relations of a table's rows."""

SCHEMA, NAME = "stage", "listed_relation"

HEADER = """\
-- One row per relation that the newest trusted responses state by a column of a table, so it has no key: a part of what
-- stage.observed_relationship is made of. Generated from the tables of warehouse/aws whose header has a line `relates`.
-- materialized: view
-- from_arn: ARN of the item that the record is about.
-- from_resource_type: AWS's name of its type, such as AWS::EC2::InternetGateway.
-- relation: One of ref.relation.
-- to_type: AWS's name of the type of the other end.
-- to_id: The service's own id of the other end.
-- to_account_id: The account that owns the other end: 12 digits; NULL where the record does not name it.
-- to_region: AWS region of the other end; NULL where the record does not name it.
-- source: The table that states it in schema aws.
-- run_id: The run that collected the record.
"""

_WORD = re.compile(r"(?P<relation>[a-z_]+)=(?P<type>AWS::\w+::\w+):(?P<id>\w+)(?P<many>\[\])?(?P<place>(?::\w+){0,2})")


def listed_relation(tables: Collection[Table], types: Mapping[str, str]) -> str:
    """The query with its header; empty where no table states relations.

    Args:
        types: AWS's name of the type by listing, of those that list items.

    Raises:
        SqlFileError: a header says something else than this module reads.
    """
    branches = [
        branch
        for table in sorted(tables, key=lambda table: table.name)
        if ENTRY in table.header.entries
        for branch in _branches(table, types)
    ]
    return HEADER + "\nunion all by name\n\n".join(branches) if branches else ""


def _branches(table: Table, types: Mapping[str, str]) -> list[str]:
    own = {types[name] for name in (table.name, *table.listings) if name in types}
    if ITEMS not in table.header.entries or len(own) != 1:
        raise _wrong(table, f"the table needs a line `{ITEMS}` and one listing with a resource_type.")
    words = table.header.entries[ENTRY].split()
    if not words:
        raise _wrong(table, "it names no relation; write one such as contained_in=AWS::EC2::VPC:vpc_id.")
    return [_branch(table, from_type, word, types) for from_type in own for word in words]


def _branch(table: Table, from_type: str, word: str, types: Mapping[str, str]) -> str:
    found = _WORD.fullmatch(word)
    if found is None:
        raise _wrong(table, f"{word} is no relation; write one such as contained_in=AWS::EC2::VPC:vpc_id.")
    if found["type"] not in types.values():
        raise _wrong(table, f"{found['type']} is the type of no listing in pipelines/catalogue/.")
    place = found["place"].split(":")[1:]
    for name in (found["id"], *place):
        if name not in table.header.entries:
            raise _wrong(table, f"the header describes no column {name}.")
    account, region = (*(f"item.{identifier(name)}" for name in place), "null", "null")[:2]
    other = f"item.{identifier(found['id'])}"
    return f"""select -- noqa: AM07
    item.arn as from_arn,
    {literal(from_type)} as from_resource_type,
    {literal(found["relation"])} as relation,
    {literal(found["type"])} as to_type,
    {f"unnest({other})" if found["many"] else other} as to_id,
    {account}::varchar as to_account_id,
    {region}::varchar as to_region,
    {literal(table.name)} as source,
    item.is_stale,
    item.run_id,
    item.listing,
    item.role,
    item.caller_account_id,
    item.cell_region,
    item.collected_at
from aws.{identifier(table.name)} as item
"""


def _wrong(table: Table, what: str) -> SqlFileError:
    return SqlFileError(f"{table.place}: {ENTRY}: {what}")
