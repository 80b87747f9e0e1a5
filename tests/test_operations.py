"""Every read operation that the contract grants is requested by a listing, or left out for a reviewed reason."""

from __future__ import annotations

import warnings
from pathlib import Path

import botocore
import pytest
from every_operation import every_operation

from resources.contract import iam_action, roles_allowing
from tools.docs import operations
from tools.docs.operations import LeftOut, Operation

GRANTED = [Operation("ec2", "DescribeVpcs"), Operation("ec2", "DescribeTags"), Operation("ec2", "DescribeHosts")]
REQUESTED = {"ec2:DescribeVpcs": ["ec2_vpc"]}
TAGS = LeftOut("ec2:DescribeTags", "told_elsewhere", "each record has its tags")
HOSTS = LeftOut("ec2:DescribeHosts", "not_built", "")


def test_every_operation_that_the_contract_grants_is_requested_or_left_out_for_a_reason() -> None:
    found = operations.problems(operations.granted(), operations.used(), operations.left_out())
    if botocore.__version__ != operations.pinned_version():
        warnings.warn(f"Judged with botocore {botocore.__version__}, not the pinned one: {found}", stacklevel=1)
        return
    assert found == []


def test_no_service_of_the_four_signing_names_is_forgotten() -> None:
    """A service of botocore that signs as one of the four can send what its clause grants."""
    senders = {
        operation.service
        for operation in every_operation()
        if operation.signing_name in ("ec2", "rds", "lambda", "s3")
        and roles_allowing(iam_action(operation.signing_name, operation.name))
    }
    assert senders <= set(operations.SERVICES)


def test_the_page_counts_each_operation_once() -> None:
    page = operations.page()
    for operation in operations.granted():
        section = page[page.index(f"## {operation.service}\n") :]
        assert f"| `{operation.name}` |" in section
    assert f"| in all | | {len(operations.granted())} |" in page


@pytest.mark.parametrize(
    ("granted", "lines", "sentence"),
    [
        pytest.param(GRANTED, [TAGS, HOSTS], None, id="in order"),
        pytest.param(GRANTED, [TAGS], "ec2:DescribeHosts is requested by no listing: name it in", id="a new operation"),
        pytest.param(GRANTED[:2], [TAGS, HOSTS], "ec2:DescribeHosts of operations.csv is no operation", id="one gone"),
        pytest.param(
            GRANTED,
            [TAGS, HOSTS, LeftOut("ec2:DescribeVpcs", "not_built", "")],
            "ec2:DescribeVpcs is requested by a listing: delete ec2:DescribeVpcs from",
            id="one in use",
        ),
        pytest.param(
            GRANTED,
            [TAGS, HOSTS, LeftOut("ec2:Describe[HT]*", "not_built", "")],
            "ec2:DescribeHosts is named by 2 lines",
            id="two reasons",
        ),
        pytest.param(
            GRANTED,
            [TAGS, LeftOut("ec2:DescribeHosts", "because", "")],
            "ec2:DescribeHosts of operations.csv has the reason because",
            id="a reason that is none",
        ),
    ],
)
def test_the_file_is_held_against_the_operations(
    granted: list[Operation], lines: list[LeftOut], sentence: str | None
) -> None:
    found = operations.problems(granted, REQUESTED, lines)
    if sentence is None:
        assert found == []
    else:
        assert any(one.startswith(sentence) for one in found), found


def test_a_stale_page_and_a_wrong_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(operations, "PAGE", tmp_path / "operations.md")
    monkeypatch.setattr(operations, "pinned_version", lambda: botocore.__version__)
    monkeypatch.setattr(operations, "granted", lambda: GRANTED)
    monkeypatch.setattr(operations, "used", lambda: REQUESTED)
    monkeypatch.setattr(operations, "left_out", list)
    assert operations.main(["--check"]) == 1
    said = capsys.readouterr().err
    assert "ec2:DescribeHosts is requested by no listing" in said
    assert "docs/reference/operations.md is stale" in said


def test_another_botocore_compares_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(operations, "PAGE", tmp_path / "operations.md")
    monkeypatch.setattr(operations, "pinned_version", lambda: "1.0.0")
    assert operations.main([]) == 0
    assert "judged with botocore 1.0.0" in capsys.readouterr().err
    assert not operations.PAGE.exists()
