"""The lock of several coordinators where no server is asked; tests/test_scaleout_lock.py asks one."""

from __future__ import annotations

import importlib.util

import pytest

from resources.coordinator_lock import CoordinatorLock
from resources.store.errors import WarehouseError

ADDRESS = "postgresql://cmdb:hunter2@db.invalid/cmdb"


def test_without_the_extra_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "psycopg2" else found(name, *a))
    with pytest.raises(WarehouseError) as refused:
        CoordinatorLock(ADDRESS, "s3://acme").take("run-1")
    assert str(refused.value) == (
        "CMDB_LOCK_URL needs psycopg2, which is not installed, so nothing was started. `pip install "
        "'aws-org-cmdb[scaleout]'` installs it; or unset CMDB_LOCK_URL, where there is one coordinator."
    )
    assert refused.value.exit_code == 2


def test_what_was_never_taken_is_not_held() -> None:
    with pytest.raises(WarehouseError, match="Nothing was published"):
        CoordinatorLock(ADDRESS, "s3://acme").require_held()


def test_each_subject_has_a_number_of_its_own_in_what_postgresql_takes_and_always_the_same() -> None:
    numbers = [CoordinatorLock(ADDRESS, f"s3://acme/{number}").key for number in range(1000)]
    assert len(set(numbers)) == 1000
    assert all(-(2**63) <= number < 2**63 for number in numbers)
    # Coordinators of different releases exclude each other.
    assert CoordinatorLock("", "s3://acme").key == -6770589577704631222
