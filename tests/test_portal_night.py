"""A whole night between which and AWS something answers 200 with what is no answer: nothing published is lost by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeOrganisation
from nights import query, run_night

pytestmark = pytest.mark.large

TAGS = """
    select arn, resource_type, tags from cmdb.resource
    where resource_type in ('AWS::Lambda::Function', 'AWS::S3::Bucket') and retired_at is null
"""
CONTENT = "select arn, has_objects from aws.s3_bucket"
SUBNETS = "select arn from aws.ec2_subnet"
REFUSED = json.dumps({"Message": "denied", "__type": "AccessDeniedException"})
PORTAL = "<html><body>Sign in to the hotel's network</body></html>"

FAULTS: dict[str, dict[str, Any]] = {
    "lambda_function_tag": {"op": "ListTags", "body": REFUSED, "content_type": "application/json"},
    "s3_bucket_content": {"op": "ListObjectsV2", "body": PORTAL},
    # Two that the others are not like: another root around the right members, and the answer of another operation.
    "s3_bucket_tag": {
        "service": "s3control",
        "op": "ListTagsForResource",
        "body": "<GetBucketTaggingResult><Tags/></GetBucketTaggingResult>",
        "content_type": "text/xml",
    },
    "ec2_subnet": {
        "op": "DescribeSubnets",
        "body": "<DescribeVpcsResponse><requestId>r</requestId><subnetSet/></DescribeVpcsResponse>",
        "content_type": "text/xml",
    },
}


def test_what_is_no_response_freezes_its_cells_and_the_tags_stay(
    make_organisation: MakeOrganisation, tmp_path: Path
) -> None:
    organisation = make_organisation(accounts=6, regions=("us-east-1",), resources=4)
    database = tmp_path / "warehouse" / "cmdb.duckdb"
    environment = {
        **organisation.env,
        "CMDB_BUCKET_CONTENT": "yes",
        "CMDB_UNTRUSTED_TOLERANCE": "0.25",
        "CMDB_REGIONS": "us-east-1",
    }
    night = run_night(environment, database)
    assert night.published, night.sentences
    before = {sql: sorted(query(database, sql), key=repr) for sql in (TAGS, CONTENT, SUBNETS)}
    asked = query(database, "select account_id, listing, outcome from audit.coverage where outcome = 'found'")
    # An account in which each of them finds something.
    victim = min(
        account
        for account in {account for account, *_ in asked}
        if {listing.partition(":")[0] for other, listing, _ in asked if other == account} >= set(FAULTS)
    )
    assert any(tags for arn, _, tags in before[TAGS] if f":{victim}:" in arn)

    organisation.faults([{"action": "answer", "account": victim, **lie} for lie in FAULTS.values()])
    night = run_night(environment, database)
    assert night.published, night.sentences
    assert {sql: sorted(query(database, sql), key=repr) for sql in before} == before
    cells = query(
        database,
        """
        select listing, outcome, is_trusted, error_code from audit.coverage
        where account_id = $victim and split_part(listing, ':', 1) in $listings and skip_reason is null
        """,
        {"victim": victim, "listings": list(FAULTS)},
    )
    assert {listing.partition(":")[0] for listing, *_ in cells} == set(FAULTS)
    assert {tuple(rest) for _, *rest in cells} == {("failed", False, "UnreadableAnswer")}
    assert any(f"failed in account {victim}" in warning for warning in night.warnings)
