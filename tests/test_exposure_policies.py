"""What policies alone let in from the internet: URLs of functions, and buckets. What nobody may read is unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from given import FIRST_NIGHT, MANAGEMENT, WORKLOAD, Given, House, member

Record = dict[str, Any]

OWNER, BLOCKED, UNDONE, SPARED = WORKLOAD, "012345678902", "012345678903", "012345678904"
"""No S3 policy reaches the first; one blocks the second; the third's OU undoes it; the last one's own policy allows."""

ACCOUNTS = (MANAGEMENT, OWNER, BLOCKED, UNDONE, SPARED)
REGION = "ap-southeast-2"
ROOT, LEFT_OUT, BLOCKING, UNDOING = "r-1", "ou-0", "ou-1", "ou-2"
BUILT = ("cmdb.finding_exposure", "cmdb.exposure", "cmdb.finding_exposure_unknown")
URLS_NOT_GRANTED = "lambda:GetPolicy of {}: not granted"
POINTS_NOT_GRANTED = "s3:GetBucketPolicyStatus, s3:GetBucketAcl and s3:GetAccessPointPolicyStatus of {}: not granted"
BUCKETS_NOT_GRANTED = "s3:GetBucketPolicyStatus and s3:GetBucketAcl of {}: not granted"


def arn_of(name: str, account: str = OWNER) -> str:
    return f"arn:aws:lambda:{REGION}:{account}:function:{name}"


def url_of(name: str) -> str:
    return f"https://{name}.lambda-url.{REGION}.on.aws/"


@dataclass(frozen=True)
class Function:
    """A function with its URLs: alias, AuthType and the origins that browsers may come from."""

    name: str
    urls: tuple[tuple[str, str | None, str], ...] = ()
    account: str = OWNER
    is_in_vpc: bool = False
    is_refused: bool = False

    @property
    def function(self) -> Record:
        vpc = {"VpcConfig": {"VpcId": "vpc-1", "SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
        return {
            "FunctionArn": arn_of(self.name, self.account),
            "FunctionName": self.name,
            **(vpc if self.is_in_vpc else {}),
        }

    @property
    def answer(self) -> Record:
        arn = arn_of(self.name, self.account)
        if self.is_refused:
            return {"FunctionName": arn, "ErrorCode": "AccessDeniedException"}
        urls = [
            {
                "FunctionUrl": url_of(f"{self.name}-{alias}" if alias else self.name),
                "FunctionArn": f"{arn}:{alias}" if alias else arn,
                "AuthType": auth_type,
                **({"Cors": {"AllowOrigins": [origin]}} if origin else {}),
            }
            for alias, auth_type, origin in self.urls
        ]
        return {"FunctionName": arn, "FunctionUrlConfigs": urls}


@dataclass
class World:
    """Functions and buckets, the OUs of their accounts, and the S3 policies.

    Attributes:
        outcomes: by listing and account what came in place of its records; `never` where nobody requested it.
        policies: by id of an S3 policy what it assigns, and what it is attached to.
        points: by account its access points.
    """

    functions: tuple[Function, ...] = ()
    buckets: tuple[tuple[str, str], ...] = ()
    policies: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    more: tuple[Given, ...] = ()
    accounts: tuple[str, ...] = ACCOUNTS
    points: dict[str, tuple[Record, ...]] = field(default_factory=dict)

    def cells(self) -> Iterator[Given]:
        yield from self._organization()
        for account in self.accounts:
            own = [one for one in self.functions if one.account == account]
            buckets = [
                {"Name": name, "BucketRegion": REGION, "CreationDate": "2026-11-01T00:00:00Z"}
                for name, owner in self.buckets
                if owner == account
            ]
            yield from self._cell("ec2_region", account, [{"RegionName": REGION}])
            yield from self._cell("lambda_function", account, [one.function for one in own])
            yield from self._cell("lambda_function_url", account, [one.answer for one in own])
            yield from self._cell("s3_bucket", account, buckets)
            if account in self.points:
                yield from self._cell("s3_access_point", account, list(self.points[account]))
        yield from self.more

    def _cell(self, listing: str, account: str, records: list[Record]) -> Iterator[Given]:
        name = listing.partition(":")[0]
        outcome = self.outcomes.get((name, account))
        if outcome != "never":
            yield Given(listing, [] if outcome else records, outcome, account_id=account)  # type: ignore[arg-type]

    def _organization(self) -> Iterator[Given]:
        place = {OWNER: LEFT_OUT, BLOCKED: BLOCKING, UNDONE: UNDOING, SPARED: BLOCKING, MANAGEMENT: ROOT}
        under: dict[str, list[Record]] = {parent: [] for parent in (ROOT, LEFT_OUT, BLOCKING, UNDOING)}
        for account in self.accounts:
            under[place.get(account, BLOCKING)].append({"Id": account})
        units = [{"Id": unit, "Name": unit} for unit in (LEFT_OUT, BLOCKING)]
        found: list[tuple[str, list[Record]]] = [
            ("organizations_account", [member(account) for account in self.accounts]),
            ("organizations_root", [{"Id": ROOT, "Name": "Root"}]),
            ("organizations_root_policy_type", [{"Id": ROOT, "PolicyTypes": [{"Type": "S3_POLICY"}]}]),
            (f"organizations_organizational_unit:{ROOT}", units),
            (f"organizations_organizational_unit:{LEFT_OUT}", []),
            (f"organizations_organizational_unit:{BLOCKING}", [{"Id": UNDOING, "Name": UNDOING}]),
            (f"organizations_organizational_unit:{UNDOING}", []),
            *((f"organizations_account_parent:{parent}", accounts) for parent, accounts in under.items()),
            ("organizations_policy:S3_POLICY", [_policy(policy) for policy in self.policies]),
        ]
        for policy, (value, targets) in self.policies.items():
            content = {"s3_attributes": {"public_access_block_configuration": {"@@assign": value}}}
            found.append((f"organizations_policy_content:{policy}", [{"Content": json.dumps(content)}]))
            found.append((f"organizations_policy_target:{policy}", [_target(target) for target in targets]))
        for listing, records in found:
            yield from self._cell(listing, MANAGEMENT, records)


def _policy(policy: str) -> Record:
    arn = f"arn:aws:organizations::{MANAGEMENT}:policy/o-1/s3_policy/{policy}"
    return {"Id": policy, "Arn": arn, "Name": f"name of {policy}", "Type": "S3_POLICY", "AwsManaged": False}


def _target(target: str) -> Record:
    kind = "ROOT" if target == ROOT else "ORGANIZATIONAL_UNIT" if target.startswith("ou-") else "ACCOUNT"
    return {"TargetId": target, "Type": kind, "Name": target, "Arn": f"arn:aws:organizations::{MANAGEMENT}:x"}


POLICIES = {
    "p-block": ("all", (BLOCKING, MANAGEMENT)),
    "p-undo": ("none", (UNDOING,)),
    "p-allow": ("none", (SPARED,)),
    "p-loose": ("all", ()),
}

PLANTED = (
    Function("open", (("", "NONE", ""),)),
    Function("aliased", (("", "AWS_IAM", ""), ("live", "NONE", ""))),
    Function("for our page", (("", "NONE", "https://example.com"),)),
    Function("in a network", (("", "NONE", ""),), is_in_vpc=True),
    Function("of another kind", (("", "NEW_TYPE", ""),)),
    Function("untold", is_refused=True),
    # A policy may admit signed callers of every account.
    Function("signed", (("", "AWS_IAM", ""),)),
    Function("signed for all pages", (("", "AWS_IAM", "*"),)),
    Function("signed alias", (("live", "AWS_IAM", ""),)),
)
"""Functions that the internet reaches if their policy lets it."""

LOOKING_ALIKE = (
    Function("without"),
    Function("without in a network", is_in_vpc=True),
)

PLANTED_BUCKETS = (
    ("left-out", OWNER),
    ("undone", UNDONE),
    ("spared", SPARED),
    ("of-management", MANAGEMENT),
)
"""Buckets whose own policy and ACLs decide."""

BLOCKED_BUCKETS = (("blocked", BLOCKED), ("blocked-website", BLOCKED))


def night(home: House, made: World, number: int = 1) -> None:
    home.night(f"night-{number}", made.cells(), FIRST_NIGHT + timedelta(days=number - 1))
    home.build(*BUILT)


def shown(home: House, column: str = "verdict") -> dict[str, Any]:
    """By URL, ARN of a function without known URLs, or name of a bucket."""
    rows = home.rows(f"select entry, {column} as shown from cmdb.exposure where kind in ('function_url', 'bucket')")
    assert len({row["entry"] for row in rows}) == len(rows)
    return {row["entry"]: row["shown"] for row in rows}


def test_what_a_policy_may_let_in_is_unknown_with_its_path_and_what_looks_like_it_is_not_exposed(home: House) -> None:
    night(home, World(PLANTED + LOOKING_ALIKE, PLANTED_BUCKETS + BLOCKED_BUCKETS, dict(POLICIES)))
    open_urls = [url_of(name) for name in ("open", "aliased-live", "for our page", "in a network", "of another kind")]
    open_urls += [url_of(name) for name in ("aliased", "signed", "signed for all pages", "signed alias-live")]
    assert shown(home) == {
        **dict.fromkeys(open_urls, "unknown"),
        arn_of("untold"): "unknown",
        **{name: "unknown" for name, _ in PLANTED_BUCKETS},
        **{name: "not exposed" for name, _ in BLOCKED_BUCKETS},
    }
    assert shown(home, "reason") == {
        **dict.fromkeys(open_urls, URLS_NOT_GRANTED.format(OWNER)),
        arn_of("untold"): f"lambda_function_url of {OWNER}: AccessDeniedException",
        **{name: BUCKETS_NOT_GRANTED.format(account) for name, account in PLANTED_BUCKETS},
        **{name: "the organisation blocks public access: S3 policy name of p-block" for name, _ in BLOCKED_BUCKETS},
    }
    paths = shown(home, "path")
    assert paths[url_of("open")] == f"internet → {url_of('open')} → AuthType NONE → policy of open → open"
    live = url_of("aliased-live")
    assert paths[live] == f"internet → {live} → AuthType NONE → policy of aliased:live → aliased:live"
    assert paths[url_of("signed")] == f"internet → {url_of('signed')} → AuthType AWS_IAM → policy of signed → signed"
    assert paths["left-out"] == "internet → policy, ACLs and access points of left-out → left-out"
    undone = "S3 policy name of p-block, name of p-undo"
    assert paths["undone"] == f"internet → {undone} → policy, ACLs and access points of undone → undone"
    assert paths["blocked"] == "internet → S3 policy name of p-block → blocked"
    assert home.rows("select * from cmdb.finding_exposure") == []
    unknown = home.rows(
        """
        select entry, path, listings from cmdb.finding_exposure_unknown where kind in ('function_url', 'bucket')
        """
    )
    assert {row["entry"]: row["path"] for row in unknown} == {
        entry: paths[entry] for entry, verdict in shown(home).items() if verdict == "unknown"
    }
    assert {row["entry"] for row in unknown if row["listings"]} == {arn_of("untold")}


def point(name: str, bucket: str, origin: str = "Internet") -> Record:
    return {"Name": name, "Bucket": bucket, "NetworkOrigin": origin, "BucketAccountId": OWNER}


def test_an_access_point_of_the_internet_is_a_way_to_its_bucket_that_nobody_may_read(home: House) -> None:
    """The public access block of the bucket's account holds for every way to it."""
    theirs = point("theirs", "left-out")
    made = World(
        (),
        (*PLANTED_BUCKETS, ("from-a-vpc", OWNER), *BLOCKED_BUCKETS),
        dict(POLICIES),
        points={
            OWNER: (point("open", "left-out"), point("inside", "from-a-vpc", "VPC")),
            UNDONE: (),
            SPARED: (theirs,),
            BLOCKED: (point("shut", "blocked"),),
        },
    )
    mrap = {"Name": "m", "Alias": "m.mrap", "Regions": [{"Bucket": "spared", "Region": REGION}]}
    made.more = (Given("s3_multi_region_access_point", [mrap], account_id=SPARED),)
    night(home, made)
    points = [
        f"arn:aws:s3:{REGION}:{account}:accesspoint/{name}" for name, account in (("open", OWNER), ("theirs", SPARED))
    ]
    paths, reasons, verdicts = shown(home, "path"), shown(home, "reason"), shown(home)
    assert paths["left-out"] == f"internet → policy and ACLs of left-out, policies of {', '.join(points)} → left-out"
    assert reasons["left-out"] == POINTS_NOT_GRANTED.format(OWNER)
    assert f"policies of arn:aws:s3::{SPARED}:accesspoint/m.mrap" in paths["spared"]
    assert reasons["spared"] == POINTS_NOT_GRANTED.format(SPARED)
    for name, account in (("from-a-vpc", OWNER), ("undone", UNDONE)):
        assert paths[name].endswith(f"policy and ACLs of {name} → {name}")
        assert reasons[name] == BUCKETS_NOT_GRANTED.format(account)
    # Nobody requested its access points.
    assert "policy, ACLs and access points of of-management" in paths["of-management"]
    assert {name for name, verdict in verdicts.items() if verdict == "not exposed"} == {
        name for name, _ in BLOCKED_BUCKETS
    }
    assert paths["blocked"] == "internet → S3 policy name of p-block → blocked"


ASKED_OF_ACCOUNTS = ("lambda_function", "lambda_function_url", "s3_bucket")
ASKED_OF_THE_ORGANIZATION = (
    *("organizations_account", "organizations_account_parent", "organizations_organizational_unit"),
    *("organizations_root", "organizations_root_policy_type"),
    *("organizations_policy", "organizations_policy_content", "organizations_policy_target"),
)


@pytest.mark.parametrize("outcome", ["denied", "failed", "empty_unconfirmed", "never"])
def test_without_a_listing_of_an_account_nothing_there_is_not_exposed(home: House, outcome: str) -> None:
    """In the first account they are missing from the first night on, in the second they are stale."""
    reason = "never_asked" if outcome == "never" else outcome
    for number, listing in enumerate(ASKED_OF_ACCOUNTS):
        first, later = (f"0123456789{number}{end}" for end in (1, 2))
        functions = tuple(Function("signed", (("", "AWS_IAM", ""),), account) for account in (first, later))
        empty = tuple(Function("without", account=account) for account in (first, later))
        buckets = ((f"held-{first}", first), (f"held-{later}", later))
        made = World(
            functions + empty,
            buckets,
            {"p-block": ("all", (ROOT,))},
            {(listing, first): outcome},
            accounts=(MANAGEMENT, first, later),
        )
        night(home, made, 2 * number + 1)
        _is_unknown(home, first, listing, reason, is_there=listing != "s3_bucket")
        if outcome != "never":
            made.outcomes[listing, later] = outcome
            night(home, made, 2 * number + 2)
            _is_unknown(home, later, listing, reason, is_there=True)


def _is_unknown(home: House, account: str, listing: str, reason: str, *, is_there: bool) -> None:
    rows = home.rows("select * from cmdb.exposure where account_id = $account", {"account": account})
    about = [row for row in rows if (row["kind"] == "bucket") == (listing == "s3_bucket")]
    # A bucket that was never listed has no row: the finding below stands for it.
    assert {row["verdict"] for row in about} == ({"unknown"} if is_there else set()), (listing, about)
    assert all(f"{listing} of {account}: {reason}" in row["reason"] for row in about), about
    if listing == "lambda_function_url":
        # Whether a function has a URL since is not known.
        assert {row["name"] for row in about} == {"signed", "without"}
    unknown = home.rows(
        "select kind, reason from cmdb.finding_exposure_unknown where account_id = $account and entry = ''",
        {"account": account},
    )
    kind = "bucket" if listing == "s3_bucket" else "function_url"
    assert (kind, f"{listing} of {account}: {reason}") in {(row["kind"], row["reason"]) for row in unknown}


@pytest.mark.parametrize("listing", ASKED_OF_THE_ORGANIZATION)
@pytest.mark.parametrize(
    ("outcome", "is_stale"),
    [("denied", True), ("denied", False), ("never", False)],
    ids=["stale", "denied from the first night on", "never requested"],
)
def test_without_a_listing_of_the_organisation_no_bucket_is_not_exposed(
    home: House, listing: str, outcome: str, is_stale: bool
) -> None:
    made = World((), BLOCKED_BUCKETS, dict(POLICIES))
    if is_stale:
        night(home, made)
        assert set(shown(home).values()) == {"not exposed"}
    made.outcomes[listing, MANAGEMENT] = outcome
    night(home, made, 2)
    assert set(shown(home).values()) == {"unknown"}
    if is_stale:
        assert {f"{listing} of {MANAGEMENT}: denied"} <= set("; ".join(shown(home, "reason").values()).split("; "))


def test_another_policy_that_is_not_known_says_nothing_of_buckets(home: House) -> None:
    made = World((), BLOCKED_BUCKETS, dict(POLICIES))
    made.more = (
        Given("organizations_policy:SERVICE_CONTROL_POLICY", outcome="denied"),
        Given("organizations_policy_target:p-other", outcome="denied"),
    )
    night(home, made)
    assert set(shown(home).values()) == {"not exposed"}


def test_where_lambda_has_no_urls_a_function_is_not_exposed_by_one(home: House) -> None:
    functions = (Function("without"), Function("elsewhere", account=BLOCKED))
    outcomes = {("lambda_function_url", OWNER): "never"}
    skipped = Given("lambda_function_url", outcome="skipped", skip_reason="not_offered", account_id=OWNER)
    made = World(functions, outcomes=outcomes, more=(skipped,))
    night(home, made)
    assert shown(home) == {arn_of("without"): "not exposed"}
    assert shown(home, "reason") == {arn_of("without"): "Lambda has no URLs in this region"}
    unknown = "select account_id from cmdb.finding_exposure_unknown where kind = 'function_url'"
    assert home.rows(unknown) == []
    # Without a trusted list of the functions nothing there is judged.
    made.outcomes["lambda_function", OWNER] = "denied"
    night(home, made, 2)
    assert shown(home) == {arn_of("without"): "unknown"}


def test_a_verdict_is_as_old_as_the_least_recent_response_that_it_rests_on(home: House) -> None:
    made = World((Function("open", (("", "NONE", ""),)),))
    night(home, made)
    first = shown(home, "as_of::varchar")
    made.outcomes["lambda_function_url", OWNER] = "never"
    night(home, made, 2)
    # The URLs were not requested again, and the function was.
    assert shown(home, "as_of::varchar") == first
    del made.outcomes["lambda_function_url", OWNER]
    night(home, made, 3)
    assert shown(home, "as_of::varchar")[url_of("open")] > first[url_of("open")]


def test_urls_that_are_known_from_before_stand_where_lambda_has_none_any_more(home: House) -> None:
    made = World((Function("open", (("", "NONE", ""),)),))
    night(home, made)
    made.outcomes["lambda_function_url", OWNER] = "never"
    made.more = (Given("lambda_function_url", outcome="skipped", skip_reason="not_offered", account_id=OWNER),)
    night(home, made, 2)
    assert shown(home) == {url_of("open"): "unknown"}
