"""The data export: what is read of a delivery, what is refused, and which months count."""

from __future__ import annotations

import datetime as dt
import errno
import shutil
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from conftest import EXPORT, lead_to
from given import House, house, record_rules
from test_bill import Billing
from test_bill import collect as collect_bill

from pipelines.catalogue.cost import DATA_EXPORT
from pipelines.cli.policy import policy
from pipelines.collection import cost_slices, export_files
from pipelines.collection.collector import Collector
from pipelines.collection.cost_slices import first_of
from pipelines.collection.data_export import collect_export
from pipelines.collection.state import StepState
from pipelines.reference import DEMO_FOLDER
from pipelines.settings import read_settings
from pipelines.trust.listing_rule import listing_check
from resources.audit.bills import record_bill
from resources.audit.cells import CellState
from resources.audit.organization import stamp
from resources.audit.runs import record_run
from resources.aws.messages import Outcome
from resources.aws.objects import Objects
from resources.bill_rules import Bill
from resources.check_result import CheckResult
from resources.store.errors import WarehouseError
from resources.store.store import Store
from simulator.client import Simulator
from simulator.exports import FAULTS

Row = dict[str, Any]

PLACE = f"s3://{EXPORT}"
TODAY = dt.datetime.now(dt.UTC).date()
HISTORY = 3
OPEN, CLOSED = f"{TODAY - dt.timedelta(days=1):%Y-%m}", f"{first_of(TODAY, HISTORY):%Y-%m}"
"""The month of the last day that has a cost, and one that AWS changes no more. The oldest that is always loaded lies
between: on the first days of a month it is two months old."""

LISTING = DATA_EXPORT.listings[0]
CENT = Decimal("0.01")


def night(home: House, run_id: str, **settings: str) -> CheckResult:
    """What the bucket is asked in one run: the silent-zero rule's result."""
    resource: Any = Billing()
    given = {"CMDB_DATA_EXPORT": PLACE, "CMDB_COST_MONTHS": str(HISTORY), "CMDB_REFERENCE": str(DEMO_FOLDER)}
    read = read_settings({name: value for name, value in {**given, **settings}.items() if value})
    state = StepState(
        home.store, run_id, {"billing": resource}, [LISTING], read, lambda _: None, record_rules=record_rules()
    )
    collector = Collector(state)
    with home.store.transaction() as connection:
        record_run(connection, run_id, "test")
    try:
        collect_export(collector, LISTING)
        collector.settle()
        collector.judge()
        return collector.commit()[LISTING.name]
    finally:
        collector.close()
        resource.client.close()


def cells(home: House, run_id: str) -> dict[str, Row]:
    """The cells of a run by month; of the export as a whole by an empty name."""
    rows = home.rows(
        "select *, evidence ->> '$.execution_id' as execution from audit.collection where run_id = $run and "
        "starts_with(listing, 'cost_export')",
        {"run": run_id},
    )
    return {row["listing"].partition(":")[2]: row for row in rows}


def lines(home: House) -> list[Row]:
    home.build("cost.export_line")
    return home.rows("select * from cost.export_line order by all")


def verdicts(home: House, month: str) -> dict[str | None, Row]:
    """What the reconciliation says of a month, by account; of the total by None."""
    home.build("cost.export_reconciliation")
    return shown(home, month)


def shown(home: House, month: str) -> dict[str | None, Row]:
    """The same, of what is built already."""
    rows = home.rows('select * from cost.export_reconciliation where "month" = $month::date', {"month": f"{month}-01"})
    return {row["account_id"]: row for row in rows}


def deliver(simulator: Simulator, *months: str, **how: str) -> None:
    simulator.change("deliver_export", months=list(months), **how)


def ledger(simulator: Simulator, month: str, metric: str) -> Mapping[str, Decimal]:
    """The truth: what each account cost in a month."""
    first = dt.date.fromisoformat(f"{month}-01")
    rows = simulator.ledger_sums(first, first_of(first, -1), "account_id")
    return {row["account_id"]: Decimal(row[metric]) for row in rows}


@pytest.fixture(scope="module")
def billed(small_process: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A warehouse that has the bill of Cost Explorer, and no export."""
    with pytest.MonkeyPatch.context() as patch, house(tmp_path_factory.mktemp("billed")) as made:
        lead_to(small_process, patch)
        small_process.reset()
        collect_bill(made, "bill", budgets=False, CMDB_COST_MONTHS=str(HISTORY))
        made.build("cost.daily", "cost.month_coverage", "stage.cost_monthly")
    return made.store


@pytest.fixture
def home(billed: Store, tmp_path: Path) -> Iterator[House]:
    shutil.copytree(billed.landing, tmp_path / billed.landing.name)
    with house(tmp_path, working=billed.working.read_bytes()) as made:
        yield made


# ------------------------------------------------------------------------------------------------ what is delivered


@pytest.mark.parametrize(
    ("table", "metric"), [("CUR 2.0", "unblended_cost"), ("FOCUS 1.2", "billed_cost"), ("FOCUS 1.0", "billed_cost")]
)
def test_a_closed_month_of_each_table_is_the_bill_by_resource_to_the_cent(
    table: str, metric: str, home: House, small: Simulator
) -> None:
    deliver(small, CLOSED, table=table, delivery="create new" if table == "FOCUS 1.2" else "overwrite")
    assert night(home, "night-1").passed
    truth = ledger(small, CLOSED, metric)
    stored = lines(home)
    of_account: dict[str, Decimal] = {}
    for row in stored:
        of_account[row["account_id"]] = of_account.get(row["account_id"], Decimal()) + Decimal(row["cost"])
    assert of_account.keys() == truth.keys()
    assert all(abs(of_account[account] - cost) < CENT / 2 for account, cost in truth.items())
    assert {row["export_format"] for row in stored} == {table}
    # Two lines of twelve hours are one row.
    assert {row["line_count"] % 2 for row in stored} == {0}
    assert {(row["run_id"], row["listing"], row["is_stale"]) for row in stored} == {
        ("night-1", f"cost_export:{CLOSED}", False)
    }
    found = verdicts(home, CLOSED)
    assert found.keys() == {None, *truth}
    assert {row["verdict"] for row in found.values()} == {"reconciled"}
    assert found[None]["account_count"] == found[None]["reconciled_count"] == len(truth)
    home.build("cost.export_resource_cost")
    rows = home.rows("select * from cost.export_resource_cost")
    assert abs(sum(Decimal(row["cost"]) for row in rows) - sum(truth.values())) < CENT
    assert len({row["resource_id"] for row in rows}) > 3
    assert cells(home, "night-1")[CLOSED]["execution"]


def test_of_two_tables_under_one_name_the_newer_delivery_counts(home: House, small: Simulator) -> None:
    deliver(small, CLOSED, table="FOCUS 1.2")
    assert night(home, "night-1").passed
    deliver(small, CLOSED)
    assert night(home, "night-2").passed
    assert {row["export_format"] for row in lines(home)} == {"CUR 2.0"}


def test_an_open_month_is_unknown_with_its_reason_and_not_among_the_costs_by_resource(
    home: House, small: Simulator
) -> None:
    deliver(small, OPEN, CLOSED)
    night(home, "night-1")
    lines(home)
    found = verdicts(home, OPEN)
    assert {row["verdict"] for row in found.values()} == {"unknown"}
    assert "AWS still changes it" in found[None]["reason"]
    assert not found[None]["is_counted"]
    home.build("cost.export_resource_cost")
    assert {row["month"][:7] for row in home.rows('select "month" from cost.export_resource_cost')} == {CLOSED}
    # What only Cost Explorer has is unknown too, and no zero.
    between = f"{first_of(TODAY, 2):%Y-%m}"
    missing = verdicts(home, between)[None]
    assert (missing["export_cost"], missing["difference"], missing["verdict"]) == (None, None, "unknown")
    assert missing["cost_explorer_cost"] is not None
    assert missing["reason"] == "The export has nothing of the month."


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ("01", "what is known of Cost Explorer begins on {month}-02."),
        ("05, 06", "Cost Explorer's costs of 2 of its days are missing."),
        ("last", "Cost Explorer's costs of 1 of its days are missing."),
    ],
)
def test_a_closed_month_of_which_days_are_unknown_is_not_said_to_be_open(
    days: str, reason: str, home: House, small: Simulator
) -> None:
    deliver(small, CLOSED)
    night(home, "night-1")
    lines(home)
    home.build("cost.export_reconciliation")
    first = dt.date.fromisoformat(f"{CLOSED}-01")
    last = first_of(first, -1) - dt.timedelta(days=1)
    with home.store.transaction() as connection:
        connection.execute("delete from cost.daily where usage_date < $first", {"first": first})
        for day in days.split(", "):
            gone = last if day == "last" else dt.date.fromisoformat(f"{CLOSED}-{day}")
            connection.execute("delete from cost.daily where usage_date = $gone", {"gone": gone})
    home.build("cost.month_coverage")
    found = home.rows(
        'select verdict, reason from cost.export_reconciliation where "month" = $first and account_id is null',
        {"first": first},
    )
    assert found == [{"verdict": "unknown", "reason": f"The month is closed, but {reason.format(month=CLOSED)}"}]


def test_only_what_was_delivered_anew_is_fetched_again(home: House, small: Simulator) -> None:
    deliver(small, OPEN, CLOSED)
    night(home, "night-1")
    lines(home)
    small.clear_log()
    assert night(home, "night-2").passed
    assert cells(home, "night-2").keys() == {""}
    assert {call["operation"] for call in small.log() if call["service"] == "s3"} == {"ListObjectsV2"}
    deliver(small, OPEN)
    night(home, "night-3")
    assert cells(home, "night-3").keys() == {"", OPEN}
    told = lines(home)
    assert {(row["month"][:7], row["run_id"]) for row in told} == {(OPEN, "night-3"), (CLOSED, "night-1")}


def test_a_bucket_in_another_region_is_found_there(home: House, small: Simulator) -> None:
    deliver(small, CLOSED, region="ap-southeast-2")
    assert night(home, "night-1").passed
    assert cells(home, "night-1")[CLOSED]["outcome"] == "found"


def test_pages_of_objects_are_read_to_the_end(home: House, small: Simulator) -> None:
    small.configure(page_sizes={"s3:ListObjectsV2": 1})
    deliver(small, OPEN, CLOSED, delivery="create new")
    assert night(home, "night-1").passed
    assert {name for name, cell in cells(home, "night-1").items() if cell["outcome"] == "found"} == {OPEN, CLOSED}


def test_a_month_that_does_not_fit_into_memory_is_spilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count, memory = 100_000, 96 << 20
    monkeypatch.setattr(export_files, "EXPORT_MEMORY", memory)
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"""
            copy (
                select
                    '1' as bill_payer_account_id, date '2026-10-01' as bill_billing_period_start_date,
                    'USD' as line_item_currency_code, date '2026-10-01' as line_item_usage_start_date,
                    '000000000001' as line_item_usage_account_id, 'Usage' as line_item_line_item_type,
                    'AmazonEC2' as line_item_product_code, 'BoxUsage' as line_item_usage_type,
                    'RunInstances' as line_item_operation, repeat(md5(number::varchar), 40) as line_item_resource_id,
                    0.5 as line_item_unblended_cost
                from range({count}) as line (number)
            ) to '{tmp_path}/0.parquet' (format parquet, row_group_size 10000)
        """)
    kept = 0

    def keep(record: Row) -> None:
        nonlocal kept
        kept += 1

    read = export_files.read_files(tmp_path, "2026-10", frozenset({"1"}), keep)
    assert (read.line_count, read.record_count, kept) == (count, count, count)
    assert {path.name for path in tmp_path.iterdir()} <= {"0.parquet", "spill"}


# ------------------------------------------------------------------------------------------------ what is refused

REFUSED = {
    "absent": ("failed", "NotWhole", "are not there"),
    "stale": ("failed", "NotWhole", "is newer than the manifest"),
    "cut": ("failed", "UnreadableExport", "cannot be read"),
    "payer": ("wrong_account", "ForeignExport", "the bill of 999999999999"),
    "no payer": ("failed", "UnreadableExport", "lack account, payer"),
    "month": ("failed", "UnreadableExport", "lines of another bill"),
    "currency": ("failed", "UnreadableExport", "several currencies: EUR, USD"),
    "empty": ("failed", "NotWhole", "hold no line"),
    "columns": ("failed", "UnreadableExport", "lacks columns of CUR 2.0: line_item_resource_id"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_delivery_that_is_not_the_whole_bill_of_its_month_keeps_the_rows_before_it(
    fault: str, home: House, small: Simulator
) -> None:
    deliver(small, CLOSED)
    night(home, "night-1")
    before = lines(home)
    deliver(small, CLOSED, fault=fault)
    result = night(home, "night-2")
    outcome, code, said = REFUSED[fault]
    cell = cells(home, "night-2")[CLOSED]
    assert (cell["outcome"], cell["error_code"], cell["is_trusted"]) == (outcome, code, False)
    assert said in cell["error_message"]
    # A second source of the bill stops nothing but where it is somebody else's.
    assert (result.passed, result.blocks) == (False, outcome == "wrong_account")
    after = lines(home)
    assert [row | {"is_stale": False} for row in after] == before
    assert {row["is_stale"] for row in after} == {True}
    assert verdicts(home, CLOSED)[None]["is_stale"]


def test_every_fault_of_a_delivery_is_refused_or_does_not_reconcile() -> None:
    assert FAULTS.keys() == {"", "cent", "account", *REFUSED}


@pytest.mark.parametrize("known_by", ["organisation", "earlier bill"])
def test_a_month_of_the_management_account_or_of_an_earlier_payer_is_no_other_bill(
    known_by: str, home: House, small: Simulator
) -> None:
    """With the domain unknown no payer is known; after a transfer ends the last month is still its target's."""
    payer = "999999999999"
    if known_by == "organisation":
        stamp(home.store, "o-1", payer)
    billing = "000000000003"
    bills = [
        Bill("pro forma", "So.", billing, payer if known_by == "earlier bill" else None),
        Bill("own", "So.", billing, "111111111111"),
        Bill("unknown", "So.", billing),
    ]
    with home.store.transaction() as connection:
        for number, bill in enumerate(bills):
            record_bill(connection, f"before-{number}", bill, organization_id="o-1", config_hash="x")
    deliver(small, CLOSED, fault="payer")
    assert night(home, "night-1").passed
    assert cells(home, "night-1")[CLOSED]["outcome"] == "found"
    # Whose months they are decides the comparison with Cost Explorer all the same.
    lines(home)
    assert verdicts(home, CLOSED)[None]["verdict"] == "reconciled"


@pytest.mark.parametrize("fault", ["cent", "account"])
def test_a_month_that_differs_by_a_cent_or_an_account_does_not_count(fault: str, home: House, small: Simulator) -> None:
    deliver(small, CLOSED, fault=fault)
    assert night(home, "night-1").passed
    lines(home)
    found = verdicts(home, CLOSED)
    wrong = {account: row for account, row in found.items() if row["verdict"] == "not reconciled"}
    assert not any(row["is_counted"] for row in found.values())
    if fault == "cent":
        assert None in wrong
        assert {abs(Decimal(row["difference"]) - CENT) < CENT / 100 for row in wrong.values()} == {True}
        assert {row["reason"] for row in wrong.values()} == {"The export has 0.0100 USD more than Cost Explorer."}
        assert found[None]["reconciled_count"] == found[None]["account_count"] - 1
    else:
        # The total is the same: only account by account it shows.
        assert "999999999999" in wrong
        assert None not in wrong
    home.build("cost.export_resource_cost")
    assert home.rows("select * from cost.export_resource_cost") == []


def test_without_the_grant_the_rows_stay_and_nothing_is_taken_for_nothing(home: House, small: Simulator) -> None:
    deliver(small, CLOSED)
    night(home, "night-1")
    before = lines(home)
    for number, actions in enumerate((["s3:ListBucket"], ["s3:GetObject"]), 2):
        deliver(small, CLOSED)
        small.configure(refused_actions={"billing": actions})
        result = night(home, f"night-{number}")
        found = cells(home, f"night-{number}")
        assert (found[CLOSED]["outcome"], found[CLOSED]["skip_reason"]) == ("skipped", "optional_grant_not_given")
        assert (result.passed, result.blocks) == (False, False)
        # AWS's own message says which grant lacks.
        assert f"is not authorized to perform: {actions[0]}" in result.sentence
        assert "cmdb policy billing --optional" in result.sentence
        after = lines(home)
        assert [row | {"is_stale": False} for row in after] == before
        assert {row["is_stale"] for row in after} == {True}
    assert night(home, "night-4", CMDB_DATA_EXPORT="").passed


KMS = (
    "User: arn:aws:sts::088157367409:assumed-role/BillingReader/x is not authorized to perform: kms:Decrypt on the "
    "resource associated with this ciphertext because no resource-based policy allows the kms:Decrypt action"
)


def test_a_month_that_was_denied_from_the_first_warns_until_nobody_wants_it(home: House, small: Simulator) -> None:
    deliver(small, CLOSED)
    small.faults([{"action": "error", "op": "GetObject", "code": "AccessDenied", "status": 403, "message": KMS}])
    result = night(home, "night-1")
    assert (result.passed, result.blocks) == (False, False)
    assert KMS in result.sentence
    assert "grant kms:Decrypt on it" in result.sentence
    assert night(home, "night-2", CMDB_COST_MONTHS="1").passed
    assert not night(home, "night-3").passed
    assert night(home, "night-4", CMDB_DATA_EXPORT="").passed


def test_the_files_of_a_month_that_cannot_be_listed_stop_nothing(home: House, small: Simulator) -> None:
    """The folder of the manifests may be listed, that of the files may not."""
    deliver(small, CLOSED)
    small.faults([{"action": "denied", "op": "ListObjectsV2", "skip": 1}])
    result = night(home, "night-1")
    cell = cells(home, "night-1")[CLOSED]
    assert (cell["outcome"], cell["skip_reason"]) == ("skipped", "optional_grant_not_given")
    assert (result.passed, result.blocks) == (False, False)
    assert "is not authorized to perform" in result.sentence


NOT_TRUSTED: list[tuple[Outcome, str | None]] = [
    ("failed", None),
    ("denied", None),
    ("empty_suspect", None),
    ("skipped", None),
    ("skipped", "no_profile"),
    ("skipped", "more_pages_than_the_limit"),
    ("skipped", "optional_grant_not_given"),
    ("wrong_account", None),
]


@pytest.mark.parametrize(("outcome", "reason"), NOT_TRUSTED)
def test_a_supplement_blocks_by_another_account_alone(outcome: Outcome, reason: str | None) -> None:
    def cell(outcome: Outcome, reason: str | None) -> CellState:
        at = dt.datetime.now(dt.UTC)
        return CellState("billing", "1", "aws-global", LISTING.name, outcome, False, "r", at, skip_reason=reason)

    alone = [cell(outcome, reason)]
    beside = [cell("failed", None), *alone, cell("skipped", "delivered_by_month")]
    for found, trusted in ((alone, 0), (alone, 1), (beside, 1)):
        result = listing_check(LISTING.name, found, Decimal(0), trusted=trusted, is_supplement=True)
        assert result.blocks == (outcome == "wrong_account")
        assert not result.passed or (outcome == "skipped" and trusted)
        assert outcome != "wrong_account" or "wrong_account" in result.sentence


def test_an_export_that_was_never_delivered_or_is_gone_is_no_zero(home: House, small: Simulator) -> None:
    deliver(small, CLOSED)
    small.change("delete_export", month=CLOSED)
    result = night(home, "night-1")
    assert (result.passed, result.blocks) == (False, False)
    (cell,) = cells(home, "night-1").values()
    assert (cell["listing"], cell["outcome"], cell["error_code"]) == ("cost_export", "failed", "NotWhole")
    assert "holds no manifest" in cell["error_message"]
    deliver(small, OPEN, CLOSED)
    night(home, "night-2")
    before = lines(home)
    small.change("delete_export", month=CLOSED)
    night(home, "night-3")
    assert cells(home, "night-3")[CLOSED]["outcome"] == "failed"
    after = lines(home)
    assert len(after) == len(before)
    assert {row["is_stale"] for row in after if row["month"][:7] == CLOSED} == {True}


def test_without_the_setting_nothing_is_sent(home: House, small: Simulator) -> None:
    small.clear_log()
    result = night(home, "night-1", CMDB_DATA_EXPORT="")
    assert result.passed
    assert [call for call in small.log() if call["service"] == "s3"] == []
    (cell,) = cells(home, "night-1").values()
    assert (cell["outcome"], cell["skip_reason"]) == ("skipped", "not_requested")


def test_a_content_that_changes_while_it_is_read_is_refused(home: House, small: Simulator) -> None:
    """The manifest was listed; before the first file is read AWS delivers anew."""
    deliver(small, CLOSED)
    again = {"do": "deliver_export", "arguments": {"months": [CLOSED], "fault": "cent"}}
    small.faults([{"action": "change", "op": "GetObject", "skip": 1, "times": 1, **again}])
    night(home, "night-1")
    cell = cells(home, "night-1")[CLOSED]
    assert (cell["outcome"], cell["error_code"]) == ("failed", "PreconditionFailed")


@pytest.mark.parametrize("at", ["the download", "the reading"])
def test_a_full_disk_is_a_sentence_and_no_fault_of_the_delivery(
    home: House, small: Simulator, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    deliver(small, CLOSED)

    def full(*_: object, **__: object) -> None:
        if at == "the download":
            raise OSError(errno.ENOSPC, "No space left on device")
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    where: tuple[Any, str] = (Objects, "download") if at == "the download" else (export_files, "reading_folder")
    monkeypatch.setattr(*where, full)
    with pytest.raises(WarehouseError, match=r"The disk of .* is full"):
        night(home, "night-1")


def test_months_outside_of_the_bill_are_left(home: House, small: Simulator) -> None:
    old = f"{first_of(TODAY, HISTORY + 1):%Y-%m}"
    deliver(small, old, CLOSED)
    night(home, "night-1")
    assert cells(home, "night-1").keys() == {"", CLOSED}
    assert cost_slices.whole_history(TODAY, HISTORY).name > old


def test_a_month_that_cost_explorer_is_not_asked_for_any_more_keeps_what_was_known_of_it(
    home: House, small: Simulator
) -> None:
    deliver(small, CLOSED)
    night(home, "night-1")
    lines(home)
    before = verdicts(home, CLOSED)
    assert before[None]["is_counted"]
    home.execute(f"delete from stage.cost_monthly where \"month\" <= '{CLOSED}-01'")
    assert shown(home, CLOSED) == before
    # Of such a month a day is lost.
    home.execute(
        f"update cost.month_coverage set is_final = false, day_count = day_count - 1 where \"month\" = '{CLOSED}-01'"
    )
    found = shown(home, CLOSED)[None]
    assert (found["verdict"], found["is_counted"]) == ("unknown", False)
    assert "1 of its days are missing" in found["reason"]
    home.execute(f"delete from cost.daily where usage_date < '{OPEN}-01'")
    assert shown(home, CLOSED)[None]["reason"] == "Cost Explorer's costs of the month are not in the warehouse."


def test_the_policy_names_the_folder_and_a_wrong_place_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CMDB_DATA_EXPORT", PLACE)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-2")
    done = CliRunner().invoke(policy, ["billing", "--optional"])
    assert done.exit_code == 0
    assert f"arn:aws:s3:::{EXPORT}/*" in done.stdout
    assert EXPORT not in CliRunner().invoke(policy, ["billing"]).stdout
    monkeypatch.setenv("CMDB_DATA_EXPORT", "acme-exports")
    refused = CliRunner().invoke(policy, ["billing", "--optional"])
    assert refused.exit_code == 2
    assert "it must be s3://BUCKET/PREFIX/EXPORT" in refused.stderr
    assert "Traceback" not in refused.stderr
    # The other roles' policies do not depend on it.
    assert CliRunner().invoke(policy, ["workload", "--optional"]).exit_code == 0
