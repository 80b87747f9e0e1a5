"""docs/howto/sso.md: its commands run as they stand there, and each is one that AWS has.

The command `aws` is a program that records its arguments: IAM Identity Center is not simulated.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from nights import REPOSITORY

PAGE = REPOSITORY / "docs" / "howto" / "sso.md"

CENTRAL = ["111111111111", "222222222222", "333333333333"]
ACCOUNTS = ["444444444444", "555555555555"]

PRINTS = {
    "list-instances": ["arn:aws:sso:::instance/ssoins-1", "d-1234567890"],
    "list-groups": ["group-1"],
    "create-permission-set": [f"arn:aws:sso:::permissionSet/ssoins-1/ps-{number}" for number in range(1, 5)],
    "list-accounts": [" ".join([*CENTRAL, *ACCOUNTS])],
}

OF_THE_COMMAND_LINE = {"query", "output"}
"""Options that every command has."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What the page's commands before signing in call."""
    folder = tmp_path_factory.mktemp("sso")
    (folder / "bin").mkdir()
    (folder / ".venv" / "bin").mkdir(parents=True)
    for path, words in (
        (folder / "bin" / "aws", str(REPOSITORY / "tests" / "programs" / "recording_aws.py")),
        (folder / ".venv" / "bin" / "cmdb", "-m pipelines.cli.main"),
    ):
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
    text = PAGE.read_text(encoding="utf-8").partition("## 3.")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    done = subprocess.run(
        ["sh", "-e", "-u", "-c", "".join(blocks)],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "RECORD": str(folder / "record"),
            "PRINTS": json.dumps(PRINTS),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in (folder / "record").read_text(encoding="utf-8").splitlines()]


def options(call: list[str]) -> dict[str, str]:
    return {name.removeprefix("--"): value for name, value in zip(call[2::2], call[3::2], strict=True)}


def test_every_command_of_the_page_is_one_that_aws_has(calls: list[list[str]]) -> None:
    session = botocore.session.get_session()
    for call in calls:
        model: Any = session.get_service_model(call[0])
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        shape = model.operation_model(operations[call[1]]).input_shape
        known = {xform_name(name, "-"): name for name in shape.members} if shape is not None else {}
        given = set(options(call)) - OF_THE_COMMAND_LINE
        assert given <= set(known), call
        needed = set(shape.required_members) if shape is not None else set()
        assert needed <= {known[name] for name in given}, call


def test_each_role_has_a_permission_set_with_its_policy_and_its_accounts(calls: list[list[str]]) -> None:
    made = [options(call)["name"] for call in calls if call[1] == "create-permission-set"]
    assert made == ["cmdb-management", "cmdb-operations", "cmdb-billing", "aws-org-cmdb-reader"]
    arns = dict(zip(made, PRINTS["create-permission-set"], strict=True))
    given = [options(call) for call in calls if call[1] == "put-inline-policy-to-permission-set"]
    assert [(one["permission-set-arn"], one["inline-policy"]) for one in given] == [
        (arns[name], f"file://{role}.json")
        for name, role in zip(made, ("management", "operations", "billing", "workload"), strict=True)
    ]
    assigned = [options(call) for call in calls if call[1] == "create-account-assignment"]
    assert [(one["permission-set-arn"], one["target-id"], one["principal-id"]) for one in assigned] == [
        (arns["cmdb-management"], "111111111111", "group-1"),
        (arns["cmdb-operations"], "222222222222", "group-1"),
        (arns["cmdb-billing"], "333333333333", "group-1"),
        *((arns["aws-org-cmdb-reader"], account, "group-1") for account in ACCOUNTS),
    ]
