"""Two truthful nights with a changed world between them: what every broken night is compared with."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from nights import DATABASE

from chaos.ground import Ground, copy_of, served_run
from chaos.processes import Ended, apart
from chaos.tables import Tables, as_kept, difference, runs_told, tables
from simulator.client import Simulator


@dataclass(frozen=True)
class Known:
    """What the two nights published.

    Attributes:
        database: yesterday's warehouse, to be copied.
        before: a moment between the nights.
        runs: the run of yesterday, by what it is called in a comparison.
        yesterday, tonight: the rows that analysts read.
        seconds: what tonight's night took.
        anew: tonight's rows where each cell is requested, also those that are not due; empty where no such night ran.
    """

    database: Path
    before: datetime
    runs: dict[str, str]
    yesterday: Tables
    tonight: Tables
    seconds: float
    anew: Tables = field(default_factory=dict)


LONG = 'значение 🥝 \'; drop table org.account; -- "x" '

MOST_TAGS = {f"key {number:02d} ü": (LONG * 8)[:256] for number in range(50)}
"""As many tags as AWS allows, each as long as AWS allows."""


RENEWED_DAYS = 2
"""The last days of the bill, which every night requests again (`cost_difference.GROWS_FOR`)."""


def move_on(simulator: Simulator) -> None:
    """What changes in the world between the nights: instances, volumes, tags, and an account's place."""
    truth = simulator.truth()
    # AWS bills by the tags of the day. If new ones showed in the whole month, a night that requests the month whole, as
    # after one that was refused, would publish other costs by tag than one that requests its last days.
    day = date.fromisoformat(truth["today"]) - timedelta(days=RENEWED_DAYS)
    simulator.change("settle_bill", day=day.isoformat())
    names = {account["name"]: account["account_id"] for account in truth["accounts"]}
    for account in (names["payments-prod"], names["kōwhai-portal"]):
        running = [i for i in truth["instances"] if i["account_id"] == account and i["state"] == "running"]
        for instance in {i["region"]: i for i in running}.values():
            simulator.change("retag_instance", instance_id=instance["instance_id"], tags=MOST_TAGS)
        simulator.change("terminate_instance", instance_id=running[0]["instance_id"])
        simulator.change("add_instance", account_id=account, region=truth["regions"][0], tags={"Name": "new"})
        volumes = [v for v in simulator.truth("storage")["volumes"] if v["account_id"] == account]
        for region in truth["regions"]:
            spare = next(v for v in volumes if v["region"] == region and v["state"] == "available")
            simulator.change("modify_volume", volume_id=spare["volume_id"], size_gb=999)
    simulator.change("move_account", account_id=names["payments-dev"], ou="Workloads/Moved")


@dataclass(frozen=True)
class Yesterday:
    """The first of the two nights.

    Attributes:
        database: its warehouse, to be copied.
        ended: a moment after it.
    """

    database: Path
    ended: datetime


def first_night(ground: Ground, folder: Path) -> Yesterday:
    """Run it, in a folder that stays.

    Raises:
        RuntimeError: it was refused, so that nothing can stand on it.
    """
    database = folder / "yesterday" / DATABASE
    database.parent.mkdir(parents=True, exist_ok=True)
    _publish(ground, database)
    return Yesterday(database, datetime.now(UTC))


def second_night(ground: Ground, folder: Path, yesterday: Yesterday) -> Known:
    """Run it on the organisation as it is tonight.

    Raises:
        RuntimeError: it was refused, so that nothing can be compared with it.
    """
    runs = {served_run(yesterday.database): "yesterday"}
    tonight = copy_of(yesterday.database, folder / "tonight")
    seconds = _publish(ground, tonight)
    return Known(
        yesterday.database,
        yesterday.ended,
        runs,
        apart(lambda: tables(yesterday.database, yesterday.ended, runs), ground.scratch),
        apart(lambda: tables(tonight, yesterday.ended, runs), ground.scratch),
        seconds,
    )


def with_night_anew(ground: Ground, folder: Path, known: Known) -> Known:
    """The same with a third night, which requests every cell.

    Raises:
        RuntimeError: it was refused.
    """
    database = copy_of(known.database, folder / "anew")
    _publish(ground, database, CMDB_EVERY_NIGHT="yes")
    return replace(known, anew=apart(lambda: tables(database, known.before, known.runs), ground.scratch))


def against_the_world(published: Tables, simulator: Simulator, *, is_confirmed: bool = True) -> None:
    """Compare what a night published with what there really is: a comparison of two nights alone could be of two lies.

    Args:
        is_confirmed: whether all zeros are confirmed. Tags of an account that has none may be unknown before.

    Raises:
        AssertionError: a row differs.
    """
    truth = simulator.truth()
    asked = {*truth["reachable"], truth["central"]["operations"]}

    def held(tags: Any) -> Any:
        return tags if is_confirmed else tags or None

    def said(name: str, *wanted: str, last: Callable[[Any], Any] = lambda value: value) -> Counter[Any]:
        columns, rows = published[name]
        *others, place = (columns.index(column) for column in wanted)
        return Counter(repr([*(row[other] for other in others), last(row[place])]) for row in rows)

    def real(rows: list[list[Any]]) -> Counter[Any]:
        return Counter(map(repr, rows))

    instances = [i for i in truth["instances"] if i["account_id"] in asked]
    volumes = [v for v in simulator.truth("storage")["volumes"] if v["account_id"] in asked]
    columns, rows = published["cost.daily"]
    cut, day, account, cost = (columns.index(c) for c in ("slice", "usage_date", "account_id", "unblended_cost"))
    days: set[date] = {row[day] for row in rows}
    billed: Counter[str] = Counter()
    for line in simulator.ledger(min(days), max(days) + timedelta(days=1)):
        billed[line["account_id"]] += Decimal(line["unblended_cost"])  # type: ignore[assignment]  # counts money, not things
    told: Counter[str] = Counter()
    for row in rows:
        if row[cut] == "service":
            told[row[account]] += row[cost]
    pairs: dict[str, tuple[Counter[Any], Counter[Any]]] = {
        "instances": (
            said("aws.ec2_instance", "arn", "state", "instance_type", "tags"),
            real([[i["arn"], i["state"], i["instance_type"], i["tags"]] for i in instances]),
        ),
        "volumes": (
            said("aws.ec2_volume", "volume_id", "size_gb", "state"),
            real([[v["volume_id"], v["size_gb"], v["state"]] for v in volumes]),
        ),
        "accounts": (
            said("org.account", "account_id", "account_name", "state", "ou_id", "tags", last=held),
            real([[a["account_id"], a["name"], a["state"], a["ou_id"], held(a["tags"])] for a in truth["accounts"]]),
        ),
        "accounts in the bill": (told, billed),
    }
    for name, (ours, theirs) in pairs.items():
        assert ours == theirs, f"{name}: {next(iter((ours - theirs) or (theirs - ours)))} differs from what there is"


def must_be_tonight(
    database: Path,
    known: Known,
    ground: Ground,
    night: Ended,
    but: Collection[str] = (),
    earlier: Collection[str] = (),
) -> None:
    """A night has published tonight's rows.

    Args:
        but: tables that remember more than the truth of tonight.
        earlier: runs that published since yesterday's.

    Raises:
        AssertionError: it was refused, a row differs, or another run counts as published.
    """
    assert night.code == 0, f"the night was refused: {night.said[-800:]}"
    must_show_tonight(database, known, ground, but, earlier)


def must_show_tonight(
    database: Path, known: Known, ground: Ground, but: Collection[str] = (), earlier: Collection[str] = ()
) -> None:
    """What is published is tonight's, whatever became of the night; as for `must_be_tonight`."""

    def compared() -> str:
        found, tonight = tables(database, known.before, known.runs), known.tonight
        found = as_kept(found, tonight, known.anew)
        other = difference(*({name: of[name] for name in of if name not in but} for of in (found, tonight)))
        wanted = dict.fromkeys((*known.runs, *earlier, served_run(database)), "published")
        told = runs_told(database)
        return other or ("" if told == wanted else f"of the runs it says {told}, expected {wanted}")

    other = apart(compared, ground.scratch)
    assert not other, other


def _publish(ground: Ground, database: Path, **settings: str) -> float:
    night = ground.night(database, prepare=lambda: None, **settings)
    if night.code != 0:
        raise RuntimeError(f"A truthful night was refused: {night.said[-2000:]}")
    return night.seconds
