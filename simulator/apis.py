"""The operations that the simulator answers itself, because moto lacks them or answers them in one piece.

Each handler gets the call and returns the operation's output as a dict, or raises `AwsError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from simulator import inputs
from simulator.access import Access
from simulator.governance import Governance
from simulator.pages import Handler, Item, Output, Settings
from simulator.trail import Trail
from simulator.wire import AwsError, Call
from simulator.world import OPT_IN_REGIONS, Account

ANYONE = frozenset({"DescribeOrganization"})
"""Organizations operations that every member account may call."""


class Answering(Protocol):
    """What answers operations."""

    @property
    def handlers(self) -> dict[tuple[str, str], Handler]:
        """By service and operation."""


class Apis:
    """The handlers, over one world, with those of `others`."""

    def __init__(
        self,
        access: Access,
        governance: Governance,
        trail: Trail,
        settings: Settings,
        others: Iterable[Answering] = (),
    ) -> None:
        self._world, self._governance = access.world, governance
        self._trail, self._settings = trail, settings
        self.handlers: dict[tuple[str, str], Handler] = {
            ("sts", "AssumeRole"): access.assume_role,
            ("sts", "GetCallerIdentity"): access.caller_identity,
            ("sso", "GetRoleCredentials"): access.sso_role_credentials,
            ("organizations", "DescribeOrganization"): self._describe_organization,
            ("organizations", "DescribeAccount"): self._describe_account,
            ("organizations", "DescribeOrganizationalUnit"): self._describe_unit,
            ("organizations", "ListAccounts"): self._list_accounts,
            ("organizations", "ListAccountsForParent"): self._list_accounts_for_parent,
            ("organizations", "ListRoots"): self._list_roots,
            ("organizations", "ListOrganizationalUnitsForParent"): self._list_units,
            ("organizations", "ListChildren"): self._list_children,
            ("organizations", "ListParents"): self._list_parents,
            ("organizations", "ListTagsForResource"): self._list_tags,
            ("ec2", "DescribeRegions"): self._describe_regions,
            ("cloudtrail", "LookupEvents"): self._lookup_events,
        }
        for other in others:
            self.handlers.update(other.handlers)

    def answer(self, call: Call) -> Output | None:
        """The output of an operation that is answered here; None leaves it to moto."""
        is_for_few = call.service == "organizations" and call.operation not in ANYONE
        if is_for_few and not self._governance.may_read(call.account_id):
            return self._from_a_member(call)
        handler = self.handlers.get((call.service, call.operation))
        if handler is None:
            return None
        output = handler(call)
        inputs.check_support(call)
        return output

    def _page(
        self,
        call: Call,
        key: str,
        items: Sequence[Item],
        shown: Callable[[Item], Any] = lambda item: item,
        default: int | None = None,
    ) -> Output:
        return self._settings.page(call, key, items, shown, default)

    # ------------------------------------------------------------------ organizations

    def _from_a_member(self, call: Call) -> Output:
        """What accounts get that neither manage nor administer: nothing and no error, or a refusal."""
        if self._settings.org_mode == "silent-zero" and call.operation.startswith("List"):
            return call.empty_output()
        raise AwsError("AccessDeniedException", "You don't have permissions to access this resource.", 400)

    def _describe_organization(self, call: Call) -> Output:
        if call.account_id not in {account.account_id for account in self._world.members()}:
            raise AwsError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.", 400)
        master = self._world.accounts[self._world.management]
        return {
            "Organization": {
                "Id": self._world.organization_id,
                "Arn": self._world.organization_arn("organization", ""),
                "FeatureSet": "ALL",
                "MasterAccountArn": self._world.organization_arn("account", f"/{master.account_id}"),
                "MasterAccountId": master.account_id,
                "MasterAccountEmail": master.email,
                "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
            }
        }

    def _account(self, account: Account) -> Output:
        return {
            "Id": account.account_id,
            "Arn": self._world.organization_arn("account", f"/{account.account_id}"),
            "Email": account.email,
            "Name": account.name,
            "Status": account.status,
            "State": account.state,
            "Paths": [self._world.id_path(account.ou, account.account_id)],
            "JoinedMethod": account.joined_method,
            "JoinedTimestamp": account.joined_at,
        }

    def _unit(self, path: str) -> Output:
        return {
            "Id": self._world.unit_id(path),
            "Arn": self._world.organization_arn("ou", f"/{self._world.unit_id(path)}"),
            "Name": path.rpartition("/")[2],
            "Path": self._world.id_path(path),
        }

    def _parent(self, call: Call) -> str:
        path = self._world.unit_path(str(call.parameters.get("ParentId")))
        if path is None:
            raise AwsError("ParentNotFoundException", "You specified parent that doesn't exist.", 400)
        return path

    def _describe_account(self, call: Call) -> Output:
        wanted = call.parameters.get("AccountId")
        for account in self._world.members():
            if account.account_id == wanted:
                return {"Account": self._account(account)}
        raise AwsError("AccountNotFoundException", "You specified an account that doesn't exist.", 400)

    def _describe_unit(self, call: Call) -> Output:
        path = self._world.unit_path(str(call.parameters.get("OrganizationalUnitId")))
        if not path:
            raise AwsError(
                "OrganizationalUnitNotFoundException",
                "You specified an organizational unit that doesn't exist.",
                400,
            )
        return {"OrganizationalUnit": self._unit(path)}

    def _list_accounts(self, call: Call) -> Output:
        return self._page(call, "Accounts", self._world.members(), self._account)

    def _list_accounts_for_parent(self, call: Call) -> Output:
        path = self._parent(call)
        there = [account for account in self._world.members() if account.ou == path]
        return self._page(call, "Accounts", there, self._account)

    def _list_roots(self, call: Call) -> Output:
        root = {
            "Id": self._world.root_id,
            "Arn": self._world.organization_arn("root", f"/{self._world.root_id}"),
            "Name": "Root",
            "PolicyTypes": [{"Type": name, "Status": "ENABLED"} for name in self._governance.enabled_types()],
        }
        return self._page(call, "Roots", [root])

    def _units_below(self, path: str) -> list[str]:
        return [unit for unit in self._world.units if unit.rpartition("/")[0] == path]

    def _list_units(self, call: Call) -> Output:
        return self._page(call, "OrganizationalUnits", self._units_below(self._parent(call)), self._unit)

    def _list_children(self, call: Call) -> Output:
        path, kind = self._parent(call), call.parameters.get("ChildType")
        if kind == "ACCOUNT":
            ids = [account.account_id for account in self._world.members() if account.ou == path]
        else:
            ids = [self._world.unit_id(unit) for unit in self._units_below(path)]
        return self._page(call, "Children", [{"Id": child, "Type": kind} for child in ids])

    def _list_parents(self, call: Call) -> Output:
        child = str(call.parameters.get("ChildId"))
        above: str | None = None
        for account in self._world.members():
            if account.account_id == child:
                above = account.ou
        if path := self._world.unit_path(child):
            above = path.rpartition("/")[0]
        if above is None:
            raise AwsError("ChildNotFoundException", "You specified a child that doesn't exist.", 400)
        kind = "ORGANIZATIONAL_UNIT" if above else "ROOT"
        return self._page(call, "Parents", [{"Id": self._world.unit_id(above), "Type": kind}])

    def _list_tags(self, call: Call) -> Output:
        wanted = str(call.parameters.get("ResourceId"))
        members = {account.account_id: account for account in self._world.members()}
        if wanted not in members and self._world.unit_path(wanted) is None:
            raise AwsError("TargetNotFoundException", "You specified a target that doesn't exist.", 400)
        tags = members[wanted].tags if wanted in members else {}
        return self._page(call, "Tags", [{"Key": key, "Value": value} for key, value in tags.items()])

    # ------------------------------------------------------------------ ec2

    def _describe_regions(self, call: Call) -> Output:
        names = set(call.parameters.get("RegionNames") or [])
        if unknown := names - {*self._world.regions, *OPT_IN_REGIONS}:
            raise AwsError("InvalidParameterValue", f"Invalid region names: {', '.join(sorted(unknown))}", 400)
        world = self._world
        closed = [region for region in world.regions if not world.is_enabled(call.account_id, region)]
        everything = [
            (region, "opted-in" if region in world.opted_in else "opt-in-not-required")
            for region in world.regions
            if region not in closed
        ]
        if call.parameters.get("AllRegions"):
            everything += [
                (region, "not-opted-in") for region in {*closed, *OPT_IN_REGIONS} - {r for r, _ in everything}
            ]
        return {
            "Regions": [
                {"RegionName": region, "Endpoint": f"ec2.{region}.amazonaws.com", "OptInStatus": status}
                for region, status in sorted(everything)
                if not names or region in names
            ]
        }

    # ------------------------------------------------------------------ cloudtrail

    def _lookup_events(self, call: Call) -> Output:
        attributes = call.parameters.get("LookupAttributes") or []
        if len(attributes) > 1:
            raise AwsError("InvalidLookupAttributesException", "Only one lookup attribute can be specified.", 400)
        self._trail.admit(call.account_id, call.region)
        wanted = {item["AttributeKey"]: item["AttributeValue"] for item in attributes}
        events = self._trail.events(
            call.account_id,
            call.region,
            wanted,
            call.parameters.get("StartTime"),
            call.parameters.get("EndTime"),
        )
        return self._page(call, "Events", events, default=50)
