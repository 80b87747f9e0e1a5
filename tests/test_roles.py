"""The resources of one run share how to ask, and each still verifies for itself whom it asks as."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from scripted_aws import ScriptedAws, scripted, static, write_profiles

from resources.aws.profiles import AwsConfig
from resources.roles import AwsRole, Billing, Central, IdentityRefused, Management, Operations

ACCOUNTS = {"acmeManagement": "111111111111", "acmeOps": "222222222222", "acmeBilling": "333333333333"}
CENTRAL = Central(management_profile="acmeManagement", operations_profile="acmeOps", billing_profile="acmeBilling")

Of = TypeVar("Of", bound=AwsRole)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {name: static(account) for name, account in ACCOUNTS.items()})
        yield server


def serving(run_id: str, kind: type[Of], central: Central = CENTRAL) -> Of:
    resource = kind(central=central, database="nowhere/cmdb.duckdb")
    resource.serve(run_id)
    return resource


def test_the_resources_of_a_run_request_once_who_the_central_profiles_are(aws: ScriptedAws) -> None:
    roles = [serving("run-1", kind) for kind in (Management, Operations, Billing)]
    for resource in roles:
        resource.verify()
    assert [call.account for call in aws.log].count(ACCOUNTS["acmeOps"]) == 1
    assert len(aws.log) == 3
    # Counted once, whoever is asked.
    assert [resource.take_request_count() for resource in roles] == [3, 0, 0]
    roles[0].close()
    assert roles[1].client.identify("acmeOps").account_id == ACCOUNTS["acmeOps"]
    assert len(aws.log) == 3, "the others still have what they share"
    for resource in roles[1:]:
        resource.close()
    serving("run-1", Operations).verify()
    assert len(aws.log) == 6, "the last has closed it"


def test_another_run_and_one_without_a_name_share_nothing(aws: ScriptedAws) -> None:
    for run_id in ("run-1", "run-2", "", ""):
        serving(run_id, Billing).verify()
    assert len(aws.log) == 12


def test_each_resource_judges_by_itself_what_it_shares(aws: ScriptedAws) -> None:
    serving("run-1", Management).verify()
    expecting = CENTRAL.model_copy(update={"operations_account": "999999999999"})
    with pytest.raises(IdentityRefused, match="999999999999"):
        serving("run-1", Operations, expecting).verify()


def test_a_config_file_that_has_changed_is_read_again_and_no_other(aws: ScriptedAws, tmp_path: Path) -> None:
    before = AwsConfig.now()
    assert set(before.profiles) == set(ACCOUNTS)
    assert AwsConfig.now() is before
    write_profiles(tmp_path, aws.url, {"another": static("444444444444")})
    assert set(AwsConfig.now().profiles) == {"another"}
    assert set(before.profiles) == set(ACCOUNTS)
