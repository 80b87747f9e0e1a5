"""Names that mean harm, through every table and out again: no injection, no loss, no broken file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from central import collect
from given import FIRST_NIGHT, HOSTILE, MANAGEMENT, WORKLOAD, Given, House, hours, house
from hypothesis import given, strategies
from nights import cmdb_here, dagster_home, environment_of, run_night
from rich.text import Text
from scripted_aws import ScriptedAws, as_json, json_error, query_error, scripted, static, write_profiles
from test_cmdb import instance, instances, tags

from pipelines import plain_text
from pipelines.catalogue.registry import listings
from pipelines.cli.offers import OFFERS
from pipelines.cli.terminal import console, marked, rows_table
from pipelines.collection.cells import ListingStats
from pipelines.collection.landing import LandingWriter, records_path
from pipelines.collection.listing_metadata import listing_metadata
from pipelines.exports.servicenow import export_to
from pipelines.models.assets import check_result
from pipelines.models.checks import SqlCheck, SqlResult
from pipelines.plain_text import as_csv_cell, as_markdown
from pipelines.report.page import SCRIPT, TABLES
from pipelines.report.text import CONSOLE
from pipelines.report.writing import MOST_BYTES, write_report
from pipelines.trust.gate import refuse
from resources.audit.cells import renew_coverage
from resources.audit.checks import record_check
from resources.audit.organization import stamp
from resources.aws.client import AwsClient
from resources.roles import Central, Workload
from simulator.client import Simulator

OWN_ARN = f"arn:aws:organizations::{MANAGEMENT}:account/o-1/{WORKLOAD}"

FORMULAS = ["=cmd|' /C calc'!A1", "@SUM(1)", "-1+1", "＝1+1", "＠A1", "\t=1+1", "\n=1+1", "\u200b=1+1"]
TERMINAL = [
    "a\x1b]0;owned\x07\x1b[2J\x1b[31mRED",
    "\x9b31mC1\x9d0;owned\x9c\x7f",
    "up\r\x1b[1A✓ all is well",
    "\U000e0041\ufeffhidden\u2028",
]
MARKDOWN = ["![a](//evil.invalid/p.png) [SSO](//evil.invalid)", "https://evil.invalid www.evil.invalid a@evil.invalid"]

NAMES = [*HOSTILE, *FORMULAS, *TERMINAL, *MARKDOWN]


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
                Given("ec2_volume", outcome="denied"),
            ],
        )
        stamp(made.store, "o-ab12345678", MANAGEMENT)
        made.build(*(name for name, model in made.models.items() if model.materialized != "log"))
        with made.store.transaction() as connection:
            said = {"said": " ".join((*TERMINAL, *MARKDOWN))}
            connection.execute("update audit.collection set error_message = $said where outcome = 'denied'", said)
            renew_coverage(connection, "ec2_volume")
            for name, text in zip("abcdefghi", (*TERMINAL, *MARKDOWN), strict=False):
                record_check(
                    *(connection, "night-1", name, "org.account"),
                    **{"severity": "ERROR", "passed": False, "observed": text, "expected": text},
                    **{"detail": [], "config_hash": ""},
                )
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
        ("cost.tag_service_daily", "written_value"),
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
    assert not {tag for tag, _ in seen.found} & {"img", "link", "iframe", "object", "embed", "form", "base"}
    # The page's own scripts, and none that a name brought in.
    assert [attributes for tag, attributes in seen.found if tag == "script"] == [{}, {}]
    assert not [name for _, attributes in seen.found for name in attributes if name == "style" or name.startswith("on")]
    addresses = [str(attributes["href"]) for _, attributes in seen.found if "href" in attributes]
    assert addresses
    assert all(address.startswith(("#", CONSOLE)) for address in addresses)
    for script in (SCRIPT, TABLES):
        assert page.count(f"<script>{script.read_text(encoding='utf-8')}</script>") == 1
    assert page.count("<script") == 2
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08]", page)
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
        assert found[f"i-{number}"]["name"] == (f"'{name}" if name in FORMULAS else name)


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


# ---------------------------------------------------------------------------------------- on a terminal

OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2028\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
"""What a terminal obeys, and what cannot be seen on it; a line feed alone is ours."""

ALL_NAMES = 'select account_name, email as "\x1b[31m" from org.account'
HOSTILE_ARN = f"arn:aws:ec2:ap-southeast-2:{WORKLOAD}:instance/\x1b[2J"


def of_instance(number: int) -> str:
    """The ARN of the instance that is called by one of the names."""
    return f"arn:aws:ec2:ap-southeast-2:{WORKLOAD}:instance/i-{number}"


@pytest.mark.parametrize(
    "command",
    [
        ("sql", ALL_NAMES),
        ("sql", ALL_NAMES, "--format", "csv"),
        ("sql", ALL_NAMES, "--format", "json"),
        ("sql", ALL_NAMES, "--format", "markdown"),
        ("sql", "select tags, list(name) from cmdb.resource group by all"),
        ("sql", "select tags, list(name) from cmdb.resource group by all", "--format", "csv"),
        ("sql", "select \x1b[31m"),
        ("sql", "select error('\x1b[31m' || chr(7) || chr(155))"),
        ("coverage",),
        ("coverage", "--blocked"),
        ("coverage", "--json"),
        ("status",),
        ("status", "--json"),
        *(("explain", of_instance(NAMES.index(name))) for name in (*TERMINAL, *MARKDOWN)),
        ("explain", of_instance(NAMES.index(TERMINAL[0])), "--json"),
        ("explain", HOSTILE_ARN),
        ("explain", WORKLOAD, "ap-southeast-2", "ec2_volume"),
        ("explain", WORKLOAD, "\x1b[2J", "ec2_volume\x07"),
        ("profiles", "--source-profile", "one"),
        ("profiles", "--json"),
        ("profiles", "--source-profile", "one\x1b[2J"),
        ("accept", WORKLOAD, "\x1b[2J", "ec2_volume", "--reason", "\x9b31m"),
        ("rollback", "\x1b[2J"),
        ("rollback", "--list"),
        ("fx", "import", "\x1b[2J.csv"),
        ("report", "--output", "\x1b[2J"),
        ("export", "servicenow", "/dev/null/\x1b[2J"),
        ("ask", "workload", "\x1b[2J"),
    ],
)
def test_a_terminal_obeys_nothing_that_a_command_prints(home: House, command: tuple[str, ...]) -> None:
    done = cmdb_here({"CMDB_DATABASE": str(home.store.database)}, *command)
    assert done.stdout or done.stderr
    assert OBEYED.findall(done.stdout + done.stderr) == []


def test_the_names_stand_there_all_the_same(home: House) -> None:
    environment = {"CMDB_DATABASE": str(home.store.database)}
    shown = cmdb_here(environment, "sql", ALL_NAMES).stdout
    assert "a⟨U+001B⟩]0;owned⟨U+0007⟩⟨U+001B⟩[2J⟨U+001B⟩[31mRED" in shown
    told = json.loads(cmdb_here(environment, "sql", ALL_NAMES, "--format", "json").stdout)
    assert {row["account_name"] for row in told} >= set(NAMES) - {""}
    assert "⟨U+001B⟩]0;owned" in cmdb_here(environment, "explain", WORKLOAD, "ap-southeast-2", "ec2_volume").stdout


def test_a_csv_for_people_runs_nothing_and_one_for_programs_is_what_is_stored(home: House) -> None:
    environment = {"CMDB_DATABASE": str(home.store.database)}
    query = f"select account_name, 1 - 2 as number, -1.5 as money from org.account where account_id <> '{WORKLOAD}'"

    def read(*more: str) -> list[dict[str, str]]:
        csv.field_size_limit(2**20)
        printed = cmdb_here(environment, "sql", query, "--format", "csv", *more).stdout
        return list(csv.DictReader(printed.splitlines(keepends=True)))

    safe = [row["account_name"] for row in read()]
    # What cannot be seen stands as its code point, and then nothing of it is a formula.
    expected = {f"'{name}" for name in FORMULAS if name.isprintable() or name[0] == "\n"}
    assert expected | {"⟨U+0009⟩=1+1", "⟨U+200B⟩=1+1"} <= set(safe)
    assert not [name for name in safe if name.lstrip()[:1] in (*"=+-@＝＋－＠",) and name.strip()]
    assert {(row["number"], row["money"]) for row in read()} == {("-1", "-1.5")}
    refused = cmdb_here(environment, "sql", query, "--raw")
    assert refused.returncode == 2 and "--raw is for --format csv" in refused.stderr
    raw = cmdb_here(environment, "sql", query, "--format", "csv", "--raw").stdout
    assert [name for name in (*FORMULAS, *TERMINAL) if name.replace('"', '""') not in raw] == []


def test_completion_offers_no_escape(home: House) -> None:
    offered = OFFERS["account"](home.store, {}, "0")
    assert len(offered) > len(TERMINAL)
    assert not [item for item in offered if OBEYED.search(f"{item.value}{item.help}")]


@pytest.mark.parametrize(
    "command", [("preflight",), ("preflight", "--json"), ("ask", "management", "organizations_root")]
)
def test_what_aws_responds_is_obeyed_by_no_terminal(aws: ScriptedAws, tmp_path: Path, command: tuple[str, ...]) -> None:
    # XML cannot say ESC at all; what it can say is as harmful.
    aws.script = lambda call: query_error("AccessDenied", "\x9b31m\x9d0;owned\x9c\u202e\u200b", 403)
    profiles = {"management": "acmeManagement", "operations": "acmeOperations", "billing": "acmeBilling"}
    write_profiles(tmp_path, aws.url, {name: static(MANAGEMENT) for name in profiles.values()})
    done = cmdb_here(
        {
            **{f"AWS_{role.upper()}_PROFILE": name for role, name in profiles.items()},
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "CMDB_DATABASE": str(tmp_path / "cmdb.duckdb"),
        },
        *command,
    )
    assert done.returncode == 1
    assert "owned" in done.stdout + done.stderr
    assert OBEYED.findall(done.stdout + done.stderr) == []


def test_the_console_prints_nothing_that_a_terminal_obeys_whoever_hands_it_over() -> None:
    for text in TERMINAL:
        screen = console()
        screen.file = StringIO()
        screen.print(text, markup=False)
        screen.print(Text(text))
        screen.print(marked(f"✗ {text}"))
        screen.print(rows_table((text,), [(text,)]))
        for report in (text, f"[bold]{text}"):
            screen.log(report, markup=False)
        assert OBEYED.findall(screen.file.getvalue()) == []


@given(
    strategies.text()
    | strategies.dictionaries(
        strategies.text(), strategies.text(strategies.characters(categories=("Cc", "Cf", "Zl", "Co")))
    )
)
def test_json_says_the_same_and_holds_nothing_hidden(facts: Any) -> None:
    written = plain_text.as_json(facts)
    assert json.loads(written) == facts
    assert OBEYED.findall(written) == []


@pytest.mark.parametrize(
    ("text", "is_formula"),
    [
        *(
            (f"{before}{sign}1", True)
            for sign in "=+-@＝＋－＠"
            for before in ("", " ", "\u00a0", "\u3000", "\ufeff", "\t", "\r\n")
        ),
        *((f"{blank}harmless", True) for blank in "\t\r\n"),
        *((text, False) for text in ("", " ", "a=1", "1-2", "mail@example.com", "データ", "'=1")),
    ],
)
def test_a_spreadsheet_runs_no_cell(text: str, is_formula: bool) -> None:
    assert as_csv_cell(text) == (f"'{text}" if is_formula else text)


# ---------------------------------------------------------------------------------------- in Dagster's UI

LINKS = re.compile(r"(?<!\\)(?:\\\\)*!?\[|<[a-z/!?]|https?://|www\.|[\w.+-]+@[\w-]+\.", re.IGNORECASE)
"""What Dagster's Markdown (CommonMark with GitHub's bare addresses) makes a link, a picture or an element of."""


@given(
    strategies.lists(
        strategies.sampled_from((*MARKDOWN, "[", "]", "(", "!", "\\", "`", "<a href=x>", "&lt;", "\n", " ", "x"))
    ).map("".join)
)
def test_markdown_of_hostile_text_links_to_nothing(text: str) -> None:
    assert LINKS.search(as_markdown(text)) is None
    assert "\n" not in as_markdown(text)


# ------------------------------------------------------------------------------- what is no text at all

HALF = "\ud83e"
"""The first half of a surrogate pair: JSON can name it, UTF-8 cannot write it, and DuckDB reads it in no JSON."""

MEMBER = {
    "State": "ACTIVE",
    "Status": "ACTIVE",
    "Email": "a@example.com",
    "JoinedMethod": "CREATED",
    "JoinedTimestamp": 1.7e9,
}
"""What else a table needs of the record of an account."""


@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "on disk"])
def test_half_a_character_fails_its_cell_and_nothing_else(aws: ScriptedAws, tmp_path: Path, kept: bool) -> None:
    aws.script = lambda call: (
        None
        if call.service == "sts"
        else as_json({"Accounts": [{"Id": WORKLOAD, "Arn": OWN_ARN, "Name": HALF, **MEMBER}]})
    )
    write_profiles(tmp_path, aws.url, {"one": static(MANAGEMENT)})
    listing = replace(listings()["organizations_account"], is_large=kept)
    with house(tmp_path) as home:
        cells = collect(home, "night-1", [listing], profile="one")
        assert cells == {"organizations_account": ("failed", None)}
        (cell,) = home.rows("select error_code, error_message, record_count from audit.collection")
        assert cell["error_code"] == "UnreadableAnswer"
        assert "organizations_account returned what cannot be kept" in cell["error_message"]
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
    reach = AwsClient("workload", home_region="us-east-1")
    assert [reach.identify(name).account_id for name in ODD] == [f"0{number:011}" for number in range(len(ODD))]
    reach.close()


def test_what_is_to_be_mended_and_what_a_rule_found_are_shown_as_text() -> None:
    finding = " ".join((*MARKDOWN, *TERMINAL))
    shown = listing_metadata(ListingStats(), [finding])["to_mend"]
    assert isinstance(shown, dg.TableMetadataValue)
    assert "evil.invalid" in str(shown.records[0].data["finding"])
    assert OBEYED.findall(str(shown.records[0].data["finding"])) == []
    rule = SqlCheck("rule", "org.account", blocking=True, description="Holds.", sql="")
    result = check_result(SqlResult(rule, 1, ({"name": finding},)), dg.AssetKey(["org", "account"]))
    assert "evil.invalid" in str(result.description) and LINKS.search(str(result.description)) is None
    assert OBEYED.findall(f"{result.description}{refuse(finding).description}") == []


# ------------------------------------------------------------------------- what Dagster shows of a whole night


def hostile(value: Any, name: str = "") -> Any:
    """A record whose every text that somebody may choose says what nobody should click."""
    if isinstance(value, dict):
        return {key: hostile(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner, name) for inner in value]
    chosen = ("Name", "Description", "Value", "BudgetName", "Email", "GroupName", "Comment")
    return f"{value} {' '.join((*MARKDOWN, *TERMINAL))}" if name in chosen and isinstance(value, str) else value


@pytest.mark.large
def test_nothing_that_dagster_shows_of_a_hostile_run_is_active(
    organisation: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_landed = LandingWriter.line
    monkeypatch.setattr(LandingWriter, "line", lambda self, key, record: as_landed(self, key, hostile(record)))
    night = run_night(organisation.env, tmp_path / "cmdb.duckdb")
    shown, texts = [], 0
    with environment_of({"DAGSTER_HOME": str(dagster_home())}), dg.DagsterInstance.get() as instance:
        for entry in instance.all_logs(night.run_id):
            assert OBEYED.findall(entry.user_message) == [], entry.user_message
            event = entry.dagster_event
            if event is None:
                continue
            assert OBEYED.findall(event.message or "") == []
            for part in (event.event_specific_data, getattr(event.event_specific_data, "materialization", None)):
                metadata = getattr(part, "metadata", None) or {}
                shown += [(name, value) for name, value in metadata.items()]
                if isinstance(part, dg.AssetCheckEvaluation):
                    shown.append((part.check_name, dg.MetadataValue.md(part.description or "")))
    for name, value in shown:
        texts += "evil.invalid" in str(value)
        assert OBEYED.findall(str(value.value)) == [], name
        if isinstance(value, dg.MarkdownMetadataValue):
            # Our own pictures are data in the page itself.
            said = re.sub(r"^!\[[\w ,:-]*\]\(data:image/svg\+xml;base64,[\w+/=]+\)$", "", value.md_str)
            assert LINKS.search(said) is None, f"{name}: {said[:300]}"
    assert texts > 10
