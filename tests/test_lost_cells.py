"""What a step was to request is written down before: fewer cells than that, or others, end it with a sentence."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from given import build, models
from nights import REPOSITORY, copy_of, query, run_night
from steps import RUN, age, asked

from pipelines.catalogue.names import METRIC
from pipelines.collection import batches, collector, judging, plan, storing
from pipelines.collection.accounts import Reached
from pipelines.collection.batches import AccountBatch
from pipelines.collection.collector import Collector
from pipelines.collection.landing import RECORDS, LandingWriter
from pipelines.collection.state import StepState
from pipelines.errors import LandingError
from pipelines.settings import read_settings
from pipelines.trust.ages import HALF_A_DAY
from pipelines.trust.gate import check_results
from resources.audit.cells import Cell
from resources.audit.step_plans import Arrival
from resources.aws import workers
from resources.aws.listing import Listing
from resources.aws.messages import Request, Response
from resources.contract import Role
from resources.store.store import Store
from simulator.client import Simulator

LISTINGS = ("ec2_instance", "ec2_volume", "lambda_function", "lambda_function_tag")
ONE_PLACE = {"CMDB_REGIONS": "us-east-1"}

Patch = pytest.MonkeyPatch


def stored(database: Path, run: str = RUN) -> int:
    """Number of cells that a run has stored."""
    return int(
        query(database, "select count(*) from audit.collection where run_id = $run", {"run": run}, of="working")[0][0]
    )


def refused(simulator: Simulator, database: Path, *names: str, **settings: str) -> str:
    """The sentence that a step is refused with; nothing of it is stored, nor of its records."""
    before = query(database, "from audit.newest_cell order by all", of="working")
    landing = Store(database).landing / RUN
    records = {path: path.read_bytes() for path in landing.glob(f"*/{RECORDS}")}
    with pytest.raises(dg.Failure) as failure, asked(simulator, database, *names, **(ONE_PLACE | settings)):
        pass
    assert query(database, "from audit.newest_cell order by all", of="working") == before
    assert {path: path.read_bytes() for path in landing.glob(f"*/{RECORDS}")} == records
    assert not failure.value.allow_retries
    return str(failure.value.description)


def forgetful_child(patch: Patch, mode: str) -> None:
    """Worker processes that leave out some results, or send one twice in place of another, and end well."""
    plain = subprocess.Popen

    def started(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        program = str(REPOSITORY / "tests" / "programs" / "forgetful_worker.py")
        path = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return plain([command[0], program, mode, *command[3:]], env=path, **options)

    patch.setattr(workers.subprocess, "Popen", started)


def lost_part(patch: Patch) -> None:
    """The second part of the step is never begun."""
    plain = batches.account_batches

    def made(state: StepState, reached: Reached | None, part_cells: int, **more: Any) -> list[AccountBatch]:
        parts = plain(state, reached, 12, **more)
        return parts[:1] + parts[2:]

    patch.setattr("pipelines.collection.step.account_batches", made)


def lost_response(patch: Patch) -> None:
    """One response of a listing never reaches the state of the step."""
    plain = Collector._take
    dropped: list[Response] = []

    def take(self: Collector, response: Response) -> None:
        if response.request.listing.name == "ec2_volume" and not dropped:
            dropped.append(response)
            return
        plain(self, response)

    patch.setattr(Collector, "_take", take)


def lost_judgement(patch: Patch) -> None:
    """The judge forgets the last cell of each batch."""
    plain = judging.cells
    patch.setattr(collector.judging, "cells", lambda state: plain(state)[:-1])


def lost_line(patch: Patch) -> None:
    """A line of a landing file is not there any more when the step ends."""
    plain = LandingWriter.keep
    patch.setattr(LandingWriter, "keep", lambda self, cells: plain(self, list(cells)[1:]))


def other_key(patch: Patch) -> None:
    """A response is taken for one that nobody sent a request for."""
    plain = judging.cells

    def cells(state: StepState) -> list[Cell]:
        first, *others = plain(state)
        return [replace(first, region="mars-north-1"), *others]

    patch.setattr(collector.judging, "cells", cells)


def added_key(patch: Patch) -> None:
    """Beside all that was planned comes a cell that was not."""
    plain = judging.cells

    def cells(state: StepState) -> list[Cell]:
        found = plain(state)
        return [*found, replace(found[0], account_id="999999999999")]

    patch.setattr(collector.judging, "cells", cells)


def doubled_key(patch: Patch) -> None:
    """A cell comes twice."""
    plain = judging.cells
    patch.setattr(collector.judging, "cells", lambda state: [*(found := plain(state)), found[0]])


def lost_record(patch: Patch) -> None:
    """The last record of each response does not reach the landing."""
    plain = LandingWriter.append
    patch.setattr(LandingWriter, "append", lambda self, key, records: plain(self, key, list(records)[:-1]))


def doubled_record(patch: Patch) -> None:
    """A record of each response is landed twice."""
    plain = LandingWriter.append
    patch.setattr(
        LandingWriter, "append", lambda self, key, records: plain(self, key, [*(own := list(records)), own[0]])
    )


def lost_parent(patch: Patch) -> None:
    """Of the functions whose tags are to be requested one is forgotten."""
    plain = Collector.settle

    def settle(self: Collector) -> None:
        self.state.batch.parent_records["lambda_function"].pop()
        plain(self)

    patch.setattr(Collector, "settle", settle)


def cut_file(patch: Patch, part: str) -> None:
    """A file of the landing loses its end before the step does."""
    plain = storing.require_all

    def require_all(state: StepState) -> dict[str, Arrival]:
        path: Path = getattr(state.writers["ec2_volume"], part)
        path.write_bytes(path.read_bytes()[:-20])
        return plain(state)

    patch.setattr(storing, "require_all", require_all)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lost_part, id="a part is never begun"),
        pytest.param(lost_response, id="a response is lost"),
        pytest.param(lost_judgement, id="a judged cell is lost"),
        pytest.param(lost_line, id="a landed line is lost"),
        pytest.param(other_key, id="another key in place of one"),
        pytest.param(added_key, id="a key beside all others"),
        pytest.param(doubled_key, id="a key twice"),
        pytest.param(lost_record, id="a record is lost"),
        pytest.param(doubled_record, id="a record twice"),
        pytest.param(lost_parent, id="a parent is forgotten"),
        pytest.param(partial(cut_file, part="records_part"), id="the records are cut"),
        pytest.param(partial(cut_file, part="cells_part"), id="the cells are cut"),
        pytest.param(partial(cut_file, part="planned_part"), id="the plan is cut"),
    ],
)
def test_fewer_or_other_cells_than_planned_are_refused_and_nothing_is_stored(
    organisation: Simulator,
    truthful_night: Path,
    tmp_path: Path,
    monkeypatch: Patch,
    fault: Callable[[Patch], None],
) -> None:
    database = copy_of(truthful_night, tmp_path)
    fault(monkeypatch)
    sentence = refused(organisation, database, *LISTINGS)
    assert stored(database) == 0
    assert "Nothing of this step was stored" in sentence, sentence
    assert "cmdb nightly" in sentence, sentence


def skipped_children(patch: Patch) -> None:
    """Of an account's regions with buckets the last is not requested for their tags."""
    plain = plan._rounds

    def rounds(state: StepState, listing: Listing, role: Role, requests: Sequence[Request]) -> plan.Plan:
        if listing.name == "s3_bucket_tag":
            by_account = Counter(request.account_id for request in requests)
            account = next(name for name, count in by_account.items() if count > 1)
            dropped = [request for request in requests if request.account_id == account][-1]
            requests = [request for request in requests if request is not dropped]
        return plain(state, listing, role, requests)

    patch.setattr(plan, "_rounds", rounds)


def test_what_parents_name_and_nobody_requested_is_missing(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    database = copy_of(truthful_night, tmp_path)
    skipped_children(monkeypatch)
    sentence = refused(organisation, database, "s3_bucket", "s3_bucket_tag", CMDB_REGIONS="")
    assert "s3_bucket_tag" in sentence, sentence
    assert "missing" in sentence, sentence
    # Without that comparison the step ends well, and takes the tags of these buckets for gone with their bucket.
    monkeypatch.setattr(collector, "derived_keys", lambda state: ())
    with asked(organisation, database, "s3_bucket", "s3_bucket_tag"):
        pass
    retired = "select count(*) from audit.collection where run_id = $run and skip_reason = 'parent_gone'"
    assert query(database, retired, {"run": RUN}, of="working") == [(1,)]


def test_a_run_that_goes_on_builds_nothing_of_a_file_that_the_interrupted_one_lost_half_of(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    began = datetime.now(UTC)
    with asked(organisation, database, "ec2_volume", run="interrupted", **ONE_PLACE) as cells:
        found = sum(cell.record_count for cell in cells if cell.outcome == "found")
    with asked(organisation, database, "ec2_volume", only_untrusted=True, kept_since=began, **ONE_PLACE) as again:
        assert not [cell for cell in again if cell.outcome == "found"], "all are kept"
    store = Store(database)
    landed = store.landing / "interrupted" / "ec2_volume" / RECORDS
    lines = landed.read_bytes().splitlines(keepends=True)
    assert len(lines) == found > 1

    before = query(database, "from aws.ec2_volume order by all", of="working")
    landed.write_bytes(b"".join(lines[: found // 2]))
    table = models()["aws.ec2_volume"]
    with store.holding(RUN, "a test"), pytest.raises(LandingError, match="run interrupted wrote it"):
        build(store, table, run_id=RUN)
    assert query(database, "from aws.ec2_volume order by all", of="working") == before
    landed.write_bytes(b"".join(lines))
    with store.holding(RUN, "a test"):
        build(store, table, run_id=RUN)
    built = "select count(*) from aws.ec2_volume where run_id = 'interrupted'"
    assert query(database, built, of="working") == [(found,)]


@pytest.mark.parametrize(
    ("mode", "what"),
    [("fewer", "left out"), ("twice", "that nobody awaits"), ("half", "records of a response")],
    ids=["fewer", "one twice, another never", "half of the records"],
)
def test_a_worker_process_that_brings_fewer_results_or_others_ends_the_step_and_nothing_is_stored(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, monkeypatch: Patch, mode: str, what: str
) -> None:
    database = copy_of(truthful_night, tmp_path)
    forgetful_child(monkeypatch, mode)
    with (
        pytest.raises(workers.ProcessEnded, match=what),
        asked(organisation, database, "ec2_instance", CMDB_PROCESSES="3", **ONE_PLACE),
    ):
        pass
    assert stored(database) == 0


def test_who_goes_on_with_an_interrupted_run_has_to_bring_what_it_wrote_down(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    with pytest.raises(KeyboardInterrupt), asked(organisation, database, *LISTINGS, **ONE_PLACE):
        raise KeyboardInterrupt
    assert stored(database) == 0
    plans = query(
        database,
        "select listing, account_count > 6, cell_count, arrived_at from audit.step_plan where run_id = $run",
        {"run": RUN},
        of="working",
    )
    assert sorted(plans) == [(name, True, None, None) for name in sorted(LISTINGS)]

    with asked(organisation, database, *LISTINGS, **ONE_PLACE) as cells:
        came = {cell.key for cell in cells}
    assert stored(database) >= len(came) > 0
    plans = query(
        database,
        """
        select
            p.listing, p.cell_count = count(*), p.key_digest = sha256(string_agg(
                concat_ws(' ', c.role, c.account_id, c.region, c.listing), chr(10)
                order by concat_ws(' ', c.role, c.account_id, c.region, c.listing)
            )), p.arrived_at is not null
        from audit.step_plan as p join audit.collection as c
            on p.run_id = c.run_id and p.listing = split_part(c.listing, ':', 1)
        where p.run_id = $run
        group by p.listing, p.cell_count, p.key_digest, p.arrived_at
        """,
        {"run": RUN},
        of="working",
    )
    assert sorted(plans) == [(name, True, True, True) for name in sorted(LISTINGS)]

    # Whoever goes on with other accounts would leave out those of the first attempt.
    with Store(database).holding("a-test", "a test"), Store(database).transaction() as connection:
        connection.execute("update audit.step_plan set account_digest = 'other' where listing = 'ec2_volume'")
    organisation.clear_log()
    sentence = refused(organisation, database, *LISTINGS)
    assert "landing/ec2_volume was not requested" in sentence, sentence
    assert not [call for call in organisation.log() if call["operation"] == "DescribeInstances"]


def test_a_retry_that_brings_fewer_than_its_run_has_stored_is_refused_and_loses_no_record(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    database = copy_of(truthful_night, tmp_path)
    age(database, METRIC)
    with asked(organisation, database, *LISTINGS, **ONE_PLACE) as cells:
        assert any(cell.outcome == "found" for cell in cells)
    with asked(organisation, database, METRIC, **ONE_PLACE) as measured:
        assert any(cell.outcome == "found" for cell in measured)
    count = stored(database)

    # What a run has stored is not kept by its own retry, since the retry replaces the landed records.
    with asked(organisation, database, *LISTINGS, only_untrusted=True, **ONE_PLACE) as again:
        assert {cell.key for cell in cells} == {cell.key for cell in again}
    with asked(organisation, database, METRIC, **ONE_PLACE) as again:
        assert {cell.key for cell in measured} == {cell.key for cell in again}
    assert stored(database) == count

    plain = plan.regions_to_fetch
    monkeypatch.setattr(plan, "regions_to_fetch", lambda *given: {account: [] for account in plain(*given)})
    sentence = refused(organisation, database, "ec2_volume", "ec2_instance")
    assert stored(database) == count
    assert "ec2_instance" in sentence, sentence
    assert "missing" in sentence, sentence


def test_what_was_lost_is_kept_by_name_and_holds_the_gate_of_its_run_alone(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    database = copy_of(truthful_night, tmp_path)
    lost_response(monkeypatch)
    sentence = refused(organisation, database, *LISTINGS)
    kept = query(
        database,
        "select scope, severity, passed, observed, detail from audit.check_result where check_name = 'no_cell_is_lost'",
        of="working",
    )
    ((scope, severity, passed, observed, detail),) = kept
    assert (scope, severity, passed, observed) == ("ec2_volume", "ERROR", False, sentence)
    ((fault, listing, region),) = [(row["fault"], row["listing"], row["region"]) for row in json.loads(detail)]
    assert (fault, listing, region) == ("missing", "ec2_volume", "us-east-1")
    settings = read_settings({**organisation.env, "CMDB_DATABASE": str(database)})
    for run, is_held in ((RUN, True), ("a-later-run", False)):
        warehouse: Any = SimpleNamespace(run_id=run, now=lambda: datetime.now(UTC))
        with Store(database).read() as connection:
            results = check_results(connection, warehouse, settings, HALF_A_DAY, ["ec2_volume"], account_list=True)
        held = [result.sentence for result in results if result.blocks and "is written down" in result.sentence]
        assert bool(held) == is_held, results
        assert all("landing/ec2_volume" in text for text in held)


@pytest.mark.large
def test_a_run_whose_worker_process_brings_fewer_is_refused_and_publishes_nothing(
    small: Simulator, tmp_path: Path, monkeypatch: Patch
) -> None:
    database = tmp_path / "warehouse" / "aws_org.duckdb"
    forgetful_child(monkeypatch, "fewer")
    night = run_night({**small.env, "CMDB_PROCESSES": "2"}, database)
    assert not night.published
    assert night.exit_code == 1
    assert any("left out" in sentence for sentence in night.sentences), night.sentences
    assert not database.exists()
