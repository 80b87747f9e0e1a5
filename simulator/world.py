"""Who and what exists in the simulated organisation: pure data, the same for the same arguments.

Everything that the simulator answers is drawn from here; moto only renders it (`seeding`). Nothing here
knows HTTP, moto or AWS clients.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["management", "operations", "billing", "workload"]
Tree = Literal["default", "flat", "deep"]
"""Of OUs: as the workloads name them, none at all, or with a branch of five levels, the most that AWS has."""

Payer = Literal["billing", "management", "operations"]
"""Which account the bill is read in: one of its own, or one that is also another."""

Purchase = Literal["on_demand", "savings_plan", "reserved"]

KINDS: tuple[Kind, ...] = ("management", "operations", "billing", "workload")

DEFAULT_REGIONS = ("us-east-1", "ap-southeast-2", "eu-west-1")
OPT_IN_REGIONS = ("af-south-1", "ap-east-1", "eu-south-1", "me-south-1")
"""Regions that exist and that no account has opted in to."""

TAG_KEYS = (
    "bc:capability",
    "bc:business-service",
    "bc:business-owner",
    "bc:cost-centre",
    "bc:environment",
    "bc:project",
)

DEPTH = "Workloads/Production/Regulated"
DEEPEST = f"{DEPTH}/Payments/Core"
EMPTY_OU = "Quarantine"

# Name, OU, application. The names are ones that quoting, encoding and globbing trip over.
WORKLOADS: tuple[tuple[str, str, str], ...] = (
    ("payments-prod", DEPTH, "payments"),
    ("payments-dev", "Workloads/Development", "payments"),
    ("Zählerdaten 📈 prod", DEPTH, "metering"),
    ('O\'Brien "Ledger"', "Workloads/Production", "ledger"),
    ("'; DROP TABLE account; --", "Workloads/Development", "forecast"),
    ("kōwhai-portal", "Workloads/Production", "portal"),
    ("tag-heavy", "Workloads/Production", "assets"),
    ("sandbox", "Sandbox", "trading"),
    ("mothballed", "Sandbox", "outage"),
    ("acquired-company", "Workloads/Production", "acquired"),
)
SUSPENDED, NO_PROFILE, SPARSE, TAG_HEAVY = "mothballed", "acquired-company", "sandbox", "tag-heavy"

INSTANCE_TYPES = ("t3.micro", "t3.large", "m5.large", "c5.xlarge", "r5.2xlarge")
COMMITMENTS: dict[int, Purchase] = {1: "savings_plan", 3: "reserved"}
"""How instances of an account's first region are paid for, by their number."""

RECORD_TYPES = (
    "Usage",
    "Tax",
    "Support",
    "Credit",
    "Refund",
    "SavingsPlanCoveredUsage",
    "SavingsPlanNegation",
    "SavingsPlanRecurringFee",
    "DiscountedUsage",
    "RIFee",
    "Upfront",
)
"""Of the lines of a bill, as AWS's API names them."""

NAMES = (
    "web",
    "batch worker",
    "データ取込",
    'it\'s "quoted"',
    "🥝-cache",
    "x'; DELETE FROM aws.ec2_instance; --",
)
OWNERS = ("ana.tui@example.com", "Jürgen Groß", "Seán O'Neill", "")
EPOCH = dt.datetime(2023, 2, 1, tzinfo=dt.UTC)
OLDEST_TODAY = dt.date(2025, 3, 1)
"""Instances are launched within two years of `EPOCH`, whatever the day; none may lie in the future."""


def digest(*parts: object) -> str:
    """Hexadecimal hash of the parts: the source of every identifier."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


@dataclass
class Account:
    """An account of the organisation. `ou` is the path below the root, empty for the root itself."""

    account_id: str
    name: str
    email: str
    kind: Kind
    ou: str
    tags: dict[str, str]
    joined_at: dt.datetime
    joined_method: Literal["CREATED", "INVITED"] = "CREATED"
    state: str = "ACTIVE"
    profile: str | None = None
    application: str = ""
    left_on: dt.date | None = None
    founded_as: str = ""
    """Its first name, which what was named after it keeps."""
    keeps_role: bool = False
    """Whether its role may be assumed after it has left: it may, unless its trust policy names the organisation."""

    @property
    def status(self) -> str:
        """The older field, which has no word for an account that is closed."""
        return self.state if self.state in {"ACTIVE", "SUSPENDED", "PENDING_CLOSURE"} else "SUSPENDED"


@dataclass
class Instance:
    """An EC2 instance.

    `ended_on` is the first day without cost: stopped, terminated, account closed. One that joins the previous
    one was launched with it, and AWS answers both inside one reservation. `purchase` is how it is paid for.
    """

    instance_id: str
    account_id: str
    region: str
    zone: str
    instance_type: str
    state: Literal["running", "stopped", "terminated"]
    launched_at: dt.datetime
    tags: dict[str, str]
    ended_on: dt.date | None = None
    joins_previous: bool = False
    purchase: Purchase = "on_demand"

    @property
    def arn(self) -> str:
        """The ARN, which EC2 itself does not answer."""
        return f"arn:aws:ec2:{self.region}:{self.account_id}:instance/{self.instance_id}"


@dataclass(frozen=True)
class Restatement:
    """An amount (in 1e-10 USD) that AWS added afterwards to each day from `usage_date` to the one before `until`."""

    usage_date: dt.date
    until: dt.date
    account_id: str
    service: str
    amount: int
    record_type: str


class WorldError(ValueError):
    """A change that cannot be made; the message says why."""


@dataclass
class World:
    """The organisation. Same arguments, same organisation, down to every identifier."""

    workloads: int = len(WORKLOADS)
    regions: tuple[str, ...] = DEFAULT_REGIONS
    per_region: int = 8
    seed: int = 1
    tenant: str = "acme"
    tree: Tree = "default"
    payer: Payer = "billing"
    today: dt.date = field(default_factory=lambda: dt.datetime.now(dt.UTC).date())

    def __post_init__(self) -> None:
        self.organization_id = "o-" + digest(self.seed, self.tenant, "org")[:10]
        self.root_id = "r-" + digest(self.seed, self.tenant, "root")[:4]
        self.accounts: dict[str, Account] = {}
        self.numbers: dict[str, int] = {}
        """Of the accounts, in the order in which they were founded."""

        self.units: list[str] = [] if self.tree == "flat" else ["Infrastructure", "Workloads", EMPTY_OU]
        self.parts: list[Any] = []
        """What else can be changed by name: holders of `_change_*` methods."""

        self.restatements: list[Restatement] = []
        self.opted_in: dict[str, set[str]] = {}
        """Accounts by region that has to be opted in to; every account has the others."""
        self.services_of: dict[str, set[str]] = {}
        """What an account uses, where it does not use everything."""
        self.unused: set[str] = set()
        """Services that nobody uses."""
        self.version = 0
        self._instances: dict[tuple[str, str], list[Instance]] = {}
        self.management = self._found("management", "Acme Management", "", "management")
        self.operations = self._found("operations", "shared services", "Infrastructure", "operations")
        if self.payer == "billing":
            self.billing = self._found("billing", "billing & payer", "Infrastructure", "billing")
        else:
            self.billing = self.management if self.payer == "management" else self.operations
        for central in self.accounts.values():
            central.profile = f"{self.tenant}{central.kind.capitalize()}"
        for number in range(self.workloads):
            base, ou, application = WORKLOADS[number % len(WORKLOADS)]
            generation = number // len(WORKLOADS)
            name = f"{base}-{generation + 1}" if generation else base
            account = self.accounts[self._found(f"workload {number}", name, ou, "workload")]
            account.application = application
            # The odd ones out exist once, however large the organisation is.
            if name == SUSPENDED:
                account.state = "SUSPENDED"
            if name == NO_PROFILE:
                account.joined_method, account.joined_at = "INVITED", self._middle_of_a_month()
            else:
                account.profile = f"{self.tenant}-{name}"

    def _found(self, key: str, name: str, ou: str, kind: Kind) -> str:
        number = len(self.accounts)
        salt = 0
        while True:
            account_id = f"{int(digest(self.seed, self.tenant, key, salt), 16) % 10**12:012d}"
            if number % 4 == 1:
                account_id = "00" + account_id[2:]
            elif number % 4 == 2:
                account_id = "0" + account_id[1:]
            if account_id not in self.accounts:
                break
            salt += 1
        if self.tree == "flat":
            ou = ""
        elif self.tree == "deep" and ou == DEPTH:
            ou = DEEPEST
        self.add_unit(ou)
        self.numbers[account_id] = number
        tags = {
            "bc:business-service": name if kind == "workload" else "platform",
            "bc:business-owner": OWNERS[number % len(OWNERS)],
            "bc:cost-centre": f"00{number % 7}",
            "bc:environment": "prod" if "Production" in ou else "non-prod",
        }
        if number % 5 == 4:
            tags = {}
        self.accounts[account_id] = Account(
            account_id=account_id,
            name=name,
            founded_as=name,
            email=f"aws+{number}@example.com",
            kind=kind,
            ou=ou,
            tags=tags,
            joined_at=dt.datetime(2022, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=7 * number),
        )
        return account_id

    def _middle_of_a_month(self) -> dt.datetime:
        """Of the month before the last: a recent day on which a bill begins."""
        first = (self.today.replace(day=1) - dt.timedelta(days=32)).replace(day=16)
        return dt.datetime.combine(first, dt.time(10), dt.UTC)

    # ------------------------------------------------------------------ the tree

    def add_unit(self, path: str) -> None:
        """Make sure that an OU and those above it exist."""
        parts = path.split("/") if path else []
        for depth in range(1, len(parts) + 1):
            if (above := "/".join(parts[:depth])) not in self.units:
                self.units.append(above)

    def unit_id(self, path: str) -> str:
        """Id of an OU, or of the root for the empty path."""
        if not path:
            return self.root_id
        return f"ou-{self.root_id[2:]}-{digest(self.seed, self.tenant, 'ou', path)[:8]}"

    def unit_path(self, unit_id: str) -> str | None:
        """The path of an id: empty for the root, None where there is no such parent."""
        if unit_id == self.root_id:
            return ""
        return next((path for path in self.units if self.unit_id(path) == unit_id), None)

    def id_path(self, path: str, account_id: str = "") -> str:
        """Organizations' own path: `o-…/r-…/ou-…/123456789012/`."""
        parts = path.split("/") if path else []
        ids = [self.unit_id("/".join(parts[:depth])) for depth in range(1, len(parts) + 1)]
        return "/".join([self.organization_id, self.root_id, *ids, *([account_id] if account_id else [])]) + "/"

    def organization_arn(self, kind: str, rest: str) -> str:
        """An ARN of Organizations: they all lie in the management account."""
        return f"arn:aws:organizations::{self.management}:{kind}/{self.organization_id}{rest}"

    def members(self) -> list[Account]:
        """The accounts that Organizations lists: those that have not left."""
        return [account for account in self.accounts.values() if account.left_on is None]

    def reachable(self) -> list[Account]:
        """Active workload accounts that a profile names."""
        return [
            account
            for account in self.members()
            if account.kind == "workload" and account.profile and account.state == "ACTIVE"
        ]

    # ------------------------------------------------------------------ resources

    def is_enabled(self, account_id: str, region: str) -> bool:
        """Whether an account has a region."""
        return region in self.regions and account_id in self.opted_in.get(region, {account_id})

    def uses(self, account_id: str, service: str, region: str | None = None) -> bool:
        """Whether an account has anything of a service, in a region or at all."""
        used = service not in self.unused and service in self.services_of.get(account_id, {service})
        return used and (region is None or self.is_enabled(account_id, region))

    def instances(self, account_id: str, region: str) -> list[Instance]:
        """The instances of one account in one region, made when first asked for."""
        key = (account_id, region)
        if not self.uses(account_id, "ec2", region):
            return []
        if key not in self._instances:
            self._instances[key] = self._make_instances(account_id, region)
        return self._instances[key]

    def all_instances(self) -> list[Instance]:
        """Every instance, also of accounts that nobody can reach any more."""
        return [
            instance
            for account_id in self.accounts
            for region in self.regions
            for instance in self.instances(account_id, region)
        ]

    def instance_id(self, account_id: str, region: str, number: int) -> str:
        """The id of the instance of a number, which need not exist any more."""
        return "i-0" + digest(self.seed, account_id, region, number)[:16]

    @staticmethod
    def zone(region: str, number: int) -> str:
        """The zone of the instance of a number."""
        return f"{region}{'abc'[number % 3]}" if region == "us-east-1" else f"{region}a"

    def _make_instances(self, account_id: str, region: str) -> list[Instance]:
        account = self.accounts.get(account_id)
        if account is None or region not in self.regions:
            return []
        count = {"workload": self.per_region, "operations": 2}.get(account.kind, 0)
        if account.name == SPARSE and region != self.regions[0]:
            count = 0
        return [self._make_instance(account, region, number) for number in range(count)]

    def _make_instance(self, account: Account, region: str, number: int) -> Instance:
        draw = random.Random(digest(self.seed, account.account_id, region, number))
        instance = Instance(
            instance_id=self.instance_id(account.account_id, region, number),
            account_id=account.account_id,
            region=region,
            zone=self.zone(region, number),
            instance_type=draw.choice(INSTANCE_TYPES),
            state="running",
            launched_at=EPOCH + dt.timedelta(seconds=draw.randrange(2 * 365 * 86400)),
            tags=self._make_tags(account, number, draw),
            joins_previous=number % 5 == 3,
        )
        if account.joined_method == "CREATED":
            instance.launched_at = max(instance.launched_at, account.joined_at)
        if region == self.regions[0]:
            instance.purchase = COMMITMENTS.get(number, "on_demand")
        # The first one of every account runs, so that the bill always speaks for the account.
        if number % 8 == 5:
            instance.state, instance.ended_on = "stopped", dt.date(2025, 3, 1)
        elif number % 8 == 7:
            instance.state, instance.ended_on = "terminated", self.today - dt.timedelta(days=1)
        return instance

    def _make_tags(self, account: Account, number: int, draw: random.Random) -> dict[str, str]:
        if number % 8 == 2:
            return {}
        tags = {
            "Name": draw.choice(NAMES) + f" {number}",
            "bc:business-service": account.application or "shared",
            "bc:environment": "prod" if "Production" in account.ou else "non-prod",
            "bc:cost-centre": f"00{draw.randrange(7)}",
            "bc:business-owner": draw.choice(OWNERS),
        }
        if number % 8 == 4:
            del tags["Name"]
        if number % 8 == 6:
            tags["Bc:Environment"] = "Prod"
            tags["empty"] = ""
        if account.name == TAG_HEAVY:
            for filler in range(50 - len(tags)):
                tags[f"team/{filler:02d}:ключ"] = f"value {filler} = '{draw.randrange(10**6)}' & \\ ü"
        return tags

    # ------------------------------------------------------------------ later nights

    def find(self, instance_id: str) -> Instance:
        """The instance of an id."""
        for instance in self.all_instances():
            if instance.instance_id == instance_id:
                return instance
        raise WorldError(f"there is no instance {instance_id}")

    def account(self, account_id: str) -> Account:
        """The account of an id."""
        if account_id not in self.accounts:
            raise WorldError(f"there is no account {account_id}")
        return self.accounts[account_id]

    def change(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Make one change by name (`terminate_instance`, `move_account`, …) and say what it touched."""
        changes = {
            name.removeprefix("_change_"): getattr(holder, name)
            for holder in (self, *self.parts)
            for name in dir(holder)
            if name.startswith("_change_")
        }
        if do not in changes:
            raise WorldError(f"there is no change {do}; there are {', '.join(sorted(changes))}")
        try:
            outcome: dict[str, Any] = changes[do](**arguments)
        except TypeError as error:
            raise WorldError(f"{do}: {error}") from error
        self.version += 1
        return outcome

    def _change_terminate_instance(self, instance_id: str) -> dict[str, Any]:
        instance = self.find(instance_id)
        instance.state = "terminated"
        instance.ended_on = instance.ended_on or self.today
        return {"instance_id": instance_id, "state": instance.state}

    def _change_stop_instance(self, instance_id: str) -> dict[str, Any]:
        instance = self.find(instance_id)
        instance.state = "stopped"
        instance.ended_on = instance.ended_on or self.today
        return {"instance_id": instance_id, "state": instance.state}

    def _change_start_instance(self, instance_id: str) -> dict[str, Any]:
        instance = self.find(instance_id)
        if instance.state == "terminated":
            raise WorldError(f"{instance_id} is terminated and cannot be started")
        instance.state, instance.ended_on = "running", None
        return {"instance_id": instance_id, "state": instance.state}

    def _change_forget_instance(self, instance_id: str) -> dict[str, Any]:
        """A terminated instance disappears from AWS's answers after about an hour; so can any other here."""
        instance = self.find(instance_id)
        self.instances(instance.account_id, instance.region).remove(instance)
        return {"instance_id": instance_id}

    def _change_retag_instance(self, instance_id: str, tags: dict[str, str]) -> dict[str, Any]:
        self.find(instance_id).tags = dict(tags)
        return {"instance_id": instance_id, "tags": tags}

    def _change_add_instance(
        self,
        account_id: str,
        region: str,
        tags: dict[str, str] | None = None,
        instance_type: str = "t3.micro",
    ) -> dict[str, Any]:
        if region not in self.regions:
            raise WorldError(f"{region} is not enabled; enabled are {', '.join(self.regions)}")
        self.account(account_id)
        there = self.instances(account_id, region)
        new = Instance(
            instance_id="i-0" + digest(self.seed, account_id, region, "added", self.version)[:16],
            account_id=account_id,
            region=region,
            zone=f"{region}a",
            instance_type=instance_type,
            state="running",
            launched_at=dt.datetime.combine(self.today, dt.time(), dt.UTC),
            tags=dict(tags or {}),
        )
        there.append(new)
        return {"instance_id": new.instance_id}

    def _change_move_account(self, account_id: str, ou: str) -> dict[str, Any]:
        self.account(account_id).ou = ou
        self.add_unit(ou)
        return {"account_id": account_id, "ou_path": ou, "ou_id": self.unit_id(ou)}

    def _change_rename_account(self, account_id: str, name: str) -> dict[str, Any]:
        self.account(account_id).name = name
        return {"account_id": account_id, "name": name}

    def _end_costs(self, account_id: str) -> None:
        for region in self.regions:
            for instance in self.instances(account_id, region):
                instance.ended_on = instance.ended_on or self.today

    def _change_close_account(
        self, account_id: str, state: str = "SUSPENDED", costs_end: bool = True
    ) -> dict[str, Any]:
        """Another state; where its costs go on, `state="ACTIVE"` takes it back whole."""
        self.account(account_id).state = state
        if costs_end:
            self._end_costs(account_id)
        return {"account_id": account_id, "state": state}

    def _change_add_account(
        self, name: str, ou: str = "Workloads/Development", joined_on: str | None = None
    ) -> dict[str, Any]:
        """An account is created. It has instances from then on, and no profile reaches it."""
        joined = dt.date.fromisoformat(joined_on) if joined_on else self.today
        account = self.accounts[self._found(f"added {self.version}", name, ou, "workload")]
        account.joined_at = dt.datetime.combine(joined, dt.time(10), dt.UTC)
        return {"account_id": account.account_id, "joined_at": account.joined_at.isoformat()}

    def _change_opt_in(self, region: str, accounts: list[str]) -> dict[str, Any]:
        """From now on the region has to be opted in to, as these accounts have done."""
        if region not in self.regions:
            raise WorldError(f"there is no region {region}; there are {', '.join(self.regions)}")
        self.opted_in[region] = {self.account(account).account_id for account in accounts}
        return {"region": region, "accounts": accounts}

    def _change_use_only(self, account_id: str, services: list[str]) -> dict[str, Any]:
        """An account that has nothing but these: `ec2`, `rds`, `lambda`, `s3`, `route53`; and the default networks."""
        self.services_of[self.account(account_id).account_id] = set(services)
        return {"account_id": account_id, "services": services}

    def _change_use_nowhere(self, service: str) -> dict[str, Any]:
        """A service that no account of the organisation uses."""
        self.unused.add(service)
        return {"service": service}

    def _change_remove_account(
        self, account_id: str, left_on: str | None = None, keeps_role: bool = False
    ) -> dict[str, Any]:
        """The account leaves the organisation; what it cost before stays in the payer's history."""
        day = dt.date.fromisoformat(left_on) if left_on else self.today
        account = self.account(account_id)
        account.left_on, account.keeps_role = day, keeps_role
        self._end_costs(account_id)
        return {"account_id": account_id, "left_on": day.isoformat()}

    def _change_restate(
        self,
        usage_date: str,
        account_id: str,
        service: str,
        amount: str,
        until: str | None = None,
        record_type: str = "Usage",
    ) -> dict[str, Any]:
        """Add an amount in USD (a decimal string of at most eight places) to a day of the bill.

        With `until` to each day before that one.
        """
        whole, _, fraction = amount.lstrip("-").partition(".")
        if len(fraction) > 8 or not (whole + fraction).isdigit():
            raise WorldError(f"amount {amount!r} is not a decimal number of at most eight places")
        units = int(whole or "0") * 10**10 + int(fraction.ljust(10, "0"))
        first = dt.date.fromisoformat(usage_date)
        end = dt.date.fromisoformat(until) if until else first + dt.timedelta(days=1)
        if record_type not in RECORD_TYPES:
            raise WorldError(f"there is no record type {record_type}; there are {', '.join(RECORD_TYPES)}")
        self.account(account_id)
        self.restatements.append(
            Restatement(first, end, account_id, service, -units if amount.startswith("-") else units, record_type)
        )
        return {"usage_date": usage_date, "account_id": account_id, "service": service, "amount": amount}

    # ------------------------------------------------------------------ truth

    def truth(self) -> dict[str, Any]:
        """Everything that a test may want to compare with, as JSON data."""
        members = self.members()
        return {
            "organization_id": self.organization_id,
            "root_id": self.root_id,
            "tenant": self.tenant,
            "seed": self.seed,
            "today": self.today.isoformat(),
            "regions": list(self.regions),
            "opt_in_regions": list(OPT_IN_REGIONS),
            "central": {
                "management": self.management,
                "operations": self.operations,
                "billing": self.billing,
            },
            "reachable": [account.account_id for account in self.reachable()],
            "accounts": [self._account_truth(account) for account in members],
            "former_accounts": [a.account_id for a in self.accounts.values() if a.left_on is not None],
            "organizational_units": [
                {
                    "ou_id": self.unit_id(path),
                    "name": path.rpartition("/")[2],
                    "path": path,
                    "parent_id": self.unit_id(path.rpartition("/")[0]),
                    "depth": path.count("/") + 1,
                    "accounts": [account.account_id for account in members if account.ou == path],
                }
                for path in self.units
            ],
            "instances": [
                {
                    "instance_id": instance.instance_id,
                    "arn": instance.arn,
                    "account_id": instance.account_id,
                    "region": instance.region,
                    "availability_zone": instance.zone,
                    "instance_type": instance.instance_type,
                    "state": instance.state,
                    "launched_at": instance.launched_at.isoformat(),
                    "tags": instance.tags,
                }
                for instance in self.all_instances()
            ],
        }

    def _account_truth(self, account: Account) -> dict[str, Any]:
        return {
            "account_id": account.account_id,
            "name": account.name,
            "email": account.email,
            "kind": account.kind,
            "state": account.state,
            "status": account.status,
            "joined_method": account.joined_method,
            "joined_at": account.joined_at.isoformat(),
            "ou_id": self.unit_id(account.ou),
            "ou_path": account.ou,
            "id_path": self.id_path(account.ou, account.account_id),
            "tags": account.tags,
            "profile": account.profile,
            "is_management": account.account_id == self.management,
        }
