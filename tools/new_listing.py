"""`make new-listing NAME=ec2_local_gateway CALL=ec2:DescribeLocalGateways`: the four places of a new type, as drafts.

What botocore knows of the call is written out: records, key, columns and their types. What only a person knows says
`DRAFT`, and a test refuses a tree that still does. docs/dev/adding-a-resource-type.md leads on from there.
"""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import DataNotFoundError, UnknownServiceError

from pipelines.catalogue.registry import listings
from pipelines.settings import REPOSITORY
from resources.contract import iam_action, roles_allowing

DRAFT = "DRAFT"

ACCOUNT, REGION = "012345678901", "ap-southeast-2"
"""The account and region of the given rows in tests/cases."""

TYPES: Mapping[str, tuple[str, Any, Any]] = {
    "string": ("VARCHAR", "", ""),
    "integer": ("BIGINT", 7, 7),
    "long": ("BIGINT", 7, 7),
    "float": ("DOUBLE", 0.5, 0.5),
    "double": ("DOUBLE", 0.5, 0.5),
    "boolean": ("BOOLEAN", True, True),
    "timestamp": ("TIMESTAMPTZ", "2026-11-20T09:30:00+13:00", "2026-11-19T20:30:00Z"),
}
"""Of each plain type of botocore: DuckDB's, a value as AWS gives it, and the same as the table has it."""


class NotWritten(Exception):
    """Why nothing was written, and what to do."""


@dataclass(frozen=True)
class Field:
    """A member of a record that becomes a column as it is."""

    member: str
    column: str
    kind: str
    given: Any
    expected: Any


@dataclass(frozen=True)
class Known:
    """What botocore knows of a call that lists records.

    Attributes:
        result: the member of the response with the records.
        thing: what one record is called, such as RouteTable.
        identifier: the member that tells records apart.
        arn: the member with the ARN; empty where there is none.
        owner: the member with the owning account; empty where there is none.
        tags: the member with the tags; empty where there is none.
        is_paged: whether AWS splits the list into pages.
    """

    name: str
    call: str
    result: str
    thing: str
    identifier: str
    arn: str
    owner: str
    tags: str
    fields: tuple[Field, ...]
    is_paged: bool

    @property
    def service(self) -> str:
        """`ec2`."""
        return self.call.partition(":")[0]

    @property
    def id_column(self) -> str:
        """The column of the identifier."""
        return next(field.column for field in self.fields if field.member == self.identifier)


def snake(name: str) -> str:
    """`DBSubnetGroupName` as a column: `db_subnet_group_name`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def look_up(name: str, call: str) -> Known:
    """What botocore knows of the call.

    Raises:
        NotWritten: it does not know it, or it is no call that can be drafted.
    """
    service, _, operation = call.partition(":")
    session = botocore.session.Session()
    try:
        model = session.get_service_model(service)
    except (UnknownServiceError, DataNotFoundError) as error:
        raise NotWritten(f"CALL={call}: botocore knows no service {service}; write it as ec2:DescribeVpcs.") from error
    if operation not in model.operation_names:
        raise NotWritten(f"CALL={call}: {service} has no operation {operation}; write it as ec2:DescribeVpcs.")
    output = model.operation_model(operation).output_shape
    lists = [
        (member, shape.member)
        for member, shape in (output.members.items() if output is not None else ())
        if shape.type_name == "list" and shape.member.type_name == "structure"
    ]
    if len(lists) != 1:
        raise NotWritten(f"CALL={call}: its response has {len(lists)} lists of records, not one; write it by hand.")
    result, record = lists[0]
    thing = result.removesuffix("s")
    members = record.members
    text = [member for member, shape in members.items() if shape.type_name == "string"]
    identifier = next((m for m in text if m in (f"{thing}Id", f"{thing}Identifier", f"{thing}Name")), "")
    if not identifier:
        raise NotWritten(f"CALL={call}: no member of {thing} is its id or name; write it by hand.")
    own = {f"{thing}Arn", "Arn"}
    arn, owner = next((m for m in text if m in own), ""), "OwnerId" if "OwnerId" in text else ""
    tags = next((m for m in ("Tags", "TagList", "TagSet") if m in members), "")
    fields = [_field(member, shape) for member, shape in members.items() if member not in (arn, owner, tags)]
    try:
        pages = session.get_component("data_loader").load_service_model(service, "paginators-1")["pagination"]
    except DataNotFoundError:
        pages = {}
    return Known(
        name, call, result, thing, identifier, arn, owner, tags, tuple(f for f in fields if f), operation in pages
    )


def _field(member: str, shape: Any) -> Field | None:
    column = snake(member)
    if shape.type_name == "list" and shape.member.type_name == "string":
        return Field(member, column, "VARCHAR[]", [f"{column}-1"], [f"{column}-1"])
    if shape.type_name not in TYPES:
        return None
    kind, given, expected = TYPES[shape.type_name]
    return Field(member, column, kind, given or f"{column}-1", expected or f"{column}-1")


def entry(known: Known, module: str) -> str:
    """The entry of the catalogue.

    Args:
        module: the text of the module that it goes into.
    """
    kinds = re.findall(r'resource_type="AWS::(\w+)::', module)
    pages = re.findall(r"parameters=(?:\{\*\*)?([A-Z_]+)", module)
    action = iam_action(known.service, known.call.partition(":")[2])
    roles = [role for role in roles_allowing(action) if role in ("operations", "workload")]
    lines = [
        f'"{known.name}"',
        f'"{known.call}"',
        f'resource_type="AWS::{kinds[0] if kinds else known.service.upper()}::{known.thing}"',
        f"roles=({', '.join(f'{json.dumps(role)}' for role in roles)}{',' if len(roles) == 1 else ''})",
        'zero="witnessed"',
        f'records="{known.result}"',
        f'key=("{known.arn or known.identifier}",)',
        *([f'owner="{known.arn}"'] if known.arn else []),
        *([f"parameters={pages[0]}"] if known.is_paged and pages else []),
    ]
    body = "".join(f"        {line},\n" for line in lines)
    return f"    # {DRAFT}: which roles request it, and its empty policy.\n    Listing(\n{body}    ),\n"


def sql(known: Known) -> str:
    """The SQL file."""
    account = f"split_part(item.{known.arn}, ':', 5)" if known.arn else "account_id"
    account = f"item.{known.owner}" if known.owner else account
    path = re.sub(r"_", "-", snake(known.thing))
    arn = (
        f"item.{known.arn}"
        if known.arn
        else f"aws_arn('{known.service}', region, {account}, '{path}/' || item.{known.identifier})"
    )
    names = [field.column for field in known.fields if field.member != known.identifier]
    named = f"attributes={', '.join(names)}" if names else ""
    name = f"tag_map(item.{known.tags})['Name']" if known.tags else f"item.{known.identifier}"
    tags = f"tag_map(item.{known.tags})"
    tags = f"if(item.{known.owner} = cell.caller_account_id, {tags}, null)" if known.owner else tags
    header = [
        f"One row per {path.replace('-', ' ')}. {DRAFT}: what belongs to it, and what does not.",
        "key: arn",
        *(["owner: account_id"] if known.owner else []),
        *textwrap.wrap(f"resource: id={known.id_column} {named}".strip(), 105, subsequent_indent="  "),
        "arn: Amazon Resource Name" + (", built from account, region and id." if not known.arn else "."),
        "account_id: The AWS account that owns it: 12 digits, text because some begin with 0.",
        "region: AWS region.",
        *(f"{field.column}: {DRAFT}." for field in known.fields),
        "name: Value of the tag Name; NULL where there is none." if known.tags else "name: The same.",
        *(["tags: Tags; an empty map where it has none."] if known.tags else []),
    ]
    columns = [
        f"{arn} as arn",
        f"{account} as account_id" if account != "account_id" else "account_id",
        "region",
        *(f"item.{_quoted(field.member)} as {field.column}" for field in known.fields),
        f"{name} as name",
        *([f"{tags} as tags"] if known.tags else []),
        "cell.*",
    ]
    read = [f"{_quoted(member)} VARCHAR" for member in (known.owner, known.arn) if member]
    read += [f"{_quoted(field.member)} {field.kind}" for field in known.fields]
    read += [f'{known.tags} STRUCT("Key" VARCHAR, "Value" VARCHAR)[]'] if known.tags else []
    return (
        "".join(f"-- {line}\n" for line in header)
        + "select\n"
        + ",\n".join(f"    {column}" for column in columns)
        + f"\nfrom landing(\n        '{known.name}',\n        'STRUCT(\n        "
        + ",\n        ".join(read)
        + "\n    )'\n    )\n"
    )


def _quoted(member: str) -> str:
    """DuckDB reserves few words, and the linter knows more."""
    return f'"{member}"' if member in ("State", "Status", "Key", "Value", "Name", "Type") else member


def simulated(known: Known) -> str:
    """The module of the simulated organisation."""
    service, operation = known.call.split(":")
    lines = [f'"{known.arn}": row["arn"]'] if known.arn else []
    lines += [f'"{known.owner}": row["account_id"]'] if known.owner else []
    lines += [f'"{field.member}": row["{field.column}"]' for field in known.fields]
    pairs = '[{"Key": key, "Value": value} for key, value in row["tags"].items()]'
    lines += [f'"{known.tags}": {pairs}'] if known.tags else []
    members = "\n".join(f"        {line}," for line in lines)
    path = f"{snake(known.thing).replace('_', '-')}/{{vpc.resource_id}}"
    rows = "\n".join(f'            "{field.column}": {_shown(field)},' for field in known.fields)
    return f'''"""{known.thing} of the organisation. {DRAFT}: which there are, and what they hang together with."""

from __future__ import annotations

from typing import Any

from simulator.network import Network
from simulator.pages import Output

CALL = ("{service}", "{operation}")
RESULT = "{known.result}"
TRUTH = "{known.name.partition("_")[2]}s"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One in each VPC that people made."""
    return [
        {{
            "arn": f"arn:aws:{service}:{{region}}:{{account_id}}:{path}",
            "account_id": account_id,
            "region": region,
            "tags": {{}},
{rows}
        }}
        for vpc in network.own(account_id, region).vpcs
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    return {{
{members}
    }}
'''


def _shown(field: Field) -> str:
    return "vpc.resource_id" if field.member == "VpcId" else json.dumps(field.given).replace("true", "True")


def case(known: Known) -> str:
    """Given rows and expected rows."""
    own_arn = f"arn:aws:{known.service}:{REGION}:{ACCOUNT}:thing/1"
    record: dict[str, Any] = {field.member: field.given for field in known.fields}
    record |= {known.owner: ACCOUNT} if known.owner else {}
    record |= {known.arn: own_arn} if known.arn else {}
    record |= {known.tags: [{"Key": "Name", "Value": "main"}]} if known.tags else {}
    path = snake(known.thing).replace("_", "-")
    expected: dict[str, Any] = {
        "arn": own_arn
        if known.arn
        else f"arn:aws:{known.service}:{REGION}:{ACCOUNT}:{path}/{record[known.identifier]}",
        "account_id": ACCOUNT,
        "region": REGION,
        **{field.column: field.expected for field in known.fields},
        "name": "main" if known.tags else record[known.identifier],
        **({"tags": {"Name": "main"}} if known.tags else {}),
        "run_id": "night-1",
        "role": "workload",
        "caller_account_id": ACCOUNT,
        "cell_region": REGION,
        "collected_at": "2026-11-24T14:00:00Z",
        "is_stale": False,
        "listing": known.name,
    }
    given = [{"listing": known.name, "records": [record]}]
    cases = [{"name": f"{DRAFT}: every field has its column", "given": given, "expect": [expected]}]
    return json.dumps(cases, indent=1, ensure_ascii=False) + "\n"


def drafts(name: str, call: str, root: Path = REPOSITORY) -> dict[Path, str]:
    """The text of each file that is written.

    Raises:
        NotWritten: there is nothing to be written, and why.
    """
    service = call.partition(":")[0]
    if not re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name) or not name.startswith(f"{service.replace('-', '_')}_"):
        raise NotWritten(f"NAME={name}: write small letters, the service first, as ec2_local_gateway.")
    if name in listings():
        raise NotWritten(f"NAME={name}: the catalogue has a listing of this name; choose another.")
    known = look_up(name, call)
    asked = [listing.name for listing in listings().values() if listing.call == call]
    if asked:
        raise NotWritten(f"CALL={call}: {asked[0]} requests it already; write a second one by hand.")
    module = root / "pipelines" / "catalogue" / f"{'lambda_' if service == 'lambda' else service}.py"
    if not module.exists():
        raise NotWritten(
            f"CALL={call}: there is no {module.relative_to(root)}; write one like rds.py, name it in registry.py."
        )
    text = module.read_text(encoding="utf-8")
    head, end, tail = text.rpartition("\n)\n")
    if not re.search(r"tuple\[Listing, \.\.\.\] = \(\n(?:(?!\n\)\n)[\s\S])*$", head):
        raise NotWritten(f"{module.relative_to(root)} does not end with a tuple of listings; write it by hand.")
    found = {
        module: f"{head}\n{entry(known, text).rstrip()}{end}{tail}",
        root / "warehouse" / "aws" / f"{name}.sql": sql(known),
        root / "simulator" / "listings" / f"{name}.py": simulated(known),
        root / "tests" / "cases" / f"aws.{name}.json": case(known),
    }
    taken = [path for path in found if path != module and path.exists()]
    if taken:
        raise NotWritten(f"NAME={name}: {taken[0].relative_to(root)} is there already; choose another.")
    return found


def main(arguments: list[str], root: Path = REPOSITORY) -> int:
    """Write the drafts and name them; the exit code."""
    parser = argparse.ArgumentParser(prog="new_listing", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("call", nargs="?", default="")
    asked = parser.parse_args(arguments)
    try:
        found = drafts(asked.name, asked.call, root)
    except NotWritten as error:
        print(f"{error} Nothing was written.", file=sys.stderr)
        return 2
    for path, text in found.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(root))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
