"""What a run could not find out is told once a cause, with the account and what to do."""

from __future__ import annotations

from pipelines.trust import untrusted
from pipelines.trust.untrusted import KEPT, UntrustedCell, sentences

CLOSED, OTHER = "111122223333", "444455556666"


def cell(
    listing: str, account: str = CLOSED, region: str = "eu-west-1", outcome: str = "denied", **more: str
) -> UntrustedCell:
    known = {"role": "workload", "profile": f"acme-{account}", "error_code": "AccessDenied", "message": "No."} | more
    return UntrustedCell(account_id=account, region=region, listing=listing, outcome=outcome, **known)


def test_an_account_that_is_denied_everything_is_reported_once() -> None:
    names = ("ec2_address", "ec2_image", "ec2_instance", "ec2_vpc", "s3_bucket")
    cells = [cell(name, region=region) for name in names for region in ("eu-west-1", "us-east-1")]
    assert sentences(cells) == [
        f"ec2_address, ec2_image, ec2_instance and 2 more listings: denied in account {CLOSED}, eu-west-1, us-east-1, "
        "requested by workload (10 cells). No. Grant it to the role (`cmdb policy workload` prints the policy), then "
        f"run `cmdb nightly --only-untrusted`. {KEPT}"
    ]


def test_one_cause_in_several_accounts_is_one_sentence_and_two_causes_in_one_listing_are_two() -> None:
    same = sentences([cell("ec2_vpc"), cell("ec2_vpc", OTHER)])
    assert len(same) == 1
    assert f"accounts {CLOSED}, {OTHER}," in same[0]
    # The account that misses one action is not swallowed by the one that misses all.
    two = sentences([cell("ec2_vpc"), cell("ec2_vpc", OTHER), cell("s3_bucket", OTHER)])
    assert [CLOSED in said for said in two] == [True, False]
    assert [OTHER in said for said in two] == [False, True]


def test_many_accounts_are_counted() -> None:
    (said,) = sentences([cell("ec2_vpc", f"{number:012d}") for number in range(1, 6)])
    assert "accounts 000000000001, 000000000002, 000000000003 and 2 more accounts," in said
    (said,) = sentences([cell("ec2_vpc", f"{number:012d}") for number in range(1, 5)])
    assert "000000000003 and 1 more account," in said


def test_a_profile_that_reaches_another_account_is_named_for_each() -> None:
    found = sentences([cell("ec2_vpc", account, outcome="wrong_account") for account in (CLOSED, OTHER)])
    assert [
        f"Correct the profile acme-{account}," in said for account, said in zip((CLOSED, OTHER), found, strict=True)
    ] == [
        True,
        True,
    ]


def test_what_closes_cloudtrail_is_one_cause_whichever_lists_are_empty() -> None:
    why = "Empty, but not confirmed: CloudTrail could not be looked up (Rate exceeded)."
    waiting = {"outcome": "empty_unconfirmed", "error_code": "", "message": why}
    (said,) = sentences([cell("ec2_vpc", **waiting), cell("s3_bucket", OTHER, **waiting)])
    assert f"{CLOSED}, {OTHER}" in said
    assert f"(Rate exceeded). {untrusted.REMEDIES[untrusted.TRAIL_UNAVAILABLE]}" in said
    denied = cell("ec2_vpc", outcome="empty_unconfirmed", error_code="TrailDenied")
    assert len(sentences([denied, cell("s3_bucket", OTHER, **waiting), cell("ec2_vpc", "777788889999")])) == 3


def test_an_account_without_regions_is_told_so_and_not_of_each_listing_that_was_not_asked() -> None:
    closed = [cell("ec2_region", region="aws-global"), cell("s3_bucket", region="aws-global")]
    unasked = [
        cell(name, region="aws-global", outcome="failed", error_code="RegionsUnknown", message="Not asked.")
        for name in ("ec2_vpc", "ec2_volume")
    ]
    (said,) = sentences([*closed, *unasked])
    assert said.startswith(f"ec2_region, s3_bucket: denied in account {CLOSED}")
    # Where its regions are no matter of this run, that is all there is to tell.
    (said,) = sentences(unasked)
    assert "RegionsUnknown" in said or "Not asked" in said
