"""One request in, one answer out: the layer before moto, and the control path `/_sim/…` that tests use."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import json
import re
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, get_args
from urllib.parse import parse_qs

import botocore.exceptions
from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from simulator import inputs, instance_options
from simulator.access import Access, Policy, refusals
from simulator.aggregator import Aggregation
from simulator.apis import Apis
from simulator.asked import plain
from simulator.buckets import Buckets
from simulator.budgets import Budgets
from simulator.databases import Databases
from simulator.explorer import Explorer
from simulator.exports import DataExport
from simulator.faults import FaultError, Faults, Lie, Rule, make_lie
from simulator.functions import Functions
from simulator.further import FurtherChanges
from simulator.governance import Governance
from simulator.hub import Hub
from simulator.ledger import Ledger, decimal
from simulator.listings import Listings
from simulator.metrics import Metrics
from simulator.organizations import PolicyApis
from simulator.others import Others
from simulator.pages import DisabledTypes, OrgMode, PolicyState, Settings
from simulator.planning import happen
from simulator.search import Search
from simulator.second_night import PLAN
from simulator.seeding import STATE_LOCK, Seeder
from simulator.shapes import mismatches
from simulator.trail import Trail
from simulator.transfers import Transfers
from simulator.wire import (
    AwsError,
    Call,
    Paging,
    PolicyWording,
    Response,
    denied,
    enumeration,
    expired,
    make_token,
    paging,
    read_token,
    service_model,
    throttled,
)
from simulator.world import Kind, World, WorldError

_REQUEST_ID = re.compile(rb"(<[Rr]equestI[dD]>)[^<]*(</[Rr]equestI[dD]>)")


ALTERING = frozenset({"truncate", "omit", "foreign", "repeat", "strip"})
"""Actions that change an answer of AWS, and may find nothing to change."""

EVERYTHING = (
    "governance",
    "network",
    "storage",
    "addressing",
    "hub",
    "databases",
    "buckets",
    "functions",
    "listings",
)
"""Parts of the truth that say what there is."""

OWN_FAILURE = "SimulatorFailure"
"""The error code of a request on which the simulator itself failed. No service of AWS has it."""

LOST = frozenset({"unknown", "missing", "type"})
"""Mistakes in an answer that would be left out, or sent as something else; tests look for the other kinds."""

MOTOS_OWN = frozenset({"server", "x-amzn-requestid", "x-amz-request-id"})
"""Headers of moto's answers that AWS's do not have, or have otherwise."""

HTML_503 = b"<html><body><b>Http/1.1 Service Unavailable</b></body></html>"


class AnswerError(Exception):
    """An answer of the simulator's own that is not of its operation's shape."""


@dataclass(frozen=True)
class Wreck:
    """An answer that ends in a reset connection: nothing of it is sent, or its first half."""

    response: Response
    half: bool


def _period(data: dict[str, str]) -> tuple[dt.date, dt.date]:
    return dt.date.fromisoformat(data["start"]), dt.date.fromisoformat(data["end"])


def _without(output: Any, item: str) -> Any:
    """An answer without the records that name something themselves."""
    if isinstance(output, dict):
        return {name: _without(value, item) for name, value in output.items()}
    if isinstance(output, list):
        return [_without(record, item) for record in output if not _names(record, item)]
    return output


def _names(record: Any, item: str) -> bool:
    values = record.values() if isinstance(record, dict) else ()
    return any(item in value if isinstance(value, list) else item == value for value in values)


def _truncated(output: Any, pages: Paging | None, keep: int) -> Any:
    """The first items only, and no token: a listing that lost its end without a word."""
    if pages is None:
        return output
    kept = {name: value for name, value in output.items() if name != pages.output_token}
    return kept | {name: kept[name][:keep] for name in pages.results if isinstance(kept.get(name), list)}


def _repeated(output: Any, pages: Paging | None, item: str) -> Any:
    """An answer that lists its first record twice, the second time with another text in the field `item`."""
    lists = {name: output[name] for name in (pages.results if pages else ()) if output.get(name)}
    return output | {name: [*found, _reworded(found[0], item)] for name, found in lists.items()}


def _reworded(value: Any, item: str) -> Any:
    if isinstance(value, dict):
        return {
            name: f"{inner}-2" if name == item and isinstance(inner, str) else _reworded(inner, item)
            for name, inner in value.items()
        }
    return [_reworded(inner, item) for inner in value] if isinstance(value, list) else value


def _stripped(output: Any, pages: Paging | None, item: str) -> Any:
    """An answer whose first record lacks the field `item`, or holds records that do."""
    lists = {name: output[name] for name in (pages.results if pages else ()) if output.get(name)}
    return output | {name: [_lacking(found[0], item), *found[1:]] for name, found in lists.items()}


def _lacking(value: Any, item: str) -> Any:
    if isinstance(value, dict):
        return {name: _lacking(inner, item) for name, inner in value.items() if name != item}
    return [_lacking(inner, item) for inner in value] if isinstance(value, list) else value


def _given_away(output: Any, own: str, other: str) -> tuple[Any, bool]:
    """An answer whose first record that names its own account names another one; whether there was one."""
    if output == own:
        return other, True
    items = output.items() if isinstance(output, dict) else enumerate(output) if isinstance(output, list) else ()
    for key, value in items:
        altered, is_done = _given_away(value, own, other)
        if is_done:
            return (
                {**output, key: altered} if isinstance(output, dict) else [*output[:key], altered, *output[key + 1 :]],
                True,
            )
    return output, False


def _is_state(value: str) -> TypeGuard[PolicyState]:
    return value in get_args(PolicyState)


def _json(data: Any, status: int = 200) -> Response:
    body = json.dumps(data, default=str, ensure_ascii=False).encode()
    return Response(status, {"Content-Type": "application/json"}, body)


class Simulation:
    """The organisation, its lies, and the answers to every request."""

    def __init__(
        self,
        make_world: Callable[[], World],
        policies: Mapping[Kind, Policy],
        page_size: int,
        *,
        trail_passes: bool = False,
    ) -> None:
        self._make_world, self._policies, self._page_size = make_world, policies, page_size
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.trail = Trail()
        self._trail_passes = trail_passes
        self.trail.set_up(passes=trail_passes)
        self._build()

    def _build(self) -> None:
        self.world = self._make_world()
        self.settings = Settings(page_size=self._page_size)
        self.access = Access(self.world, self._policies)
        self.seeder = Seeder(self.world, self.settings)
        self.databases = Databases(self.seeder.network, self.settings)
        self.buckets = Buckets(self.world, self.settings)
        self.functions = Functions(self.seeder.network, self.settings)
        has: dict[str, Callable[[str, str], bool]] = {
            "EBS:VolumeUsage.gp3": lambda account, region: bool(self.seeder.storage.volumes(account, region)),
            "EBS:SnapshotUsage": lambda account, region: bool(self.seeder.storage.snapshots(account, region)),
            "ElasticIP:IdleAddress": lambda account, region: any(
                address.association_id is None for address in self.seeder.addressing.addresses(account, region)
            ),
            "NatGateway-Hours": lambda account, region: bool(self.seeder.addressing.gateways(account, region)),
        }
        self.listings = Listings(self.seeder.network, self.settings)
        lines = (self.databases.lines, self.functions.lines, self.listings.lines)
        self.ledger = Ledger(self.world, self.settings, lines, has)
        self.transfers = Transfers(self.world, self.settings)
        self.explorer = Explorer(self.ledger, self.settings, self.transfers.priced_at)
        self.budgets = Budgets(self.ledger, self.settings)
        self.data_export = DataExport(self.ledger, self.settings, self.buckets.handlers)
        self.faults = Faults()
        self.lies: list[Lie] = []
        self.governance = Governance(self.world, enumeration("organizations", "PolicyType"), self.settings)
        self.access.governance = self.governance
        FurtherChanges(self.seeder.network, self.databases, self.functions)
        self._has_moved_on = False
        storage, addressing = self.seeder.storage, self.seeder.addressing
        self.others = Others(self.world)
        self.hub = Hub(self.seeder.network, self.settings, (storage, addressing), self.others)
        self.aggregation = Aggregation(self.seeder.network, self.settings, self.others)
        self.search = Search(self.world, self.settings, self.others)
        self.metrics = Metrics(self.world, self.settings, self.databases, self.functions)
        self.apis = Apis(
            self.access,
            self.governance,
            self.trail,
            self.settings,
            (
                PolicyApis(self.governance, self.settings),
                self.hub,
                self.aggregation,
                self.search,
                self.metrics,
                self.databases,
                self.buckets,
                self.data_export,
                self.functions,
                self.listings,
                storage,
                addressing,
                self.explorer,
                self.transfers,
                self.budgets,
            ),
        )

    # ------------------------------------------------------------------ AWS

    def handle(self, environ: dict[str, Any]) -> Response | Wreck:
        """Answer one request; the log has it."""
        length = environ.get("CONTENT_LENGTH")
        body: bytes = environ["wsgi.input"].read(int(length)) if length else b""
        if environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read()
            environ["CONTENT_LENGTH"] = str(len(body))
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        if environ.get("PATH_INFO", "").startswith("/_sim/"):
            return self._control(environ, body)
        started, clock = dt.datetime.now(dt.UTC), time.perf_counter()
        call = Call(environ, body)
        try:
            response = self._answer(call)
        except Exception as error:  # noqa: BLE001  # a mistake of the simulator's own must not look like a broken line
            traceback.print_exc()
            call.error_code, call.error_message = OWN_FAILURE, repr(error)
            response = _json({"__type": OWN_FAILURE, "message": "The simulator failed; its log says how."}, 500)
        call.parameters = plain(call.parameters)
        request_id = self.trail.record(call, response, started, 1000 * (time.perf_counter() - clock))
        header = "x-amz-request-id" if call.service == "s3" else "x-amzn-RequestId"
        response.headers.setdefault(header, request_id)
        # In XML the id also stands in the body, where clients look first, and moto's is always the same.
        body = _REQUEST_ID.sub(rb"\g<1>" + request_id.encode() + rb"\g<2>", response.body, count=1)
        response = dataclasses.replace(response, body=body)
        if call.fault in {"reset", "cut"}:
            return Wreck(response, half=call.fault == "cut")
        return response

    def _answer(self, call: Call) -> Response:
        if not call.read_scope():
            return _json(
                {"__type": "MissingAuthenticationTokenException", "message": "Missing Authentication Token"},
                403,
            )
        try:
            service_model(call.service)
        except botocore.exceptions.UnknownServiceError:
            return _json({"__type": "UnknownServiceException", "message": call.service}, 404)
        if not call.read_operation():
            return _json({"__type": "UnknownOperationException", "message": call.operation}, 404)
        try:
            self.access.identify(call)
            if route := self.faults.match(call, misrouting=True):
                call.fault = route.action
                self.access.settle(call, route.item)
                self.faults.count(route)
            rule = self.faults.match(call)
            if rule is not None:
                call.fault = rule.action
                if rule.action not in ALTERING:
                    self.faults.count(rule)
                if response := self._fault(call, rule):
                    return response
            self.access.authorise(call)
            inputs.check(call)
            with STATE_LOCK:
                response = self._serve(call)
        except AwsError as error:
            call.error_code, call.error_message = error.code, error.message
            return call.render(error)
        if rule is not None and rule.action in ALTERING and response.status < 400:
            return self._altered(call, response, rule)
        if response.status >= 400:
            error_detail = call.parse_response(response).get("Error", {})
            call.error_code = error_detail.get("Code") or str(response.status)
            call.error_message = error_detail.get("Message")
        return response

    def _fault(self, call: Call, rule: Rule) -> Response | None:
        """What a rule answers instead of AWS; None where AWS answers, later or in part."""
        match rule.action:
            case "denied":
                raise denied(call.service, f"{call.service}:{call.operation}", call.arn)
            case "expired":
                raise expired(call.service)
            case "throttle":
                raise throttled(call.service)
            case "error":
                raise AwsError(rule.code, rule.message, rule.status)
            case "html503":
                call.error_code = "503"
                return Response(503, {"Content-Type": "text/html"}, HTML_503)
            case "garbage":
                return Response(200, {"Content-Type": "text/xml"}, b"\x00\xff<<not an answer of any protocol")
            case "answer":
                return Response(200, {"Content-Type": rule.content_type}, rule.body.encode())
            case "empty":
                return call.render(call.empty_output())
            case "hidden_denial":
                refusal = denied(call.service, f"{call.service}:{call.operation}", call.arn)
                call.error_code, call.error_message = refusal.code, refusal.message
                return call.render(call.empty_output())
            case "empty_page":
                pages = paging(call.service, call.operation)
                token = {pages.output_token: make_token(0)} if pages else {}
                self.access.authorise(call)
                return call.render({**call.empty_output(), **token})
            case "delay":
                time.sleep(rule.seconds)
            case "change":
                with STATE_LOCK:
                    self.world.change(rule.do, **rule.arguments)
        return None

    def _altered(self, call: Call, response: Response, rule: Rule) -> Response:
        """An answer that is not what it was; where the rule changes nothing of it, it is not told."""
        output = call.parse_response(response)
        output.pop("ResponseMetadata", None)
        match rule.action:
            case "truncate":
                altered = _truncated(output, paging(call.service, call.operation), rule.keep)
            case "omit":
                altered = _without(output, rule.item)
            case "repeat":
                altered = _repeated(output, paging(call.service, call.operation), rule.item)
            case "strip":
                altered = _stripped(output, paging(call.service, call.operation), rule.item)
            case _:
                altered, _ = _given_away(output, call.account_id, rule.item)
        if altered == output:
            return response
        self.faults.count(rule)
        return call.render(altered)

    def _serve(self, call: Call) -> Response:
        output = self.apis.answer(call)
        if output is not None:
            if lost := [str(found) for found in mismatches(call.model.output_shape, output) if found.kind in LOST]:
                raise AnswerError(f"{call.service}:{call.operation}: {'; '.join(lost)}")
            return call.render(output)
        inputs.check_motos(call)
        self.seeder.render(call.account_id, call.region)
        return self._describe_instances(call) if call.operation == "DescribeInstances" else self._paged(call)

    def _describe_instances(self, call: Call) -> Response:
        """Let moto page: it renders only the page, given the page size and its own token."""
        if call.parameters.get("InstanceIds"):
            return self._ask_moto(call)
        token = call.parameters.get("NextToken")
        backend = ec2_backends[call.account_id][call.region]
        if token and token not in backend.reservations:
            read_token(token, "InvalidNextToken")
            token = None
        call.replace_form(MaxResults=str(self.settings.size(call)), NextToken=token)
        return self._ask_moto(call)

    def _paged(self, call: Call) -> Response:
        """A listing that moto answers in one piece, cut into pages."""
        pages = paging(call.service, call.operation)
        if pages is None:
            return self._ask_moto(call)
        offset = read_token(call.parameters.get(pages.input_token), "InvalidNextToken")
        size = self.settings.size(call)
        call.replace_form(**{pages.input_token: None, **({pages.limit: None} if pages.limit else {})})
        response = self._ask_moto(call)
        if response.status != 200:
            return response
        output = call.parse_response(response)
        total = max((len(output.get(name) or []) for name in pages.results), default=0)
        if not offset and total <= size:
            return response
        output.pop("ResponseMetadata", None)
        for name in pages.results:
            if isinstance(output.get(name), list):
                output[name] = output[name][offset : offset + size]
        if offset + size < total:
            output[pages.output_token] = make_token(offset + size)
        return call.render(output)

    def _ask_moto(self, call: Call) -> Response:
        environ = {
            **call.environ,
            "wsgi.input": io.BytesIO(call.body),
            "HTTP_X_MOTO_ACCOUNT_ID": call.account_id,
        }
        got: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
            got.update(status=int(status.split()[0]), headers=dict(headers))

        body = b"".join(self._moto(environ, start_response))
        if got["status"] in {404, 500} and body.lower().startswith(b"<!doctype html>"):
            # A 500 would be tried again by every client.
            raise AwsError("NotImplementedException", f"moto has no {call.service}:{call.operation}", 400)
        # The id of the request is the trail's, and AWS's EC2 does not call itself by moto's name.
        headers = {name: value for name, value in got["headers"].items() if name.lower() not in MOTOS_OWN}
        return Response(got["status"], headers, body)

    # ------------------------------------------------------------------ control

    def _control(self, environ: dict[str, Any], body: bytes) -> Response:
        path = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].removeprefix('/_sim')}"
        query = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        handlers: dict[str, Callable[[Any], Any]] = {
            "GET /truth": self._truth,
            "GET /ledger": self._ledger_detail,
            "GET /ledger/sums": lambda data: self.ledger.sums(*_period(data), data["by"].split(",")),
            "GET /metrics": lambda data: self.metrics.daily(*_period(data)),
            "GET /log": lambda data: self.trail.records(int(data.get("since", 0))),
            "DELETE /log": lambda _: self.trail.clear(),
            "GET /lie": lambda _: [lie.as_json() for lie in self.lies],
            "POST /lie": self._tell,
            "DELETE /lie": lambda _: self._stop_lying(),
            "POST /faults": lambda data: self.faults.rules.extend([Rule.of(item) for item in data]),
            "DELETE /faults": lambda _: self.faults.rules.clear(),
            "POST /change": lambda data: self.world.change(**data),
            "POST /second-night": self._move_on,
            "POST /config": self._configure,
            "POST /reset": lambda _: self._reset(),
        }
        if path not in handlers:
            return _json({"error": f"there is no {path}; there are {', '.join(handlers)}"}, 404)
        try:
            with STATE_LOCK:
                return _json(handlers[path](json.loads(body) if body else query))
        except (WorldError, FaultError, ValueError, KeyError, TypeError) as error:
            return _json({"error": f"{path}: {error}"}, 400)

    def _truth(self, data: dict[str, str]) -> dict[str, Any]:
        """Everything, or the named parts of it beside the organisation itself."""
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "ledger": lambda: {"ledger": self.ledger.totals()},
            "budgets": lambda: {**self.budgets.truth(), "allocation_tags": self.explorer.allocation_tags()},
            "governance": self.governance.truth,
            "network": self.seeder.network.truth,
            "storage": self.seeder.storage.truth,
            "addressing": self.seeder.addressing.truth,
            "options": lambda: instance_options.truth(self.seeder.network),
            "hub": self.hub.truth,
            "config": self.aggregation.truth,
            "others": self.others.truth,
            "search": self.search.truth,
            "metrics": self.metrics.truth,
            "databases": self.databases.truth,
            "buckets": self.buckets.truth,
            "functions": self.functions.truth,
            "listings": self.listings.truth,
        }
        wanted = data["parts"].split(",") if data.get("parts") else [*parts]
        if unknown := {*wanted} - {*parts}:
            raise ValueError(f"truth has no {', '.join(sorted(unknown))}; it has {', '.join(parts)}")
        truth = {**self.world.truth(), "billing_member": self.access.billing_member}
        for name in wanted:
            truth.update(parts[name]())
        return truth

    def _move_on(self, data: dict[str, str]) -> list[dict[str, Any]]:
        """Let everything happen that is planned for the second night, on a day; what happened."""
        if self._has_moved_on:
            raise WorldError("what is planned for the second night has happened already")
        # What is made when first asked for is made before anything happens, as it was on the first night.
        before = self._truth({"parts": ",".join(EVERYTHING)})
        today = self.world.today
        day = dt.date.fromisoformat(data["day"]) if "day" in data else today
        self.ledger.settle(day)
        self.world.today = day
        try:
            happened = list(happen(PLAN, self.world, before))
        finally:
            self.world.today = today
            self.world.version += 1
        self._has_moved_on = True
        return happened

    def _ledger_detail(self, data: dict[str, str]) -> dict[str, Any]:
        rows = self.ledger.detail(*_period(data))
        return {"currency": "USD", "smallest_unit": decimal(1), "rows": rows}

    def _tell(self, data: dict[str, Any]) -> dict[str, Any]:
        lie = make_lie(data["name"], self.world, data.get("account_id"))
        self.lies.append(lie)
        self.faults.rules.extend(lie.rules)
        return lie.as_json()

    def _stop_lying(self) -> None:
        told = [rule for lie in self.lies for rule in lie.rules]
        self.faults.rules[:] = [rule for rule in self.faults.rules if not any(rule is other for other in told)]
        self.lies.clear()

    def _configure(self, data: dict[str, Any]) -> dict[str, Any]:
        for name, value in data.items():
            match name:
                case "org_mode" if value in get_args(OrgMode):
                    self.settings.org_mode = value
                case "policy_types" if isinstance(value, dict):
                    self._set_policy_types(value)
                case "disabled_policy_types" if value in get_args(DisabledTypes):
                    self.settings.disabled_policy_types = value
                case "delegation_policy" if isinstance(value, bool):
                    self.settings.delegation_policy = value
                case "policy_wording" if value in get_args(PolicyWording):
                    self.access.policy_wording = value
                case "refused_actions" if isinstance(value, dict):
                    self.access.refused = refusals(value)
                case "page_size" if isinstance(value, int) and value > 0:
                    self.settings.page_size = value
                case "page_sizes" if isinstance(value, dict):
                    self.settings.page_sizes = {str(key): int(size) for key, size in value.items()}
                case "session_seconds" if value is None or isinstance(value, int):
                    self.access.session_seconds = value
                case "trail_delay_seconds" if isinstance(value, int | float):
                    self.trail.delay_seconds = (float(value), float(value))
                case "trail_delay_seconds" if isinstance(value, list) and len(value) == 2:
                    self.trail.delay_seconds = (float(value[0]), float(value[1]))
                case "trail_passes" if isinstance(value, bool):
                    self.trail.passes = value
                case "trail_passed_minutes" if isinstance(value, int | float):
                    self.trail.passed_seconds = 60.0 * value
                case "unrecorded_calls" if isinstance(value, list):
                    self.trail.unrecorded = frozenset(map(str, value))
                case "lookups_a_second" if isinstance(value, int) and value >= 0:
                    self.trail.lookups_a_second = value
                case "today":
                    self.world.today = dt.date.fromisoformat(value)
                    self.world.version += 1
                case "inactive_tags" | "unused_tags" | "refused_metrics" | "refused_groups" if isinstance(value, list):
                    self._set_billing(name, tuple(map(str, value)))
                case "has_resource_costs" if isinstance(value, bool):
                    self._set_billing(name, value)
                case "billed_from" if isinstance(value, str):
                    self._set_billing(name, dt.date.fromisoformat(value))
                case "unused_days" if isinstance(value, list):
                    self._set_billing(name, tuple(sorted(map(dt.date.fromisoformat, value))))
                case "currency" if isinstance(value, str):
                    self._set_billing(name, value)
                case "incomplete_days" | "budget_lag_days" | "further_tags" | "further_services" if (
                    isinstance(value, int) and value >= 0
                ):
                    self._set_billing(name, value)
                case _:
                    raise ValueError(f"{name} cannot be set to {value!r}")
        return data

    def _set_billing(self, name: str, value: tuple[str | dt.date, ...] | bool | int | str | dt.date) -> None:
        """Set what the bill depends on, which is then derived again."""
        setattr(self.settings, name, value)
        self.world.version += 1

    def _set_policy_types(self, states: dict[str, str]) -> None:
        known = self.governance.policy_types
        wanted = {name: state for name, state in states.items() if name in known and _is_state(state)}
        if wrong := states.keys() - wanted.keys():
            raise ValueError(
                f"no such state of a policy type: {', '.join(f'{n} {states[n]}' for n in sorted(wrong))}; "
                f"types are {', '.join(known)}, states {', '.join(get_args(PolicyState))}"
            )
        self.settings.policy_types = wanted

    def _reset(self) -> None:
        """As it was at the start. A world that nobody changed is kept, with what was rendered of it."""
        self.trail.clear()
        self.trail.set_up(passes=self._trail_passes)
        if self.world.version:
            self.seeder.forget()
            self._build()
            return
        self._stop_lying()
        self.faults.rules.clear()
        self.access.session_seconds = None
        self.access.refused, self.access.policy_wording = {}, "arn"
        self.settings.reset(self._page_size)
