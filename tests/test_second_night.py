"""The second night of the demo: the world moves by a plan, and the published tables show all of it and nothing else."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest
from conftest import policies
from demos import checkout_in, demo
from nights import REPOSITORY
from planned import AUTOMATED, PARTS, changed_items, not_as_planned, rows, unfound, unplanned

from pipelines.cli import demo as command
from pipelines.cli.command import Misused
from pipelines.cli.simulation import Nights
from resources.store.store import Store
from simulator.client import Simulator, SimulatorError, start
from simulator.planning import Kind
from simulator.second_night import PLAN

# ------------------------------------------------------------------------------------------------ the plan alone


def test_everything_planned_happens_in_the_default_organisation_and_the_same_each_time(
    organisation: Simulator,
) -> None:
    happened = organisation.move_on()
    assert [entry["sentence"] for entry in happened] == [entry.sentence for entry in PLAN]
    assert {entry["kind"] for entry in happened} == {*get_args(Kind)}
    assert len(happened) >= 50
    assert f"Before the second run {len(PLAN)} things happen" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SimulatorError, match="happened already"):
        organisation.move_on()
    organisation.reset()
    assert organisation.move_on() == happened


def test_nothing_but_what_is_planned_happens(organisation: Simulator) -> None:
    before = organisation.truth(*PARTS)
    happened = organisation.move_on()
    after = organisation.truth(*PARTS)
    named = json.dumps(happened, ensure_ascii=False)
    others = {arn for arn in changed_items(before, after) if re.split("[:/]", arn)[-1] not in named}
    # What follows by itself: of two instances the root volumes and what was attached beside, of two databases the
    # automated snapshots, and of five that came, went or changed the automated backups.
    assert {arn for arn in others if not AUTOMATED.search(arn)} == {arn for arn in others if ":volume/" in arn}
    assert len(others) == 13


def test_an_organisation_that_lacks_something_goes_without_its_entries(small: Simulator) -> None:
    happened = [entry["sentence"] for entry in small.move_on()]
    assert 10 < len(happened) < len(PLAN)
    assert happened == [entry.sentence for entry in PLAN if entry.sentence in happened]


def test_what_was_billed_stays_billed_but_for_what_is_restated(organisation: Simulator) -> None:
    today = dt.date.fromisoformat(organisation.truth("governance")["today"])
    period = today - dt.timedelta(days=75), today

    def bill() -> dict[tuple[str, str, str], str]:
        by = ("usage_date", "account_id", "tag:bc:business-owner")
        return {
            (row["usage_date"], row["account_id"], row["tag:bc:business-owner"]): row["unblended_cost"]
            for row in organisation.ledger_sums(*period, *by)
        }

    before = bill()
    happened = organisation.move_on()
    after = bill()
    assert before.keys() == after.keys()
    changed = {
        (day, account)
        for day, account, owner in before
        if before[day, account, owner] != after.get((day, account, owner))
    }
    restated = {
        (change["usage_date"], change["account_id"])
        for entry in happened
        for change in entry["changes"]
        if change["do"] == "restate"
    }
    assert changed == {one for one in restated if one[0] >= period[0].isoformat()}
    assert changed


def test_what_happened_on_an_earlier_day_is_billed_from_that_day_on(organisation: Simulator) -> None:
    """As for a later night, in a process of its own."""
    today = dt.date.fromisoformat(organisation.truth("governance")["today"])
    day = today - dt.timedelta(days=4)
    happened = {
        entry["sentence"]: entry["shows"][0]["where"]["arn"]
        for entry in organisation.move_on(day)
        if "arn" in entry["shows"][0]["where"]
    }

    def billed(sentence: str) -> list[dt.date]:
        resource_id = happened[sentence].rpartition("/")[2]
        return sorted({dt.date.fromisoformat(row["usage_date"]) for row in rows if row["resource_id"] == resource_id})

    rows = organisation.ledger(day - dt.timedelta(days=4), today)
    days = [day + dt.timedelta(days=number) for number in range(-4, 4)]
    assert billed("Somebody launches an instance.") == days[4:]
    assert billed("A running instance is stopped.") == days[:4]
    assert organisation.truth("governance")["today"] == today.isoformat()


# ------------------------------------------------------------------------------------------------ the command's nights


class World:
    """Of `run_demo`, what starts processes: runs end with the codes given, and each is noted with what moved before."""

    def __init__(self, folder: Path, *codes: int) -> None:
        self.database, self.codes = folder / "aws_org.duckdb", list(codes)
        self.done: list[str] = []
        self.began: list[dt.date | None] = []

    def move_on(self, day: dt.date) -> list[dict[str, Any]]:
        self.done.append("moves on")
        return [{"kind": "created", "sentence": "Somebody.", "shows": []}]

    @contextmanager
    def simulated(self, environment: Mapping[str, str], *, moved_on: dt.date | None) -> Iterator[Any]:
        self.began.append(moved_on)
        yield self, {}

    def run(self, environment: Mapping[str, str], *arguments: str) -> int:
        self.done.append(" ".join(arguments))
        code = self.codes.pop(0) if self.codes else 0
        if not code:
            self.database.touch()
        return code


@pytest.fixture
def demo_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr("pipelines.settings.DEMO_DATABASE", world.database)
    monkeypatch.setattr(command, "simulated", world.simulated)
    monkeypatch.setattr(command, "run_command", world.run)
    monkeypatch.setattr(command, "prepare_dagster_home", lambda environment: None)
    monkeypatch.setattr(command, "changes_of_newest_run", lambda store: ["items  2 discovered"])
    return world


NIGHT = "nightly --demo"


def test_a_quick_first_night_is_followed_by_the_second_and_later_ones_find_the_world_as_it_was_left(
    demo_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run_demo("", {}) == 0
    assert demo_world.done == [NIGHT, "moves on", NIGHT]
    today = dt.datetime.now(dt.UTC).date()
    assert Nights.read(demo_world.database) == Nights(2, today)
    said = capsys.readouterr().out
    assert said.index("night 1 of the demo.") < said.index("1 things happen") < said.index("night 2 of the demo.")
    assert "items  2 discovered" in said
    assert (demo_world.database.parent / "second-night.md").read_text(encoding="utf-8").count("Somebody.") == 1
    assert command.run_demo("", {}) == 0
    assert command.run_demo("", {}, 2) == 0
    assert demo_world.began == [None, today, today]
    assert demo_world.done[3:] == [NIGHT, NIGHT]
    said = capsys.readouterr().out
    assert "That was night 3 of the demo." in said
    assert "That was night 2 of the demo again." in said
    assert Nights.read(demo_world.database).number == 3


def test_a_slow_first_night_says_how_to_run_the_second(
    demo_world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "QUICK", 0.0)
    assert command.run_demo("", {}) == 0
    assert demo_world.done == [NIGHT]
    assert "`.venv/bin/cmdb demo` runs the second" in capsys.readouterr().out
    assert command.run_demo("", {}) == 0
    assert demo_world.done == [NIGHT, "moves on", NIGHT]


def test_a_night_can_be_named_and_the_world_does_not_go_back(demo_world: World) -> None:
    assert command.run_demo("", {}, 1) == 0
    assert command.run_demo("", {}, 1) == 0
    assert demo_world.done == [NIGHT, NIGHT]
    assert command.run_demo("", {}, 2) == 0
    assert demo_world.done[2:] == ["moves on", NIGHT]
    with pytest.raises(Misused, match="does not go back"):
        command.run_demo("", {}, 1)
    # Without the published file it is a new demo, whatever is left beside it.
    demo_world.database.unlink()
    assert command.run_demo("", {}, 1) == 0
    assert demo_world.began[-1] is None


def test_a_second_night_that_failed_is_run_again_in_the_world_that_it_met(demo_world: World) -> None:
    demo_world.codes = [0, 1]
    assert command.run_demo("", {}) == 1
    moved_on = Nights.read(demo_world.database).moved_on
    assert moved_on is not None
    assert command.run_demo("", {}) == 0
    assert demo_world.began == [None, moved_on]
    assert demo_world.done == [NIGHT, "moves on", NIGHT, NIGHT]
    assert Nights.read(demo_world.database).number == 2


def test_a_failed_first_night_ends_the_demo(demo_world: World) -> None:
    demo_world.codes = [1]
    assert command.run_demo("", {}) == 1
    assert demo_world.done == [NIGHT]


def test_a_demo_of_an_older_release_is_after_its_first_night(tmp_path: Path) -> None:
    database = tmp_path / "aws_org.duckdb"
    assert Nights.read(database) == Nights(0)
    database.touch()
    assert Nights.read(database) == Nights(1)
    (tmp_path / "nights.json").write_text("{")
    assert Nights.read(database) == Nights(1)


# ------------------------------------------------------------------------------------------------ whole nights


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The demo's file after two nights of the real command, and what the second and a third one print."""
    checkout = checkout_in(tmp_path_factory.mktemp("nights") / "checkout")
    said = []
    for arguments in (["--night", "1"], [], []):
        done = demo(checkout, "demo", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done.stdout + done.stderr)
        if len(said) == 2:
            second = Store(checkout / "warehouse" / "demo" / "aws_org.duckdb").versions()[0].path
    return second, said[1], said[2]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """What happened, and the truth before and after: of another simulator, since each shows the same world."""
    with start(tmp_path_factory.mktemp("moved"), policies()) as simulator:
        before = simulator.truth(*PARTS)
        happened = simulator.move_on()
        return happened, before, simulator.truth(*PARTS)


@pytest.mark.large
@pytest.mark.timeout(7200)
def test_the_published_tables_show_the_plan_entry_by_entry_and_nothing_else(
    nights: tuple[Path, str, str], moved: tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]
) -> None:
    database, said, third = nights
    happened, before, after = moved
    with duckdb.connect(str(database), read_only=True) as connection:
        assert not_as_planned(connection, happened) == []
        assert unplanned(connection, happened, before, after) == []
        assert unfound(connection, before, after) == []
        counted = rows(
            connection,
            """
            select "change", count(*)::integer as n from cmdb.resource_version
            where valid_from >= (select max(started_at) from audit.run) group by all
            """,
        )
        # What a wrong world, or a run that found less or more, would look like.
        for number, entry in enumerate(happened):
            others = happened[:number] + happened[number + 1 :]
            other = copy.deepcopy(entry)
            other["shows"][0]["where"] = {name: "another" for name in other["shows"][0]["where"]}
            other["shows"][0]["count"] = 1
            assert not_as_planned(connection, [other]), entry["sentence"]
            if entry["kind"] in {"moved", "renamed", "restated", "denied"}:
                assert unplanned(connection, others, before, after), entry["sentence"]
        assert len(unplanned(connection, happened, before, before)) >= 5
        assert len(unfound(connection, after, before)) == len(unfound(connection, before, after))
    assert "That was night 2 of the demo." in said
    line = next(line for line in said.splitlines() if line.startswith("  items"))
    assert {f"{row['n']:,} {row['change']}" for row in counted} == {
        *re.findall(r"\d[\d,]* [a-z]+", line.partition("cmdb.")[0])
    }
    assert "2 amounts of" in said
    assert "1 denied" in said
    assert "That was night 3 of the demo." in third
    assert re.search(r"items +nothing", third)
    assert re.search(r"accounts +nothing", third)
