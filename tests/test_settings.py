"""The environment, judged once: what is unset has its default, what cannot be used is named in a sentence."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nights import cmdb_here

from pipelines.setting_values import ExportPlace
from pipelines.settings import REPOSITORY, Settings, SettingsError, read_settings
from resources.identity_rules import Expectation
from resources.objects.object_store import ObjectStore


def test_an_empty_environment_gives_the_defaults_of_the_contract() -> None:
    settings = read_settings({})
    assert settings == Settings()
    assert settings.zero_evidence == "cloudtrail"
    assert settings.untrusted_tolerance == Decimal("0.05")
    assert (settings.cost_months, settings.cost_request_limit) == (13, 100)
    assert settings.database == REPOSITORY / "warehouse" / "aws_org.duckdb"
    assert (settings.schedule, settings.timezone) == ("30 3 * * *", "Pacific/Auckland")
    assert settings.expectation == Expectation()


def test_an_unset_profile_is_empty_and_never_another_one() -> None:
    settings = read_settings({"AWS_PROFILE": "acme-pay", "AWS_BILLING_PROFILE": "acmeBilling"})
    assert (settings.management_profile, settings.operations_profile) == ("", "")
    assert (settings.billing_profile, settings.aws_profile) == ("acmeBilling", "acme-pay")


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("AWS_MANAGEMENT_PROFILE", " acmeManagement ", "management_profile", "acmeManagement"),
        ("AWS_OPERATIONS_PROFILE", "acmeOperations", "operations_profile", "acmeOperations"),
        ("AWS_DEFAULT_REGION", "ap-southeast-2", "home_region", "ap-southeast-2"),
        ("CMDB_WORKLOAD_PROFILES", "acme-*, other", "workload_profiles", ("acme-*", "other")),
        ("CMDB_WORKLOAD_PROFILES", "  ", "workload_profiles", ()),
        ("CMDB_REGIONS", "us-east-1,us-gov-west-1", "regions", ("us-east-1", "us-gov-west-1")),
        ("CMDB_DATABASE", "/data/house.duckdb", "database", Path("/data/house.duckdb")),
        ("CMDB_DATABASE", "house.duckdb", "database", REPOSITORY / "house.duckdb"),
        ("CMDB_ZERO_EVIDENCE", "identity", "zero_evidence", "identity"),
        ("CMDB_UNTRUSTED_TOLERANCE", "0", "untrusted_tolerance", Decimal(0)),
        ("CMDB_UNTRUSTED_TOLERANCE", "0.25", "untrusted_tolerance", Decimal("0.25")),
        ("CMDB_COST_MONTHS", "1", "cost_months", 1),
        ("CMDB_COST_REQUEST_LIMIT", "1", "cost_request_limit", 1),
        ("CMDB_CONCURRENCY", "512", "concurrency", 512),
        ("CMDB_SCHEDULE", "0 4 * * 1", "schedule", "0 4 * * 1"),
        ("CMDB_TIMEZONE", "UTC", "timezone", "UTC"),
        ("CMDB_OPERATIONS_ACCOUNT", "000000000042", "operations_account", "000000000042"),
        ("CMDB_BILLING_ACCOUNT", "000000000042", "billing_account", "000000000042"),
        ("CMDB_TRANSFERRED_BILL", "000000000042", "transferred_bill", "000000000042"),
        ("CMDB_CURRENCY", "USD", "currency", "USD"),
        ("CMDB_DOCS_URL", "https://wiki.example/cmdb", "docs_url", "https://wiki.example/cmdb"),
        ("CMDB_UI_URL", "https://dagster.example/cmdb", "ui_url", "https://dagster.example/cmdb"),
        ("CMDB_OBJECTS_URL", "s3://acme-cmdb/night/x", "objects_url", "s3://acme-cmdb/night/x"),
        ("CMDB_OBJECTS_URL", "s3://acme-cmdb/", "objects_url", "s3://acme-cmdb"),
        ("CMDB_OBJECTS_URL", "s3://acme-cmdb/night/", "objects_url", "s3://acme-cmdb/night"),
        ("CMDB_OBJECTS_ENDPOINT", "http://127.0.0.1:8333", "objects_endpoint", "http://127.0.0.1:8333"),
        ("CMDB_OBJECTS_REGION", "eu-west-1", "objects_region", "eu-west-1"),
        ("CMDB_OBJECTS_PROFILE", "cmdb-store", "objects_profile", "cmdb-store"),
        ("CMDB_LOCK_URL", "postgresql://cmdb:x@db.invalid/cmdb", "lock_url", "postgresql://cmdb:x@db.invalid/cmdb"),
        ("CMDB_BUCKET_CONTENT", "Yes", "bucket_content", True),
        ("CMDB_DATA_EXPORT", "s3://acme-exports/bill/x/", "data_export", ExportPlace("acme-exports", "bill/x")),
        (
            "CMDB_SHARED_ACCOUNTS",
            "management+billing, billing+operations",
            "shared_accounts",
            frozenset({frozenset({"management", "billing"}), frozenset({"operations", "billing"})}),
        ),
    ],
)
def test_a_variable_decides_its_own_setting_and_no_other(variable: str, text: str, field: str, value: Any) -> None:
    assert read_settings({variable: text}) == Settings().model_copy(update={field: value})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("CMDB_OPERATIONS_ACCOUNT", "42"),
        ("CMDB_OPERATIONS_ACCOUNT", "acmeOperations"),
        ("CMDB_BILLING_ACCOUNT", "1111222233334"),
        ("CMDB_BILLING_ACCOUNT", "1111-2222-3333"),
        ("CMDB_BILLING_ACCOUNT", "١١١١٢٢٢٢٣٣٣٣"),
        ("CMDB_SHARED_ACCOUNTS", "management"),
        ("CMDB_SHARED_ACCOUNTS", "management+management"),
        ("CMDB_SHARED_ACCOUNTS", "management+workload"),
        ("CMDB_SHARED_ACCOUNTS", "management+operations+billing"),
        ("CMDB_SHARED_ACCOUNTS", "management+billing+workload"),
        ("CMDB_SHARED_ACCOUNTS", "management+billing, all"),
        ("CMDB_ZERO_EVIDENCE", "none"),
        ("CMDB_ZERO_EVIDENCE", "Identity"),
        ("CMDB_UNTRUSTED_TOLERANCE", "0.26"),
        ("CMDB_UNTRUSTED_TOLERANCE", "-0.01"),
        ("CMDB_UNTRUSTED_TOLERANCE", "NaN"),
        ("CMDB_UNTRUSTED_TOLERANCE", "Infinity"),
        ("CMDB_UNTRUSTED_TOLERANCE", "5%"),
        ("CMDB_COST_MONTHS", "0"),
        ("CMDB_COST_MONTHS", "14"),
        ("CMDB_COST_REQUEST_LIMIT", "0"),
        ("CMDB_CONCURRENCY", "many"),
        ("CMDB_CONCURRENCY", "8.0"),
        ("CMDB_PROCESSES", "17"),
        ("CMDB_CURRENCY", "nzd"),
        ("CMDB_DOCS_URL", "wiki.example/cmdb"),
        ("CMDB_DOCS_URL", "https://wiki.example/our cmdb"),
        ("CMDB_UI_URL", "javascript:alert(1)"),
        ("CMDB_OBJECTS_URL", "acme-cmdb"),
        ("CMDB_OBJECTS_URL", "s3://Acme/x"),
        ("CMDB_OBJECTS_URL", "s3://acme-cmdb/../x y"),
        ("CMDB_OBJECTS_URL", "https://acme-cmdb.s3.amazonaws.com"),
        ("CMDB_OBJECTS_ENDPOINT", "127.0.0.1:8333"),
        ("CMDB_OBJECTS_REGION", "Ireland"),
        ("CMDB_BUCKET_CONTENT", "true"),
        ("CMDB_DATA_EXPORT", "acme-exports/bill"),
        ("CMDB_DATA_EXPORT", "s3://acme-exports"),
        ("CMDB_DATA_EXPORT", "s3://acme-exports/"),
        ("CMDB_DATA_EXPORT", "s3://acme-exports/a//b"),
        ("CMDB_DATA_EXPORT", "s3://Acme/bill"),
        ("CMDB_DATA_EXPORT", "s3://acme-exports/*"),
        ("AWS_DEFAULT_REGION", "ap_southeast_2"),
        ("AWS_DEFAULT_REGION", "ap-southeast-2a"),
        ("CMDB_REGIONS", "1-1"),
        ("CMDB_REGIONS", "Sydney"),
        ("CMDB_REGIONS", "us-east-1, ap-southeast"),
        ("CMDB_REGIONS", "us-east-1;ap-southeast-2"),
        ("CMDB_DATABASE", "/data/house.db"),
        ("CMDB_SCHEDULE", "03:30"),
        ("CMDB_SCHEDULE", "0 4 30 2 *"),
        ("CMDB_SCHEDULE", "0 4 * * * 30"),
        ("CMDB_SCHEDULE", "@daily"),
        ("CMDB_TIMEZONE", "Pacific/Wellington"),
        ("CMDB_TIMEZONE", "Pacific"),
        ("CMDB_TIMEZONE", "../../etc/passwd"),
    ],
)
def test_what_cannot_be_used_is_refused_by_a_sentence_that_names_it(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({variable: text})
    sentence = str(refused.value)
    assert f"{variable}={text!r} cannot be used: it must be " in sentence
    assert "Correct or unset it." in sentence
    assert sentence.endswith("Nothing was requested.")


def test_an_endpoint_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match=r"CMDB_OBJECTS_ENDPOINT cannot be used: .* without user and") as refused:
        read_settings({"CMDB_OBJECTS_ENDPOINT": "http://cmdb:hunter2@store.invalid:8333"})
    assert "hunter2" not in str(refused.value)


def test_a_slash_at_the_end_of_the_address_of_copies_makes_no_other_lock() -> None:
    lock = {"CMDB_LOCK_URL": "postgresql://cmdb@db.invalid/cmdb"}
    urls = ("s3://acme/cmdb/", "s3://acme/cmdb")
    with_slash, without = (read_settings({**lock, "CMDB_OBJECTS_URL": url}).coordinator_lock for url in urls)
    assert with_slash is not None
    assert without is not None
    assert with_slash.key == without.key


def test_a_secret_is_not_said_where_it_cannot_be_used() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"CMDB_LOCK_URL": "mysql://cmdb:hunter2@db.invalid/cmdb"})
    assert str(refused.value) == (
        "CMDB_LOCK_URL cannot be used: it must be an address that begins with postgresql://; write / # @ % in its "
        "password as %2F %23 %40 %25. Correct or unset it. Nothing was requested."
    )
    settings = read_settings({"CMDB_LOCK_URL": "postgresql://cmdb:hunter2@db.invalid/cmdb"})
    assert "hunter2" not in repr(settings) + repr(settings.coordinator_lock)


@pytest.mark.parametrize(
    "password", ["s3cret/word", "s3cret#word", "s3cret%zzword", "s3cret@word", "12/s3cret", "s3cret?w"]
)
@pytest.mark.parametrize(("variable", "scheme"), [("CMDB_BROKER_URL", "amqp"), ("CMDB_LOCK_URL", "postgresql")])
def test_a_password_that_is_not_escaped_is_refused_and_not_repeated(variable: str, scheme: str, password: str) -> None:
    done = cmdb_here({variable: f"{scheme}://cmdb:{password}@127.0.0.1:1/cmdb"}, "status")
    assert done.returncode == 2
    assert f"{variable} cannot be used: it must be an address" in done.stderr
    assert "write / # @ % in its password as %2F %23 %40 %25. Correct or unset it." in done.stderr
    assert not re.search("s3cret|word", done.stdout + done.stderr.replace("in its password", ""))


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("CMDB_LOCK_URL", "postgresql://cmdb:a%2Fb%40c@one:5432,two:5432/cmdb?sslmode=verify-full"),
        ("CMDB_LOCK_URL", "postgresql:///cmdb?host=/var/run/postgresql"),
        ("CMDB_LOCK_URL", "postgresql://cmdb@[::1]:5432/cmdb"),
        ("CMDB_BROKER_URL", "amqps://cmdb:a%23b@one:5671//;amqps://cmdb:a%23b@two:5671//"),
        ("CMDB_BROKER_URL", "rediss://:secret@h:6379/0?ssl_cert_reqs=required"),
    ],
)
def test_an_address_of_several_servers_or_of_a_socket_is_taken(variable: str, address: str) -> None:
    needed = {"CMDB_OBJECTS_URL": "s3://acme", "CMDB_WORKER_KEY": "k" * 32}
    settings = read_settings(needed | {variable: address})
    assert address in (settings.lock_url, settings.broker_url)


def test_every_variable_that_cannot_be_used_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"CMDB_COST_MONTHS": "99", "CMDB_BILLING_ACCOUNT": "payer", "CMDB_CONCURRENCY": "8"})
    assert "CMDB_COST_MONTHS" in str(refused.value)
    assert "CMDB_BILLING_ACCOUNT" in str(refused.value)
    assert "CMDB_CONCURRENCY" not in str(refused.value)


@pytest.mark.parametrize(
    "of_roles",
    [
        {"AWS_MANAGEMENT_PROFILE": "acme-x"},
        {"AWS_OPERATIONS_PROFILE": "acme-x"},
        {"AWS_BILLING_PROFILE": "acme-x"},
        {"AWS_PROFILE": "acme-x"},
        {"CMDB_WORKLOAD_PROFILES": "other, acme-*"},
        {"AWS_MANAGEMENT_PROFILE": "acmeManagement"},
    ],
)
def test_the_object_store_is_never_used_as_one_of_the_four_roles(of_roles: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="CMDB_OBJECTS_PROFILE='acme-x' cannot be used: it is a profile of one of"):
        read_settings({**of_roles, "CMDB_OBJECTS_PROFILE": "acme-x"})
    assert read_settings({**of_roles, "CMDB_OBJECTS_PROFILE": "store"}).objects_profile == "store"


def test_without_an_address_there_is_no_object_store_and_its_region_is_the_home_region() -> None:
    assert read_settings({"CMDB_OBJECTS_PROFILE": "store"}).objects is None
    named = {"CMDB_OBJECTS_URL": "s3://acme/x", "AWS_DEFAULT_REGION": "eu-west-1", "CMDB_OBJECTS_PROFILE": "store"}
    assert read_settings(named).objects == ObjectStore("s3://acme/x", "eu-west-1", profile="store")
    elsewhere = {**named, "CMDB_OBJECTS_REGION": "us-west-2", "CMDB_OBJECTS_ENDPOINT": "http://s3.invalid"}
    assert read_settings(elsewhere).objects == ObjectStore("s3://acme/x", "us-west-2", "http://s3.invalid", "store")


def test_the_pieces_of_an_expectation_are_put_together() -> None:
    pair = frozenset({"management", "billing"})
    named = {"CMDB_OPERATIONS_ACCOUNT": "000000000042", "CMDB_SHARED_ACCOUNTS": "management+billing"}
    assert read_settings(named).expectation == Expectation("000000000042", "", frozenset({pair}))


@pytest.mark.parametrize(
    "line", ["30 3 * * *", "0 4 * * 1", "*/5 0-6,20 1,15 jan-mar mon", "0 4 L * *", "0 4 29 2 *", "0 4 * * sun#1"]
)
def test_a_schedule_that_is_taken_is_one_that_dagster_takes(line: str) -> None:
    schedule = read_settings({"CMDB_SCHEDULE": line}).schedule
    assert dg.ScheduleDefinition(job_name="nightly", cron_schedule=schedule).cron_schedule == line


def test_the_process_own_environment_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CMDB_CONCURRENCY", "many")
    monkeypatch.setenv("AWS_BILLING_PROFILE", "acmeBilling")
    (tmp_path / ".env").write_text("CMDB_COST_MONTHS=2")
    monkeypatch.chdir(tmp_path)
    assert read_settings({}) == Settings()
    assert (Settings().concurrency, Settings().billing_profile, Settings().cost_months) == (64, "", 13)


@given(text=st.one_of(st.text(max_size=8), st.decimals().map(str), st.floats().map(str)))
def test_no_text_makes_the_tolerance_more_than_a_quarter(text: str) -> None:
    try:
        tolerance = read_settings({"CMDB_UNTRUSTED_TOLERANCE": text}).untrusted_tolerance
    except SettingsError:
        return
    assert 0 <= tolerance <= Decimal("0.25")


# --------------------------------------------------------------------------- evidence of a configuration

BASE = {
    "AWS_MANAGEMENT_PROFILE": "acmeManagement",
    "AWS_OPERATIONS_PROFILE": "acmeOperations",
    "AWS_BILLING_PROFILE": "acmeBilling",
}


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("AWS_MANAGEMENT_PROFILE", "otherManagement"),
        ("AWS_OPERATIONS_PROFILE", "otherOperations"),
        ("AWS_BILLING_PROFILE", "otherBilling"),
        ("AWS_PROFILE", "acme-pay"),
        ("AWS_DEFAULT_REGION", "eu-north-1"),
        ("CMDB_WORKLOAD_PROFILES", "acme-*"),
        ("CMDB_REGIONS", "us-east-1"),
        ("CMDB_OPERATIONS_ACCOUNT", "000000000042"),
        ("CMDB_BILLING_ACCOUNT", "000000000042"),
        ("CMDB_SHARED_ACCOUNTS", "management+billing"),
        ("CMDB_TRANSFERRED_BILL", "000000000042"),
    ],
)
def test_evidence_is_void_once_other_accounts_regions_or_identities_would_be_requested(
    variable: str, text: str
) -> None:
    assert read_settings(BASE | {variable: text}).config_hash != read_settings(BASE).config_hash


def test_swapped_profiles_are_another_configuration() -> None:
    swapped = BASE | {"AWS_OPERATIONS_PROFILE": "acmeBilling", "AWS_BILLING_PROFILE": "acmeOperations"}
    assert read_settings(swapped).config_hash != read_settings(BASE).config_hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"CMDB_CONCURRENCY": "8", "CMDB_SCHEDULE": "0 4 * * *", "UNRELATED": "1"}),
        (
            {"CMDB_SHARED_ACCOUNTS": "management+billing,operations+billing"},
            {"CMDB_SHARED_ACCOUNTS": "billing+operations, billing+management"},
        ),
    ],
    ids=["what decides nothing of whom is asked", "the same pairs otherwise written"],
)
def test_evidence_stands_while_the_same_would_be_requested(one: dict[str, str], other: dict[str, str]) -> None:
    assert read_settings(BASE | one).config_hash == read_settings(BASE | other).config_hash


@pytest.mark.parametrize(
    "variable", ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_COST_EXPLORER", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]
)
def test_an_endpoint_of_one_service_voids_the_evidence_of_another(variable: str) -> None:
    plain, one, other = (read_settings(BASE | more) for more in ({}, {variable: "http://a"}, {variable: "http://b"}))
    assert len({plain.config_hash, one.config_hash, other.config_hash}) == 3
    assert read_settings(BASE | {variable: " "}).config_hash == plain.config_hash
