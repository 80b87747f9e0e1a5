"""Parts that are collected by a briefing: the same rows as in this process, and what is forged or stale is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest
from nights import copy_of, query
from remote_parts import KEY, NAMES, ONE_PLACE, SETTINGS, Beside, of_one_process, rows
from steps import asked

from pipelines.collection.remote import broker, coordinator, fitness
from pipelines.collection.remote import worker as workers
from pipelines.collection.remote.briefing import Briefing
from pipelines.collection.remote.broker import QueueUnreachable
from pipelines.collection.remote.manifest import Manifest
from pipelines.collection.remote.names import PartFolder
from pipelines.collection.remote.problem import Problem
from pipelines.collection.remote.signing import ForgedMessage, opened, sealed
from pipelines.collection.remote.worker import PartWorker
from pipelines.settings import SettingsError, read_settings
from resources.objects.errors import ObjectStoreError
from resources.roles import IdentityRefused
from simulator.client import Simulator


@pytest.fixture
def database(truthful_night: Path, tmp_path: Path) -> Path:
    return copy_of(truthful_night, tmp_path / "other")


@pytest.fixture
def beside(organisation: Simulator, monkeypatch: pytest.MonkeyPatch) -> Beside:
    return Beside(monkeypatch, organisation.env)


def collected(simulator: Simulator, database: Path, **settings: str) -> dict[str, Any]:
    with asked(simulator, database, *NAMES, **{**ONE_PLACE, **SETTINGS, **settings}):
        pass
    return rows(database)


def refused(simulator: Simulator, database: Path) -> str:
    """What the step is refused with; nothing of it is stored."""
    with pytest.raises(dg.Failure) as failure:
        collected(simulator, database)
    assert not rows(database)["cells"]
    return str(failure.value.description)


@pytest.fixture
def in_one_go(organisation: Simulator, truthful_night: Path, tmp_path: Path) -> dict[str, Any]:
    return of_one_process(organisation, truthful_night, tmp_path)


def test_the_rows_are_those_of_this_process(
    organisation: Simulator, database: Path, beside: Beside, in_one_go: dict[str, Any]
) -> None:
    found = collected(organisation, database)
    assert len(beside.sent) > 3
    assert found == in_one_go
    # Nothing of the organisation stays in the store.
    assert not beside.objects.held
    proved = query(
        database,
        "select count(*), count(caller_account_id) from audit.caller_identity where worker <> ''",
        of="working",
    )
    assert proved[0][0] > 3
    assert proved[0][1] == proved[0][0]


def test_the_central_accounts_never_leave(organisation: Simulator, database: Path, beside: Beside) -> None:
    central = {account for (account,) in query(
        database, "select distinct caller_account_id from audit.caller_identity where role <> 'workload'", of="working"
    )}  # fmt: skip
    asked_for: list[Any] = []

    def work(folder: PartFolder) -> None:
        asked_for.append(opened(folder.briefing, beside.objects.get(folder.briefing), Briefing, KEY).accounts)
        beside.worker.work(folder)

    beside.works = work
    collected(organisation, database)
    assert len(central) == 3
    assert asked_for
    for accounts in asked_for:
        assert accounts.profile_of
        assert not any(accounts.since <= account < accounts.before for account in central)


def test_a_worker_has_no_central_client(
    beside: Beside, organisation: Simulator, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    plain = PartWorker._resources

    def resources(self: PartWorker, briefing: Briefing) -> Any:
        kept.append(plain(self, briefing))
        return kept[-1]

    monkeypatch.setattr(PartWorker, "_resources", resources)
    with asked(organisation, database, "ec2_instance", "ec2_vpc", **ONE_PLACE, **SETTINGS):
        pass
    assert kept
    for resources_of_a_part in kept:
        assert resources_of_a_part.keys() == {"operations", "workload"}
        with pytest.raises(IdentityRefused, match="may not be used by a worker"):
            _ = resources_of_a_part["operations"].client


@pytest.mark.parametrize("when", ["no worker", "no queue"])
def test_what_no_worker_has_is_collected_here(
    organisation: Simulator,
    database: Path,
    beside: Beside,
    in_one_go: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    def unreachable(app: Any, folder: str) -> None:
        raise QueueUnreachable("refused")

    if when == "no queue":
        monkeypatch.setattr(broker, "send", unreachable)
    beside.works = lambda folder: None
    assert collected(organisation, database, CMDB_WORKER_PATIENCE="1") == in_one_go


def test_each_part_collected_twice_counts_once(
    organisation: Simulator, database: Path, beside: Beside, in_one_go: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second attempt does not see what the first one has put.
    plain = beside.objects.names
    seen = iter([True, False] * 1000)
    monkeypatch.setattr(
        type(beside.objects), "names", lambda self, prefix="": plain(prefix) if next(seen, True) else set()
    )

    def twice(folder: PartFolder) -> None:
        for _ in range(2):
            monkeypatch.setattr(type(beside.objects), "names", lambda self, prefix="": set())
            beside.worker.work(folder)
        monkeypatch.setattr(type(beside.objects), "names", lambda self, prefix="": plain(prefix))

    monkeypatch.setattr(type(beside.objects), "names", lambda self, prefix="": plain(prefix))
    beside.works = twice
    assert collected(organisation, database) == in_one_go


def _rewritten(beside: Beside, folder: PartFolder, **changes: Any) -> None:
    """Let a worker collect a part, and change its manifest, signed by who knows the key."""
    beside.worker.work(folder)
    manifest = opened(folder.manifest, beside.objects.held[folder.manifest], Manifest, KEY)
    beside.objects.held[folder.manifest] = sealed(folder.manifest, replace(manifest, **changes), KEY)


def test_a_forged_manifest_is_refused(organisation: Simulator, database: Path, beside: Beside) -> None:
    def forge(folder: PartFolder) -> None:
        beside.worker.work(folder)
        manifest = opened(folder.manifest, beside.objects.held[folder.manifest], Manifest, KEY)
        forged = sealed(folder.manifest, manifest, "another key of the same length, or so")
        beside.objects.held[folder.manifest] = forged

    beside.works = forge
    assert "is not signed with this installation's CMDB_WORKER_KEY" in refused(organisation, database)


def test_a_manifest_of_another_part_or_of_before_is_refused(
    organisation: Simulator, database: Path, beside: Beside
) -> None:
    # One that is moved has another name, which is part of what is signed.
    def move(folder: PartFolder) -> None:
        beside.worker.work(folder)
        first = next(data for name, data in beside.manifests() if name)
        beside.objects.held[folder.manifest] = first

    beside.works = move
    assert "is not signed" in refused(organisation, database)
    beside.works = lambda folder: _rewritten(beside, folder, briefing=hashlib.sha256(b"of before").hexdigest())
    assert "returned another part than" in refused(organisation, database)


def _dropped(beside: Beside, folder: PartFolder, kinds: tuple[str, ...]) -> None:
    """A manifest that says nothing of some files, with a package that lacks them."""
    import gzip

    beside.worker.work(folder)
    manifest = opened(folder.manifest, beside.objects.held[folder.manifest], Manifest, KEY)
    packed = gzip.decompress(beside.objects.held[manifest.package])
    kept, at = [], 0
    data = b""
    for segment in manifest.segments:
        if segment.kind not in kinds:
            kept.append(segment)
            data += packed[at : at + segment.byte_count]
        at += segment.byte_count
    beside.objects.held[manifest.package] = gzip.compress(data)
    digest = hashlib.sha256(beside.objects.held[manifest.package]).hexdigest()
    changed = replace(manifest, segments=tuple(kept), package_digest=digest)
    beside.objects.held[folder.manifest] = sealed(folder.manifest, changed, KEY)


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param(("cells",), id="cells"),
        pytest.param(("planned",), id="plan"),
        pytest.param(("cells", "planned", "records"), id="all of it"),
    ],
)
def test_a_part_that_lacks_cells_is_refused(
    organisation: Simulator, database: Path, beside: Beside, kinds: tuple[str, ...]
) -> None:
    beside.works = lambda folder: _dropped(beside, folder, kinds)
    assert "were lost or mixed up" in refused(organisation, database)


def test_a_part_that_lacks_records_is_refused(organisation: Simulator, database: Path, beside: Beside) -> None:
    beside.works = lambda folder: _dropped(beside, folder, ("records",))
    assert "it holds 0 of " in refused(organisation, database)


def test_records_that_a_worker_lost_on_its_disk_never_leave_it(
    organisation: Simulator, database: Path, beside: Beside, in_one_go: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, said = workers.pack, []
    monkeypatch.setattr(coordinator, "note", said.append)

    def cut(state: Any, package: Path) -> Any:
        for listing in state.listings:
            path = state.writer(listing).records_part
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
        return plain(state, package)

    monkeypatch.setattr(workers, "pack", cut)
    assert collected(organisation, database) == in_one_go
    assert any("are not as they were written" in sentence for sentence in said), said


def test_a_package_of_other_bytes_is_refused(organisation: Simulator, database: Path, beside: Beside) -> None:
    def swap(folder: PartFolder) -> None:
        beside.worker.work(folder)
        name = next(name for name in beside.objects.held if name.startswith(folder.path) and name.endswith(".gz"))
        beside.objects.held[name] = beside.objects.held[name][:-9]

    beside.works = swap
    assert "is not that of its manifest" in refused(organisation, database)


def test_a_worker_whose_clock_is_ahead_is_named_and_its_part_collected_here(
    organisation: Simulator, database: Path, beside: Beside, in_one_go: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(coordinator, "note", said.append)
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
    beside.works = lambda folder: _rewritten(beside, folder, ended_at=ahead)
    assert collected(organisation, database) == in_one_go
    assert any("The clock of " in sentence and "Set its clock." in sentence for sentence in said), said


@pytest.mark.parametrize("seconds", [8, -600])
def test_a_wrong_clock_of_the_object_store_is_named_once_and_no_worker(
    organisation: Simulator,
    database: Path,
    beside: Beside,
    in_one_go: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(coordinator, "note", said.append)
    object.__setattr__(beside.objects, "ahead", dt.timedelta(seconds=seconds))
    assert collected(organisation, database) == in_one_go
    assert [text for text in said if "clock" in text] == [
        f"The clock of the object store is wrong by {seconds} s; what workers return counts all the same. "
        "Set its clock."
    ]


def test_a_put_that_takes_long_is_no_wrong_clock() -> None:
    began = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    given = coordinator._Given(cast(Any, None), PartFolder("a"), "", (began, began + dt.timedelta(seconds=40)))
    seconds = [given.store_is_ahead(began + dt.timedelta(seconds=at)).total_seconds() for at in (-8, 0, 39, 48)]
    assert seconds == [-8, 0, 0, 8]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"release": "of last week"}, "another release"),
        ({"configuration": "another file"}, "AWS config file"),
        ({"sent_at": dt.datetime.now(dt.UTC) + dt.timedelta(days=1)}, "behind the coordinator's"),
    ],
)
def test_a_worker_that_is_not_alike_is_named_and_collects_nothing(
    organisation: Simulator,
    database: Path,
    beside: Beside,
    in_one_go: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    sentence: str,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(coordinator, "note", said.append)
    monkeypatch.setattr(coordinator, "UNFIT_AT_MOST", 2)
    plain = fitness.unfit
    monkeypatch.setattr(workers, "unfit", lambda sender, settings, now: plain(replace(sender, **change), settings, now))
    assert collected(organisation, database) == in_one_go
    assert any(beside.worker.name in text and sentence in text for text in said), said
    assert len(beside.sent) > len(set(beside.sent)), "what it left is sent again"


def test_a_part_at_which_workers_fail_three_times_is_collected_here(
    organisation: Simulator, database: Path, beside: Beside, in_one_go: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(coordinator, "note", said.append)

    def fail(folder: PartFolder) -> None:
        name = f"{folder.problems}/{len(beside.sent)}"
        beside.objects.put(name, sealed(name, Problem("failed", "host:1", "No space left on device."), KEY))

    beside.works = fail
    assert collected(organisation, database) == in_one_go
    assert any("host:1: No space left on device." in sentence for sentence in said), said


def test_a_store_that_goes_away_ends_no_night(
    organisation: Simulator, database: Path, beside: Beside, in_one_go: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Any, prefix: str = "") -> Any:
        raise ObjectStoreError("The store does not answer.")

    def work(folder: PartFolder) -> None:
        beside.worker.work(folder)
        if len(beside.sent) == 2:
            monkeypatch.setattr(type(beside.objects), "names", away)
            monkeypatch.setattr(type(beside.objects), "delete", away)
            beside.works = lambda folder: None

    beside.works = work
    assert collected(organisation, database) == in_one_go


def test_a_worker_uses_the_aws_files_of_today(beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    briefing: Any = SimpleNamespace(identities={})
    first = beside.worker._resources(briefing)["workload"]
    assert beside.worker._resources(briefing)["workload"] is first
    file = tmp_path / "config"
    file.write_text("[profile another]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert beside.worker._resources(briefing)["workload"] is not first


def test_a_part_that_killed_three_workers_is_given_to_no_fourth(
    organisation: Simulator, database: Path, beside: Beside
) -> None:
    def kill(folder: PartFolder) -> None:
        for attempt in range(3):
            beside.objects.put(f"{folder.started}/{attempt}", b"host:1")
        beside.worker.work(folder, is_redelivered=True)

    beside.works = kill
    assert "3 workers were killed while they had it." in refused(organisation, database)


def test_what_nobody_signed_counts_for_nothing(
    organisation: Simulator, database: Path, beside: Beside, in_one_go: dict[str, Any]
) -> None:
    def pretend(folder: PartFolder) -> None:
        name, body = f"{folder.problems}/x", Problem("killed", "host:1", "Believe me.")
        beside.objects.put(name, sealed(name, body, KEY).partition(b"\n")[2])
        beside.worker.work(folder)

    beside.works = pretend
    assert collected(organisation, database) == in_one_go


def test_a_briefing_that_nobody_signed_is_not_collected(
    organisation: Simulator, database: Path, beside: Beside, in_one_go: dict[str, Any]
) -> None:
    def forge(folder: PartFolder) -> None:
        plain = beside.objects.held[folder.briefing]
        beside.objects.held[folder.briefing] = b"0" * 64 + plain[64:]
        beside.worker.work(folder)
        assert not beside.objects.names(f"{folder.path}/started")

    beside.works = forge
    assert collected(organisation, database, CMDB_WORKER_PATIENCE="1") == in_one_go


def test_a_signature_is_of_one_message_and_one_name() -> None:
    message = Problem("failed", "host:1", "No space left on device.")
    data = sealed("one", message, KEY)
    assert opened("one", data, Problem, KEY) == message
    for name, other, key in (("two", data, KEY), ("one", data + b" ", KEY), ("one", data, KEY[1:])):
        with pytest.raises(ForgedMessage, match="is not signed"):
            opened(name, other, Problem, key)
    with pytest.raises(ForgedMessage, match="is no Manifest"):
        opened("one", data, Manifest, KEY)


def test_a_queue_without_store_or_key_is_refused_and_no_secret_is_shown() -> None:
    with pytest.raises(SettingsError, match="without CMDB_OBJECTS_URL and CMDB_WORKER_KEY"):
        read_settings({"CMDB_BROKER_URL": "amqp://user:secret@host//"})
    with pytest.raises(SettingsError) as error:
        read_settings({"CMDB_WORKER_KEY": "short-secret", "CMDB_BROKER_URL": "ftp://user:secret@host"})
    assert "CMDB_WORKER_KEY" in str(error.value)
    assert "secret" not in str(error.value)


def test_the_configuration_counts_by_content_and_not_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for name, text in (("a", "[profile x]\n"), ("b", "[profile x]\n"), ("c", "[profile y]\n")):
        file = tmp_path / name
        file.write_text(text)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
        found[name] = fitness.configuration_fingerprint(read_settings({"AWS_CONFIG_FILE": str(file)}))
    assert found["a"] == found["b"] != found["c"]
