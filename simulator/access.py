"""Who is calling, what the role may do, and the credentials that prove it.

Signatures are not verified: an access key and a session token say who calls. A session token is a readable
record, so that sessions outlive a restart and a test can make one that has expired.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from simulator.governance import Governance
from simulator.wire import AwsError, Call, PolicyWording, denied, denied_by_policy, expired, unknown_token
from simulator.world import KINDS, Kind, World

ROLE_NAMES: Mapping[Kind, str] = {
    "management": "OrgReader",
    "operations": "OpsReader",
    "billing": "BillingReader",
    "workload": "CMDBReader",
}
KIND_OF_ROLE: Mapping[str, Kind] = {
    **{name: kind for kind, name in ROLE_NAMES.items()},
    # As docs/howto/connect-aws.md calls them.
    "cmdb-management": "management",
    "cmdb-operations": "operations",
    "cmdb-billing": "billing",
    "aws-org-cmdb-reader": "workload",
}
BOOTSTRAP_KEY = "AKIACMDBBOOTSTRAP001"
BOOTSTRAP_USER = "user/cmdb-bootstrap"
SSO_TOKEN = "canary-sso-token"
SECRET_KEY = "canary-secret-key".ljust(40, "x")
"""The secret of every key; like the token of the sign-in it is looked for in whatever a night leaves behind."""

HOMES = frozenset({"us-east-1", "us-west-2"})
"""Regions that every account has, whatever the organisation uses: global services respond there."""

IAM_PREFIXES = {"resourcegroupstaggingapi": "tag", "s3control": "s3"}
IAM_ACTIONS = {
    "resource-explorer-2:ListResources": "resource-explorer-2:Search",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
}


class PolicyError(ValueError):
    """A policies file that cannot be used; the message says why."""


def iam_action(service: str, operation: str) -> str:
    """The IAM action that an operation needs."""
    action = f"{IAM_PREFIXES.get(service, service)}:{operation}"
    if service == "budgets" and operation.startswith("Describe"):
        return "budgets:ViewBudget"
    return IAM_ACTIONS.get(action, action)


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


class Policy:
    """The actions of an IAM policy document; conditions and resources are not looked at."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        statements = document.get("Statement")
        if not statements:
            raise PolicyError("a policy has no Statement")
        self._allow: list[str] = []
        self._deny: list[str] = []
        for statement in [statements] if isinstance(statements, dict) else statements:
            actions = [action.lower() for action in _strings(statement["Action"])]
            (self._allow if statement["Effect"] == "Allow" else self._deny).extend(actions)

    def allows(self, action: str) -> bool:
        """Whether an action is allowed and not denied. IAM does not mind capitals."""
        name = action.lower()
        return any(fnmatchcase(name, pattern) for pattern in self._allow) and not any(
            fnmatchcase(name, pattern) for pattern in self._deny
        )


def refusals(data: Mapping[str, Any]) -> dict[Kind, Policy]:
    """What roles are refused, from JSON `{role: [IAM action patterns]}`."""
    if unknown := {*data} - {*KINDS}:
        raise PolicyError(f"there is no role {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    return {
        kind: Policy({"Statement": [{"Effect": "Allow", "Action": data[kind]}]}) for kind in KINDS if data.get(kind)
    }


def read_policies(data: Any) -> dict[Kind, Policy]:
    """Policies by role, from JSON `{role: IAM policy document}`."""
    if not isinstance(data, dict):
        raise PolicyError("it must be one JSON object of IAM policy documents by role")
    if missing := [kind for kind in KINDS if kind not in data]:
        raise PolicyError(f"it has no IAM policy document for {', '.join(missing)}")
    return {kind: Policy(data[kind]) for kind in KINDS}


def session_token(account_id: str, role_name: str, session: str, expires_at: int, partition: str = "aws") -> str:
    """The record that a session token is; an account of another partition than `aws` is of no organisation here."""
    record: dict[str, Any] = {"account": account_id, "role": role_name, "session": session, "expires": expires_at}
    if partition != "aws":
        record["partition"] = partition
    return base64.urlsafe_b64encode(json.dumps(record).encode()).decode()


class Access:
    """Identities, sessions and policies of one organisation."""

    def __init__(self, world: World, policies: Mapping[Kind, Policy]) -> None:
        self.world = world
        self.policies = policies
        self.session_seconds: int | None = None
        self.governance: Governance | None = None
        """Whose policies are obeyed, once there is one."""
        self.policy_wording: PolicyWording = "arn"
        self.refused: dict[Kind, Policy] = {}
        """Grants taken back, by role."""

        self.refused_in: dict[tuple[str, str], Policy] = {}
        """Grants taken back from whatever role an account has, by account and region."""

        self._minted = 0
        world.parts.append(self)

    def _change_refuse_role(self, account_id: str, region: str, actions: list[str]) -> dict[str, Any]:
        """The role of an account loses these IAM actions (patterns) in a region; with none it has all of them again."""
        self.world.account(account_id)
        self.refused_in.pop((account_id, region), None)
        if actions:
            self.refused_in[account_id, region] = Policy({"Statement": [{"Effect": "Allow", "Action": actions}]})
        return {"account_id": account_id, "region": region, "actions": actions}

    @property
    def billing_member(self) -> str:
        """A member account that also has the billing role: a mistake that people make."""
        return self.world.reachable()[0].account_id if self.world.reachable() else self.world.management

    def has_role(self, account_id: str, role_name: str) -> bool:
        """Whether a role exists in an account that is alive."""
        account = self.world.accounts.get(account_id)
        kind = KIND_OF_ROLE.get(role_name)
        if account is None or kind is None or account.state != "ACTIVE":
            return False
        if account.left_on and not account.keeps_role:
            return False
        world = self.world
        elsewhere: dict[str, set[str]] = {
            "billing": {self.billing_member, world.billing},
            "operations": {world.management},
            "management": set(self.governance.delegations()) if self.governance else set(),
        }
        return account.kind == kind or account_id in elsewhere.get(kind, ())

    # ------------------------------------------------------------------ who

    def identify(self, call: Call) -> None:
        """Fill in who calls.

        Raises:
            AwsError: the credentials are unknown or their time is over.
        """
        if call.service == "sso":
            return
        if call.access_key == BOOTSTRAP_KEY:
            call.account_id, call.session = self.world.management, "cmdb-bootstrap"
            call.arn = f"arn:aws:iam::{call.account_id}:{BOOTSTRAP_USER}"
            return
        try:
            record = json.loads(base64.urlsafe_b64decode(call.environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")))
            account, call.role_name = record["account"], record["role"]
            call.session, ends = record["session"], record["expires"]
            partition = record.get("partition", "aws")
        except (ValueError, KeyError, TypeError) as error:
            raise unknown_token(call.service) from error
        call.role = KIND_OF_ROLE.get(call.role_name)
        self.settle(call, account, partition)
        if ends <= time.time():
            raise expired(call.service)

    def settle(self, call: Call, account_id: str, partition: str = "aws") -> None:
        """Let a role's call be one of an account."""
        call.account_id = account_id
        call.arn = f"arn:{partition}:sts::{account_id}:assumed-role/{call.role_name}/{call.session}"

    # ------------------------------------------------------------------ may they

    def authorise(self, call: Call) -> None:
        """Refuse what the role's policy does not allow, as the protocol of the service does.

        Raises:
            AwsError: refused.
        """
        if call.service == "sso" or (call.service, call.operation) == ("sts", "GetCallerIdentity"):
            return
        if call.account_id in self.world.accounts and self.world.accounts[call.account_id].state != "ACTIVE":
            # Sessions of before end with the account.
            raise unknown_token(call.service)
        is_there = call.region in HOMES or self.world.is_enabled(call.account_id, call.region)
        if call.service != "sts" and not is_there:
            # What a region answers that the account has not opted in to.
            raise unknown_token(call.service)
        action = iam_action(call.service, call.operation)
        if call.role is None:
            allowed = action == "sts:AssumeRole" and call.access_key == BOOTSTRAP_KEY
        else:
            taken = [self.refused.get(call.role), self.refused_in.get((call.account_id, call.region))]
            is_taken = any(policy.allows(action) for policy in taken if policy)
            allowed = self.policies[call.role].allows(action) and not is_taken
        if self.governance is not None and call.role is not None:
            kind, policy = self.governance.refusing(call.account_id, call.arn, action, call.region)
            if kind:
                raise denied_by_policy(
                    call.service,
                    action,
                    call.arn,
                    kind=kind,
                    policy_arn=None if policy is None else self.governance.policy_arn(policy),
                    wording=self.policy_wording,
                )
        if not allowed:
            raise denied(call.service, action, call.arn)

    # ------------------------------------------------------------------ credentials

    def _mint(self, account_id: str, role_name: str, session: str, seconds: int) -> dict[str, Any]:
        self._minted += 1
        expires_at = int(time.time()) + (seconds if self.session_seconds is None else self.session_seconds)
        return {
            "AccessKeyId": f"ASIA{self._minted:016d}",
            "SecretAccessKey": SECRET_KEY,
            "SessionToken": session_token(account_id, role_name, session, expires_at),
            "Expiration": dt.datetime.fromtimestamp(expires_at, dt.UTC),
        }

    def assume_role(self, call: Call) -> dict[str, Any]:
        """sts:AssumeRole: the role must exist, in an account that is active."""
        wanted = str(call.parameters.get("RoleArn", ""))
        session = str(call.parameters.get("RoleSessionName", ""))
        parts = re.fullmatch(r"arn:aws:iam::(\d{12}):role/(?:.*/)?([^/]+)", wanted)
        if not parts or not self.has_role(*parts.groups()):
            raise denied("sts", "sts:AssumeRole", call.arn, wanted)
        account_id, role_name = parts.groups()
        seconds = int(call.parameters.get("DurationSeconds") or 3600)
        return {
            "Credentials": self._mint(account_id, role_name, session, seconds),
            "AssumedRoleUser": {
                "AssumedRoleId": f"AROA{account_id}SIM:{session}",
                "Arn": f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session}",
            },
        }

    def caller_identity(self, call: Call) -> dict[str, Any]:
        """sts:GetCallerIdentity."""
        user = "AIDACMDBBOOTSTRAP001" if call.role is None else f"AROA{call.account_id}SIM:{call.session}"
        return {"UserId": user, "Account": call.account_id, "Arn": call.arn}

    def sso_role_credentials(self, call: Call) -> dict[str, Any]:
        """sso:GetRoleCredentials, against the token that the sign-in has left in the cache."""
        account_id, role_name = str(call.parameters.get("accountId")), str(call.parameters.get("roleName"))
        if call.parameters.get("accessToken") != SSO_TOKEN:
            raise AwsError("UnauthorizedException", "Session token not found or invalid", 401)
        if not self.has_role(account_id, role_name):
            raise AwsError("ForbiddenException", "No access", 403)
        made = self._mint(account_id, role_name, "ana.tui@example.com", 3600)
        return {
            "roleCredentials": {
                "accessKeyId": made["AccessKeyId"],
                "secretAccessKey": made["SecretAccessKey"],
                "sessionToken": made["SessionToken"],
                "expiration": int(made["Expiration"].timestamp() * 1000),
            }
        }
