"""`cmdb explain`: the origin of a resource or a gap, from the evidence in a warehouse. Sends no request.

People read the result as sentences, programs as JSON; for every gap the result ends with a hint.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from pipelines.catalogue.registry import listings
from pipelines.cli.changes import history_of
from pipelines.cli.command import (
    Command,
    Misused,
    as_typed,
    demo_option,
    json_option,
    offering,
    plainly,
    print_json,
    store_of,
)
from pipelines.trust.ages import moment
from pipelines.trust.outcomes import CLOSED
from pipelines.trust.zero_rule import TRAIL_DENIED
from resources.contract import CONTRACT
from resources.store.sql import named_rows

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store

AGAIN = "then `cmdb nightly --only-untrusted`"

SKIPPED: Mapping[str, tuple[str, str]] = {
    "account_left": ("the account is closed or no longer of the organisation; its rows are retired", ""),
    "account_suspended": ("the account is suspended, so AWS refuses every request there; its rows are kept, stale", ""),
    "caller_changed": ("another role collects this account now; see the cell of that role", ""),
    "delivered_by_month": ("the export was listed; each of its months has a cell of its own", ""),
    "denied_by_policy": (
        "a policy of the organisation denies it to everybody in the account; its rows are kept, stale",
        "where it is to be known, exempt the role behind {profile} in the policy that the evidence names; where a "
        "region is closed for all accounts, CMDB_REGIONS with the others spares the requests",
    ),
    "group_unresolved": ("the group's CloudFormation stack cannot be read, so its members are unknown", ""),
    "no_cost_data": (
        "Cost Explorer has no costs of the payer up to that month yet; they are unknown",
        "open Cost Explorer once in the payer's console; AWS prepares the costs within days, and each run asks again",
    ),
    "no_longer_asked": ("the settings or the catalogue no longer request it; its rows are kept, stale", ""),
    "no_parents": ("there is nothing to request: its parents were listed, and there are none", ""),
    "no_profile": ("no workload profile reaches the account", "`cmdb profiles` prints the stanza that is missing"),
    "no_resource_policy": ("the organisation has no resource policy", ""),
    "not_compared": ("the slices of the bill were requested whole, so their totals are not needed", ""),
    "not_offered": ("AWS does not offer the service in this region", ""),
    "not_requested": ("its setting is not set", "set {on_request} (docs/reference), then `cmdb nightly`"),
    "optional_grant_not_given": (
        "only an optional grant would allow it",
        "`cmdb policy {role} --optional` prints the grant; without it the cell stays unknown",
    ),
    "parent_gone": ("its parent is gone", ""),
    "parents_unconfirmed": (
        "nothing to request, if CloudTrail confirms that there are no parents",
        "nothing yet: `cmdb confirm` looks it up again",
    ),
    "parents_unknown": (
        "its parents were not listed in a way that can be trusted",
        "fix the cells of {parents} first, " + AGAIN,
    ),
    "policy_type_not_enabled": ("the policy type is not enabled in the organisation", ""),
    "region_disabled": (
        "the account has disabled the region; what was known there is kept, stale",
        "enable the region in the account again, or delete what it left there",
    ),
    "region_not_enabled": ("the account has not opted in to the region", ""),
    "region_not_selected": ("CMDB_REGIONS leaves it out; its rows are kept, stale", "add the region to CMDB_REGIONS"),
    "requested_elsewhere": ("its records are AWS's own, the same for all; another account's cell has them", ""),
    "request_limit": (
        "CMDB_COST_REQUEST_LIMIT was reached before it",
        "the next day (UTC) goes on; raise CMDB_COST_REQUEST_LIMIT to have it sooner (US$0.01 a request)",
    ),
}
"""The meaning of each skip reason, and a hint where somebody can do something about it."""


class NothingKnown(Misused):
    """The warehouse has no such resource or cell. The message says what was looked for and where."""


@dataclass(frozen=True)
class Explanation:
    """The explanation in its order of presentation: `lines` for people, `data` for programs."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def add(self, topic: str, text: str) -> None:
        """Add a line."""
        if text:
            self.lines.append((topic, text))

    def take(self, other: "Explanation") -> None:
        """Append the lines of another explanation."""
        self.lines.extend(other.lines)


@click.command(cls=Command)
@click.argument("subject", nargs=-1, required=True, metavar="WHAT", shell_complete=offering("subject"))
@click.option("--blocked", is_flag=True, help="Look into the working file: what the last run found.")
@demo_option
@json_option
@plainly
def explain(subject: tuple[str, ...], blocked: bool, demo: bool, as_json: bool) -> None:
    """Explain a resource or a gap: cell, identity, request, evidence, hint. Sends no request.

    WHAT is the ARN of a resource, or a cell as `cmdb coverage` prints it: account, region, listing.

    Example: cmdb explain 111122223333 ap-southeast-2 ec2_instance
    """
    from pipelines.cli.terminal import console, rows_table

    store = store_of(demo=demo)
    if not blocked:
        store.require_current_schema()
    match subject:
        case (arn,):
            explanation = explain_resource(store, arn, blocked=blocked)
        case (account, region, listing):
            explanation = explain_cell(store, account, region, listing, blocked=blocked)
        case _:
            raise Misused("Name a resource by its ARN, or a cell by account, region and listing.")
    if as_json:
        print_json(_typed(explanation.data, demo=demo))
    else:
        console().print(rows_table(("", ""), [(topic, as_typed(text, demo=demo)) for topic, text in explanation.lines]))


def _typed(data: dict[str, Any], *, demo: bool) -> dict[str, Any]:
    """The data of an explanation, whose hints name commands as they have to be typed."""
    typed = {name: as_typed(data[name], demo=demo) for name in ("hint", "cure") if name in data}
    cells = {"cells": [_typed(cell, demo=demo) for cell in data["cells"]]} if "cells" in data else {}
    return data | typed | cells


def explain_resource(store: "Store", arn: str, *, blocked: bool = False) -> Explanation:
    """A configuration item's known state, its source, and whether that source is trusted now.

    Args:
        blocked: read the working file instead of the published one.

    Raises:
        NothingKnown: no item has this ARN.
    """
    with store.read() if blocked else store.published() as connection:
        rows = _rows(connection, "select * from cmdb.resource where arn = $arn", {"arn": arn})
        if not rows:
            raise NothingKnown(f"cmdb.resource has no {arn}. {_where_it_would_be(connection, arn)}")
        item = rows[0]
        explanation = Explanation(data={"resource": item})
        named = f" ({item['name']})" if item["name"] else ""
        explanation.add("resource", f"{item['resource_type']} {item['resource_id']}{named}")
        account = _rows(
            connection,
            "select account_name from org.account where account_id = $account_id",
            {"account_id": item["account_id"]},
        )
        called = f" ({account[0]['account_name']})" if account else ""
        explanation.add("where", f"account {item['account_id']}{called}, {item['region']}")
        explanation.add("status", _status(item))
        explanation.add(
            "source",
            f"run {item['run_id']} requested {item['listing']} as {item['role']} on {moment(item['collected_at'])}",
        )
        explanation.data["versions"], history = history_of(connection, arn)
        explanation.lines.extend(("history", line) for line in history)
        cells = _cells(connection, item["caller_account_id"], item["cell_region"], item["listing"], item["role"])
        explanation.data["cells"] = [cell.data for cell in cells]
        if item["is_stale"]:
            explanation.add(
                "stale", "the newest response of its cell cannot be trusted, so this is what was true before:"
            )
        for cell in cells:
            explanation.take(cell)
    return explanation


def explain_cell(store: "Store", account: str, region: str, listing: str, *, blocked: bool = False) -> Explanation:
    """The newest response of a cell: caller, outcome, why it is trusted or not, and a hint.

    Args:
        blocked: read the working file instead of the published one.

    Raises:
        NothingKnown: the cell was never requested.
    """
    with store.read() if blocked else store.published() as connection:
        cells = _cells(connection, account, region, listing)
        if not cells:
            near = _rows(
                connection,
                """
                select distinct region, listing from audit.coverage
                where account_id = $account and (listing = $listing or region = $region)
                order by listing <> $listing, region, listing limit 5
                """,
                {"account": account, "region": region, "listing": listing},
            )
            known = ", ".join(f"{row['region']} {row['listing']}" for row in near)
            raise NothingKnown(
                f"No cell {account} {region} {listing} is known. "
                + (
                    f"This account has, among others, {known}."
                    if known
                    else "Nothing of this account was ever requested."
                )
            )
        explanation = Explanation(data={"cells": [cell.data for cell in cells]})
        for cell in cells:
            explanation.take(cell)
    return explanation


# ------------------------------------------------------------------------------------------------ a cell


def _cells(
    connection: "duckdb.DuckDBPyConnection", account: str, region: str, listing: str, role: str = ""
) -> list[Explanation]:
    """The newest cell of every role for one key, with the evidence of its row in `audit.collection`."""
    rows = _rows(
        connection,
        """
        select
            v.*, c.caller_account_id, c.page_count, c.request_count, c.throttle_count, c.started_at, c.evidence,
            i.caller_arn
        from audit.coverage as v
        left join audit.collection as c using (run_id, role, account_id, region, listing)
        left join audit.caller_identity as i
            on c.run_id = i.run_id and c.role = i.role and c.profile = i.profile and i.worker = ''
        where v.account_id = $account and v.region = $region and v.listing = $listing
            and ($role = '' or v.role = $role)
        order by v.ended_at desc
        """,
        {"account": account, "region": region, "listing": listing, "role": role},
    )
    return [_cell(row) for row in rows]


def _cell(row: dict[str, Any]) -> Explanation:
    evidence = json.loads(row["evidence"]) if row["evidence"] else {}
    row = row | {"evidence": evidence}
    explanation = Explanation(data=row)
    explanation.add("cell", f"{row['account_id']} {row['region']} {row['listing']}, requested by {row['role']}")
    explanation.add("outcome", _outcome(row))
    entry = listings().get(row["listing"].partition(":")[0])
    if row["outcome"] != "skipped":
        call = entry.call if entry is not None else "a call that the catalogue no longer has"
        throttled = f", {row['throttle_count']} of them throttled" if row["throttle_count"] else ""
        explanation.add(
            "request",
            f"{call} on {moment(row['ended_at'])}, run {row['run_id']}: "
            f"{row['request_count'] or 0} request(s){throttled}, {row['page_count'] or 0} page(s)",
        )
        explanation.add(
            "identity",
            f"profile {row['profile']} is account {row['caller_account_id'] or 'unknown'}"
            + (f", {row['caller_arn']}" if row["caller_arn"] else ""),
        )
    trusted = f"yes, as of {moment(row['ended_at'])}" if row["is_trusted"] else "no"
    if not row["is_trusted"]:
        trusted += f"; last trusted {moment(row['last_trusted_at'])}" if row["last_trusted_at"] else "; never was"
    explanation.add("trusted", trusted)
    if row["accepted_by"]:
        explanation.add(
            "accepted", f"by {row['accepted_by']} on {moment(row['accepted_at'])}: {row['accepted_reason']}"
        )
    for topic, found in evidence.items():
        explanation.add("evidence", f"{topic.replace('_', ' ')}: {_plain(found)}")
    # `cure` is the key of the release before, for one version.
    explanation.data["hint"] = explanation.data["cure"] = hint = hint_of(row)
    explanation.add("hint", hint)
    return explanation


def _outcome(row: Mapping[str, Any]) -> str:
    outcome = row["outcome"]
    if outcome == "found":
        return f"found, {row['record_count']:,} record(s)"
    if outcome == "skipped":
        meaning = SKIPPED.get(row["skip_reason"] or "")
        skipped = f"skipped ({row['skip_reason']}): {meaning[0]}" if meaning else f"skipped ({row['skip_reason']})"
        return (
            f"{skipped}. {row['error_message']}" if row["skip_reason"] in CLOSED and row["error_message"] else skipped
        )
    why = row["error_message"] or row["error_code"]
    return f"{outcome}: {why}" if why else str(outcome)


def hint_of(row: Mapping[str, Any]) -> str:
    """The hint for an untrusted cell; empty where nothing has to be done."""
    role, account, region, listing = row["role"], row["account_id"], row["region"], row["listing"]
    again = f"`cmdb ask {role} {listing} --account {account} --region {region} --verbose`"
    if row["is_trusted"]:
        return ""
    match row["outcome"]:
        case "skipped":
            entry = listings().get(listing.partition(":")[0])
            parents = ", ".join(entry.each.of) if entry is not None and entry.each is not None else ""
            text = SKIPPED.get(row["skip_reason"] or "", ("", ""))[1]
            on_request = entry.on_request if entry is not None else ""
            return text.format(role=role, on_request=on_request, parents=parents, profile=row["profile"])
        case "denied" if "service control policy" in (row["error_message"] or ""):
            return f"a service control policy denies {region}: name the allowed regions in CMDB_REGIONS, {AGAIN}"
        case "denied":
            return f"grant it to the role behind {row['profile']} (`cmdb policy {role}` prints the policy), {AGAIN}"
        case "wrong_account":
            variable = CONTRACT[role].profile_env if role != "workload" else "its role_arn"
            return f"profile {row['profile']} leads elsewhere: fix {variable}, see `cmdb preflight`, {AGAIN}"
        case "empty_suspect" if row["empty_policy"] == "impossible":
            return f"this listing is never empty: look at {again}, {AGAIN}"
        case "empty_suspect":
            return (
                f"look at {again}; where the zero is right: "
                f'`cmdb accept {account} {region} {listing} --reason "…"`, {AGAIN}'
            )
        case "empty_unconfirmed" if row["error_code"] == TRAIL_DENIED:
            return (
                f"grant cloudtrail:LookupEvents to the role behind {row['profile']} (`cmdb policy {role}` prints the "
                "policy), or accept all zeros without it by CMDB_ZERO_EVIDENCE=identity; then `cmdb confirm`"
            )
        case "empty_unconfirmed":
            return (
                "nothing yet: CloudTrail records a call minutes after it; `cmdb confirm` looks it up again. Where that "
                f'never comes and the zero is right: `cmdb accept {account} {region} {listing} --reason "…"`'
            )
        case _:
            return f"look at {again}, {AGAIN}"


# ------------------------------------------------------------------------------------------------ wording


def _status(item: Mapping[str, Any]) -> str:
    status = f"{item['status']}, first seen {moment(item['first_seen_at'])}, last seen {moment(item['last_seen_at'])}"
    if item["retired_at"]:
        return f"{status}, retired {moment(item['retired_at'])} ({item['retired_reason']})"
    if item["missing_since"]:
        return f"{status}, missing since {moment(item['missing_since'])}; a second trusted response will retire it"
    return status


def _where_it_would_be(connection: "duckdb.DuckDBPyConnection", arn: str) -> str:
    """The cells that would hold an ARN, by its account and region; if there are none, the reason."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return "That is no ARN: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE."
    _, _, service, region, account, _ = parts
    listed = {entry.name for entry in listings().values() if entry.call.partition(":")[0] == service}
    if not listed:
        return f"Nothing of {service} is collected."
    if not account:
        return f"Its account is not in the ARN; {', '.join(sorted(listed))} would hold it."
    rows = _rows(
        connection,
        """
        select listing, coalesce(newest.outcome, 'never requested') as outcome, cell.is_judged as is_trusted,
            coalesce(newest.skip_reason, newest.error_code, '') as why
        from audit.expected_cell as cell
        left join audit.coverage as newest using (role, account_id, region, listing)
        where account_id = $account and region in ($region, 'aws-global') and list_contains($asked, listing_name)
        order by is_trusted, listing
        """,
        {"account": account, "region": region, "asked": sorted(listed)},
    )
    if not rows:
        return f"Account {account} has no response about {service} in {region or 'any region'}."
    doubts = [row for row in rows if not row["is_trusted"]]
    if doubtful := [f"{row['listing']} ({row['outcome']} {row['why']})".replace(" )", ")") for row in doubts]:
        return f"Cells that would hold it and are not trusted: {', '.join(doubtful)}."
    return (
        f"All {len(rows)} cells of {service} in account {account} and {region or 'its region'} are trusted, "
        "so it was not there when they were requested, or is of a type that is not collected."
    )


def _plain(found: Any) -> str:
    if isinstance(found, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in found.items() if value != [])
    if isinstance(found, Sequence) and not isinstance(found, str):
        return ", ".join(_plain(value) for value in found) or "none"
    return "none" if found is None else str(found)


def _rows(connection: "duckdb.DuckDBPyConnection", query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    return named_rows(connection.execute(query, dict(parameters)))
