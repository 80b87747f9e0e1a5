"""Tables are built of the records that a step landed: of a file that was cut, lost or mixed up none is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, build, built_file, hours, house

from pipelines.collection import landing
from pipelines.collection.landing import LandingWriter, records_path
from pipelines.collection.previous import records
from pipelines.errors import LandingError
from resources.audit.step_plans import Arrival, begin_plans, record_arrival

LISTING = "ec2_volume"
TABLE = "aws.ec2_volume"
FIRST, SECOND = "night-1", "night-2"


def night(home: House, run: str, size: int, *, is_recorded: bool, others: Sequence[Given] = ()) -> None:
    """Four volumes of this size; what was landed is recorded as a step does, or not, as in older releases."""
    with pytest.MonkeyPatch.context() as patch:
        made: list[LandingWriter] = []
        plain = LandingWriter.commit
        patch.setattr(LandingWriter, "commit", lambda self, cells=(): (made.append(self), plain(self, cells))[1])
        volumes = [{"VolumeId": f"vol-{index}", "Size": size} for index in range(4)]
        home.night(run, [Given(LISTING, volumes), *others], FIRST_NIGHT + hours(size))
    if is_recorded:
        with home.store.transaction() as connection:
            assert not begin_plans(connection, run, {LISTING: {("workload", WORKLOAD)}})
            record_arrival(connection, run, {LISTING: Arrival(1, "digest", made[0].landed)})


@pytest.fixture
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    """Two nights of which the table holds the first."""
    is_recorded = getattr(request, "param", True)
    with house(tmp_path, working=built_file()) as made:
        for run, size in ((FIRST, 10), (SECOND, 20)):
            night(made, run, size, is_recorded=is_recorded)
            if run == FIRST:
                build(made.store, made.models[TABLE], run_id=run)
        yield made


def path(home: House, run: str = SECOND) -> Path:
    return records_path(home.store.landing, run, LISTING)


def rows(home: House) -> list[tuple[object, ...]]:
    found = home.rows(f"select volume_id, size_gb, run_id, is_stale from {TABLE} order by all")
    return [tuple(row.values()) for row in found]


def whole(run: str, size: int) -> list[tuple[object, ...]]:
    return [(f"vol-{index}", size, run, False) for index in range(4)]


def cut_between_lines(file: Path, _: Path) -> None:
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))


def cut_within_a_line(file: Path, _: Path) -> None:
    file.write_bytes(file.read_bytes()[:-30])


def lost(file: Path, _: Path) -> None:
    file.unlink()


def emptied(file: Path, _: Path) -> None:
    file.write_bytes(b"")


def doubled(file: Path, _: Path) -> None:
    file.write_bytes(file.read_bytes() * 2)


def another_runs(file: Path, other: Path) -> None:
    assert file.stat().st_size == other.stat().st_size, "only its digest tells it from the run's own"
    shutil.copyfile(other, file)


def other_bytes(file: Path, _: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"Size":20', b'"Size":21'))


FAULTS: tuple[Callable[[Path, Path], None], ...] = (
    cut_between_lines,
    cut_within_a_line,
    lost,
    emptied,
    doubled,
    another_runs,
    other_bytes,
)

REPORTED = {"lost": "gone", "another_runs": "other bytes", "other_bytes": "other bytes"}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_table_is_built_of_other_records_than_were_landed(home: House, fault: Callable[[Path, Path], None]) -> None:
    fault(path(home), path(home, FIRST))
    with pytest.raises(LandingError, match=REPORTED.get(fault.__name__, "bytes are there")) as refusal:
        build(home.store, home.models[TABLE], run_id=SECOND)
    sentence = str(refusal.value)
    assert "landing/ec2_volume" in sentence
    assert SECOND in sentence
    assert "cmdb nightly --everything" in sentence
    assert rows(home) == whole(FIRST, 10), "the rows of the run before stay"


@pytest.mark.parametrize("home", [False], indirect=True)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault is not cut_within_a_line])
def test_nothing_else_would_notice(home: House, fault: Callable[[Path, Path], None]) -> None:
    fault(path(home), path(home, FIRST))
    build(home.store, home.models[TABLE], run_id=SECOND)
    assert rows(home) != whole(SECOND, 20)


def test_what_is_whole_is_built_and_may_be_gone_once_a_table_is_built_of_it(home: House) -> None:
    build(home.store, home.models[TABLE], run_id=SECOND)
    assert rows(home) == whole(SECOND, 20)
    landing.prune(home.store.landing, keep=0)
    build(home.store, home.models[TABLE], run_id="night-3")
    assert rows(home) == whole(SECOND, 20)


def test_records_that_no_cell_stands_on_any_more_may_be_gone(home: House) -> None:
    # Of this run a zero stands, beside which it landed what a later run was given anew.
    night(home, "night-3", 30, is_recorded=True, others=[Given(LISTING, region="eu-north-1")])
    night(home, "night-4", 40, is_recorded=True)
    path(home, "night-3").unlink()
    build(home.store, home.models[TABLE], run_id="night-4")
    assert rows(home) == whole("night-4", 40)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.__name__ not in REPORTED])
def test_nothing_is_requested_for_parents_that_were_cut(home: House, fault: Callable[[Path, Path], None]) -> None:
    assert len(records(home.store, LISTING, ("VolumeId",))) == 4
    fault(path(home), path(home, FIRST))
    with pytest.raises(LandingError, match="not as it was written"):
        records(home.store, LISTING, ("VolumeId",))


def test_a_retry_killed_before_its_cells_are_stored_leaves_no_table_of_both_attempts(home: House) -> None:
    with LandingWriter(home.store.landing, SECOND, LISTING) as writer:
        # Its files have their names, and the process ends before the cells are stored.
        writer.commit()
    with pytest.raises(LandingError, match="0 of"):
        build(home.store, home.models[TABLE], run_id=SECOND)
    assert rows(home) == whole(FIRST, 10)
