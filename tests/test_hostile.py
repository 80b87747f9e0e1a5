"""Names that mean harm, through every table and out again: no injection, no loss, no broken file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from central import collect
from given import HOSTILE, MANAGEMENT, WORKLOAD, Given, House, house
from nights import cmdb_here
from scripted_aws import ScriptedAws, as_json, json_error, scripted, static, write_profiles
from test_cmdb import instance, instances, tags

from pipelines.catalogue import listings
from pipelines.landing import records_path
from pipelines.servicenow import FORMULA, export_to
from resources.profile import Reach
from resources.roles import Central, Workload

OWN_ARN = f"arn:aws:organizations::{MANAGEMENT}:account/o-1/{WORKLOAD}"

NAMES = [*HOSTILE, "=cmd|' /C calc'!A1", "@SUM(1)", "-1+1"]


def tagged(text: str) -> dict[str, str]:
    """The tags of an instance that is called so."""
    return {"Name": text, "bc:business-service": text, "bc:business-owner": text, text[:128]: text}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A night in which every name and every tag of an instance is hostile, built to the end and published."""
    with house(tmp_path_factory.mktemp("hostile")) as made:
        made.night(
            "night-1",
            [
                instances(*(instance(f"i-{number}", Tags=tags(**tagged(text))) for number, text in enumerate(NAMES))),
                Given(
                    "organizations_account",
                    [{"Id": WORKLOAD, "Name": NAMES[0], "State": "ACTIVE", "Email": NAMES[1]}],
                ),
            ],
        )
        made.build(*(name for name, model in made.models.items() if model.materialized != "log"))
        with made.store.transaction() as connection:
            connection.execute("update audit.run set finished_at = started_at, outcome = 'published'")
        made.store.publish("given", lambda connection: None)
        yield made


def test_a_hostile_name_goes_through_every_table_as_it_is(home: House) -> None:
    items = {
        row["resource_id"]: row
        for row in home.rows("select resource_id, name, tags, business_service from cmdb.resource")
    }
    versions = {
        row["arn"].rpartition("/")[2]: json.loads(row["attributes"])
        for row in home.rows("select arn, attributes from cmdb.resource_version")
    }
    assert len(items) == len(versions) == len(NAMES)
    for number, text in enumerate(NAMES):
        item = items[f"i-{number}"]
        assert item["name"] == text
        assert item["tags"] == tagged(text)
        assert item["business_service"] == (text.strip(" ") or None)
        assert versions[f"i-{number}"]["tags"] == item["tags"]
    services = {text.strip(" ") for text in NAMES} - {""}
    assert {row["business_service"] for row in home.rows("select business_service from cmdb.application")} == services
    named = home.rows("select name from cmdb.servicenow_ci where correlation_id like 'arn:%'")
    assert {row["name"] for row in named} >= {text for text in NAMES if text.strip(" ")}
    (account,) = home.rows("select account_name, email from org.account")
    assert account == {"account_name": NAMES[0], "email": NAMES[1]}


def test_a_hostile_name_leaves_in_a_file_as_it_is(home: House, tmp_path: Path) -> None:
    export_to(tmp_path / "out", home.store)

    with (tmp_path / "out" / "servicenow_ci.csv").open(encoding="utf-8", newline="") as file:
        csv.field_size_limit(2**20)
        found = {row["correlation_id"].rpartition("/")[2]: row for row in csv.DictReader(file)}
    for number, text in enumerate(NAMES):
        # What has no name to read is called by its id.
        name = text if text.strip(" ") else f"i-{number}"
        assert found[f"i-{number}"]["name"] == (f"'{name}" if name.startswith(FORMULA) else name)


def test_an_account_id_keeps_its_leading_zeros(home: House, tmp_path: Path) -> None:
    numbers = home.rows(
        """
        select table_schema, table_name, column_name, data_type from information_schema.columns
        where column_name like '%account\\_id' escape '\\' and data_type <> 'VARCHAR'
        """
    )
    assert numbers == []
    assert WORKLOAD.startswith("0")
    done = cmdb_here(
        {"CMDB_DATABASE": str(home.store.database)},
        *("sql", "--format", "csv", "select distinct account_id, split_part(arn, ':', 5) from cmdb.resource"),
    )
    assert done.stdout.splitlines()[1:] == [f"{WORKLOAD},{WORKLOAD}"]
    export_to(tmp_path / "out", home.store)
    assert WORKLOAD in (tmp_path / "out" / "servicenow_ci.csv").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------- what is no text at all

HALF = "\ud83e"
"""The first half of a surrogate pair: JSON can name it, UTF-8 cannot write it, and DuckDB reads it in no JSON."""


@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "on disk"])
def test_half_a_character_fails_its_cell_and_nothing_else(aws: ScriptedAws, tmp_path: Path, kept: bool) -> None:
    aws.script = lambda call: (
        None if call.service == "sts" else as_json({"Accounts": [{"Id": WORKLOAD, "Arn": OWN_ARN, "Name": HALF}]})
    )
    write_profiles(tmp_path, aws.url, {"one": static(MANAGEMENT)})
    listing = replace(listings()["organizations_account"], is_large=kept)
    with house(tmp_path) as home:
        cells = collect(home, "night-1", [listing], profile="one")
        assert cells == {"organizations_account": ("failed", None)}
        (cell,) = home.rows("select error_code, error_message, record_count from audit.collection")
        assert cell["error_code"] == "UnreadableAnswer"
        assert "organizations_account was answered with what cannot be kept" in cell["error_message"]
        assert records_path(home.store.landing, "night-1", "organizations_account").read_bytes() == b""


def test_half_a_character_in_what_is_kept_verbatim_is_marked(aws: ScriptedAws, tmp_path: Path) -> None:
    aws.script = lambda call: (
        None
        if call.service == "sts"
        else json_error("AccessDeniedException", f"no {HALF}!")
        if call.operation == "ListRoots"
        else as_json({"Accounts": [], "NextToken": None, "Odd": HALF})
    )
    write_profiles(tmp_path, aws.url, {"one": static(MANAGEMENT)})
    asked = [listings()[name] for name in ("organizations_account", "organizations_root")]
    with house(tmp_path) as home:
        cells = collect(home, "night-1", asked, profile="one")
        assert cells == {"organizations_account": ("empty_suspect", None), "organizations_root": ("denied", None)}
        messages = home.rows("select error_message from audit.collection where listing = 'organizations_root'")
        assert messages == [{"error_message": "no ?!"}]


# ------------------------------------------------------------------------------------------------- profiles

ODD = ["acme-a b", "acme-[x]", "acme-*", "acme-?", "acme-āēī 🥝", "acme-it's", "acme-%s{x}$HOME", "acme-;drop table x"]


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    with scripted(tmp_path, monkeypatch) as server:
        quoted = {f'"{name}"': static(f"0{number:011}") for number, name in enumerate([*ODD, "acme-x", "acmeX"])}
        write_profiles(tmp_path, server.url, quoted)
        yield server


def workload(patterns: list[str], management: str = "root", aws_profile: str = "") -> list[str]:
    return Workload(
        central=Central(management_profile=management),
        database="unused.duckdb",
        patterns=patterns,
        aws_profile=aws_profile,
    ).profile_names()


@pytest.mark.usefixtures("aws")
def test_profiles_of_odd_names_are_found_asked_and_told_apart() -> None:
    assert workload(["acme-*"]) == [*ODD, "acme-x"]
    for name in ODD:
        # A name is first of all itself, whatever else it would match.
        assert name in workload([name])
        assert workload([], aws_profile=name) == [name]
    assert workload(["acme-[x]"]) == ["acme-[x]", "acme-x"]
    assert workload([], aws_profile="acme-[nobody]") == ["acme-[nobody]"]
    assert workload([], management="acme[X]Management") == []
    reach = Reach("workload", home_region="us-east-1")
    assert [reach.identify(name).account_id for name in ODD] == [f"0{number:011}" for number in range(len(ODD))]
    reach.close()
