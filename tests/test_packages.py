"""What a worker packs is what the coordinator takes in, line for line, or the coordinator says what differs."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery

from pipelines.catalogue.registry import listings
from pipelines.collection.accounts import Reached
from pipelines.collection.batches import FEWEST_CELLS, AccountBatch, account_batches
from pipelines.collection.cells import ListingStats
from pipelines.collection.collector import Collector
from pipelines.collection.remote import celery_worker
from pipelines.collection.remote import coordinator as queued
from pipelines.collection.remote.coordinator import QueuedWorkers
from pipelines.collection.remote.fitness import release_fingerprint
from pipelines.collection.remote.manifest import Manifest, Segment, WrongPackage, pack, take_in
from pipelines.collection.state import StepState
from pipelines.settings import read_settings
from pipelines.trust.role_resources import aws_roles
from resources.audit.cells import Cell, cell_line
from resources.audit.coverage import Accounts
from resources.briefed_roles import BriefedWorkload
from resources.objects.object_store import ObjectStore
from resources.roles import AwsRole
from resources.store.store import Store

RUN = "run-1"
NAMES = ("ec2_instance", "ec2_vpc")
AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
QUEUED = read_settings(
    {
        "CMDB_BROKER_URL": "amqp://nobody.invalid//",
        "CMDB_OBJECTS_URL": "s3://nobody-s-bucket",
        "CMDB_WORKER_KEY": "a key that only coordinator and workers know",
    }
)


def _step(folder: Path) -> StepState:
    """A step of two listings, whose part has the accounts from 1 to before 3."""
    folder.mkdir()
    settings = read_settings({"CMDB_DATABASE": str(folder / "cmdb.duckdb")})
    like = aws_roles(settings)["workload"]
    workload = BriefedWorkload(**{name: getattr(like, name) for name in AwsRole.model_fields})
    state = StepState(
        Store(settings.database),
        RUN,
        {"workload": workload},
        [listings()[name] for name in NAMES],
        settings,
        lambda text: None,
        record_rules={},
    )
    state.begin(Accounts("1", "3"))
    return state


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[StepState]:
    with closing(_step(tmp_path / "worker")) as state:
        yield state


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[StepState]:
    with closing(_step(tmp_path / "coordinator")) as state:
        yield state


def _cells(account: str) -> list[Cell]:
    found = Cell(
        role="workload",
        account_id=account,
        region="us-east-1",
        listing="ec2_instance",
        outcome="found",
        is_trusted=True,
        run_id=RUN,
        ended_at=AT,
        record_count=2,
        empty_policy="witnessed",
        started_at=AT,
        request_count=3,
        throttle_count=1,
        evidence={"since": AT},
    )
    empty = replace(
        found, listing="ec2_vpc", outcome="empty_suspect", is_trusted=False, record_count=0, evidence=None,
        raw_response='{"Vpcs": []}',
    )  # fmt: skip
    return [found, empty, replace(empty, region="eu-west-1", outcome="denied", error_code="UnauthorizedOperation")]


def _collected(worker: StepState, *accounts: str) -> list[Cell]:
    """Land what a worker would have of these accounts; returns the cells."""
    cells = [cell for account in accounts for cell in _cells(account)]
    for listing in worker.listings:
        writer, own = worker.writer(listing), [cell for cell in cells if cell.name == listing.name]
        writer.plan(cell.key for cell in own)
        for cell in own:
            writer.append(cell.key, [{"Id": f"{cell.account_id}-{number}"} for number in range(cell.record_count)])
        writer.keep(own)
    return cells


def _manifest(segments: tuple[Segment, ...]) -> Manifest:
    return Manifest("", "host:1", AT, AT, "", "", segments, frozenset({"ec2:x"}), (), (), 7, 2)


Files = dict[tuple[str, str], bytes]


def _landed(state: StepState) -> Files:
    return {
        (listing.name, path.name): path.read_bytes()
        for listing in state.listings
        for path in state.writer(listing).folder.iterdir()
    }


def test_what_is_packed_is_taken_in_line_for_line(worker: StepState, coordinator: StepState, tmp_path: Path) -> None:
    cells = _collected(worker, "1", "2")
    counted = {name: ListingStats() for name in NAMES}
    for cell in cells:
        counted[cell.name].take(cell)

    segments = pack(worker, tmp_path / "package")
    take_in(coordinator, _manifest(segments), tmp_path / "package")

    assert _landed(coordinator) == _landed(worker)
    assert any(_landed(coordinator).values())
    for name in NAMES:
        listing = listings()[name]
        assert coordinator.writer(listing).landed == worker.writer(listing).landed
        assert coordinator.writer(listing).longest == worker.writer(listing).longest
        ours, theirs = coordinator.stats[name], counted[name]
        # Evidence comes back as JSON has it.
        assert [cell_line(cell) for cell in ours.untrusted] == [cell_line(cell) for cell in theirs.untrusted]
        assert replace(ours, untrusted=[]) == replace(theirs, untrusted=[])
    assert coordinator.recorded == {"ec2:x"}
    assert coordinator.client("workload").counter.requests == 7


def test_as_many_untrusted_cells_are_shown_of_all_parts_as_of_one(
    worker: StepState, coordinator: StepState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ListingStats, "SHOWN", 3)
    _collected(worker, "1")
    segments = pack(worker, tmp_path / "package")
    for _ in range(3):
        take_in(coordinator, _manifest(segments), tmp_path / "package")
    stats = coordinator.stats["ec2_vpc"]
    assert (stats.cells, len(stats.untrusted)) == (6, 3)


def _changed(line: bytes, replacement: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert line in data
        return data.replace(line, replacement)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(
            _changed(b'"account_id":"2","region"', b'"account_id":"4","region"'), "not of this part", id="account"
        ),
        pytest.param(_changed(b'"run_id":"run-1"', b'"run_id":"run-2"'), "not of this part", id="run"),
        pytest.param(
            _changed(b'"listing":"ec2_instance","outcome"', b'"listing":"ec2_instancE","outcome"'),
            "not of this part",
            id="listing",
        ),
        pytest.param(_changed(b'"page_count"', b'"rage_count"'), "other columns than a cell", id="columns"),
        pytest.param(_changed(b"\n", b" "), "are not those of its manifest", id="lines"),
        pytest.param(lambda data: data[:-1], "are not those of its manifest", id="cut"),
        pytest.param(lambda data: data + b"\n", "more than its manifest says", id="longer"),
    ],
)
def test_a_package_that_holds_anything_else_is_named(
    worker: StepState,
    coordinator: StepState,
    tmp_path: Path,
    change: Callable[[bytes], bytes],
    sentence: str,
) -> None:
    _collected(worker, "1", "2")
    package = tmp_path / "package"
    segments = pack(worker, package)
    package.write_bytes(gzip.compress(change(gzip.decompress(package.read_bytes()))))
    with pytest.raises((WrongPackage, ValueError), match=sentence):
        take_in(coordinator, _manifest(segments), package)


def test_a_byte_that_changed_on_its_way_is_noticed(worker: StepState, coordinator: StepState, tmp_path: Path) -> None:
    _collected(worker, "1", "2")
    package = tmp_path / "package"
    segments = pack(worker, package)
    data = bytearray(package.read_bytes())
    data[-6] ^= 1
    package.write_bytes(bytes(data))
    with pytest.raises(OSError, match="CRC"):
        take_in(coordinator, _manifest(segments), package)


def test_fewer_records_than_the_cells_have_are_noticed(
    worker: StepState, coordinator: StepState, tmp_path: Path
) -> None:
    _collected(worker, "1")
    worker.writer(listings()["ec2_instance"]).keep(_cells("2")[:1])
    with pytest.raises(WrongPackage, match="holds 2 of 4 records of ec2_instance"):
        take_in(coordinator, _manifest(pack(worker, tmp_path / "package")), tmp_path / "package")


@pytest.mark.parametrize(
    ("accounts", "part_cells", "workers", "parts"),
    [
        # Two listings in one region: as many for each worker.
        (4 * FEWEST_CELLS, 15_000, 4, 4),
        (4 * FEWEST_CELLS, 2_500, 3, 6),
        (4 * FEWEST_CELLS, 2_000, 4, 4),
        # What is worth fewer parts than there are workers, or none.
        (FEWEST_CELLS, 15_000, 4, 2),
        (FEWEST_CELLS - 1, 15_000, 4, 1),
        # Parts are never larger than they may be, and nobody knows how many workers there are.
        (4 * FEWEST_CELLS, 15_000, 0, 1),
        (4 * FEWEST_CELLS, 1_000, 0, 8),
        (4 * FEWEST_CELLS, 1_000, 1, 8),
    ],
)
def test_every_worker_gets_as_many_parts(
    coordinator: StepState, accounts: int, part_cells: int, workers: int, parts: int
) -> None:
    coordinator.regions_of = {"1": ["us-east-1"]}
    reached = Reached(profile_of={f"{number:012d}": "x" for number in range(accounts)})
    made = account_batches(coordinator, reached, part_cells, workers=lambda: workers)
    assert len(made) == parts
    sizes = [len(part.reached.profile_of) for part in made if part.reached is not None]
    assert sum(sizes) == accounts
    assert max(sizes) - min(sizes) <= parts
    assert max(sizes) * len(NAMES) <= part_cells


def test_workers_are_counted_only_where_a_step_is_worth_several_parts(coordinator: StepState) -> None:
    def count() -> int:
        raise AssertionError("nobody has to be counted")

    coordinator.regions_of = {"1": ["us-east-1"]}
    reached = Reached(profile_of={f"{number:012d}": "x" for number in range(10)})
    assert len(account_batches(coordinator, reached, 15_000, workers=count)) == 1


def test_the_largest_parts_are_given_first(coordinator: StepState, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[AccountBatch] = []
    monkeypatch.setattr(queued, "_Round", lambda *made: SimpleNamespace(run=lambda parts, here: given.extend(parts)))
    coordinator.regions_of = {"1": ["us-east-1"]}
    # The account of the operations role leaves of the first part a small beginning and a large end.
    reached = Reached({f"{number:012d}": "x" for number in range(20)}, central=frozenset({f"{2:012d}"}))
    parts = account_batches(coordinator, reached, 10 * len(NAMES), central_apart=True)
    QueuedWorkers(QUEUED, ObjectStore("s3://nobody-s-bucket", "us-east-1")).run(
        Collector(coordinator), parts, lambda cells: None
    )
    assert [len(part.reached.profile_of) for part in given if part.reached is not None] == [10, 7, 2]


def test_a_worker_has_the_release_that_it_has_loaded(coordinator: StepState, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[int] = []
    release_fingerprint.cache_clear()
    monkeypatch.setattr(
        Celery, "worker_main", lambda app, argv: known.append(release_fingerprint.cache_info().currsize)
    )
    celery_worker.run(QUEUED, ObjectStore("s3://nobody-s-bucket", "us-east-1"), {})
    assert known == [1]
