"""Which items there are: what takes one away, what brings it back, and whose word counts for its tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from given import WORKLOAD, House
from item_rows import OTHER, Row, at, empty, make, put, said

from pipelines.models.model import Model


@pytest.fixture
def rows() -> House:
    return empty()


FROM = {
    "run_id": "run-1",
    "role": "workload",
    "caller_account_id": WORKLOAD,
    "cell_region": "ap-southeast-2",
    "listing": "ec2_instance",
}


def observed(number: float = 0, **other: Any) -> Row:
    return {
        "arn": "arn:1",
        "resource_type": "AWS::EC2::Instance",
        "account_id": WORKLOAD,
        "name": "web",
        "tags": {},
        "attributes": "{}",
        "collected_at": at(number),
        "is_terminated": False,
        "is_stale": False,
        **FROM,
        **other,
    }


def answered(
    number: float,
    *,
    is_trusted: bool = True,
    known: float | None = None,
    skip_reason: str | None = None,
    **other: str,
) -> Row:
    """An answer without the item; `known` is of when a zero is known that waits for CloudTrail now."""
    of = known if known is not None else number if is_trusted else None
    return {
        "role": "workload",
        "account_id": WORKLOAD,
        "region": "ap-southeast-2",
        "listing": "ec2_instance",
        "is_known": of is not None,
        "known_at": None if of is None else at(of),
        "skip_reason": skip_reason,
        "ended_at": at(number),
        **other,
    }


LEFT = {"is_trusted": False, "skip_reason": "account_left"}
GONE = {"is_trusted": False, "skip_reason": "parent_gone"}


def state(rows: House) -> tuple[Any, ...]:
    """Status, since when it is missing and retired, why, and whether the row is stale."""
    (row,) = rows.rows("select status, missing_since, retired_at, retired_reason, is_stale from cmdb.resource")
    return tuple(row.values())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([answered(24)], ("missing", said(24), None, None, False), id="a trusted answer lacks it"),
        pytest.param([], ("active", None, None, None, True), id="nobody answered for it"),
        pytest.param(
            [answered(24, is_trusted=False)], ("active", None, None, None, True), id="an answer that is not trusted"
        ),
        pytest.param([answered(24, role="operations")], ("active", None, None, None, True), id="of another role"),
        pytest.param([answered(24, account_id=OTHER)], ("active", None, None, None, True), id="of another account"),
        pytest.param([answered(24, region="us-east-1")], ("active", None, None, None, True), id="of another region"),
        pytest.param([answered(24, listing="ec2_vpc")], ("active", None, None, None, True), id="of another listing"),
        pytest.param(
            [answered(24), answered(35.99)], ("missing", said(24), None, None, False), id="again, but the same night"
        ),
        pytest.param(
            [answered(24), answered(36)],
            ("retired", said(24), said(36), "not_found", False),
            id="again, half a day later",
        ),
        pytest.param(
            [answered(24), answered(48, is_trusted=False)],
            ("missing", said(24), None, None, True),
            id="then one that is not trusted",
        ),
        pytest.param(
            [answered(24), answered(48, is_trusted=False, known=24)],
            ("missing", said(24), None, None, False),
            id="then a zero that waits: it is known of the night before, and no second answer",
        ),
        pytest.param(
            [answered(48, is_trusted=False, known=24), answered(72, is_trusted=False, known=48)],
            ("retired", said(24), said(48), "not_found", False),
            id="zeros that only the night after confirms",
        ),
        pytest.param(
            [answered(24), answered(48), answered(72)],
            ("retired", said(24), said(48), "not_found", False),
            id="retired once",
        ),
        pytest.param(
            [answered(24), answered(48), answered(72, is_trusted=False)],
            ("retired", said(24), said(48), "not_found", False),
            id="what is retired is never stale",
        ),
        pytest.param(
            [answered(24, **LEFT)], ("retired", None, said(24), "account_left", False), id="its account has left"
        ),
        pytest.param(
            [answered(24), answered(25, **LEFT)],
            ("retired", said(24), said(25), "account_left", False),
            id="missing, then its account has left",
        ),
        pytest.param(
            [answered(24, **LEFT), answered(72)],
            ("retired", None, said(24), "account_left", False),
            id="its account has left, and was asked after all",
        ),
        pytest.param(
            [answered(24), answered(48), answered(72, **LEFT)],
            ("retired", said(24), said(48), "not_found", False),
            id="retired, then its account has left",
        ),
        pytest.param(
            [answered(24, **GONE)], ("missing", said(24), None, None, False), id="what it needs to exist is gone"
        ),
        pytest.param(
            [answered(24), answered(25), answered(48, **GONE)],
            ("retired", said(24), said(48), "not_found", False),
            id="missing, then what it needs to exist is gone",
        ),
        pytest.param(
            [answered(24), answered(48, is_trusted=False, skip_reason="no_longer_asked")],
            ("missing", said(24), None, None, True),
            id="missing, then nobody requests it any more",
        ),
    ],
)
def test_only_what_is_trusted_takes_an_item_away(
    rows: House, answers: Sequence[Row], expected: tuple[Any, ...]
) -> None:
    put(rows, "stage.observed_resource", observed())
    make(rows, "cmdb.resource")
    put(rows, "stage.observed_resource")
    for answer in answers or [None]:
        put(rows, "audit.coverage", *([answer] if answer else []))
        make(rows, "cmdb.resource")
    assert state(rows) == expected


def test_an_item_is_first_seen_once_and_what_comes_back_is_neither_missing_nor_retired(rows: House) -> None:
    put(rows, "stage.observed_resource", observed())
    make(rows, "cmdb.resource")
    put(rows, "stage.observed_resource")
    for number in (24, 48):
        put(rows, "audit.coverage", answered(number))
        make(rows, "cmdb.resource")
    put(rows, "stage.observed_resource", observed(72))
    make(rows, "cmdb.resource")
    assert state(rows) == ("active", None, None, None, False)
    assert rows.rows("select first_seen_at, last_seen_at from cmdb.resource") == [
        {"first_seen_at": said(0), "last_seen_at": said(72)}
    ]


@pytest.mark.parametrize("discovered_by", ["config", "explorer", "tagging", "group", "interface"])
def test_the_end_of_a_source_that_is_no_inventory_makes_nothing_missing(rows: House, discovered_by: str) -> None:
    """The aggregator is gone, or the group is: what it named may be there still."""
    put(rows, "stage.discovered_resource", observed(discovered_by=discovered_by, seen_at=at(0)))
    make(rows, "cmdb.resource")
    put(rows, "stage.discovered_resource")
    put(rows, "audit.coverage", answered(24, **GONE))
    make(rows, "cmdb.resource")
    assert state(rows) == ("active", None, None, None, True)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (29.99, ("missing", said(24), None, None, False)),
        (30, ("retired", said(24), said(24 + 30 * 24), "no_longer_shown", False)),
    ],
)
def test_what_a_source_that_is_no_inventory_does_not_show_for_thirty_days_is_retired(
    rows: House, days: float, expected: tuple[Any, ...]
) -> None:
    put(rows, "stage.discovered_resource", observed(discovered_by="config", seen_at=at(0)))
    make(rows, "cmdb.resource")
    put(rows, "stage.discovered_resource")
    for number in (24, 24 + days * 24):
        put(rows, "audit.coverage", answered(number))
        make(rows, "cmdb.resource")
    assert state(rows) == expected


def test_where_the_items_are_made_in_parts_each_is_made_once(rows: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are listed, those that only another source shows, and those that nothing shows any more."""
    arns = [f"arn:{number}" for number in range(9)]
    discovered = [observed(arn=arn, discovered_by="config", seen_at=at(0)) for arn in arns[:3]]
    put(rows, "stage.discovered_resource", *discovered)
    put(rows, "stage.observed_resource", *(observed(arn=arn) for arn in arns[3:]))
    make(rows, "cmdb.resource")
    put(rows, "stage.observed_resource", *(observed(24, arn=arn) for arn in arns[3:6]))
    monkeypatch.setattr(Model, "rows_a_part", 2)
    make(rows, "cmdb.resource")
    found = [(row["arn"], row["is_stale"]) for row in rows.rows("select arn, is_stale from cmdb.resource order by arn")]
    assert found == [(arn, arn >= arns[6]) for arn in arns]


def test_an_older_record_that_is_left_when_the_newer_cannot_be_read_takes_back_no_day(rows: House) -> None:
    for number in (48, 24):
        put(rows, "stage.observed_resource", observed(number))
        make(rows, "cmdb.resource")
    assert rows.rows("select last_seen_at from cmdb.resource") == [{"last_seen_at": said(48)}]


def test_what_aws_says_is_terminated_is_retired_when_it_is_said_first(rows: House) -> None:
    for number in (0, 1):
        put(rows, "stage.observed_resource", observed(number, is_terminated=True, resource_id="i-1"))
        make(rows, "cmdb.resource")
    assert state(rows) == ("retired", None, said(0), "terminated", False)
    # Another one of the same ARN was not retired before.
    put(rows, "stage.observed_resource", observed(2, is_terminated=True, resource_id="i-2"))
    make(rows, "cmdb.resource")
    assert state(rows) == ("retired", None, said(2), "terminated", False)


def seen(rows: House) -> tuple[Any, ...]:
    """When an item was first seen, when it took the place of another, and when it was last seen."""
    (row,) = rows.rows("select first_seen_at, replaced_at, last_seen_at from cmdb.resource where arn = 'arn:1'")
    return tuple(row.values())


@pytest.mark.parametrize(
    ("before", "after", "is_another"),
    [
        pytest.param({"resource_id": "i-1"}, {"resource_id": "i-1"}, False, id="the same id"),
        pytest.param({"resource_id": "i-1"}, {"resource_id": "i-2"}, True, id="another id"),
        pytest.param({"resource_id": "i-1"}, {}, False, id="an id that is not reported"),
        pytest.param({}, {"resource_id": "i-1"}, False, id="an id that was not reported"),
        pytest.param({"created_at": at(-2)}, {"created_at": at(-2)}, False, id="made at the same time"),
        pytest.param({"created_at": at(-2)}, {"created_at": at(1)}, True, id="made after the other was last seen"),
        pytest.param({"created_at": at(-2)}, {"created_at": at(0)}, False, id="made when it was last seen"),
        pytest.param({"created_at": at(-2)}, {"created_at": at(-1)}, False, id="made before it was last seen"),
        pytest.param({"created_at": at(-2)}, {}, False, id="a time of creation that is not reported"),
        pytest.param({}, {"created_at": at(1)}, False, id="a time of creation that was not reported"),
        pytest.param(
            {"resource_type": "volatile", "created_at": at(-2)},
            {"resource_type": "volatile", "created_at": at(1)},
            False,
            id="a type that is dated anew",
        ),
        pytest.param(
            {"resource_type": "another", "created_at": at(-2)},
            {"resource_type": "another", "created_at": at(1)},
            True,
            id="a type with another attribute that is volatile",
        ),
        pytest.param(
            {"resource_type": "volatile", "resource_id": "i-1", "created_at": at(-2)},
            {"resource_type": "volatile", "resource_id": "i-2", "created_at": at(1)},
            True,
            id="a type that is dated anew, by its id",
        ),
    ],
)
def test_an_item_of_the_same_arn_is_another_one_by_its_id_or_its_time_of_creation(
    rows: House, before: Row, after: Row, is_another: bool
) -> None:
    put(
        rows,
        "ref.volatile_attribute",
        {"resource_type": "volatile", "attribute": "created_at"},
        {"resource_type": "another", "attribute": "v"},
    )
    for row in (observed(**before), observed(24, **after), observed(48, **after)):
        put(rows, "stage.observed_resource", row, observed(arn="arn:2", resource_id="i-9", created_at=at(9)))
        make(rows, "cmdb.resource")
    assert seen(rows) == (said(24) if is_another else said(0), said(24) if is_another else None, said(48))


@pytest.mark.parametrize(
    ("own", "told", "is_stale", "expected"),
    [
        pytest.param({"a": "1"}, {"a": "2"}, False, ({"a": "1"}, "ec2_instance"), id="its own come first"),
        pytest.param({}, {"a": "2"}, False, ({"a": "2"}, "tagged_resource"), id="where it has none"),
        pytest.param({}, {"a": "2"}, True, ({}, "ec2_instance"), id="but not by a stale word"),
        pytest.param(None, {"a": "2"}, True, ({"a": "2"}, "tagged_resource"), id="a stale word is better than none"),
        pytest.param({"a": "1"}, None, False, ({"a": "1"}, "ec2_instance"), id="its own alone"),
        pytest.param({}, None, False, ({}, "ec2_instance"), id="it has none"),
        pytest.param(None, None, False, (None, None), id="nobody knows"),
    ],
)
def test_tags_are_the_listings_own_or_the_tagging_apis(
    rows: House,
    own: dict[str, str] | None,
    told: dict[str, str] | None,
    is_stale: bool,
    expected: tuple[dict[str, str] | None, str | None],
) -> None:
    put(rows, "stage.observed_resource", observed(tags=own))
    tagged = {"arn": "arn:1", "tags": told, "is_stale": is_stale}
    put(rows, "aws.tagged_resource", *([tagged] if told else []), {**tagged, "arn": "arn:2", "tags": {"a": "3"}})
    make(rows, "cmdb.resource")
    assert [tuple(row.values()) for row in rows.rows("select tags, tags_source from cmdb.resource")] == [expected]


@pytest.mark.parametrize(
    ("name", "tag", "expected"),
    [(None, "db", "db"), ("web", "db", "web"), (None, "", None)],
    ids=["tag", "own", "none"],
)
def test_an_item_without_a_name_is_called_as_its_tag_says(
    rows: House, name: str | None, tag: str, expected: str | None
) -> None:
    put(rows, "stage.observed_resource", observed(name=name))
    put(rows, "aws.tagged_resource", {"arn": "arn:1", "tags": {"Name": tag}, "is_stale": False})
    make(rows, "cmdb.resource")
    assert rows.rows("select name from cmdb.resource") == [{"name": expected}]


COLUMNS = ("business_service", "business_owner", "cost_centre", "capability", "environment", "project")


def test_what_an_item_is_for_is_said_by_its_tags_and_else_by_its_account(rows: House) -> None:
    put(rows, "ref.tag_key", *({"tag_key": f"bc:{name}", "resource_column": name} for name in COLUMNS))
    put(
        rows,
        "ref.tag_value_alias",
        {"tag_key": "bc:environment", "alias": "PRD", "tag_value": "prod"},
        {"tag_key": "bc:project", "alias": "own environment", "tag_value": "another key's"},
        {"tag_key": "bc:environment", "alias": "dev", "tag_value": "another alias's"},
    )
    default = {name: f"default {name}" for name in COLUMNS}
    put(rows, "ref.account_default", {"account_id": WORKLOAD} | default)
    put(
        rows,
        "stage.observed_resource",
        observed(arn="own", tags={f"bc:{name}": f" own {name} " for name in COLUMNS}),
        observed(arn="alias", tags={"bc:environment": " PRD", "bc:project": "  ", "another": "x"}),
        observed(arn="bare"),
        observed(arn="other", account_id=OTHER),
    )
    make(rows, "cmdb.resource")
    found = {
        row.pop("arn"): row for row in rows.rows(f"select arn, {', '.join(COLUMNS)}, owner_source from cmdb.resource")
    }
    assert found == {
        "own": {name: f"own {name}" for name in COLUMNS} | {"owner_source": "resource tag"},
        "alias": default | {"environment": "prod", "owner_source": "account default"},
        "bare": default | {"owner_source": "account default"},
        "other": dict.fromkeys(COLUMNS) | {"owner_source": "none"},
    }


def test_of_two_keys_that_say_the_same_the_value_that_comes_last_by_alphabet_counts(rows: House) -> None:
    spelt = [(f"{prefix}:{name}", name) for name in COLUMNS for prefix in ("one", "other")]
    put(rows, "ref.tag_key", *({"tag_key": key, "resource_column": name} for key, name in spelt))
    put(rows, "stage.observed_resource", observed(tags={key: key for key, _ in spelt}))
    make(rows, "cmdb.resource")
    assert rows.rows(f"select {', '.join(COLUMNS)} from cmdb.resource") == [{name: f"other:{name}" for name in COLUMNS}]
