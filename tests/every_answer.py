"""Asks every operation that the simulator answers, as the catalogue does, and whatever else it answers by hand."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers
import jmespath
from raw_answers import Answer

from pipelines.catalogue.registry import listings
from resources.aws.listing import Listing
from simulator.access import ROLE_NAMES, SSO_TOKEN
from simulator.client import Simulator
from simulator.wire import enumeration, paging

Parameters = dict[str, Any]
MOST_PARENTS = 8
"""Of how many parents in a place what belongs to each is requested."""

ONCE = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 1}, parameter_validation=False)


class Place(NamedTuple):
    """Who asks, and where."""

    account_id: str
    profile: str
    region: str


class Sent(NamedTuple):
    """A request as a client has sent it, signed."""

    method: str
    url: str
    headers: dict[str, str]
    body: str


class EveryAnswer:
    """The answers of an organisation, by operation: as they were sent, and as a client parses them.

    Attributes:
        sent: by service and operation.
        parsed: the same of answers that are no errors, with who has them.
        requests: the last request of each operation that was answered.
    """

    def __init__(self, simulator: Simulator, enough: int) -> None:
        """Ask in one place after the other until so many had something, and two more of what others are asked of."""
        self.simulator = simulator
        self.truth = simulator.truth("governance", "search")
        profiles = {account["account_id"]: account["profile"] for account in self.truth["accounts"]}
        self.enough = enough
        central = self.truth["central"]
        workload = [name for name in self.truth["reachable"] if name not in central.values()]
        self.places = {
            role: [Place(name, profile, region) for name, profile in having for region in self.truth["regions"]]
            for role, having in {
                "workload": [(name, profiles[name]) for name in workload],
                **{role: [(central[role], simulator.env[f"AWS_{role.upper()}_PROFILE"])] for role in central},
            }.items()
        }
        self.sent: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        self.parsed: dict[tuple[str, str], list[tuple[Place, dict[str, Any]]]] = defaultdict(list)
        self.requests: dict[tuple[str, str], Sent] = {}
        self._last: Any = None
        self._sessions: dict[str, boto3.Session] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._done: set[str] = set()
        self._parents = {parent for listing in listings().values() for parent in listing.needs}
        for listing in listings().values():
            self._ask_listing(listing)
        for call, asking in BY_HAND.items():
            service, _, operation = call.partition(":")
            for place, parameters in asking(self):
                self.ask(service, operation, place, parameters)

    def client(self, service: str, place: Place) -> Any:
        """A client that keeps what it is sent."""
        key = (service, place.profile, place.region)
        if key not in self._clients:
            if place.profile not in self._sessions:
                self._sessions[place.profile] = boto3.Session(profile_name=place.profile)
            made = self._sessions[place.profile].client(service, region_name=place.region, config=ONCE)
            made.meta.events.register("before-parse.*.*", self._keep)
            made.meta.events.register("before-send.*.*", self._note)
            self._clients[key] = made
        return self._clients[key]

    def _note(self, request: Any, **_: Any) -> None:
        self._last = request

    def _keep(self, operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
        service, name = operation_model.service_model.service_name, operation_model.name
        if not isinstance(response_dict["body"], bytes):
            response_dict["body"] = response_dict["body"].read()
        self.sent[service, name].append(
            Answer(service, name, response_dict["status_code"], dict(response_dict["headers"]), response_dict["body"])
        )

    def ask(self, service: str, operation: str, place: Place, parameters: Parameters) -> None:
        """Ask for the first page, and the second if there is one; the answer is kept, a refusal as well."""
        method = getattr(self.client(service, place), botocore.xform_name(operation))
        pages, token = paging(service, operation), {}
        for _ in range(2):
            try:
                found = method(**parameters, **token)
            except (botocore.exceptions.ClientError, botocore.parsers.ResponseParserError):
                return
            self.parsed[service, operation].append((place, found))
            headers = {
                name: value if isinstance(value, str) else value.decode() for name, value in self._last.headers.items()
            }
            body = self._last.body or b""
            self.requests[service, operation] = Sent(
                self._last.method, self._last.url, headers, body if isinstance(body, str) else body.decode()
            )
            following = jmespath.search(pages.output_token, found) if pages else None
            if not following:
                return
            token = {pages.input_token: following}

    def resend(self, call: tuple[str, str], change: Callable[[Sent], Sent]) -> Answer:
        """What the simulator answers the last request of an operation, changed in some way."""
        sent = change(self.requests[call])
        connection = HTTPConnection(self.simulator.url.removeprefix("http://"))
        headers = {name: value for name, value in sent.headers.items() if name.lower() != "content-length"}
        connection.request(sent.method, sent.url, sent.body.encode(), headers)
        response = connection.getresponse()
        answer = Answer(*call, response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer

    def _ask_listing(self, listing: Listing) -> None:
        if listing.name in self._done:
            return
        self._done.add(listing.name)
        for parent in listing.needs:
            self._ask_listing(listings()[parent])
        if f"{listing.service}:{listing.operation}" in BY_HAND:
            return
        places = [place for role in listing.roles for place in self.places[role]]
        if listing.scope == "global":
            home = listing.home or self.truth["regions"][0]
            places = [place._replace(region=home) for place in places if place.region == self.truth["regions"][0]]
        pages, had_something = paging(listing.service, listing.operation), 0
        path = pages.results[0] if pages else listing.records
        for place in places:
            before = len(self.parsed[listing.service, listing.operation])
            own = {listing.account_parameter: place.account_id} if listing.account_parameter else {}
            for further in self._for_each(listing, place):
                self.ask(listing.service, listing.operation, place, {**listing.parameters, **own, **further})
            new = self.parsed[listing.service, listing.operation][before:]
            had_something += any(jmespath.search(path, page) for _, page in new)
            if had_something == self.enough + 2 * (listing.name in self._parents):
                return

    def _for_each(self, listing: Listing, place: Place) -> Iterator[Parameters]:
        each = listing.each
        if each is None or not each.parameter:
            yield {}
        elif each.enum:
            yield from ({each.parameter: value} for value in enumeration(listing.service, each.enum))
        else:
            values = [
                each.form.format(partition="aws", value=record[each.field])
                for parent in each.of
                for record in self.records(listings()[parent], place)
                if all(record.get(name) == value for name, value in each.where.items())
                and (not each.region_field or record.get(each.region_field) == place.region)
            ]
            yield from ({each.parameter: value} for value in [*dict.fromkeys(values)][:MOST_PARENTS])

    def records(self, listing: Listing, place: Place) -> list[dict[str, Any]]:
        """Those of a listing that were sent to a place; of one that is global, wherever its account asked."""
        answered = self.parsed[listing.service, listing.operation]
        return [
            record
            for asked, page in answered
            if asked.account_id == place.account_id and (listing.scope == "global" or asked.region == place.region)
            for record in jmespath.search(listing.records, page) or []
        ]

    def at(self, role: str) -> Place:
        """The first place of a role."""
        return self.places[role][0]

    def first(self, call: str, path: str) -> tuple[Place, Any]:
        """What is at a path of the first answer that has it, and who asked."""
        service, _, operation = call.partition(":")
        for place, page in self.parsed[service, operation]:
            if found := jmespath.search(path, page):
                return place, found
        raise LookupError(f"no answer of {call} has {path}")


Asking = Callable[[EveryAnswer], Iterator[tuple[Place, Parameters]]]


def _with(role: str, **parameters: Any) -> Asking:
    return lambda every: iter([(every.at(role), parameters)])


def _after(call: str, path: str, parameter: str, **further: Any) -> Asking:
    def asking(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
        place, found = every.first(call, path)
        yield place, {parameter: found, **further}

    return asking


def _of_budgets(**further: Any) -> Asking:
    def asking(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
        place, names = every.first("budgets:DescribeBudgets", "Budgets[].BudgetName")
        named = [{"BudgetName": name} for name in names] if "BudgetName" in further else [{}]
        yield from ((place, {"AccountId": place.account_id, **name}) for name in named)

    return asking


def _subscribers(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    place, found = every.first(
        "budgets:DescribeBudgetNotificationsForAccount", "BudgetNotificationsForAccount[?Notifications] | [0]"
    )
    named = {"AccountId": place.account_id, "BudgetName": found["BudgetName"]}
    yield place, {**named, "Notification": found["Notifications"][0]}


def _days(every: EveryAnswer, *, granularity: str = "DAILY") -> Parameters:
    end = dt.date.fromisoformat(every.truth["today"])
    return {
        "TimePeriod": {"Start": (end - dt.timedelta(days=3)).isoformat(), "End": end.isoformat()},
        "Granularity": granularity,
        "Metrics": ["UnblendedCost", "UsageQuantity"],
    }


def _costs(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    groups = [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}, {"Type": "TAG", "Key": "bc:cost-centre"}]
    yield every.at("billing"), {**_days(every), "GroupBy": groups}
    yield every.at("billing"), _days(every, granularity="MONTHLY")


def _costs_of_resources(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    service = {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Elastic Compute Cloud - Compute"]}}
    groups = [{"Type": "DIMENSION", "Key": "RESOURCE_ID"}]
    yield every.at("billing"), {**_days(every), "GroupBy": groups, "Filter": service}


def _metrics(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    place, instance_id = every.first("ec2:DescribeInstances", "Reservations[0].Instances[0].InstanceId")
    metric = {
        "Namespace": "AWS/EC2",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "InstanceId", "Value": instance_id}],
    }
    end = dt.datetime.combine(dt.date.fromisoformat(every.truth["today"]), dt.time(), dt.UTC)
    query = {"Id": "one", "MetricStat": {"Metric": metric, "Period": 86400, "Stat": "Average"}}
    period = {"StartTime": end - dt.timedelta(days=5), "EndTime": end}
    yield place, {"MetricDataQueries": [query], **period, "ScanBy": "TimestampAscending"}


def _children(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    for kind in ("ACCOUNT", "ORGANIZATIONAL_UNIT"):
        yield every.at("management"), {"ParentId": every.truth["root_id"], "ChildType": kind}


def _signed_in(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    place = every.at("billing")
    role = {"roleName": ROLE_NAMES["billing"], "accountId": place.account_id}
    yield place, {**role, "accessToken": SSO_TOKEN}
    yield place, {**role, "accessToken": "another"}


def _assumed(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    account_id = every.at("workload").account_id
    place = every.at("workload")._replace(profile=f"{every.truth['tenant']}Bootstrap")
    for name in (ROLE_NAMES["workload"], "no-role"):
        yield place, {"RoleArn": f"arn:aws:iam::{account_id}:role/{name}", "RoleSessionName": "shapes"}


def _indexed(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    shared = dict(listings()["explorer_resource"].parameters)
    yield every.at("operations"), {**shared, "ViewArn": every.truth["explorer_view"]}
    yield every.at("operations"), shared


def _exported(every: EveryAnswer) -> Iterator[tuple[Place, Parameters]]:
    # On its first day a month has no cost yet.
    yesterday = dt.date.fromisoformat(every.truth["today"]) - dt.timedelta(days=1)
    given = every.simulator.change("deliver_export", months=[f"{yesterday:%Y-%m}"])
    place = every.at("billing")
    every.ask("s3", "ListObjectsV2", place, {"Bucket": given["bucket"], "Prefix": f"{given['folder']}/"})
    _, page = every.parsed["s3", "ListObjectsV2"][-1]
    smallest = min(page["Contents"], key=lambda item: item["Size"])
    yield place, {"Bucket": given["bucket"], "Key": smallest["Key"]}
    yield place, {"Bucket": given["bucket"], "Key": "none"}


BY_HAND: dict[str, Asking] = {
    "sts:GetCallerIdentity": _with("workload"),
    "organizations:DescribeOrganization": _with("management"),
    "organizations:DescribeAccount": _after("organizations:ListAccounts", "Accounts[0].Id", "AccountId"),
    "organizations:DescribeOrganizationalUnit": _after(
        "organizations:ListOrganizationalUnitsForParent", "OrganizationalUnits[0].Id", "OrganizationalUnitId"
    ),
    "organizations:ListChildren": _children,
    "organizations:ListParents": _after("organizations:ListAccounts", "Accounts[0].Id", "ChildId"),
    "organizations:ListPoliciesForTarget": _after(
        "organizations:ListRoots", "Roots[0].Id", "TargetId", Filter="SERVICE_CONTROL_POLICY"
    ),
    "organizations:ListInboundResponsibilityTransfers": _with("management", Type="BILLING"),
    "organizations:ListOutboundResponsibilityTransfers": _with("management", Type="BILLING"),
    "budgets:DescribeBudget": _of_budgets(BudgetName=True),
    "budgets:DescribeBudgetNotificationsForAccount": _of_budgets(),
    "budgets:DescribeBudgetPerformanceHistory": _of_budgets(BudgetName=True),
    "budgets:DescribeSubscribersForNotification": _subscribers,
    "ce:GetCostAndUsage": _costs,
    "ce:GetCostAndUsageWithResources": _costs_of_resources,
    "cloudwatch:GetMetricData": _metrics,
    "cloudtrail:LookupEvents": _with("workload"),
    "sso:GetRoleCredentials": _signed_in,
    "sts:AssumeRole": _assumed,
    "resource-explorer-2:ListResources": _indexed,
    "s3:GetObject": _exported,
}
"""What the catalogue does not request, or with parameters of the day."""
