"""Policies as organisations have them, for the tests of what they deny."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

ALLOW_ALL: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}

SPARED = (
    "a4b:*",
    "account:*",
    "aws-portal:*",
    "billing:*",
    "budgets:*",
    "ce:*",
    "cloudfront:*",
    "cloudtrail:LookupEvents",
    "config:*",
    "ec2:DescribeRegions",
    "ec2:DescribeTransitGateways",
    "iam:*",
    "organizations:*",
    "route53:*",
    "s3:GetAccountPublic*",
    "s3:ListAllMyBuckets",
    "sts:*",
    "support:*",
)
"""What a landing zone's region control leaves alone, in its order and shape; the whole list has some hundred lines."""


def region_deny(*allowed: str, exempt: str = "arn:*:iam::*:role/AWSControlTowerExecution") -> dict[str, Any]:
    """The region control of a landing zone."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "GRREGIONDENY",
                "Effect": "Deny",
                "NotAction": list(SPARED),
                "Resource": "*",
                "Condition": {
                    "StringNotEquals": {"aws:RequestedRegion": list(allowed)},
                    "ArnNotLike": {"aws:PrincipalARN": [exempt]},
                },
            }
        ],
    }


def deny(*actions: str, **more: Any) -> dict[str, Any]:
    """A policy that denies these actions."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": list(actions), "Resource": "*", **more}],
    }


def refused(calls: Iterable[Mapping[str, Any]]) -> Counter[tuple[str, str, str]]:
    """How many of a simulator's calls were refused, by role, account and region.

    In a closed region Control Tower's policy spares some services, such as AWS Config: what is answered is not counted.
    """
    return Counter((call["role"], call["account_id"], call["region"]) for call in calls if call["error_code"])
