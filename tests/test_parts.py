"""A step in parts, and a step of two processes: the same cells and the same records as in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nights import copy_of, query, worker_processes
from steps import RUN, age, asked, landed

from pipelines.catalogue.names import METRIC
from pipelines.collection import batches, storing
from simulator.client import Simulator

STEPS = (
    ("ec2_instance", "ec2_volume", "s3_bucket", "s3_bucket_tag", "lambda_function", "lambda_function_tag"),
    (METRIC,),
)
"""What is asked in every region, once an account, of what was found in the same step, and of what was found before."""

ONE_PLACE = {"CMDB_REGIONS": "us-east-1"}
"""So that cells of the night before are not asked any more."""


def everything(simulator: Simulator, database: Path, **settings: str) -> dict[str, Any]:
    """The cells that the steps leave, newest of their key or not, and every landed record."""
    accounts = 0
    age(database, METRIC)
    for names in STEPS:
        with asked(simulator, database, *names, **ONE_PLACE, **settings) as cells:
            accounts = max(accounts, len({cell.account_id for cell in cells}))
    assert accounts > 6
    cells = query(
        database,
        """
        select role, account_id, region, listing, profile, caller_account_id, outcome, is_trusted, record_count,
            page_count, request_count, throttle_count, attempt_count, error_code, error_message, skip_reason,
            empty_policy
        from audit.collection where run_id = $run order by all
        """,
        {"run": RUN},
        of="working",
    )
    verdicts = query(
        database,
        "select check_name, scope, passed, observed from audit.check_result where run_id = $run order by all",
        {"run": RUN},
        of="working",
    )
    return {"cells": cells, "records": landed(database), "verdicts": verdicts}


@pytest.fixture
def in_one_go(organisation: Simulator, truthful_night: Path, tmp_path: Path) -> dict[str, Any]:
    found = everything(organisation, copy_of(truthful_night, tmp_path / "one"))
    # Cells that were requested and cells that were not are compared.
    outcomes = {cell[6] for cell in found["cells"]}
    assert {"found", "skipped"} <= outcomes, outcomes
    assert all(found["records"][name] for names in STEPS for name in names)
    return found


@pytest.mark.parametrize(
    ("is_parted", "settings"),
    [
        pytest.param(
            True, {"CMDB_PART_CELLS": "12", "CMDB_PROCESSES": "3"}, id="three processes, two accounts at a time"
        ),
        pytest.param(True, {"CMDB_PART_CELLS": "1"}, id="an account at a time", marks=pytest.mark.large),
        pytest.param(False, {"CMDB_PROCESSES": "2"}, id="two processes", marks=pytest.mark.large),
    ],
)
def test_nothing_differs(
    organisation: Simulator,
    truthful_night: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_one_go: dict[str, Any],
    is_parted: bool,
    settings: dict[str, str],
) -> None:
    made: list[int] = []
    plain = batches.account_batches
    monkeypatch.setattr(
        "pipelines.collection.step.account_batches",
        lambda *given, **more: made.append(len(plain(*given, **more))) or plain(*given, **more),
    )
    alive: list[int] = []
    store = storing.commit
    monkeypatch.setattr(
        storing, "commit", lambda state, also: alive.append(len(worker_processes())) or store(state, also)
    )
    # Many cells, and too little memory for them.
    monkeypatch.setattr(storing, "LOADED_AT_ONCE", 0)
    monkeypatch.setattr(storing, "LOADING_MEMORY", 4 << 20)

    found = everything(organisation, copy_of(truthful_night, tmp_path / "other"), **settings)

    assert (max(made) > 3) == is_parted, made
    # Those of many parts leave their memory to what comes next.
    others = int(settings.get("CMDB_PROCESSES", "1")) - 1
    assert max(alive) == (0 if is_parted else others), alive
    for name, value in in_one_go.items():
        assert found[name] == value, name
