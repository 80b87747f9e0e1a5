"""The simulated AWS refuses what AWS does: pages of a size that it does not give, filters that it would ignore."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import sign_in

from simulator.client import Simulator

RUNNING = {"Name": "instance-state-name", "Values": ["running"]}
DAY = {"TimePeriod": {"Start": "2026-10-01", "End": "2026-10-02"}, "Granularity": "DAILY", "Metrics": ["BlendedCost"]}
VIEW = "arn:aws:billing::123456789012:billingview/primary"


def client(simulator: Simulator, service: str) -> Any:
    truth = simulator.truth()
    profile = next(account["profile"] for account in truth["accounts"] if account["kind"] == "workload")
    if role := {"organizations": "MANAGEMENT", "ce": "BILLING"}.get(service):
        profile = simulator.env[f"AWS_{role}_PROFILE"]
        sign_in(simulator)
    once = Config(retries={"mode": "standard", "total_max_attempts": 1}, parameter_validation=False)
    return boto3.Session(profile_name=profile).client(service, region_name=truth["regions"][0], config=once)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code"),
    [
        ("ec2", "describe_instances", {"MaxResults": 1001}, "InvalidParameterValue"),
        ("ec2", "describe_instances", {"MaxResults": 4}, "InvalidParameterValue"),
        ("ec2", "describe_volumes", {"MaxResults": 1001}, "InvalidParameterValue"),
        ("ec2", "describe_route_tables", {"MaxResults": 101}, "InvalidParameterValue"),
        ("ec2", "describe_volumes", {"DryRun": True}, "DryRunOperation"),
        ("ec2", "describe_instances", {"DryRun": True}, "DryRunOperation"),
        ("ec2", "describe_volumes", {"NextToken": "made up"}, "InvalidNextToken"),
        ("ec2", "describe_vpcs", {"NextToken": "made up"}, "InvalidNextToken"),
        ("rds", "describe_db_instances", {"MaxRecords": 19}, "InvalidParameterValue"),
        ("rds", "describe_db_snapshots", {"MaxRecords": 101}, "InvalidParameterValue"),
        (
            "rds",
            "describe_db_instances",
            {"Filters": [{"Name": "engine", "Values": ["postgres"]}]},
            "InvalidParameterValue",
        ),
        ("organizations", "list_accounts", {"MaxResults": 21}, "InvalidInputException"),
        ("s3", "list_buckets", {"MaxBuckets": 10_001}, "InvalidArgument"),
        # What is missing, or of no kind that the model has.
        ("ec2", "describe_byoip_cidrs", {}, "MissingParameter"),
        ("ec2", "describe_volumes", {"MaxResults": "many"}, "InvalidParameterValue"),
        ("rds", "describe_db_snapshot_attributes", {}, "MissingParameter"),
        ("organizations", "describe_account", {}, "InvalidInputException"),
        ("organizations", "list_policies", {"Filter": "NO_POLICY"}, "InvalidInputException"),
        ("organizations", "describe_policy", {"PolicyId": 7}, "SerializationException"),
        ("ce", "get_cost_and_usage", {**DAY, "Granularity": "YEARLY"}, "ValidationException"),
        ("cloudwatch", "get_metric_data", {"MetricDataQueries": []}, "MissingParameter"),
        # What AWS does and the simulator does not.
        ("ec2", "describe_instances", {"Filters": [RUNNING]}, "InvalidParameterValue"),
        ("ec2", "describe_volumes", {"Filters": [RUNNING]}, "InvalidParameterValue"),
        ("ec2", "describe_route_tables", {"Filters": [RUNNING]}, "InvalidParameterValue"),
        ("ec2", "describe_images", {"IncludeDeprecated": True}, "InvalidParameterValue"),
        ("rds", "describe_db_snapshots", {"IncludeShared": True}, "InvalidParameterValue"),
        ("ce", "get_cost_and_usage", {**DAY, "BillingViewArn": VIEW}, "ValidationException"),
        ("lambda", "list_functions", {"MasterRegion": "us-east-1"}, "InvalidParameterValueException"),
    ],
)
def test_what_aws_refuses_is_refused(
    small: Simulator, service: str, operation: str, parameters: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(client(small, service), operation)(**parameters)
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("ec2", "describe_instances", {"MaxResults": 1000}),
        ("ec2", "describe_route_tables", {"MaxResults": 5}),
        ("ec2", "describe_volumes", {"DryRun": False}),
        ("rds", "describe_db_instances", {"MaxRecords": 20}),
        ("organizations", "list_accounts", {"MaxResults": 20}),
    ],
)
def test_what_is_just_within_bounds_is_returned_with_one_request_id(
    small: Simulator, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    found = getattr(client(small, service), operation)(**parameters)["ResponseMetadata"]
    assert found["HTTPHeaders"]["x-amzn-requestid"] == found["RequestId"]
    assert "server" not in found["HTTPHeaders"]
