"""`make new-listing`: drafts of the four places of a new type, or one sentence and nothing written."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipelines.catalogue.registry import listings
from pipelines.models.model import CELL_COLUMNS
from pipelines.models.resource_union import Table, observed_resource
from pipelines.models.sql_files import read_header, reads
from pipelines.settings import REPOSITORY
from tools import new_listing
from tools.new_listing import DRAFT, main

FOLDERS = ("pipelines/catalogue", "warehouse/aws", "simulator/listings", "tests/cases")


SAMPLES = {
    "ec2_local_gateway": "ec2:DescribeLocalGateways",
    # One that is in the catalogue, as the others may be some day: the fixture takes all of them out.
    "ec2_carrier_gateway": "ec2:DescribeCarrierGateways",
    "rds_db_security_group": "rds:DescribeDBSecurityGroups",
    "rds_integration": "rds:DescribeIntegrations",
    "lambda_durable_execution": "lambda:ListDurableExecutionsByFunction",
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The four places as if nobody had added a sample."""
    without = shutil.ignore_patterns(
        "__pycache__", *(f"{before}{name}.*" for name in SAMPLES for before in ("", "aws."))
    )
    for folder in FOLDERS:
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=without)
    others = {
        name: listing
        for name, listing in listings().items()
        if name not in SAMPLES and listing.call not in SAMPLES.values()
    }
    monkeypatch.setattr(new_listing, "listings", lambda: others)
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "service", "kind"),
    [
        ("ec2_local_gateway", "ec2", "AWS::EC2::LocalGateway"),
        ("ec2_carrier_gateway", "ec2", "AWS::EC2::CarrierGateway"),
        ("rds_db_security_group", "rds", "AWS::RDS::DBSecurityGroup"),
        ("rds_integration", "rds", "AWS::RDS::Integration"),
        ("lambda_durable_execution", "lambda_", "AWS::Lambda::DurableExecution"),
    ],
)
def test_the_four_places_are_drafted(
    name: str, service: str, kind: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(checkout)
    assert main([name, SAMPLES[name]], checkout) == 0
    after = contents(checkout)
    module = f"pipelines/catalogue/{service}.py"
    made = [f"warehouse/aws/{name}.sql", f"simulator/listings/{name}.py", f"tests/cases/aws.{name}.json"]
    assert {path for path in after if after[path] != before.get(path)} == {module, *made}
    assert capsys.readouterr().out.split() == [module, *made]
    # Each loads as what it is, and none is finished.
    assert all(DRAFT in after[path] for path in (module, *made))
    compile(after[module], module, "exec")
    module_of: dict[str, Any] = {}
    exec(compile(after[made[1]], made[1], "exec", dont_inherit=True), module_of)
    assert after[module].startswith(before[module].rstrip().removesuffix(")").rstrip())
    assert f'resource_type="{kind}"' in after[module]
    assert reads(after[made[0]]).listings == (name,)
    table = Table(name, read_header(after[made[0]]), (name,))
    assert f"'{kind}' as resource_type" in observed_resource([table], {name: kind}, is_whole=True)
    (case,) = json.loads(after[made[2]])
    assert [given["listing"] for given in case["given"]] == [name]
    named = set(table.header.entries) - {"key", "owner", "resource"}
    assert case["expect"][0].keys() == named | CELL_COLUMNS.keys()
    # The simulated AWS writes every member that the table reads.
    (record,) = case["given"][0]["records"]
    assert module_of["shown"](case["expect"][0]).keys() == record.keys()


@pytest.mark.parametrize(
    ("name", "call", "says"),
    [
        ("ec2_key_ring", "ec2:DescribeKeyRings", "ec2 has no operation DescribeKeyRings"),
        ("nowhere_thing", "nowhere:ListThings", "botocore knows no service nowhere"),
        ("ec2_key_ring", "DescribeKeyPairs", "write small letters, the service first"),
        ("", "", "write small letters, the service first"),
        ("EC2KeyPair", "ec2:DescribeKeyPairs", "write small letters, the service first"),
        ("key_pair", "ec2:DescribeKeyPairs", "write small letters, the service first"),
        ("ec2_../../x", "ec2:DescribeKeyPairs", "write small letters, the service first"),
        ("ec2_vpc", "ec2:DescribeKeyPairs", "the catalogue has a listing of this name"),
        ("ec2_other_vpc", "ec2:DescribeVpcs", "ec2_vpc requests it already"),
        ("sqs_queue", "sqs:ListQueues", "its response has 0 lists of records"),
        ("ecs_cluster", "ecs:DescribeClusters", "its response has 2 lists of records"),
        ("kafka_cluster", "kafka:ListClustersV2", "no member of ClusterInfoList is its id or name"),
        ("iam_user", "iam:ListUsers", "there is no pipelines/catalogue/iam.py"),
    ],
)
def test_what_cannot_be_drafted_is_one_sentence_and_nothing_is_written(
    name: str, call: str, says: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(checkout)
    assert main([name, call], checkout) == 2
    said = capsys.readouterr().err
    assert says in said and said.endswith("Nothing was written.\n") and said.count("\n") == 1
    assert contents(checkout) == before


def test_a_file_of_the_name_stays_as_it_is(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = checkout / "tests" / "cases" / "aws.ec2_local_gateway.json"
    taken.write_text("mine")
    before = contents(checkout)
    assert main(["ec2_local_gateway", "ec2:DescribeLocalGateways"], checkout) == 2
    assert "tests/cases/aws.ec2_local_gateway.json is there already" in capsys.readouterr().err
    assert contents(checkout) == before


def test_no_draft_is_left_in_the_tree() -> None:
    listed = subprocess.run(
        ["git", "-C", str(REPOSITORY), "ls-files", "--others", "--cached", "--exclude-standard", "--", *FOLDERS],
        capture_output=True,
        text=True,
        check=True,
    )
    left = [path for path in listed.stdout.split("\n") if path and DRAFT in (REPOSITORY / path).read_text()]
    assert left == []
