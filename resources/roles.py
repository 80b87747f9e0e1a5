"""The four roles as Dagster resources: `management`, `operations`, `billing`, `workload`.

Each resource acts for one role only. Before its first call it verifies its own identity and that the central accounts
differ, and records the identities. No request can bypass this verification.
"""

import fnmatch
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import dagster as dg
from pydantic import Field, PrivateAttr

from resources.audit.identities import record_callers_where_held
from resources.aws.client import AwsClient
from resources.aws.errors import UNREACHED_CODES, AwsError
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import Identity, Request
from resources.aws.profile_errors import ProfileError
from resources.aws.profiles import available_profiles
from resources.aws.shared_clients import SharedClients
from resources.aws.workers import WorkerPool
from resources.bill_rules import Bill, Transfer, Transfers, judge_bill, transfers_of
from resources.check_result import CheckResult
from resources.contract import CONTRACT, Role
from resources.identity_rules import (
    CENTRAL_ROLES,
    Caller,
    Expectation,
    Organization,
    accounts_are_distinct,
    check_results,
    every_role_answers,
    is_expected,
    usual_pattern,
)
from resources.store.store import Store

VERIFIED_FOR = timedelta(minutes=5)
"""How long a verified identity stays valid within one process."""


class IdentityRefused(Exception):
    """The profile does not lead to the right account. Only STS was called. The message says what to do."""


class Central(dg.Config):
    """The three central profiles, and the accounts that they are expected to lead to."""

    management_profile: str = Field(default="", description="AWS_MANAGEMENT_PROFILE")
    operations_profile: str = Field(default="", description="AWS_OPERATIONS_PROFILE")
    billing_profile: str = Field(default="", description="AWS_BILLING_PROFILE")
    operations_account: str = Field(default="", description="CMDB_OPERATIONS_ACCOUNT")
    billing_account: str = Field(default="", description="CMDB_BILLING_ACCOUNT")
    shared_accounts: list[str] = Field(
        default_factory=list, description="Pairs declared to share an account, such as management+billing"
    )
    transferred_bill: str = Field(default="", description="CMDB_TRANSFERRED_BILL")

    def profile(self, role: Role) -> str:
        """The profile that the environment names for a central role; empty where it names none."""
        names = {
            "management": self.management_profile,
            "operations": self.operations_profile,
            "billing": self.billing_profile,
        }
        return names[role]

    @property
    def expectation(self) -> Expectation:
        """The expected accounts as data for the rules."""
        pairs = (pair.split("+") for pair in self.shared_accounts)
        return Expectation(
            operations_account=self.operations_account,
            billing_account=self.billing_account,
            shared=frozenset(frozenset(role for role in CENTRAL_ROLES if role in pair) for pair in pairs),
            transferred_bill=self.transferred_bill,
        )


class AwsRole(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's base is generic over what it hands out; this hands out itself
    """One role of the contract.

    Attributes:
        database: the published path; identities are recorded in the working file beside it.
        process_count: processes that fetch from workload accounts, each with `concurrency` threads.
        config_hash: hash of the configuration that the identities belong to.
    """

    role: ClassVar[Role]

    central: Central
    database: str
    home_region: str = "us-east-1"
    concurrency: int = 64
    process_count: int = 1
    config_hash: str = ""

    _run_id: str = PrivateAttr(default="")
    _clients: SharedClients | None = PrivateAttr(default=None)
    _verified: tuple[datetime, Identity | None] | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember the run. No request is sent yet."""
        self.serve(context.run_id or "")

    def serve(self, run_id: str) -> None:
        """Join a run, whose resources share clients and worker processes."""
        self.close()
        self._run_id = run_id

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections once the run's other resources are closed too. The resource may be used again."""
        if self._clients is not None:
            self._clients.leave()
        self._clients = None
        self._verified = None

    def forget_clients(self) -> None:
        """Drop what botocore keeps for the requests of a step; identities and credentials stay."""
        if self._clients is not None:
            self._clients.forget()

    @property
    def client(self) -> AwsClient:
        """The AWS client of this role, after `verify` has passed.

        Raises:
            IdentityRefused: as `verify`.
        """
        self.verify()
        return self._client(self.role)

    def _joined(self) -> SharedClients:
        if self._clients is None:
            key = (self._run_id, self.home_region, str(self.concurrency), repr(self.central))
            self._clients = SharedClients.join(key, shared=bool(self._run_id))
        return self._clients

    def _client(self, role: Role) -> AwsClient:
        return self._joined().client(role, self.home_region, self.concurrency)

    @property
    def processes(self) -> WorkerPool | None:
        """The run's worker processes, started on first use; None where one process sends all requests."""
        return self._joined().processes(self.process_count, self.home_region, self.concurrency)

    def take_request_count(self) -> int:
        """Requests that the run's resources have sent since the previous call, retries and STS included."""
        return sum(client.counter.take() for client in self._joined().clients.values())

    def callers(self) -> dict[Role, Caller]:
        """The identities of the three central profiles by STS. A profile without an identity has its error instead."""
        with ThreadPoolExecutor(len(CENTRAL_ROLES)) as pool:
            return dict(zip(CENTRAL_ROLES, pool.map(self._caller, CENTRAL_ROLES), strict=True))

    def _caller(self, role: Role) -> Caller:
        profile = self.central.profile(role)
        now = datetime.now(UTC)
        if not profile:
            variable = CONTRACT[role].profile_env
            return Caller(
                role,
                "",
                now,
                error_code="not_named",
                error_message=f"{variable} is not set, and no other profile is ever used in its place.",
                hint=f"Set {variable} to the name of a profile in the AWS config file.",
            )
        try:
            identity = self._client(role).identify(profile)
        except ProfileError as error:
            return Caller(role, profile, now, error_code=error.reason, error_message=str(error), hint=error.hint)
        return Caller(role, profile, identity.checked_at, identity.account_id, identity.arn)

    def verify(self) -> Identity | None:
        """The identity of this role's profile, verified now or within `VERIFIED_FOR`; None for `workload`.

        The rule of distinct accounts is evaluated too. The identities are recorded where the run holds the warehouse.
        This holds however the work was started.

        Raises:
            IdentityRefused: STS returns no identity for the profile, the account is not the expected one, or two
                central profiles share an account. Nothing but STS was called.
        """
        now = datetime.now(UTC)
        if self._verified is not None and now - self._verified[0] < VERIFIED_FOR:
            return self._verified[1]
        callers = self.callers()
        self.record(callers.values())
        problems = [result for result in self._own_checks(callers) if result.blocks]
        if problems:
            summary = " ".join(f"{result.sentence} {result.hint}".strip() for result in problems)
            raise IdentityRefused(f"{self.role} may not be used: {summary} Nothing was sent.")
        own = callers.get(self.role)
        identity = (
            Identity(self.role, own.profile, own.account_id, own.arn or "", own.checked_at)
            if own is not None and own.account_id is not None
            else None
        )
        self._verified = (now, identity)
        return identity

    def _own_checks(self, callers: Mapping[Role, Caller]) -> list[CheckResult]:
        expectation = self.central.expectation
        found = [every_role_answers(callers), accounts_are_distinct(callers, expectation.shared)]
        if self.role in ("operations", "billing") and expectation.account(self.role):
            found.append(is_expected(self.role, callers[self.role], Organization(), expectation))
        return found

    def record(self, callers: Iterable[Caller]) -> None:
        """Write identity rows into the run's working file, if this run holds it."""
        record_callers_where_held(
            Store(Path(self.database)),
            self._run_id,
            callers,
            expectation=self.central.expectation,
            waiver=",".join(self.central.shared_accounts) or None,
            config_hash=self.config_hash,
        )


class Management(AwsRole):
    """The organisation's management account: accounts, OUs, policies."""

    role: ClassVar[Role] = "management"

    def organization(self, accounts: tuple[str, ...] = ()) -> Organization:
        """The organisation of the management profile, and which of `accounts` are its members."""
        profile = self.central.management_profile
        client = self._client("management")
        # As for a listing: each partition has its own Organizations, and credentials are valid in one partition only.
        region = client.sessions.region_of("organizations", GLOBAL_REGION)
        try:
            described = client.call(profile, "organizations", "DescribeOrganization", region)["Organization"]
        except AwsError as error:
            message = f"organizations:DescribeOrganization failed: {error.message.rstrip('.')} ({error.code})"
            return Organization(error_message=message, is_unreached=error.code in UNREACHED_CODES)
        except ProfileError as error:
            return Organization(error_message=f"organizations:DescribeOrganization failed: {error}")
        if not {"Id", "MasterAccountId"} <= described.keys():
            return Organization(error_message="organizations:DescribeOrganization returned no ids.")
        members = set()
        for account in accounts:
            try:
                response = client.call(profile, "organizations", "DescribeAccount", region, AccountId=account)
            except AwsError as error:
                if error.code != "AccountNotFoundException":
                    return Organization(error_message=f"organizations:DescribeAccount failed: {error}")
            else:
                if response["Account"].get("Id") != account:
                    return Organization(
                        error_message=f"organizations:DescribeAccount returned another account than {account}."
                    )
                members.add(account)
        return Organization(described["Id"], described["MasterAccountId"], frozenset(members))

    def transfers(self, account_id: str) -> Transfers:
        """The billing transfers of the organisation of a management account; a direction that AWS omits is None."""
        client = self._client("management")
        found: dict[str, tuple[Transfer, ...] | None] = {}
        messages = []
        for direction in ("Outbound", "Inbound"):
            listing = Listing(
                f"{direction.lower()}_transfer",
                f"organizations:List{direction}ResponsibilityTransfers",
                roles=("management",),
                zero="ordinary",
                records="ResponsibilityTransfers",
                key=("Id",),
                scope="global",
                parameters={"Type": "BILLING"},
                token=("NextToken", "NextToken"),
            )
            request = Request(self.central.management_profile, account_id, GLOBAL_REGION, listing, "management")
            response = client.fetch(request)
            is_listed = response.outcome in ("found", "empty_unconfirmed")
            found[direction] = transfers_of(response.records) if is_listed else None
            if not is_listed:
                messages.append(f"{listing.call} failed: {response.error_message}".rstrip("."))
        return Transfers(found["Outbound"], found["Inbound"], " and ".join(messages))

    def preflight(self) -> tuple[dict[Role, Caller], Organization, Bill, tuple[CheckResult, ...]]:
        """The identities, the organisation, its bill and the six check results.

        A missing identity becomes a failed check.
        """
        callers = self.callers()
        organization = Organization(error_message="the management profile did not respond")
        if callers["management"].account_id is not None:
            other_accounts = tuple(
                dict.fromkeys(
                    caller.account_id
                    for role, caller in callers.items()
                    if role != "management" and caller.account_id is not None
                )
            )
            organization = self.organization(other_accounts)
        expectation = self.central.expectation
        results = check_results(callers, organization, expectation)
        transfers = Transfers(error_message="the identities are not as they should be")
        if organization.management_account_id and not any(result.blocks for result in results):
            transfers = self.transfers(organization.management_account_id)
        now = datetime.now(UTC)
        bill, result = judge_bill(callers["billing"], organization, transfers, expectation.transferred_bill, now)
        return callers, organization, bill, (*results, result)


class Operations(AwsRole):
    """The centralised operations account: resource groups, tags, central network."""

    role: ClassVar[Role] = "operations"


class Billing(AwsRole):
    """The payer account: Cost Explorer, budgets."""

    role: ClassVar[Role] = "billing"


class Workload(AwsRole):
    """The workload accounts, one profile each.

    Attributes:
        patterns: names or globs over the profiles of the AWS config file (`CMDB_WORKLOAD_PROFILES`).
        aws_profile: `AWS_PROFILE`, the only profile where no pattern is given and the management profile's name does
            not end in `Management`.
    """

    role: ClassVar[Role] = "workload"

    patterns: list[str] = Field(default_factory=list)
    aws_profile: str = ""

    def profile_names(self) -> list[str]:
        """The profiles that the configuration selects, in the order of the AWS config file."""
        names = available_profiles()
        patterns, literal = self.patterns, [p for p in self.patterns if not any(c in p for c in "*?[")]
        if not patterns:
            usual = usual_pattern(self.central.management_profile)
            if usual:
                patterns = [usual]
            else:
                literal = [self.aws_profile] if self.aws_profile else []
        # A profile's name may look like a pattern: an exact match of the name takes precedence over the glob.
        wanted = {*self.patterns, *literal}
        chosen = [name for name in names if name in wanted or any(fnmatch.fnmatchcase(name, p) for p in patterns)]
        # A name without a wildcard that the file lacks is kept: identifying it yields the sentence that reports it.
        return chosen + [name for name in literal if name not in names]

    def reached(self) -> dict[str, Identity | ProfileError]:
        """The identity of each workload profile by STS, which is also recorded, or the error of the profile."""
        found = self.client.identify_all(self.profile_names())
        self.record(self.callers_of(found))
        return found

    @staticmethod
    def callers_of(found: Mapping[str, Identity | ProfileError]) -> list[Caller]:
        """Identities and errors of workload profiles in the form that is recorded."""
        now = datetime.now(UTC)
        return [
            Caller("workload", profile, identity.checked_at, identity.account_id, identity.arn)
            if isinstance(identity, Identity)
            else Caller(
                "workload",
                profile,
                now,
                error_code=identity.reason,
                error_message=str(identity),
                hint=identity.hint,
            )
            for profile, identity in found.items()
        ]


def worker_processes(resources: Mapping[Role, AwsRole]) -> WorkerPool | None:
    """The worker processes that send requests too, of a step's roles; None where the workload role has none."""
    workload = resources.get("workload")
    return None if workload is None else workload.processes
