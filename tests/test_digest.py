"""The morning digest and the messages to people: what they say, what they never call none, and that they arrive."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest
from nights import DATABASE, cmdb_here, copy_of, query

from pipelines import alerts
from pipelines.notifying import notify
from pipelines.report import digest
from pipelines.report.figures import QUERIES, Figure, Scope
from pipelines.report.text import counted
from pipelines.settings import read_settings
from resources.store.store import Store

# ------------------------------------------------------------------------------------------------- a whole night


def test_the_digest_says_what_the_published_file_says(truthful_night: Path) -> None:
    database = truthful_night / DATABASE
    found = digest.read_digest(Store(database))
    assert len(found.lines) <= 10
    ((judged, unknown),) = query(
        database,
        "select count(*) filter (unknown_reason is null), count(*) filter (unknown_reason is not null) "
        "from audit.expected_cell",
    )
    assert found.title.endswith(f"{judged:,} of {judged + unknown:,} cells judged")
    assert unknown
    assert f"Unknown: {unknown:,} of {judged + unknown:,} cells" in found.text
    ((anomalies,),) = query(
        database,
        "select count(*) from cost.anomaly where usage_date >= (select date_trunc('month', max(through_date)) - "
        "interval 1 month from cost.month_coverage where slice = 'service')",
    )
    anomalous = [line for line in found.lines if line.startswith("Anomal")]
    assert len(anomalous) == max(1, min(anomalies, digest.ANOMALIES_NAMED))
    ((bad,),) = query(
        database,
        "select count(*) from cost.spend_vs_budget where verdict in ('red', 'amber') and scope <> 'total' and not "
        "starts_with(scope, 'aws:') and as_of_date = (select max(as_of_date) from cost.spend_vs_budget)",
    )
    (budgets,) = (line for line in found.lines if line.startswith("Budgets: "))
    assert (" red" in budgets or " amber" in budgets) is bool(bad)
    # There is no run before it to compare with.
    assert found.lines[-1].startswith("Newly unknown: unknown")


def test_the_command_prints_it(truthful_night: Path) -> None:
    environment = {"CMDB_DATABASE": str(truthful_night / DATABASE)}
    found = digest.read_digest(Store(truthful_night / DATABASE))
    assert cmdb_here(environment, "digest").stdout == f"{found.title}\n{found.text}\n"
    assert json.loads(cmdb_here(environment, "digest", "--json").stdout)["lines"] == list(found.lines)
    unsent = cmdb_here(environment, "digest", "--send")
    assert (unsent.returncode, unsent.stdout) == (2, "")
    assert "CMDB_NOTIFY names nobody" in unsent.stderr
    demo = cmdb_here({"CMDB_NOTIFY": "json://127.0.0.1:1"}, "digest", "--demo", "--send")
    assert (demo.returncode, demo.stdout) == (2, "")
    assert "The demo notifies nobody" in demo.stderr


# ------------------------------------------------------------------------------------------------ newly unknown

LATER_RUN = """
    insert into audit.run by name
    select * replace ('later' as run_id, started_at + interval 1 day as started_at) from audit.run;
    insert into audit.collection by name
    select * replace ('later' as run_id) from audit.collection limit 1;
"""

LOST = """
    update audit.newest_cell
    set newest = struct_update(newest, outcome := 'denied', is_trusted := false, run_id := 'later')
    where listing = 'ec2_instance' and account_id = (
        select min(account_id) from audit.newest_cell where listing = 'ec2_instance' and newest.is_trusted
    )
"""

UNKNOWN_BEFORE = """
    update audit.collection as cell
    set outcome = 'denied', is_trusted = false
    from audit.newest_cell as newest
    where
        newest.newest.run_id = 'later' and cell.run_id <> 'later'
        and cell.role = newest.role and cell.account_id = newest.account_id and cell.region = newest.region
        and cell.listing = newest.listing
"""


@pytest.fixture
def published(truthful_night: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file that the test may change."""
    path = copy_of(truthful_night, tmp_path).resolve()
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    with duckdb.connect(str(path)) as connection:
        yield connection


def read(connection: duckdb.DuckDBPyConnection, name: str) -> Figure:
    cursor = connection.execute((QUERIES / f"{name}.sql").read_text(encoding="utf-8"))
    names = [column[0] for column in cursor.description or ()]
    return figure(name, *(dict(zip(names, row, strict=True)) for row in cursor.fetchall()))


def test_what_the_run_before_knew_and_this_one_does_not_is_newly_unknown(
    published: duckdb.DuckDBPyConnection,
) -> None:
    published.execute(LATER_RUN)
    nothing = read(published, "newly_unknown").first
    assert nothing is not None
    assert nothing["cell_count"] == 0
    assert digest._newly_unknown(nothing).startswith("Newly unknown: nothing that the run of ")
    published.execute(LOST)
    (count,) = published.execute("select count(*) from audit.newest_cell where newest.run_id = 'later'").fetchone() or (
        0,
    )
    assert count
    lost = read(published, "newly_unknown").first
    assert lost is not None
    assert (lost["cell_count"], lost["account_count"], lost["listing"]) == (count, 1, "ec2_instance")
    assert (
        f"Newly unknown: {count} {'cell' if count == 1 else 'cells'} of 1 account, such as ec2_instance of "
        in digest._newly_unknown(lost)
    )
    # The run before may have requested few cells again, or none of these: it knew them all the same.
    published.execute("update audit.newest_cell set trusted_at = trusted_at - interval 2 day")
    published.execute("update audit.collection set ended_at = ended_at - interval 2 day where is_trusted")
    kept = read(published, "newly_unknown").first
    assert kept is not None
    assert kept["cell_count"] == count
    # What was unknown before is no news.
    published.execute(UNKNOWN_BEFORE)
    old = read(published, "newly_unknown").first
    assert old is not None
    assert old["cell_count"] == 0


@pytest.mark.parametrize(("records", "is_news"), [(0, True), (3, False)])
def test_what_was_empty_and_is_empty_again_was_known(
    published: duckdb.DuckDBPyConnection, records: int, is_news: bool
) -> None:
    published.execute(LATER_RUN)
    published.execute(LOST)
    published.execute("update audit.newest_cell set trusted_at = trusted_at - interval 2 day")
    published.execute(
        "update audit.newest_cell set trusted = list_transform(trusted, lambda one: "
        f"struct_update(one, record_count := {records}))"
    )
    published.execute(UNKNOWN_BEFORE.replace("'denied'", "'empty_unconfirmed'"))
    found = read(published, "newly_unknown").first
    assert found is not None
    assert bool(found["cell_count"]) is is_news


# ------------------------------------------------------------------------------------------------- new anomalies

ANOMALIES = """
    insert into cost.anomaly by name
    select
        $through::date + days as usage_date, $through::date + days as end_date, 'service' as slice,
        '111111111111' as account_id, name as dimension_value, 'high' as kind, state, cost as observed, 0 as expected,
        cost as difference, 'USD' as currency
    from (
        values ('old', -9, 'over', 900), ('running', -3, 'running', 100), ('new', 1, 'over', 50),
            ('newer', 2, 'over', 60)
    ) as anomaly(name, days, state, cost)
"""


def new_line(monkeypatch: pytest.MonkeyPatch, *rows: Any, of_count: int = 0, **judged: Any) -> str:
    """The line of the last screen about these anomalies, of a bill whose slice service was judged."""
    counted_rows = [{**row, "of_count": of_count or len(rows)} for row in rows]
    figures = {
        "anomalies": figure("anomalies", *counted_rows, scope=judged.get("scope")),
        "anomalies_judged": figure("anomalies_judged", {"slice": "service", "first_date": judged.get("since", 1)}),
    }
    monkeypatch.setattr(digest, "query_figures", lambda store, names: figures)
    return digest.new_anomalies(Store(Path("anything.duckdb")))


def test_none_is_new_only_where_everything_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert new_line(monkeypatch) == "none new"
    assert new_line(monkeypatch, since=None) == "unknown by service, whose bill has too few complete days"
    some = Scope(3, 1, "denied 1")
    assert new_line(monkeypatch, scope=some) == f"none new in what was judged; {some}"


def test_what_began_since_the_run_before_comes_first(
    published: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    (through,) = published.execute(
        "select (max(ended_at) at time zone 'UTC')::date - 2 from audit.collection "
        "where is_trusted and starts_with(listing, 'cost_daily:service:')"
    ).fetchone() or (None,)
    published.execute("delete from cost.anomaly")
    published.execute(ANOMALIES, {"through": through})

    def found() -> list[tuple[str, bool | None]]:
        return [(row["dimension_value"], row["is_new"]) for row in read(published, "anomalies")]

    # Without a run before, nobody knows what is new.
    assert found() == [("running", None), ("old", None), ("newer", None), ("new", None)]
    first = new_line(monkeypatch, *read(published, "anomalies").rows)
    assert first.startswith("4 in cost.anomaly, such as 111111111111, running, +")
    published.execute(LATER_RUN)
    assert found() == [("newer", True), ("new", True), ("running", False), ("old", False)]
    # The last screen of a run says the same in a line.
    rows = read(published, "anomalies").rows
    assert new_line(monkeypatch, *rows).startswith("2 new, in cost.anomaly: 111111111111, newer, ")
    assert new_line(monkeypatch, *rows[2:]) == "none new"
    assert new_line(monkeypatch, *rows[:1] * 8, of_count=9).startswith("8 or more new, in cost.anomaly: 111111111111")
    # What the run before could not judge at all, for it had no trusted response of the bill, is new.
    published.execute("update audit.collection set is_trusted = false where starts_with(listing, 'cost_daily:')")
    assert {is_new for _, is_new in found()} == {True}


# -------------------------------------------------------------------------------------------- never none by itself


def figure(name: str, *rows: dict[str, Any], scope: Scope | None = None) -> Figure:
    return Figure(name, "", "", rows, scope)


JUDGED = figure(
    "anomalies_judged", {"slice": "service", "first_date": date(2026, 1, 1), "through_date": date(2026, 11, 20)}
)


ANOMALY: dict[str, Any] = {
    "is_new": None,
    "state": "running",
    "account_name": "sandbox\x1b[31m",
    "account_id": "1" * 12,
    "dimension_value": "EC2",
    "difference": None,
    "currency": "NZD",
    "usage_date": date(2026, 11, 20),
    "of_count": 6,
}


@pytest.mark.parametrize(
    ("judged", "scope", "line"),
    [
        (JUDGED, Scope(10, 0, ""), "Anomalies: none."),
        (JUDGED, Scope(9, 1, "denied 1"), "Anomalies: none in what was judged; 9 of 10 cells judged, 1 unknown."),
        (
            figure("anomalies_judged", {"slice": "service", "first_date": None}),
            Scope(10, 0, ""),
            "Anomalies: unknown by service, whose bill has too few complete days.",
        ),
    ],
)
def test_no_anomaly_is_none_only_where_all_was_judged(judged: Figure, scope: Scope, line: str) -> None:
    found = {"anomalies": figure("anomalies", scope=scope), "anomalies_judged": judged}
    assert list(digest._anomalies(found)) == [line]


def test_anomalies_that_are_found_hide_no_slice_that_was_not_judged() -> None:
    short = figure("anomalies_judged", *JUDGED, {"slice": "region", "first_date": None, "through_date": None})
    *_, last = digest._anomalies(
        {"anomalies": figure("anomalies", ANOMALY | {"of_count": 1}), "anomalies_judged": short}
    )
    assert last == "Anomalies: unknown by region, whose bill has too few complete days."
    (only,) = digest._anomalies(
        {"anomalies": figure("anomalies", ANOMALY | {"of_count": 1}), "anomalies_judged": JUDGED}
    )
    assert only.startswith("Anomaly, running: ")


def mover(cut: str, is_whole: bool, month: date, through: date, before: date | None = None) -> dict[str, Any]:
    return {
        "cut": cut,
        "name": cut,
        "place": 1,
        "is_whole": is_whole,
        "month": month,
        "through_date": through,
        "previous_through_date": before or month - timedelta(days=1),
        "cost": Decimal(1000),
        "change": Decimal(20),
        "currency": "NZD",
        "days_missing": 0,
    }


def test_before_a_day_of_the_month_is_complete_the_last_whole_one_is_named() -> None:
    whole = mover("bill", True, date(2026, 11, 1), date(2026, 11, 30))
    running = mover("bill", False, date(2026, 12, 1), date(2026, 12, 3), date(2026, 11, 3))
    none = {name: figure(name) for name in ("scope", "unreached", "months")}
    (first, _) = digest._spent(none | {"movers": figure("movers", whole)})
    assert first == "Spent: 1,000 NZD from 2026-11-01 through 2026-11-30, +20 against the month before."
    (first, _) = digest._spent(none | {"movers": figure("movers", whole, running)})
    assert (
        first == "Spent: 1,000 NZD from 2026-12-01 through 2026-12-03, +20 against the same days of the month before."
    )
    (first, _) = digest._spent(none | {"movers": figure("movers", whole | {"days_missing": 2})})
    assert first.endswith("+20 against the month before; 2 days have no row of the bill.")


def test_a_month_before_that_was_shorter_is_named_with_its_days() -> None:
    none = {name: figure(name) for name in ("scope", "unreached", "months")}
    running = mover("bill", False, date(2026, 3, 1), date(2026, 3, 30), date(2026, 2, 28))
    (first, _) = digest._spent(none | {"movers": figure("movers", running)})
    assert first == (
        "Spent: 1,000 NZD from 2026-03-01 through 2026-03-30, +20 against the month before, "
        "30 days against 28 days of February."
    )


def test_what_was_spent_is_said_also_without_a_month_to_compare_it_with() -> None:
    none = {name: figure(name) for name in ("scope", "unreached", "movers")}
    month = {
        "month": date(2026, 11, 1),
        "first_date": date(2026, 11, 1),
        "through_date": date(2026, 11, 26),
        "days_missing": 0,
        "state": "running",
        "cost": Decimal(700),
        "currency": "NZD",
    }
    unread = month | {"month": date(2026, 12, 1), "through_date": None, "cost": None}
    (only,) = digest._spent(none | {"months": figure("months", month, unread)})
    assert only == ("Spent: 700 NZD from 2026-11-01 through 2026-11-26; there is no month before it to compare with.")
    (only,) = digest._spent(none | {"months": figure("months", month | {"days_missing": 6, "state": "stale"})})
    assert only == (
        "Spent: 700 NZD from 2026-11-01 through 2026-11-26, as an earlier run knew it; 6 days have no row of the bill; "
        "there is no month before it to compare with."
    )
    # A bill that begins within the month lacks no day before it began.
    (only,) = digest._spent(none | {"months": figure("months", month | {"first_date": date(2026, 11, 10)})})
    assert only == ("Spent: 700 NZD from 2026-11-10 through 2026-11-26; there is no month before it to compare with.")
    (only,) = digest._spent(none | {"months": figure("months", unread)})
    assert only == "Spent: unknown, since no day of the bill is complete."


def budget(name: str, verdict: str | None, scope: str = "cost_center") -> dict[str, Any]:
    return {"scope": scope, "budget_name": name, "verdict": verdict, "of_count": None}


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([], "Budgets: none is set, so none was judged."),
        ([budget("x", "no budget")], "Budgets: none is set, so none was judged."),
        ([budget("a", "green"), budget("b", "green")], "Budgets: 2 green of 2."),
        ([budget("a", None), budget("b", "green")], "Budgets: 1 unknown, 1 green of 2."),
        ([budget(name, "red") for name in "abcde"], "Budgets: a red, b red, c red, 2 more, 0 green of 5."),
        (
            [budget("a", "red"), budget("a", "amber", "team")],
            "Budgets: cost_center a red, team a amber, 0 green of 2.",
        ),
    ],
)
def test_a_budget_that_cannot_be_judged_is_not_green(rows: list[dict[str, Any]], line: str) -> None:
    found = {"spend_by_budget": figure("spend_by_budget", *rows), "anomalies_judged": JUDGED}
    assert list(digest._budgets(found)) == [line]


def test_without_a_bill_no_budget_is_called_missing() -> None:
    unread = figure("anomalies_judged", {"slice": "service", "first_date": None, "through_date": None})
    (line,) = digest._budgets({"spend_by_budget": figure("spend_by_budget"), "anomalies_judged": unread})
    assert line == "Budgets: unknown, since no day of the bill is complete."


def test_an_amount_without_a_rate_is_unknown() -> None:
    lines = list(digest._anomalies({"anomalies": figure("anomalies", *[ANOMALY] * 4), "anomalies_judged": JUDGED}))
    assert len(lines) == 4
    assert "an unknown amount from 2026-11-20" in lines[0]
    assert "\x1b" not in lines[0], "no escape sequence of a name reaches anybody"
    assert lines[-1] == "And 3 more anomalies, in cost.anomaly."
    one = figure("anomalies", *[ANOMALY | {"of_count": 4}] * 4)
    assert list(digest._anomalies({"anomalies": one, "anomalies_judged": JUDGED}))[-1] == (
        "And 1 more anomaly, in cost.anomaly."
    )


def test_an_anomaly_that_is_new_is_called_so() -> None:
    new, old = ANOMALY | {"is_new": True, "of_count": 2}, ANOMALY | {"is_new": False, "of_count": 2}
    first, second = digest._anomalies({"anomalies": figure("anomalies", new, old), "anomalies_judged": JUDGED})
    assert first.startswith("Anomaly, new, running: ")
    assert second.startswith("Anomaly, running: ")


@pytest.mark.parametrize(("count", "text"), [(1, "1 cell"), (0, "0 cells"), (1200, "1,200 cells")])
def test_one_is_no_plural(count: int, text: str) -> None:
    assert counted(count, "cell") == text
    assert digest._days_missing(1) == "; 1 day has no row of the bill"


# --------------------------------------------------------------------------------------------------- it arrives


class Receiver(ThreadingHTTPServer):
    """A place that takes Apprise's JSON on loopback."""

    def __init__(self, status: int = 200) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = status
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"json://user:pass-word@127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/sign-in")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """A page for signing in, which follows a redirection."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_digest_arrives_where_people_are(truthful_night: Path, receiver: Receiver) -> None:
    environment = {"CMDB_DATABASE": str(truthful_night / DATABASE), "CMDB_NOTIFY": receiver.address}
    done = cmdb_here(environment, "digest", "--send")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "CMDB_NOTIFY: 1 of 1 addresses were notified.\n"
    (message,) = receiver.got
    assert f"{message['title']}\n{message['message']}\n" == done.stdout
    assert message["type"] == "info"


def test_a_run_that_published_sends_the_digest_and_one_that_failed_its_sentences(
    truthful_night: Path, receiver: Receiver
) -> None:
    settings = read_settings({"CMDB_DATABASE": str(truthful_night / DATABASE), "CMDB_NOTIFY": receiver.address})
    assert alerts.announce_published(settings, "one", "nightly") == ["CMDB_NOTIFY: 1 of 1 addresses were notified."]
    assert alerts.announce_failure(
        "", settings.notify, "two", "nightly", ["The bill is *gone*.", "So is <b>all</b>."]
    ) == ["CMDB_NOTIFY: 1 of 1 addresses were notified."]
    good, bad = receiver.got
    assert (good["type"], bad["type"]) == ("info", "failure")
    assert good["message"] == digest.read_digest(Store(truthful_night / DATABASE)).text
    assert bad["message"] == "The bill is *gone*.\nSo is <b>all</b>.\nRun two."


def test_no_address_is_printed_and_nothing_that_goes_wrong_is_raised(receiver: Receiver, tmp_path: Path) -> None:
    receiver.status = 500
    broken = f"{receiver.address} nonsense://to-ken-1 slack://to-ken-2 {receiver.address}"
    said = notify(broken, "title", "text", is_bad=True)
    assert not said.is_whole
    assert said.sentence.startswith("CMDB_NOTIFY: 0 of 4 addresses were notified, not address 1 (")
    assert "address 2, which Apprise cannot read" in said.sentence
    assert "pass-word" not in said.sentence
    assert "to-ken" not in said.sentence
    settings = read_settings({"CMDB_DATABASE": str(tmp_path / DATABASE), "CMDB_NOTIFY": receiver.address})
    assert "pass-word" not in repr(settings)
    nothing, *_ = alerts.announce_published(settings, "one", "nightly")
    assert "nobody was notified. Nothing is published" in nothing


def test_a_message_that_was_redirected_is_not_received(receiver: Receiver) -> None:
    receiver.status = 302
    said = notify(receiver.address, "title", "text", is_bad=False)
    assert (said.is_whole, len(receiver.got)) == (False, 1)


@pytest.mark.parametrize(("option", "length"), [("", 4000), ("?overflow=truncate", 50)])
def test_a_message_too_long_for_a_service_is_split_unless_its_address_says_otherwise(
    receiver: Receiver, option: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of a service that refuses longer ones.
    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.body_maxlen", 50)
    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.request_rate_per_sec", 0)
    said = notify(f"{receiver.address}{option}", "", "word " * 800, is_bad=False)
    assert said.is_whole, said.sentence
    got = [message["message"] for message in receiver.got]
    assert max(len(one) for one in got) <= 50
    assert sum(one.count("word") for one in got) == pytest.approx(length / 5, abs=5)


def test_of_many_sentences_people_get_the_first_ten_and_a_program_all(receiver: Receiver, tmp_path: Path) -> None:
    received = tmp_path / "received.json"
    sentences = [f"Check {number} failed." for number in range(16)]
    alerts.announce_failure(f"/bin/sh -c 'cat > {received}'", receiver.address, "one", "nightly", sentences)
    (message,) = receiver.got
    assert message["message"].splitlines() == [*sentences[:10], "And 6 more.", "Run one."]
    assert json.loads(received.read_text())["sentences"] == sentences


def test_without_apprise_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = notify("json://127.0.0.1", "title", "text", is_bad=False)
    assert not said.is_whole
    assert "aws-org-cmdb[notify]" in said.sentence
