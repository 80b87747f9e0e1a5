"""Two truthful nights with a changed world between them: what every broken night is compared with."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from faults.ground import DATABASE, Ground, Tables, apart, copy_of, tables
from resources.warehouse import Store
from simulator.client import Simulator


@dataclass(frozen=True)
class Known:
    """What the two nights published.

    Attributes:
        database: yesterday's warehouse, to be copied.
        before: a moment between the nights.
        runs: the run of yesterday, by what it is called in a comparison.
        yesterday, tonight: the rows that analysts read.
    """

    database: Path
    before: datetime
    runs: dict[str, str]
    yesterday: Tables
    tonight: Tables


def move_on(simulator: Simulator) -> None:
    """What changes in the world between the nights: instances, volumes, and an account's place."""
    truth = simulator.truth()
    names = {account["name"]: account["account_id"] for account in truth["accounts"]}
    for account in (names["payments-prod"], names["kōwhai-portal"]):
        running = [i for i in truth["instances"] if i["account_id"] == account and i["state"] == "running"]
        for instance in {i["region"]: i for i in running}.values():
            simulator.change("retag_instance", instance_id=instance["instance_id"], tags={"Name": "changed"})
        simulator.change("terminate_instance", instance_id=running[0]["instance_id"])
        simulator.change("add_instance", account_id=account, region=truth["regions"][0], tags={"Name": "new"})
        volumes = [v for v in simulator.truth("storage")["volumes"] if v["account_id"] == account]
        for region in truth["regions"]:
            spare = next(v for v in volumes if v["region"] == region and v["state"] == "available")
            simulator.change("modify_volume", volume_id=spare["volume_id"], size_gb=999)
    simulator.change("move_account", account_id=names["payments-dev"], ou="Workloads/Moved")


def remember(ground: Ground) -> Known:
    """Run the two nights; the organisation is as it is tonight afterwards.

    Raises:
        RuntimeError: one of them was refused, so that nothing can be compared with it.
    """
    yesterday = ground.scratch / "yesterday" / DATABASE
    yesterday.parent.mkdir(parents=True)
    _publish(ground, yesterday)
    before = datetime.now(UTC)
    (run,) = apart(lambda: [version.run_id for version in Store(yesterday).versions()], ground.scratch)
    runs = {run: "yesterday"}
    move_on(ground.simulator)
    tonight = copy_of(yesterday, ground.scratch / "tonight")
    _publish(ground, tonight)
    return Known(
        yesterday,
        before,
        runs,
        apart(lambda: tables(yesterday, before, runs), ground.scratch),
        apart(lambda: tables(tonight, before, runs), ground.scratch),
    )


def _publish(ground: Ground, database: Path) -> None:
    night = ground.night(database)
    if night.code != 0:
        raise RuntimeError(f"A truthful night was refused: {night.said[-2000:]}")
