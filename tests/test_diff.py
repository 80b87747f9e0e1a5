"""`cmdb diff`: what differs between two nights, and what is unknown since and never gone."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nights import cmdb_here

from pipelines.differences.comparing import QUERIES, SIDES, compare
from pipelines.differences.text import as_text
from resources.store.paths import PUBLISHED_NAME
from resources.store.store import Store

FIRST = datetime(2026, 3, 1, 14, 30, tzinfo=UTC)

SCHEMA = """
create schema audit; create schema cmdb; create schema cost; create schema org;
create table audit.schema_migration (number integer, name varchar, sha256 varchar, applied_at timestamptz);
create table audit.run (run_id varchar, started_at timestamptz);
create table audit.check_result (run_id varchar, check_name varchar, scope varchar, passed boolean);
create table audit.coverage (role varchar, account_id varchar, region varchar, listing varchar, is_known boolean);
create table audit.expected_cell (
    role varchar, account_id varchar, region varchar, listing varchar, is_judged boolean, unknown_reason varchar,
    last_trusted_at timestamptz
);
create table cmdb.resource (
    arn varchar, resource_type varchar, account_id varchar, region varchar, name varchar, retired_reason varchar,
    replaced_at timestamptz, status varchar, last_seen_at timestamptz, role varchar, caller_account_id varchar,
    cell_region varchar, listing varchar
);
create table cmdb.resource_version (arn varchar, is_current boolean, attributes json);
create table cmdb.decommission_signal (
    rule varchar, arn varchar, account_id varchar, region varchar, verdict varchar, resolution varchar
);
create table cmdb.finding_open_rule (
    security_group_rule_id varchar, port_class varchar, account_id varchar, region varchar
);
create table cmdb.finding_security_group_across_accounts (
    security_group_rule_id varchar, account_id varchar, region varchar
);
create table cmdb.finding_vpc_without_flow_log (arn varchar, account_id varchar, region varchar, reason varchar);
create table cmdb.finding_unused_security_group (arn varchar, account_id varchar, region varchar);
create table cmdb.finding_spend_without_inventory (service varchar, account_id varchar, reason varchar);
create table cmdb.finding_unknown (finding varchar, account_id varchar, region varchar);
create table cmdb.finding_unused_security_group_unknown (arn varchar, account_id varchar, region varchar);
create table cmdb.finding_open_rule_unknown (security_group_rule_id varchar, account_id varchar, region varchar);
create table cmdb.exposure (
    arn varchar, entry varchar, kind varchar, account_id varchar, region varchar, verdict varchar
);
create table cmdb.finding_exposure_unknown (kind varchar, account_id varchar, region varchar, arn varchar);
create table org.governance_kpi (as_of_date date, kpi varchar, verdict varchar);
create table cost.daily (
    usage_date date, slice varchar, dimension_value varchar, currency varchar, unblended_cost decimal(28, 10)
);
"""

CELLS = {
    "one": ("000000000001", True, True),
    "two": ("000000000002", True, False),
    "three": ("000000000003", False, True),
}
"""Account of each cell, and whether it is judged in the first and in the second night."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of two recorded nights. Never change it."""
    return recorded(tmp_path_factory.mktemp("diff"))


def recorded(folder: Path, later: str = "") -> Path:
    """A warehouse of two recorded nights; one table may be there on the second alone."""
    migrations = folder / "migrations"
    migrations.mkdir()
    (migrations / "0001_small.sql").write_text(SCHEMA)
    store = Store(folder / "house" / PUBLISHED_NAME, migrations)
    for night, run_id in enumerate(["run-before", "run-after-"]):
        at = FIRST + timedelta(days=night)
        with store.holding(run_id, "nightly"):
            if later and night == 1:
                (made,) = re.findall(rf"create table {later} [^;]*;", SCHEMA)
                with store.transaction() as connection:
                    connection.execute(made)
            fill(store, night, run_id, at)
            if later and night == 0:
                with store.transaction() as connection:
                    connection.execute(f"drop table {later}")
            version = store.publish(run_id, lambda _: None)
            os.utime(version.path, (at.timestamp(), at.timestamp()))
            store.history.catch_up(400)
    return store.database


def fill(store: Store, night: int, run_id: str, at: datetime) -> None:
    second = night == 1
    with store.transaction() as connection:

        def put(table: str, *rows: tuple[Any, ...]) -> None:
            connection.execute(f"delete from {table}")
            for row in rows:
                connection.execute(f"insert into {table} values ({', '.join('?' * len(row))})", list(row))

        put("audit.run", (run_id, at))
        put(
            "audit.check_result",
            (run_id, "adds_up", "all", not second),
            (run_id, "is_unique", "all", True),
            (run_id, "runs later", "all", True) if second else (run_id, "runs earlier", "all", False),
        )
        cells = [(account, states[night]) for account, *states in CELLS.values()]
        bill = ("billing", CELLS["one"][0], "aws-global", "cost_daily:service:2026-03", not second, None, FIRST)
        # A release in between requests another listing, and an account joined.
        added = [(CELLS["one"][0], "ec2_y"), ("000000000004", "ec2_x")] if second else []
        put(
            "audit.coverage",
            *[("workload", account, "eu-west-1", "ec2_x", known) for account, known in cells],
            *[("workload", account, "eu-west-1", listing, True) for account, listing in added],
        )
        put(
            "audit.expected_cell",
            *[
                ("workload", account, "eu-west-1", "ec2_x", known, None if known else "denied", FIRST)
                for account, known in cells
            ],
            *[("workload", account, "eu-west-1", listing, True, None, FIRST) for account, listing in added],
            bill,
        )

        def item(
            arn: str, cell: str, retired: str | None = None, status: str = "active", replaced: datetime | None = None
        ) -> tuple[Any, ...]:
            place = (CELLS[cell][0], "eu-west-1")
            status = "retired" if retired else status
            return (
                *(arn, "AWS::EC2::X", *place, "<script>", retired, replaced, status, FIRST, "workload", *place),
                "ec2_x",
            )

        both = [
            item("changed", "one"),
            item("same", "one"),
            item("refused", "two"),
            item("left", "one", "account_left"),
            item("changed and back", "one"),
            item("lacked", "one", status="missing" if second else "active"),
            item("came back", "one", status="active" if second else "missing"),
            item("made anew", "one", replaced=at if second else None),
        ]
        if second:
            put(
                "cmdb.resource",
                *both,
                item("retired", "one", "not_found"),
                item("new", "one"),
                item("seen now", "three"),
                (*item("of a new listing", "one")[:-1], "ec2_y"),
                tuple("000000000004" if value == CELLS["one"][0] else value for value in item("joined", "one")),
            )
        else:
            put("cmdb.resource", *both, item("retired", "one"), item("vanished", "one"), item("vanished too", "two"))
        put(
            "cmdb.resource_version",
            # What passed between the two nights, and what the earlier one did not request, is no change.
            ("changed", True, f'{{"state": "{night}", "tags": {{"a": "{night}"}}, "name": null}}'),
            ("changed", False, '{"state": "between"}'),
            ("changed and back", True, '{"state": "a", "new": 1}' if second else '{"state": "a"}'),
            ("changed and back", False, '{"state": "b"}'),
            ("made anew", True, f'{{"resource_id": "{night}"}}'),
        )
        one, two, three = (account for account, *_ in CELLS.values())
        put(
            "cmdb.decommission_signal",
            ("idle", "a", one, "eu-west-1", "candidate", None),
            ("idle", "b", two, "eu-west-1", "unknown" if second else "candidate", None),
            ("idle", "c", three, "eu-west-1", "candidate" if second else "unknown", None),
            ("idle", "d", one, "eu-west-1", "candidate", "gone" if second else None),
            ("idle", "e", one, "eu-west-1", "unknown", "gone" if second else None),
            ("idle", "f", one, "eu-west-1", *(("accepted", "accepted") if second else ("candidate", None))),
            ("idle", "g", one, "eu-west-1", "accepted", "used again" if second else "accepted"),
        )
        put(
            "cmdb.finding_open_rule",
            *([("r-new", "ssh", one, "eu-west-1"), ("r-seen", "ssh", three, "eu-west-1")] if second else
              [("r-gone", "ssh", one, "eu-west-1"), ("r-refused", "ssh", two, "eu-west-1"),
               ("r-prefix-list", "ssh", one, "eu-west-1")]),
        )  # fmt: skip
        groups = [("g-used", one, "eu-west-1"), ("g-shared", one, "eu-west-1")]
        put("cmdb.finding_unused_security_group", *([] if second else groups))
        spends = [("Spend gone", one, "not inventoried"), ("Spend refused", two, "not inventoried")]
        # One service has both reasons, in both files: that is no change.
        both_reasons = [("Spend twice", one, reason) for reason in ("no listing", "not inventoried")]
        put("cmdb.finding_spend_without_inventory", *both_reasons, *([] if second else spends))
        put("cmdb.finding_vpc_without_flow_log", ("v", one, "eu-west-1", "delivery fails" if second else "no flow log"))
        put(
            "cmdb.finding_unknown",
            ("finding_open_rule", two if second else three, "aws-global"),
            ("finding_spend_without_inventory", two if second else three, "eu-west-1"),
        )
        # Each is one group or rule of a place that is judged.
        put("cmdb.finding_unused_security_group_unknown", *([("g-shared", one, "eu-west-1")] if second else []))
        put("cmdb.finding_open_rule_unknown", *([("r-prefix-list", one, "eu-west-1")] if second else []))
        put(
            "cmdb.exposure",
            *[
                (
                    "bucket" if entry == "bucket" else f"eni-{entry}-0",
                    entry,
                    "address",
                    account,
                    "eu-west-1",
                    verdicts[night],
                )
                for entry, account, verdicts in [
                    ("opened", one, ("not exposed", "exposed")),
                    ("shut", one, ("exposed", "not exposed")),
                    ("came", one, (None, "exposed")),
                    ("came shut", one, (None, "not exposed")),
                    ("deleted", one, ("exposed", None)),
                    ("doubted", one, ("exposed", "unknown")),
                    ("cleared", one, ("unknown", "not exposed")),
                    ("bucket", one, ("unknown", "not exposed")),
                    ("refused", two, ("exposed", None)),
                    ("judged", two, ("exposed", "not exposed")),
                ]
                if verdicts[night]
            ],
        )
        put(
            "cmdb.finding_exposure_unknown",
            *([("address", two, "aws-global", None), ("address", one, "eu-west-1", "eni-doubted-0")] if second else []),
            ("bucket", one, "aws-global", None),
        )
        put("org.governance_kpi", (FIRST, "kpi", "green"), *([(at, "kpi", "red")] if second else []))
        day = FIRST.date()
        put(
            "cost.daily",
            (day, "service", "EC2", "USD", "11.5" if second else "10"),
            (day, "service", "S3", "USD", "2"),
            (day, "usage_type", "x", "USD", "999" if second else "1"),
            *(
                [
                    (at.date(), "service", "EC2", "USD", "4"),
                    (at.date(), "service", "S3", "USD", "0.001"),
                    # A service that is new on a day that was billed, and a month that was read later than a newer one.
                    (day, "service", "Tax", "USD", "3"),
                    (day - timedelta(days=28), "service", "EC2", "USD", "7"),
                ]
                if second
                else []
            ),
        )


def diff(database: Path, *arguments: str) -> dict[str, Any]:
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "diff", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def found(database: Path) -> dict[str, Any]:
    return diff(database, "2026-03-01", "2026-03-02")


def kinds(found: dict[str, Any], section: str, *names: str) -> dict[str, str]:
    return {" ".join(str(row[name]) for name in names): row["kind"] for row in found[section]["rows"]}


def test_an_item_is_gone_only_where_a_judged_response_lacks_it(found: dict[str, Any]) -> None:
    assert kinds(found, "items", "arn") == {
        "changed": "changed",
        "retired": "gone",
        "vanished": "gone",
        "new": "added",
        "refused": "unknown since",
        "vanished too": "unknown since",
        "seen now": "known now",
        "of a new listing": "known now",
        "joined": "added",
        "lacked": "missing",
        "came back": "returned",
        "made anew": "replaced",
    }
    details = {row["arn"]: row["detail"] for row in found["items"]["rows"]}
    assert details["changed"] == "state, tags"
    assert details["made anew"] == "resource_id"
    assert details["refused"] == details["lacked"] == "last seen 2026-03-01 14:30 UTC"


def test_a_finding_is_resolved_only_where_it_was_judged(found: dict[str, Any]) -> None:
    assert kinds(found, "rules", "rule", "subject") == {
        "open rule: ssh r-new": "new",
        "open rule: ssh r-gone": "resolved",
        "open rule: ssh r-refused": "unknown since",
        "open rule: ssh r-seen": "known now",
        "open rule: ssh r-prefix-list": "unknown since",
        "unused security group g-used": "resolved",
        "unused security group g-shared": "unknown since",
        "spend without inventory Spend gone": "resolved",
        "spend without inventory Spend refused": "unknown since",
        "exposure: address eni-opened-0 opened": "new",
        "exposure: address eni-came-0 came": "new",
        "exposure: address eni-shut-0 shut": "resolved",
        "exposure: address eni-deleted-0 deleted": "resolved",
        "exposure: address eni-judged-0 judged": "resolved",
        "exposure: address eni-doubted-0 doubted": "unknown since",
        "exposure: address eni-refused-0 refused": "unknown since",
        "exposure: address eni-cleared-0 cleared": "known now",
        "exposure: address bucket": "known now",
        "decommission: idle b": "unknown since",
        "decommission: idle c": "known now",
        "decommission: idle d": "resolved",
        "decommission: idle e": "known now",
        "decommission: idle f": "changed",
        "decommission: idle g": "resolved",
        "vpc without flow log v": "changed",
        "key figure: kpi kpi": "changed",
        "check: adds_up all": "changed",
        "check: runs earlier all": "unknown since",
        "check: runs later all": "known now",
    }


def test_cost_tells_restated_days_from_new_ones(found: dict[str, Any]) -> None:
    assert {
        (row["month"], row["service"]): tuple(float(row[name]) for name in ("cost_before", "cost_after", "restated"))
        for row in found["cost"]["rows"]
    } == {
        ("2026-03-01", "EC2"): (10, 15.5, 1.5),
        ("2026-03-01", "S3"): (2, 2.001, 0),
        ("2026-03-01", "Tax"): (0, 3, 3),
        ("2026-02-01", "EC2"): (0, 7, 0),
    }
    assert found["cost"]["summary"] == (
        "+15.50 USD unblended, of which +4.50 on days that were billed before (through 2026-03-01), the rest on days "
        "that were read for the first time (through 2026-03-02). Unknown cells of the bill: 1 in run run-after-."
    )


def test_coverage_names_the_cells_and_the_reason(found: dict[str, Any]) -> None:
    assert kinds(found, "coverage", "account_id", "listing", "reason_after", "reason_before") == {
        "000000000001 cost_daily:service:2026-03 None None": "unknown since",
        "000000000002 ec2_x denied None": "unknown since",
        "000000000003 ec2_x None denied": "known now",
        "000000000001 ec2_y None None": "expected now",
        "000000000004 ec2_x None None": "expected now",
    }
    assert found["not_judged"].startswith(
        "Not judged: 1 of 4 cells in run run-before and 2 of 6 cells in run run-after-."
    )


def test_the_same_night_twice_differs_in_nothing(database: Path) -> None:
    found = diff(database, "run-after-", "2026-03-02")
    assert all(found[section]["rows"] == [] for section in ("items", "rules", "cost", "coverage"))
    assert found["cost"]["summary"].startswith(
        "No amount differs on the days that both runs know. Unknown cells of the bill: 1 in run"
    )


def test_as_text_it_never_says_that_what_was_not_judged_is_gone(database: Path) -> None:
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "diff", "2026-03-01", "2026-03-02")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert (
        "Items: 2 gone, 1 missing, 2 added, 1 returned, 1 replaced, 1 changed, 2 unknown since, 2 known now. "
        "9 items before, 10 after."
    ) in lines
    assert [line for line in lines if "refused" in line and ("gone" in line or "none" in line)] == []
    assert any(line.endswith("r-refused in 000000000002 eu-west-1: finding → not judged") for line in lines)
    store = Store(database)
    comparison = compare(store, store.history.find("2026-03-01"), store.history.find("2026-03-02"))
    lines = as_text(comparison, shown=100).splitlines()
    assert any(line.endswith("r-seen in 000000000003 eu-west-1: not judged → finding") for line in lines)
    assert any(line.endswith("check: runs earlier  all: failed → not judged") for line in lines)
    assert any(line.endswith("check: runs later  all: not judged → passed") for line in lines)


def test_the_page_is_whole_and_harmless(database: Path, tmp_path: Path) -> None:
    page = tmp_path / "april.html"
    environment = {"CMDB_DATABASE": str(database)}
    done = cmdb_here(environment, "diff", "2026-03-01", "2026-03-02", "--output", str(page))
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;" in text
    assert text.count("<script>") == 1
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert text.count("unknown since") >= 4
    assert '<bdi>not judged</bdi></td><td class="of-text"><bdi>passed</bdi>' in text
    refused = cmdb_here(environment, "diff", "2026-03-01", "2026-03-02", "--output", str(tmp_path / "april.txt"))
    assert (refused.returncode, refused.stdout) == (2, "")


def test_the_later_night_first_is_a_sentence(database: Path) -> None:
    environment = {"CMDB_DATABASE": str(database)}
    done = cmdb_here(environment, "diff", "2026-03-02", "2026-03-01")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Name the earlier night first." in done.stderr
    assert cmdb_here(environment, "diff", "2026-03-01", "2026-02-01").returncode == 2
    done = cmdb_here(environment, "diff", "2026-3-1", "2026-03-02")
    assert "2026-3-1 is no day and no time. Write 2026-03-31" in done.stderr


def test_a_night_of_another_release_leaves_out_what_it_lacks(tmp_path: Path) -> None:
    found = diff(recorded(tmp_path, "cmdb.finding_exposure_unknown"), "run-before", "run-after-")
    assert found["rules"] == {
        "summary": (
            "Not compared: run run-before is of another release of cmdb and has no cmdb.finding_exposure_unknown."
        ),
        "rows": [],
    }
    assert kinds(found, "items", "arn")["new"] == "added"


def test_without_what_all_rests_on_nothing_is_compared(tmp_path: Path) -> None:
    database = recorded(tmp_path, "cmdb.resource_version")
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "diff", "run-before", "run-after-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no cmdb.resource_version. Name nights of one release" in done.stderr


@pytest.mark.parametrize("side", SIDES)
def test_what_is_compared_is_in_every_published_file(truthful_night: Path, side: str) -> None:
    with Store(truthful_night / PUBLISHED_NAME).published() as connection:
        connection.execute((QUERIES / f"side_{side}.sql").read_text(encoding="utf-8")).fetchall()
