"""Names that mean harm, through every table and out again: no injection, no loss, no broken file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from central import collect
from given import FIRST_NIGHT, HOSTILE, MANAGEMENT, WORKLOAD, Given, House, hours, house
from nights import cmdb_here
from scripted_aws import ScriptedAws, as_json, json_error, scripted, static, write_profiles
from test_cmdb import instance, instances, tags

from pipelines.catalogue import listings
from pipelines.landing import records_path
from pipelines.report.writing import MOST_BYTES, write_report
from pipelines.servicenow import FORMULA, export_to
from resources.profile import Reach
from resources.roles import Central, Workload

OWN_ARN = f"arn:aws:organizations::{MANAGEMENT}:account/o-1/{WORKLOAD}"

NAMES = [*HOSTILE, "=cmd|' /C calc'!A1", "@SUM(1)", "-1+1"]


def tagged(text: str) -> dict[str, str]:
    """The tags of an instance that is called so."""
    return {"Name": text, "bc:business-service": text, "bc:business-owner": text, text[:128]: text}


INSTANCES = "resource_type = 'AWS::EC2::Instance'"
TREE = "ou-ab12"
ACCOUNTS = [f"0{number:011}" for number in range(50, 50 + len(NAMES))]
MONTH = FIRST_NIGHT.strftime("%Y-%m")


def named() -> list[Given]:
    """Everything else whose name somebody chooses, called by each of the names."""
    each = list(zip(NAMES, ACCOUNTS, strict=True))
    amount = {"Amount": "3.5", "Unit": "USD"}
    metrics = dict.fromkeys(("UnblendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost"), amount)
    day = {"TimePeriod": {"Start": f"{MONTH}-01", "End": f"{MONTH}-02"}, "Estimated": True, "Metrics": metrics}
    tag = "bc:business-service"
    return [
        Given(
            "organizations_account",
            [{"Id": account, "Name": text, "State": "ACTIVE", "Email": text} for text, account in each]
            + [{"Id": WORKLOAD, "Name": NAMES[0], "State": "ACTIVE", "Email": NAMES[1]}],
        ),
        Given("organizations_root", [{"Id": "r-ab12", "Name": "Root"}]),
        Given(
            "organizations_organizational_unit:r-ab12",
            [{"Id": f"{TREE}-{number}", "Name": text} for number, text in enumerate(NAMES)],
        ),
        *(
            Given(
                f"organizations_account_parent:{account}", [{"Id": f"{TREE}-{number}", "Type": "ORGANIZATIONAL_UNIT"}]
            )
            for number, account in enumerate(ACCOUNTS)
        ),
        Given(
            "organizations_policy:SERVICE_CONTROL_POLICY",
            [
                {
                    "Id": f"p-{number}",
                    "Arn": f"arn:aws:organizations::{MANAGEMENT}:policy/p-{number}",
                    "Name": text,
                    "Description": text,
                    "Type": "SERVICE_CONTROL_POLICY",
                    "AwsManaged": False,
                }
                for number, text in enumerate(NAMES)
            ],
        ),
        Given(
            "budget",
            [
                {
                    "BudgetName": text,
                    "BudgetType": "COST",
                    "TimeUnit": "MONTHLY",
                    "BudgetLimit": amount,
                    "CalculatedSpend": {"ActualSpend": amount, "ForecastedSpend": amount},
                }
                for text in NAMES
            ],
        ),
        Given(
            "resource_group",
            [
                {
                    "GroupName": text,
                    "GroupArn": f"arn:aws:resource-groups:x:{MANAGEMENT}:group/{number}",
                    "Description": text,
                }
                for number, text in enumerate(NAMES)
            ],
        ),
        Given("s3_bucket", [{"Name": text, "BucketRegion": "ap-southeast-2"} for text in NAMES]),
        Given(f"cost_daily:service:{MONTH}", [{"Keys": [account, text], **day} for text, account in each]),
        Given(f"cost_daily:tag:{tag}:{MONTH}", [{"Keys": [account, f"{tag}${text}"], **day} for text, account in each]),
        Given(f"cost_tag_service_daily:{tag}:{MONTH}", [{"Keys": [f"{tag}${text}", text], **day} for text in NAMES]),
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A night in which every name and every tag is hostile, built to the end and published."""
    with house(tmp_path_factory.mktemp("hostile")) as made:
        made.night(
            "night-1",
            [
                instances(*(instance(f"i-{number}", Tags=tags(**tagged(text))) for number, text in enumerate(NAMES))),
                *named(),
            ],
        )
        made.store.stamp("o-ab12345678", MANAGEMENT)
        made.build(*(name for name, model in made.models.items() if model.materialized != "log"))
        with made.store.transaction() as connection:
            connection.execute("update audit.run set finished_at = started_at, outcome = 'published'")
        made.store.publish("given", lambda connection: None)
        yield made


@pytest.mark.parametrize(
    ("relation", "column"),
    [
        ("org.account", "account_name"),
        ("org.account", "email"),
        ("org.organizational_unit", "ou_name"),
        ("org.policy", "policy_name"),
        ("org.policy", "description"),
        ("cost.budget", "budget_name"),
        ("aws.resource_group", "name"),
        ("aws.resource_group", "description"),
        ("aws.s3_bucket", "name"),
        ("cost.daily", "dimension_value"),
        ("cost.tag_service_daily", "tag_value"),
        ("cost.tag_service_daily", "service"),
    ],
)
def test_whatever_has_a_name_keeps_the_hostile_one(home: House, relation: str, column: str) -> None:
    found = [row["text"] for row in home.rows(f"select {column} as text from {relation}")]
    assert {text for text in NAMES if text} <= set(found)


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_of_hostile_names_is_written_whole_and_harmless(home: House, tmp_path: Path) -> None:
    written = write_report(home.store, tmp_path / "report.html", FIRST_NIGHT + hours(1))

    page = written.path.read_text(encoding="utf-8")
    seen = Elements(page)
    assert page.rstrip().endswith("</html>")
    assert written.size == len(page.encode()) < MOST_BYTES
    assert not {tag for tag, _ in seen.found} & {"script", "img", "link", "iframe", "object", "embed", "form", "base"}
    assert not [name for _, attributes in seen.found for name in attributes if name == "style" or name.startswith("on")]
    assert all(str(attributes["href"]).startswith("#") for _, attributes in seen.found if "href" in attributes)
    assert "<script" not in page and not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08]", page)
    # They stand there as text, and the long one is cut where it can be seen.
    assert "<script>alert(1)</script>&amp;" in seen.text
    assert "'; drop table org.account; --" in seen.text
    assert re.search("x{40,}…", seen.text) and "x" * 1000 not in page


def test_a_hostile_name_goes_through_every_table_as_it_is(home: House) -> None:
    items = {
        row["resource_id"]: row
        for row in home.rows(f"select resource_id, name, tags, business_service from cmdb.resource where {INSTANCES}")
    }
    versions = {
        row["arn"].rpartition("/")[2]: json.loads(row["attributes"])
        for row in home.rows(f"select arn, attributes from cmdb.resource_version where {INSTANCES}")
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
    accounts = home.rows("select account_id, account_name, email from org.account")
    assert {row["account_id"]: (row["account_name"], row["email"]) for row in accounts} == {
        WORKLOAD: (NAMES[0], NAMES[1]),
        **{account: (text, text) for text, account in zip(NAMES, ACCOUNTS, strict=True)},
    }


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
        *(
            "sql",
            "--format",
            "csv",
            f"select distinct account_id, split_part(arn, ':', 5) from cmdb.resource where {INSTANCES}",
        ),
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
