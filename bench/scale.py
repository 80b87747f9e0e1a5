"""`make bench-scale`: how cost, memory and time grow with accounts, resources and nights.

    python -m bench.scale [--parts collection,load,window,growth,history,publish,demo,night]
                          [--accounts 50,200,800,2000] [--regions 4]
                          [--resources 100000,1000000] [--rows 3000000] [--nights 30] [--cells 100000]
                          [--night-accounts 60,240] [--night-count 1] [--processes 1] [--published-rows 9000000]
                          [--rounds 3]

Each part prints a table in Markdown. `collection` asks the stub as `make bench` does, `load` lands volumes, builds
their table and the versions of all items twice, with one in a hundred changed, and publishes; `window` reads the two
newest months of a bill again that fills thirteen; `growth` loads night by night; `history` asks what gates, models and
publishing ask after one night and after many; `publish` copies a file and publishes it, in turn; `demo` runs nights of
the demo and tells what Dagster takes of them; `night` runs whole nights, the first and those after it, and tells what
each step took. Exits with 1 and names what was missed when a target is missed by more than a tenth.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import certificate, dagster_share, history, steps, tree, whole_night
from bench.canned import BILLING, LISTINGS, workload_accounts
from bench.side_by_side import MEGABYTE, Refused, Target
from bench.stage import staged
from bench.work import Result
from pipelines.collection.landing import LandingWriter
from pipelines.models.build import build, prepare
from pipelines.models.model import Model, read_models
from pipelines.publishing.retention import prune
from pipelines.reference import DEMO_FOLDER
from resources.audit.cells import Cell, load_cells
from resources.audit.runs import record_run
from resources.aws.listing import GLOBAL_REGION
from resources.aws.messages import CellKey
from resources.store.store import Store

REGIONS = (
    "us-east-1", "eu-west-1", "us-west-2", "ap-southeast-2", "eu-central-1", "us-east-2", "ap-northeast-1",
    "ap-southeast-1", "eu-north-1", "eu-west-2", "eu-west-3", "ca-central-1", "sa-east-1", "ap-south-1",
    "ap-northeast-2", "ap-northeast-3", "us-west-1",
)  # fmt: skip
"""A real account's regions, the first ones first."""

PARTS = ("collection", "load", "window", "growth", "history", "publish", "demo", "night")
FIRST_NIGHT = datetime(2026, 10, 24, 14, 30, tzinfo=UTC)
CHANGED = 100
"""One in so many resources changes from night to night."""


def say(line: str) -> None:
    """To people; the tables go to standard output."""
    print(line, file=sys.stderr, flush=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, numbers to the right."""
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("--:" for _ in columns) + " |"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


# ------------------------------------------------------------------------------------------ collection


@dataclass(frozen=True)
class Collected:
    """One collection: how large, and what it took."""

    accounts: int
    regions: int
    cells: int
    requests: int
    ran: tree.Ran

    @property
    def cpu_per_cell(self) -> float:
        """Seconds."""
        return self.ran.cpu / self.cells


def collection(accounts: Sequence[int], regions: int, latency: float) -> list[Collected]:
    """Collect organisations of different sizes, one after the other.

    Raises:
        RuntimeError: a collection failed or had errors.
    """
    found = []
    for count in accounts:
        with tempfile.TemporaryDirectory(prefix="cmdb-scale-") as name:
            folder = Path(name)
            with staged(folder, certificate.make(folder), count, list(REGIONS[:regions]), latency) as stage:
                command = [sys.executable, "-m", "bench.ours", str(stage.work())]
                ran = tree.run(command, stage.environment, folder, timeout=3600)
                counted = stage.counters()
            if ran.code or Result.read(ran.said).errors:
                raise RuntimeError(f"{count} accounts were not collected: {ran.complained[-1500:]}")
        cells = count * regions * len(LISTINGS)
        found.append(Collected(count, regions, cells, counted["requests"], ran))
        say(f"collection, {count} × {regions}: {ran.wall:.0f} s, {ran.cpu:.0f} s CPU, {ran.peak / MEGABYTE:.0f} MB")
    return found


def collection_report(found: Sequence[Collected]) -> tuple[str, list[Target]]:
    """The table, and what it is held to."""
    rows = [
        [
            f"{one.accounts:,} × {one.regions}", f"{one.cells:,}", f"{one.requests:,}", f"{one.ran.wall:.1f} s",
            f"{one.ran.cpu:.1f} s", f"{one.cpu_per_cell * 1000:.2f} ms", f"{one.ran.peak / MEGABYTE:.0f} MB",
        ]
        for one in found
    ]  # fmt: skip
    columns = ["accounts × regions", "cells", "requests", "wall", "CPU", "CPU a cell", "peak memory"]
    first, last = found[0], found[-1]
    held = [
        Target(
            f"CPU a cell, {last.accounts:,} against {first.accounts:,} accounts",
            last.cpu_per_cell / first.cpu_per_cell,
            1.15,
            at_least=False,
        ),
        Target(f"MB at {last.accounts:,} × {last.regions}", last.ran.peak / MEGABYTE, 400, at_least=False),
    ]
    return table(columns, rows), held if len(found) > 1 else held[1:]


# ------------------------------------------------------------------------------------------------ load


@dataclass
class Warehouse:
    """A warehouse of its own, with volumes in as many accounts and regions as it takes for a hundred in each."""

    store: Store
    resources: int
    models: dict[str, Model] = field(default_factory=read_models)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Accounts and regions, a hundred volumes each."""
        cells = -(-self.resources // 100)
        return [(account, region) for account in workload_accounts(-(-cells // 4)) for region in REGIONS[:4]][:cells]

    def land(self, night: int) -> None:
        """Land and record one night's volumes; what is one in a hundred has grown since the night before."""
        run_id, at = f"night-{night}", FIRST_NIGHT + timedelta(days=night)
        cells = []
        with LandingWriter(self.store.landing, run_id, "ec2_volume") as writer:
            for place, (account, region) in enumerate(self.places):
                count = min(100, self.resources - place * 100)
                records = [volume(account, region, number, night, place * 100 + number) for number in range(count)]
                writer.append(CellKey("workload", account, region, "ec2_volume"), records)
                cells.append(
                    Cell(
                        run_id=run_id, role="workload", account_id=account, region=region, listing="ec2_volume",
                        outcome="found", is_trusted=True, empty_policy="witnessed", started_at=at, ended_at=at,
                        caller_account_id=account, record_count=count,
                    )
                )  # fmt: skip
            path = writer.commit(cells)
        with self.store.transaction() as connection:
            record_run(connection, run_id, "bench")
            load_cells(connection, [str(path)])

    def build(self, *relations: str) -> None:
        """Build relations, in the order of the models, each in a transaction as a step of a run does."""
        for model in self.models.values():
            if model.relation in relations:
                logs = [log for log in self.models.values() if log.logs == model.relation]
                with self.store.transaction() as connection:
                    prepare(connection)
                    build(connection, self.store, model, logs, own=DEMO_FOLDER)

    def needed(self, relation: str) -> list[str]:
        """What a relation reads, directly or not."""
        wanted = {relation}
        for model in reversed(self.models.values()):
            if model.relation in wanted:
                wanted |= model.uses
        return [m.relation for m in self.models.values() if m.relation in wanted - {relation} and not m.logs]

    def count(self, relation: str) -> int:
        """Rows of a relation."""
        schema, name = relation.split(".")
        with self.store.read() as connection:
            row = connection.execute(f'select count(*) from "{schema}"."{name}"').fetchone()
        return int(row[0]) if row else 0


def volume(account: str, region: str, number: int, night: int, serial: int) -> dict[str, Any]:
    """A record as DescribeVolumes has it."""
    grown = sum(serial % CHANGED == passed % CHANGED for passed in range(1, night + 1))
    name = hashlib.blake2b(f"{account}{region}{number}".encode(), digest_size=9).hexdigest()[:17]
    return {
        "OwnerId": account, "VolumeId": f"vol-{name}", "Size": 100 + grown, "VolumeType": "gp3", "Iops": 3000,
        "Throughput": 125, "Encrypted": True, "State": "in-use", "MultiAttachEnabled": False,
        "KmsKeyId": f"arn:aws:kms:{region}:{account}:key/0a1b2c3d-0000-4000-8000-000000000000",
        "Attachments": [
            {"InstanceId": f"i-{name}", "Device": "/dev/xvda", "State": "attached",
             "AttachTime": "2025-01-06T11:40:53Z", "DeleteOnTermination": True},
        ],
        "SnapshotId": f"snap-{name}", "AvailabilityZone": f"{region}a", "CreateTime": "2025-01-06T11:40:53Z",
        "Tags": [{"Key": "env", "Value": "prod"}, {"Key": "app", "Value": "ledger"}],
    }  # fmt: skip


@contextmanager
def warehouse(resources: int) -> Iterator[Warehouse]:
    """An empty warehouse whose lock is held."""
    with tempfile.TemporaryDirectory(prefix="cmdb-scale-") as name:
        store = Store(Path(name) / "aws_org.duckdb")
        with store.holding("bench", "bench"):
            yield Warehouse(store, resources)


def timed(work: Callable[..., object], *given: Any) -> tuple[float, float]:
    """Wall and CPU seconds of this process."""
    wall, cpu = time.monotonic(), time.process_time()
    work(*given)
    return time.monotonic() - wall, time.process_time() - cpu


def copied(file: Path) -> float:
    """Seconds that copying a file takes, to the disk."""
    twin = file.with_suffix(".twin")

    def copy() -> None:
        shutil.copyfile(file, twin)
        with twin.open("rb+") as written:
            os.fsync(written.fileno())

    took, _ = timed(copy)
    twin.unlink()
    return took


def load(counts: Sequence[int]) -> tuple[str, list[Target]]:
    """Load, a night of versions and publishing, by number of resources."""
    rows, held = [], []
    for count in counts:
        with warehouse(count) as house:
            # Everything is there once and empty, so that what is measured is the volumes alone.
            house.build(*house.needed("cmdb.resource_version"), "cmdb.resource_version")
            landing = timed(house.land, 0)
            wall, cpu = timed(house.build, "aws.ec2_volume")
            house.build("cmdb.resource")
            first = timed(house.build, "cmdb.resource_version")
            house.land(1)
            house.build("aws.ec2_volume", "cmdb.resource")
            second = timed(house.build, "cmdb.resource_version")
            versions = house.count("cmdb.resource_version")
            if versions != count + count // CHANGED:
                raise RuntimeError(f"{versions:,} versions of {count:,} volumes: one in {CHANGED} should have changed")
            copy = copied(house.store.working)
            publishing, _ = timed(house.store.publish, "bench", lambda _: None)
            size = house.store.working.stat().st_size
        say(f"load, {count:,}: {cpu:.1f} s CPU; versions {second[1]:.2f} s CPU; publish {publishing:.1f} s")
        rows.append(
            [
                f"{count:,}", f"{landing[1] / count * 1e6:.1f} µs", f"{cpu / count * 1e6:.1f} µs", f"{wall:.1f} s",
                f"{first[1]:.2f} s", f"{second[1]:.2f} s", f"{publishing:.2f} s", f"{copy:.2f} s",
                f"{size / MEGABYTE:.0f} MB",
            ]
        )  # fmt: skip
        # Fewer tell what a statement costs, not a resource.
        if count >= 100_000:
            held.append(Target(f"µs CPU a resource loaded, {count:,}", cpu / count * 1e6, 40, at_least=False))
        if count >= 1_000_000:
            held.append(Target(f"s CPU of a night of versions, {count:,}", second[1], 1, at_least=False))
            held.append(Target(f"publishing against a copy, {count:,}", publishing / copy, 1.5, at_least=False))
    columns = [
        "resources", "CPU to land one", "CPU to load one", "load, wall", "first versions, CPU",
        "a night's versions, CPU", "publish", "copy and fsync", "file",
    ]  # fmt: skip
    return table(columns, rows), held


SERVICES = 40
"""Services that each account of the bill uses."""


def months(night: datetime, count: int) -> list[list[datetime]]:
    """The days of the newest months up to a night, the oldest month first."""
    found: list[list[datetime]] = [[]]
    day = night.replace(hour=0, minute=0)
    while True:
        found[0].insert(0, day)
        day -= timedelta(days=1)
        if day.month != found[0][0].month:
            if len(found) == count:
                return found
            found.insert(0, [])


def bill(accounts: Sequence[str], day: datetime, night: int) -> Iterator[dict[str, Any]]:
    """A day of Cost Explorer's answer by account and service; the newest month is restated from night to night."""
    period = {"Start": f"{day:%Y-%m-%d}", "End": f"{day + timedelta(days=1):%Y-%m-%d}"}
    for number, account in enumerate(accounts):
        for service in range(SERVICES):
            amount = {"Amount": f"{number % 97}.{(service * 7919 + night) % 10**10:010}", "Unit": "USD"}
            names = ("Unblended", "Amortized", "NetUnblended", "NetAmortized")
            metrics = {f"{name}Cost": amount for name in (*names, "Billed", "Contracted", "List")}
            keys = [account, f"Amazon Service {service}"]
            yield {"TimePeriod": period, "Estimated": True, "Keys": keys, "Metrics": metrics}


def window(rows: int) -> tuple[str, list[Target]]:
    """The first load of thirteen months of a bill, and the nightly one of the two newest months of it."""
    told, each = [], []
    with warehouse(0) as house:
        house.build(*house.needed("cost.daily"))
        whole = months(FIRST_NIGHT, 13)
        accounts = workload_accounts(max(1, rows // (sum(map(len, whole)) * SERVICES)))
        for night, asked in enumerate((whole, whole[-2:])):
            run_id, at, cells = f"night-{night}", FIRST_NIGHT + timedelta(days=night), []
            with LandingWriter(house.store.landing, run_id, "cost_daily") as writer:
                for month in asked:
                    name = f"cost_daily:service:{month[0]:%Y-%m}"
                    for day in month:
                        writer.append(CellKey("billing", BILLING, GLOBAL_REGION, name), bill(accounts, day, night))
                    cells.append(
                        Cell(
                            run_id=run_id, role="billing", account_id=BILLING, region=GLOBAL_REGION, listing=name,
                            outcome="found", is_trusted=True, empty_policy="witnessed", started_at=at, ended_at=at,
                            caller_account_id=BILLING, record_count=len(month) * len(accounts) * SERVICES,
                        )
                    )  # fmt: skip
                path = writer.commit(cells)
            with house.store.transaction() as connection:
                record_run(connection, run_id, "bench")
                load_cells(connection, [str(path)])
            wall, cpu = timed(house.build, "cost.daily")
            size = house.store.working.stat().st_size / MEGABYTE
            loaded = sum(cell.record_count for cell in cells)
            each.append(cpu / loaded)
            say(f"window, {len(asked)} months: {loaded:,} rows, {wall:.1f} s, {cpu:.1f} s CPU, {size:.0f} MB")
            held = house.count("cost.daily")
            told.append(
                [str(len(asked)), f"{loaded:,}", f"{held:,}", f"{wall:.1f} s", f"{cpu:.1f} s", f"{size:.0f} MB"]
            )
    text = table(["months", "rows replaced", "rows held", "wall", "CPU", "working file"], told)
    # A row that is replaced is compared with what it was, besides. Fewer tell what a statement costs, not a row.
    target = Target("CPU of a row of the window against the first load", each[1] / each[0], 2.5, at_least=False)
    return text, [target] if rows >= 1_000_000 else []


SETTLED = 10
"""From this night on a file has room for what a night replaces, and grows by what is remembered alone."""


def free(store: Store) -> float:
    """Megabytes of the working file that nothing stands in: the next night fills them."""
    with store.read() as connection:
        found = connection.execute(
            "select sum(block_size * free_blocks) from pragma_database_size() where database_name = current_database()"
        ).fetchone()
    return float(found[0] or 0) / MEGABYTE if found else 0.0


def growth(resources: int, nights: int) -> tuple[str, list[Target]]:
    """How the file grows from night to night, one in a hundred resources changed in each, what is old forgotten."""
    rows, sizes = [], []
    with warehouse(resources) as house:
        everything = [*house.needed("cmdb.resource_version"), "cmdb.resource_version"]
        for night in range(nights):
            house.land(night)
            _, cpu = timed(house.build, *everything)
            prune(house.store)
            sizes.append(house.store.working.stat().st_size / MEGABYTE)
            if night % 10 in (0, 9) or night == nights - 1:
                versions = house.count("cmdb.resource_version")
                rows.append(
                    [
                        str(night + 1), f"{sizes[-1]:.1f} MB", f"{free(house.store):.1f} MB", f"{versions:,}",
                        f"{cpu:.2f} s",
                    ]
                )  # fmt: skip
            say(f"growth, night {night + 1}: {sizes[-1]:.1f} MB")
    text = table(["night", "working file", "of it free", "versions", "CPU to build"], rows)
    if nights <= SETTLED:
        return text, []
    grown = sizes[-1] / sizes[SETTLED - 1]
    return text, [Target(f"file of night {nights} against that of night {SETTLED}", grown, 1.25, at_least=False)]


BILL = """
    insert into cost.daily by name
    select
        date '2025-10-01' + (n // 24000)::integer as usage_date,
        'service' as slice,
        (400000000000 + n % 600)::varchar as account_id,
        'Amazon Service ' || (n // 600 % 40) as dimension_value,
        (hash(n) % 100000000000 / 10000000)::decimal(28, 10) as unblended_cost,
        (hash(n, 1) % 100000000000 / 10000000)::decimal(28, 10) as amortized_cost,
        unblended_cost * 0.9::decimal(2, 1) as net_unblended_cost,
        amortized_cost * 0.9::decimal(2, 1) as net_amortized_cost,
        unblended_cost as billed_cost,
        amortized_cost as contracted_cost,
        unblended_cost * 1.1::decimal(2, 1) as list_cost,
        'USD' as currency,
        false as is_estimated,
        'bench' as run_id,
        'billing' as role,
        '400000000000' as caller_account_id,
        'aws-global' as cell_region,
        'cost_daily:service:' || strftime(usage_date, '%Y-%m') as listing,
        now() as collected_at,
        false as is_stale
    from range($rows) as made(n)
"""
"""Rows of a bill of 600 accounts, without the way through a landing: publishing does not care where they came from."""


def publishing(rows: int, rounds: int) -> tuple[str, list[Target]]:
    """Publishing a file with so many rows against copying the same file to the disk, in turn."""
    copies, publishes = [], []
    with warehouse(0) as house:
        house.build(*house.needed("cost.daily"), "cost.daily")
        with house.store.transaction() as connection:
            connection.execute(BILL, {"rows": rows})
        size = house.store.working.stat().st_size / MEGABYTE
        for _ in range(rounds):
            copies.append(copied(house.store.working))
            took, _ = timed(house.store.publish, "bench", lambda _: None)
            publishes.append(took)
        with house.store.published() as connection:
            found = connection.execute("select count(*) from cost.daily").fetchone()
        if found != (rows,):
            raise RuntimeError(f"{found} rows were published of {rows:,}")
    for copy, publish in zip(copies, publishes, strict=True):
        say(f"publish, {rows:,} rows, {size:.0f} MB: copy {copy:.2f} s, publish {publish:.2f} s")
    # Ratios compare the least of all rounds: what else the disk does makes both slower.
    ratio = min(publishes) / min(copies)
    text = table(
        ["rows", "file", "copy and fsync", "publish", "ratio"],
        [[f"{rows:,}", f"{size:.0f} MB", f"{min(copies):.2f} s", f"{min(publishes):.2f} s", f"{ratio:.2f}"]],
    )
    held = [Target(f"publishing against a copy, {rows:,} rows", ratio, 1.5, at_least=False)]
    return text, held if rows >= 1_000_000 else []


# ------------------------------------------------------------------------------------------- together


def numbers(text: str) -> list[int]:
    """`50,200` as numbers."""
    return [int(number) for number in text.split(",")]


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for, tell, judge."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--accounts", type=numbers, default=[50, 200, 800, 2000], help="sizes, the smallest first")
    parser.add_argument("--regions", type=int, default=4, help=f"of each account, up to {len(REGIONS)}")
    parser.add_argument("--latency-ms", type=float, default=20.0, help="from a request to its answer")
    parser.add_argument("--resources", type=numbers, default=[100_000, 1_000_000], help="numbers of volumes to load")
    parser.add_argument("--rows", type=int, default=3_000_000, help="of the bill that the part window loads")
    parser.add_argument("--nights", type=int, default=30, help="nights of the parts growth and history")
    parser.add_argument("--cells", type=int, default=100_000, help="of a night of the part history")
    parser.add_argument(
        "--published-rows", type=int, default=9_000_000, help="of the file that the part publish copies"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the parts publish and demo; the least counts")
    parser.add_argument("--night-accounts", type=numbers, default=[60, 240], help="sizes of the part night")
    parser.add_argument("--night-count", type=int, default=1, help="nights of each size of the part night")
    parser.add_argument("--processes", type=int, default=1, help="CMDB_PROCESSES of the part night")
    asked = parser.parse_args(arguments)
    parts = asked.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        print(f"{', '.join(sorted(unknown))}: no such part; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    if not 1 <= asked.regions <= len(REGIONS):
        print(f"--regions {asked.regions}: between 1 and {len(REGIONS)}. Nothing was measured.", file=sys.stderr)
        return 2
    held: list[Target] = []
    if "collection" in parts:
        found = collection(asked.accounts, asked.regions, asked.latency_ms / 1000)
        text, targets = collection_report(found)
        held += targets
        print(f"### Collection by accounts\n\n{text}\n", flush=True)
    if "load" in parts:
        text, targets = load(asked.resources)
        held += targets
        print(f"### Load, versions and publishing by resources\n\n{text}\n", flush=True)
    if "window" in parts:
        text, targets = window(asked.rows)
        held += targets
        print(f"### The nightly window of a bill\n\n{text}\n", flush=True)
    if "growth" in parts:
        text, targets = growth(min(asked.resources), asked.nights)
        held += targets
        print(f"### Growth over nights\n\n{text}\n", flush=True)
    if "history" in parts:
        asked_after, cells = history.history(asked.cells, asked.nights, say)
        columns, rows, targets = history.report(asked_after, cells)
        held += targets
        print(f"### Questions of a night after many, {cells:,} cells each\n\n{table(columns, rows)}\n", flush=True)
    if "publish" in parts:
        text, targets = publishing(asked.published_rows, asked.rounds)
        held += targets
        print(f"### Publishing\n\n{text}\n", flush=True)
    if "demo" in parts:
        try:
            rows, targets = dagster_share.report(dagster_share.nights(asked.rounds))
        except Refused as error:
            print(f"No night of the demo is reported. {error}", file=sys.stderr)
            return 2
        held += targets
        print(f"### Dagster's share of a night of the demo\n\n{table(dagster_share.COLUMNS, rows)}\n", flush=True)
    if "night" in parts:
        try:
            nights = whole_night.nights(
                asked.night_accounts,
                REGIONS[: asked.regions],
                asked.latency_ms / 1000,
                asked.night_count,
                asked.processes,
            )
        except (Refused, TimeoutError) as error:
            print(f"No whole nights are reported. {error}", file=sys.stderr)
            return 2
        rows, targets = whole_night.report(nights)
        held += targets
        print(f"### Whole nights by accounts\n\n{table(whole_night.COLUMNS, rows)}\n", flush=True)
        for title, rows, targets in whole_night.by_step(nights):
            held += targets
            print(f"### Steps, {title}\n\n{table(steps.COLUMNS, rows)}\n", flush=True)
    missed = [row for row in held if row.missed]
    for row in held:
        word = "missed" if row.missed else "met" if row.met else "missed by less than a tenth"
        print(f"{row.measure}: {row.reached:.2f}, at most {row.target:g}: {word}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
