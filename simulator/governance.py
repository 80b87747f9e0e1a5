"""What governs the organisation: policies and where they are attached, trusted services, delegations.

Pure data over a world. AWS's defaults are kept: `FullAWSAccess` hangs on the root, every OU and every account
until somebody detaches it, also on those that come later.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from simulator.pages import PolicyState, Settings
from simulator.world import DEPTH, EMPTY_OU, Account, World, WorldError, digest

TargetType = Literal["ROOT", "ORGANIZATIONAL_UNIT", "ACCOUNT"]
Document = dict[str, Any]

SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
NOT_FOR_MANAGEMENT = frozenset({SCP, RCP})
"""Types that never bind the management account, although they may be attached to it."""

STATES: dict[str, PolicyState] = {
    SCP: "policies",
    RCP: "policies",
    "TAG_POLICY": "policies",
    "BACKUP_POLICY": "policies",
    "AISERVICES_OPT_OUT_POLICY": "policies",
    "DECLARATIVE_POLICY_EC2": "policies",
    "CHATBOT_POLICY": "empty",
    "SECURITYHUB_POLICY": "empty",
    "S3_POLICY": "empty",
}
"""States of the policy types; one that is not named here, such as a new one of botocore's, is not enabled."""


def _deny(sid: str, actions: Sequence[str], **condition: Any) -> Document:
    statement = {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": "*", **condition}
    return {"Version": "2012-10-17", "Statement": [statement]}


_ALLOW_ALL: Document = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def _speaks_of(statement: Document, action: str) -> bool:
    key = "Action" if "Action" in statement else "NotAction"
    patterns = [statement[key]] if isinstance(statement[key], str) else statement[key]
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns) == (key == "Action")


def _denies(content: Document, arn: str, action: str, region: str) -> bool:
    """Whether a document denies an action; a condition that the simulation does not know never holds."""
    role = re.sub(r":sts:(.*):assumed-role/([^/]+)/.*", r":iam:\1:role/\2", arn)
    for statement in content.get("Statement", []):
        if statement["Effect"] != "Deny" or not _speaks_of(statement, action):
            continue
        conditions = statement.get("Condition", {}).items()
        if all(_holds(operator, keys, region, role) for operator, keys in conditions):
            return True
    return False


def _holds(operator: str, keys: Document, region: str, role: str) -> bool:
    held = []
    for key, wanted in keys.items():
        patterns = [wanted] if isinstance(wanted, str) else wanted
        match operator, key.lower():
            case (("StringEquals" | "StringNotEquals" | "StringLike" | "StringNotLike"), "aws:requestedregion"):
                found = any(fnmatchcase(region, pattern) for pattern in patterns)
            case (("ArnLike" | "ArnNotLike" | "StringLike" | "StringNotLike"), "aws:principalarn"):
                found = any(fnmatchcase(role, pattern) for pattern in patterns)
            case _:
                return False
        held.append(found != ("Not" in operator))
    return all(held)


def _allows(content: Document, action: str) -> bool:
    return any(
        statement["Effect"] == "Allow" and _speaks_of(statement, action) for statement in content.get("Statement", [])
    )


ROOT = "/"
# Type, name, description, where it is attached (OU path, `/` for the root, `#n` for the nth workload account).
POLICIES: tuple[tuple[str, str, str, tuple[str, ...], Document], ...] = (
    (
        SCP,
        "Deny leaving the organisation",
        "Attached to the root, an OU and an account at once.",
        (ROOT, "Workloads", "#0"),
        _deny("DenyLeaving", ["organizations:LeaveOrganization"]),
    ),
    (
        SCP,
        "Regions: Aotearoa & EU",
        "",
        ("Workloads/Production",),
        _deny(
            "OnlyTheseRegions",
            ["*"],
            # Global services are in us-east-1, and the control of Multi-Region Access Points in us-west-2.
            Condition={
                "StringNotEquals": {"aws:RequestedRegion": ["ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2"]}
            },
        ),
    ),
    (SCP, "🔒 sandbox", "Keeps sandboxes small.", ("Sandbox",), _deny("NoIam", ["iam:Create*"])),
    (
        SCP,
        "Require IMDSv2",
        'Says "no" to the first version: it\'s old.',
        ("#1", "#3"),
        _deny(
            "RequireImdsV2",
            ["ec2:RunInstances"],
            Condition={"StringNotEquals": {"ec2:MetadataHttpTokens": "required"}},
        ),
    ),
    (SCP, "Draft", "Attached to nothing.", (), _deny("Draft", ["s3:DeleteBucket"])),
    (SCP, "Quarantine", "On an OU without accounts.", (EMPTY_OU,), _deny("Everything", ["*"])),
    (
        SCP,
        "'; DROP TABLE policy; --",
        "",
        ("Infrastructure",),
        _deny("KeepTrails", ["cloudtrail:StopLogging", "cloudtrail:DeleteTrail"]),
    ),
    (
        RCP,
        "Only our own principals",
        "",
        (ROOT,),
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "OnlyOurs",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": ["s3:*", "sqs:*"],
                    "Resource": "*",
                    "Condition": {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}},
                }
            ],
        },
    ),
    (
        "TAG_POLICY",
        "bc: tags",
        "The six keys.",
        (ROOT,),
        {"tags": {"bc:environment": {"tag_value": {"@@assign": ["prod", "non-prod"]}}}},
    ),
    (
        "TAG_POLICY",
        "bc: tags, regulated",
        "",
        (DEPTH, "Workloads/Production"),
        {"tags": {"bc:business-owner": {"enforced_for": {"@@assign": ["ec2:instance"]}}}},
    ),
    (
        "BACKUP_POLICY",
        "Nightly backups ‑ métering",
        "",
        ("Workloads/Production",),
        {"plans": {"nightly": {"regions": {"@@assign": ["ap-southeast-2"]}}}},
    ),
    (
        "AISERVICES_OPT_OUT_POLICY",
        "Opt out of everything",
        "",
        (ROOT,),
        {"services": {"default": {"opt_out_policy": {"@@assign": "optOut"}}}},
    ),
    (
        "DECLARATIVE_POLICY_EC2",
        "No public images",
        "",
        ("Workloads",),
        {"ec2_attributes": {"image_block_public_access": {"state": {"@@assign": "block_new_sharing"}}}},
    ),
)

SERVICES = (
    "access-analyzer.amazonaws.com",
    "account.amazonaws.com",
    "cloudtrail.amazonaws.com",
    "config.amazonaws.com",
    "fms.amazonaws.com",
    "guardduty.amazonaws.com",
    "ipam.amazonaws.com",
    "member.org.stacksets.cloudformation.amazonaws.com",
    "securityhub.amazonaws.com",
    "sso.amazonaws.com",
    "tagpolicies.tag.amazonaws.com",
)
"""Services with trusted access."""

# Number of the active workload account -> what it administers. Never one of the central accounts: what these
# may not read is how the silent zero is shown.
DELEGATIONS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (
        0,
        (
            "access-analyzer.amazonaws.com",
            "config.amazonaws.com",
            "detective.amazonaws.com",
            "guardduty.amazonaws.com",
            "inspector2.amazonaws.com",
            "macie.amazonaws.com",
            "securityhub.amazonaws.com",
        ),
    ),
    (1, ("compute-optimizer.amazonaws.com", "cost-optimization-hub.bcm.amazonaws.com")),
    (2, ("ipam.amazonaws.com",)),
    (3, ("fms.amazonaws.com", "networkmanager.amazonaws.com")),
    (4, ("sso.amazonaws.com",)),
    (6, ("member.org.stacksets.cloudformation.amazonaws.com",)),
)

FIRST_DELEGATION = dt.datetime(2024, 2, 29, 11, 30, tzinfo=dt.UTC)


@dataclass
class OrganizationPolicy:
    """A policy. `everywhere` hangs on each target that is not among the detached."""

    policy_id: str
    policy_type: str
    name: str
    description: str
    content: Document
    targets: list[str] = field(default_factory=list)
    everywhere: bool = False
    detached: set[str] = field(default_factory=set)

    @property
    def is_aws_managed(self) -> bool:
        """Whether AWS made it."""
        return self.everywhere


_NOTHING: Document = {"Effect": "Deny", "Action": ["iam:CreateUser"], "Resource": "*"}


class Governance:
    """Policies, trusted services and delegations of one organisation."""

    def __init__(self, world: World, policy_types: Sequence[str], settings: Settings) -> None:
        self.world = world
        self.policy_types = tuple(policy_types)
        self._settings = settings
        self._policies = [*self._managed(), *self._made()]
        self.services = {name: FIRST_DELEGATION + dt.timedelta(days=3 * number) for number, name in enumerate(SERVICES)}
        self._delegations: dict[str, dict[str, dt.datetime]] = self._delegate()
        world.parts.append(self)

    def _managed(self) -> Iterator[OrganizationPolicy]:
        for policy_type, policy_id in ((SCP, "p-FullAWSAccess"), (RCP, "p-RCPFullAWSAccess")):
            yield OrganizationPolicy(
                policy_id,
                policy_type,
                policy_id[2:],
                "Allows access to every operation",
                _ALLOW_ALL if policy_type == SCP else {**_ALLOW_ALL, "Principal": "*"},
                everywhere=True,
            )

    def _made(self) -> Iterator[OrganizationPolicy]:
        used = set()
        workloads = [account for account in self.world.members() if account.kind == "workload"]
        for policy_type, name, description, places, content in POLICIES:
            used.add(policy_type)
            targets = []
            for place in places:
                if place.startswith("#"):
                    targets += [a.account_id for a in workloads[int(place[1:]) : int(place[1:]) + 1]]
                elif place == ROOT or place in self.world.units:
                    targets.append(self.world.unit_id("" if place == ROOT else place))
            yield OrganizationPolicy(
                self._policy_id(policy_type, name), policy_type, name, description, content, targets
            )
        # What a type has to show when a test switches it to `policies`.
        for policy_type in self.policy_types:
            if policy_type not in used:
                name = policy_type.replace("_", " ").capitalize()
                yield OrganizationPolicy(
                    self._policy_id(policy_type, name),
                    policy_type,
                    name,
                    "",
                    {"settings": {"@@assign": "default"}},
                    [self.world.root_id],
                )

    def _policy_id(self, policy_type: str, name: str) -> str:
        return "p-" + digest(self.world.seed, self.world.tenant, "policy", policy_type, name)[:10]

    def _delegate(self) -> dict[str, dict[str, dt.datetime]]:
        active = [a for a in self.world.members() if a.kind == "workload" and a.state == "ACTIVE"]
        return {
            active[number].account_id: {
                service: FIRST_DELEGATION + dt.timedelta(days=number, hours=position)
                for position, service in enumerate(services)
            }
            for number, services in DELEGATIONS
            if number < len(active)
        }

    # ------------------------------------------------------------------ policies

    def state(self, policy_type: str) -> PolicyState:
        """The state of a policy type, as set or as the world has it."""
        return self._settings.policy_types.get(policy_type) or STATES.get(policy_type, "not_enabled")

    def enabled_types(self) -> list[str]:
        """The policy types that the root has enabled."""
        return [name for name in self.policy_types if self.state(name) != "not_enabled"]

    def policies(self, policy_type: str | None = None) -> list[OrganizationPolicy]:
        """The policies that there are, of one type or of all."""
        return [
            policy
            for policy in self._policies
            if policy_type in {None, policy.policy_type} and self.state(policy.policy_type) == "policies"
        ]

    def policy(self, policy_id: str) -> OrganizationPolicy | None:
        """The policy of an id."""
        return next((policy for policy in self.policies() if policy.policy_id == policy_id), None)

    def _all_targets(self) -> list[str]:
        world = self.world
        return [
            world.root_id,
            *(world.unit_id(path) for path in world.units),
            *(account.account_id for account in world.members()),
        ]

    def targets(self, policy: OrganizationPolicy) -> list[str]:
        """Ids of what a policy is attached to: root, OUs, accounts."""
        there = self._all_targets()
        if policy.everywhere:
            return [target for target in there if target not in policy.detached]
        known = set(there)
        return [target for target in policy.targets if target in known]

    def attached_to(self, target_id: str, policy_type: str) -> list[OrganizationPolicy]:
        """The policies of a type that are attached to a target itself."""
        return [
            policy
            for policy in self.policies(policy_type)
            if (target_id not in policy.detached if policy.everywhere else target_id in policy.targets)
        ]

    def target_type(self, target_id: str) -> TargetType | None:
        """What an id is, or None where there is nothing of that id."""
        if target_id == self.world.root_id:
            return "ROOT"
        if self.world.unit_path(target_id):
            return "ORGANIZATIONAL_UNIT"
        return "ACCOUNT" if self._member(target_id) else None

    def target_name(self, target_id: str) -> str:
        """The name of a target."""
        if account := self._member(target_id):
            return account.name
        return (self.world.unit_path(target_id) or "Root").rpartition("/")[2]

    def _member(self, account_id: str) -> Account | None:
        account = self.world.accounts.get(account_id)
        return account if account and account.left_on is None else None

    # ------------------------------------------------------------------ delegations

    def delegations(self) -> dict[str, dict[str, dt.datetime]]:
        """Accounts that administer services, with the services and since when."""
        return {
            account_id: services
            for account_id, services in self._delegations.items()
            if services and self._member(account_id)
        }

    def may_read(self, account_id: str) -> bool:
        """Whether Organizations answers an account: the management account and delegated administrators."""
        return account_id == self.world.management or account_id in self.delegations()

    def delegation_policy(self) -> Document | None:
        """The organisation's resource policy, or None where it has none."""
        if not self._settings.delegation_policy:
            return None
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "DelegateReading",
                    "Effect": "Allow",
                    "Principal": {"AWS": [f"arn:aws:iam::{name}:root" for name in [*self.delegations()][:2]]},
                    "Action": ["organizations:Describe*", "organizations:List*"],
                    "Resource": "*",
                }
            ],
        }

    # ------------------------------------------------------------------ later nights

    def _known_policy(self, policy_id: str) -> OrganizationPolicy:
        policy = self.policy(policy_id)
        if policy is None:
            known = ", ".join(policy.policy_id for policy in self.policies())
            raise WorldError(f"there is no policy {policy_id}; there are {known}")
        return policy

    def _known_target(self, target_id: str) -> str:
        if self.target_type(target_id) is None:
            raise WorldError(f"there is no root, OU or account {target_id}")
        return target_id

    def _change_add_policy(
        self, name: str, content: Document, target: str, policy_type: str = SCP, exclusive: bool = False
    ) -> dict[str, Any]:
        """A new SCP or RCP on an OU (by its path), an account (by its id) or the root (`/`), which is obeyed at once.

        Args:
            exclusive: in place of what allows everything there, as an organisation does that lists what is allowed.
        """
        if policy_type not in NOT_FOR_MANAGEMENT:
            raise WorldError(f"only {' and '.join(sorted(NOT_FOR_MANAGEMENT))} can be added")
        target_id = target if target.isdigit() else self.world.unit_id("" if target == ROOT else target)
        policy = OrganizationPolicy(
            self._policy_id(policy_type, name), policy_type, name, "", content, [self._known_target(target_id)]
        )
        self._policies.append(policy)
        if exclusive:
            next(one for one in self._policies if one.everywhere and one.policy_type == policy_type).detached.add(
                target_id
            )
        return {"policy_id": policy.policy_id, "target_id": target_id}

    def _change_add_policies(self, count: int, policy_type: str = SCP) -> dict[str, Any]:
        """So many more policies that hang nowhere, as the drafts of years."""
        if policy_type not in self.policy_types:
            raise WorldError(f"there is no policy type {policy_type}; there are {', '.join(self.policy_types)}")
        for number in range(count):
            name = f"draft {len(self._policies)}"
            document = {"Version": "2012-10-17", "Statement": [{**_NOTHING, "Sid": f"Draft{number}"}]}
            self._policies.append(
                OrganizationPolicy(self._policy_id(policy_type, name), policy_type, name, "", document)
            )
        return {"count": count}

    def refusing(self, account_id: str, arn: str, action: str, region: str) -> tuple[str, OrganizationPolicy | None]:
        """Kind and policy that keep an account from an action in a region; no policy where none allows it.

        The kind is empty where nothing does.
        """
        account = self._member(account_id)
        if account is None or account_id == self.world.management:
            return "", None
        parts = account.ou.split("/") if account.ou else []
        units = [self.world.unit_id("/".join(parts[:depth])) for depth in range(len(parts) + 1)]
        for policy_type in (SCP, RCP):
            kind = policy_type.lower().replace("_", " ")
            if self.state(policy_type) != "policies":
                continue
            for target in [*units, account_id]:
                there = self.attached_to(target, policy_type)
                for policy in there:
                    if _denies(policy.content, arn, action, region):
                        return kind, policy
                if not any(_allows(policy.content, action) for policy in there) and policy_type == SCP:
                    return kind, None
        return "", None

    def policy_arn(self, policy: OrganizationPolicy) -> str:
        """The ARN of a policy."""
        kind = policy.policy_type.lower()
        if policy.is_aws_managed:
            return f"arn:aws:organizations::aws:policy/{kind}/{policy.policy_id}"
        return self.world.organization_arn("policy", f"/{kind}/{policy.policy_id}")

    def _change_attach_policy(self, policy_id: str, target_id: str) -> dict[str, Any]:
        policy = self._known_policy(policy_id)
        if self._known_target(target_id) in self.targets(policy):
            raise WorldError(f"{policy_id} is attached to {target_id} already")
        if policy.everywhere:
            policy.detached.discard(target_id)
        else:
            policy.targets.append(target_id)
        return {"policy_id": policy_id, "targets": self.targets(policy)}

    def _change_edit_policy(self, policy_id: str, content: Document) -> dict[str, Any]:
        self._known_policy(policy_id).content = content
        return {"policy_id": policy_id}

    def _change_detach_policy(self, policy_id: str, target_id: str) -> dict[str, Any]:
        policy = self._known_policy(policy_id)
        if self._known_target(target_id) not in self.targets(policy):
            raise WorldError(f"{policy_id} is not attached to {target_id}")
        if policy.everywhere:
            policy.detached.add(target_id)
        else:
            policy.targets.remove(target_id)
        return {"policy_id": policy_id, "targets": self.targets(policy)}

    def _change_register_delegated_administrator(self, account_id: str, service_principal: str) -> dict[str, Any]:
        self.world.account(account_id)
        day = dt.datetime.combine(self.world.today, dt.time(), dt.UTC)
        self._delegations.setdefault(account_id, {})[service_principal] = day
        return {"account_id": account_id, "services": [*self._delegations[account_id]]}

    def _change_deregister_delegated_administrator(self, account_id: str, service_principal: str) -> dict[str, Any]:
        services = self._delegations.get(account_id, {})
        if service_principal not in services:
            raise WorldError(f"{account_id} does not administer {service_principal}")
        del services[service_principal]
        return {"account_id": account_id, "services": [*services]}

    def _change_enable_service(self, service_principal: str) -> dict[str, Any]:
        self.services[service_principal] = dt.datetime.combine(self.world.today, dt.time(), dt.UTC)
        return {"services": [*self.services]}

    def _change_disable_service(self, service_principal: str) -> dict[str, Any]:
        if service_principal not in self.services:
            raise WorldError(f"{service_principal} is not enabled; enabled are {', '.join(self.services)}")
        del self.services[service_principal]
        return {"services": [*self.services]}

    # ------------------------------------------------------------------ truth

    def truth(self) -> dict[str, Any]:
        """Policies, attachments, coverage by account, services and delegations, as JSON data."""
        targets = {policy.policy_id: self.targets(policy) for policy in self.policies()}
        return {
            "policy_types": {name: self.state(name) for name in self.policy_types},
            "policies": [
                {
                    "policy_id": policy.policy_id,
                    "policy_type": policy.policy_type,
                    "name": policy.name,
                    "description": policy.description,
                    "is_aws_managed": policy.is_aws_managed,
                    "content": policy.content,
                    "target_ids": targets[policy.policy_id],
                }
                for policy in self.policies()
            ],
            "policy_targets": [
                {
                    "policy_id": policy_id,
                    "target_id": target,
                    "target_type": self.target_type(target),
                    "target_name": self.target_name(target),
                }
                for policy_id, there in targets.items()
                for target in there
            ],
            "account_policies": list(self._coverage(targets)),
            "enabled_services": [
                {"service_principal": name, "enabled_at": day.isoformat()} for name, day in self.services.items()
            ],
            "delegated_administrators": [
                {
                    "account_id": account_id,
                    "delegated_at": min(services.values()).isoformat(),
                    "services": [
                        {"service_principal": name, "delegated_at": day.isoformat()} for name, day in services.items()
                    ],
                }
                for account_id, services in self.delegations().items()
            ],
            "delegation_policy": self.delegation_policy(),
        }

    def _coverage(self, targets: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
        """One row for each account, policy and target through which it reaches the account."""
        by_target: defaultdict[str, list[OrganizationPolicy]] = defaultdict(list)
        for policy in self.policies():
            for target in targets[policy.policy_id]:
                by_target[target].append(policy)
        chains: dict[str, list[str]] = {}
        for account in self.world.members():
            if account.ou not in chains:
                parts = account.ou.split("/") if account.ou else []
                above = ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]
                chains[account.ou] = [self.world.unit_id(path) for path in above]
            for target in [*chains[account.ou], account.account_id]:
                for policy in by_target[target]:
                    is_exempt = policy.policy_type in NOT_FOR_MANAGEMENT
                    yield {
                        "account_id": account.account_id,
                        "policy_id": policy.policy_id,
                        "policy_type": policy.policy_type,
                        "target_id": target,
                        "is_inherited": target != account.account_id,
                        "is_bound": not (is_exempt and account.account_id == self.world.management),
                    }
