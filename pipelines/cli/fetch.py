"""What an operator does between nights: ask again, accept a zero, look at coverage, query what is published."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd

from pipelines.catalogue.registry import COST_BY_MONTH, COST_MONTHLY, COST_RESOURCE, MEASURED, METRIC, listings
from pipelines.collection import cost_slices, metrics
from pipelines.collection.seeds import services_of_listings, tag_keys
from pipelines.plain_text import as_csv_cell, as_json, as_markdown, plain
from pipelines.preflight_assets import record
from pipelines.roles import aws_roles, code_version
from pipelines.settings import Settings
from resources.audit import evidence
from resources.audit.paid_requests import PaidRequests
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import Identity, Question
from resources.check_result import CheckResult
from resources.contract import Role
from resources.roles import Management, Workload
from resources.store.store import Store, WarehouseError

WORST_FIRST = (
    "wrong_account", "empty_suspect", "denied", "failed", "empty_unconfirmed", "empty_verified", "found", "skipped"
)  # fmt: skip
"""What is skipped shows only where nothing was asked: a listing that is not wanted hides none that answered."""


class NoSuchQuestion(Exception):
    """What was asked for does not exist. The message says what does."""


# ------------------------------------------------------------------------------------------- preflight


def judge_identities(settings: Settings) -> tuple[tuple[CheckResult, ...], str]:
    """Ask and judge the five facts; returns them and a sentence on whether they were recorded."""
    management = aws_roles(settings)["management"]
    assert isinstance(management, Management), "the resource of the role management"
    callers, organization, facts = management.preflight()
    store = Store(settings.database)
    run_id = f"preflight-{uuid.uuid4()}"
    try:
        with store.holding(run_id, "cmdb preflight"):
            published = [version.run_id for version in store.versions()]
            with store.transaction() as connection:
                evidence.begin_run(connection, run_id, code_version(), published)
            record(store, run_id, management, settings, callers, organization, facts)
            with store.transaction() as connection:
                outcome = "refused" if any(fact.blocks for fact in facts) else "preflight"
                evidence.finish_run(connection, run_id, outcome)
    except WarehouseError as error:
        if error.exit_code == 2:
            raise
        return facts, f"Not recorded: {error}"
    return facts, f"Recorded in {store.working} as run {run_id}."


# ------------------------------------------------------------------------------------------- ask again


def ask_again(
    settings: Settings, role: Role, listing_name: str, account: str, region: str, parameter: str
) -> tuple[dict[str, Any], bool]:
    """Put one question; returns what to print, and whether the answer holds records.

    Raises:
        NoSuchQuestion: the listing, the account or the parameter does not fit; nothing was asked.
        IdentityRefused: the role is not who it should be; nothing was asked.
        DailyLimitReached: AWS charges for the listing, and the day allows no further request; nothing was asked.
    """
    known = listings()
    # A cell's own name, as coverage prints it, holds its parameter.
    listing_name, _, suffix = listing_name.partition(":")
    parameter = parameter or suffix
    listing = known.get(listing_name)
    if listing is None or role not in listing.roles:
        asked = ", ".join(sorted(name for name, entry in known.items() if role in entry.roles))
        raise NoSuchQuestion(f"{role} asks no listing {listing_name!r}. It asks: {asked or 'none'}.")
    if listing.each is not None and not parameter:
        raise NoSuchQuestion(
            f"{listing_name} is asked once for each {listing.each.parameter}. Name one with --parameter."
        )
    paid_requests = PaidRequests(
        Store(settings.database), f"ask-{uuid.uuid4()}", cost_slices.daily_limits(settings.cost_request_limit)
    )
    paid_requests.require(listing.service)
    resource = aws_roles(settings)[role]
    identity = resource.verify()
    if isinstance(resource, Workload):
        identity = _workload_identity(resource, account)
    assert identity is not None, "a central role has one identity"
    if account and account != identity.account_id:
        raise NoSuchQuestion(f"{role} is account {identity.account_id}, not {account}. Nothing was asked.")
    where = GLOBAL_REGION if listing.scope == "global" else region or settings.home_region
    answer = resource.reach.ask(
        Question(
            profile=identity.profile,
            account_id=identity.account_id,
            region=where,
            listing=listing,
            listing_role=role,
            parameters=_parameters(listing, parameter),
            suffix=parameter,
            verbatim=True,
        ),
        meter=paid_requests,
    )
    shown = {
        "request": {
            "call": listing.call,
            "region": where,
            "parameters": {**listing.parameters, **answer.question.parameters},
        },
        "identity": {
            "role": role,
            "profile": identity.profile,
            "account_id": answer.caller_account_id,
            "arn": answer.caller_arn,
        },
        "outcome": answer.outcome,
        "records": answer.record_count,
        "pages": answer.page_count,
        "requests": answer.request_count,
        "throttled": answer.throttle_count,
        "error_code": answer.error_code,
        "error_message": answer.error_message,
        "asked_at": answer.started_at.isoformat(),
        "response": answer.raw_response,
    }
    resource.close()
    return shown, answer.outcome == "found"


def _parameters(listing: Listing, parameter: str) -> dict[str, Any]:
    """What the catalogue would send for a cell of this parameter; of the bill, the month so far where none is named."""
    if listing.name == METRIC:
        source, _, resource = parameter.partition(":")
        if source not in MEASURED or not resource:
            raise NoSuchQuestion(
                f"{METRIC} is asked about a resource. Name one with --parameter LISTING:ID, such as "
                f"{next(iter(MEASURED))}:i-0123456789abcdef0. Nothing was asked."
            )
        return metrics.requests([(source, resource)], datetime.now(UTC).date())[0]
    if listing.name == COST_RESOURCE:
        return cost_slices.resource_parameters(parameter or services_of_listings()[0], datetime.now(UTC).date())
    if listing.name not in COST_BY_MONTH:
        return {} if listing.each is None else {listing.each.parameter: parameter}
    today = datetime.now(UTC).date()
    if listing.name == COST_MONTHLY:
        return cost_slices.parameters(cost_slices.TOTAL, cost_slices.whole_history(today, cost_slices.MAX_MONTHS))
    months = {month.name: month for month in cost_slices.months_to_ask(today, cost_slices.MAX_MONTHS, ())}
    newest, *_, oldest = months
    cuts = {cut.name: cut for cut in cost_slices.slices(tag_keys()) if cut.listing == listing.name}
    # The key of a tag may hold colons.
    slice_name, _, month_name = parameter.rpartition(":") if parameter not in cuts else (parameter, "", "")
    month = months.get(month_name or newest)
    cut = cuts.get(slice_name or next(iter(cuts)))
    if month is None or cut is None:
        raise NoSuchQuestion(
            f"The bill has no {parameter!r}. Write {listing.name}:SLICE:MONTH with a slice of {', '.join(cuts)} and a "
            f"month from {oldest} to {newest}. Nothing was asked."
        )
    return cost_slices.parameters(cut, month)


def _workload_identity(resource: Workload, account: str) -> Identity:
    found = [answer for answer in resource.reached().values() if isinstance(answer, Identity)]
    for identity in found:
        if identity.account_id == account:
            return identity
    reached = ", ".join(sorted(identity.account_id for identity in found)) or "none"
    raise NoSuchQuestion(
        f"No workload profile reaches account {account or '(none named)'}. Name one with --account; reached are: "
        f"{reached}."
    )


# ---------------------------------------------------------------------------------------------- accept


def accept_zero(store: Store, account: str, region: str, listing: str, reason: str, who: str) -> str:
    """Mark the newest zero of a cell as accepted, which is suspect or was not confirmed, and say so.

    Raises:
        NoSuchQuestion: the newest cell of that key is no such zero.
    """
    run_id = f"accept-{uuid.uuid4()}"
    if not reason.strip():
        raise NoSuchQuestion("A zero is accepted for a reason: give one with --reason. Nothing was changed.")
    with store.holding(run_id, "cmdb accept"), store.transaction() as connection:
        rows = connection.execute(
            """
            select outcome, run_id, role, ended_at, zero_sense from audit.coverage
            where account_id = $account and region = $region and listing = $listing
            -- Where two roles asked it, the zero is meant.
            order by outcome in ('empty_suspect', 'empty_unconfirmed') desc, ended_at desc
            """,
            {"account": account, "region": region, "listing": listing},
        ).fetchall()
        if not rows:
            raise NoSuchQuestion(
                f"No cell {account} {region} {listing} is known. `cmdb coverage --blocked` lists the untrusted ones."
            )
        outcome, cell_run, role, ended_at, zero_sense = rows[0]
        if zero_sense == "impossible":
            raise NoSuchQuestion(
                f"{listing} is never empty, so no zero of it can be accepted. Nothing was changed. "
                f"`cmdb ask {role} {listing} --verbose` shows what AWS says."
            )
        if outcome not in ("empty_suspect", "empty_unconfirmed"):
            raise NoSuchQuestion(
                f"{account} {region} {listing} is {outcome}; only empty_suspect and empty_unconfirmed can be accepted. "
                "Nothing was changed."
            )
        connection.execute(
            """
            update audit.collection
            set accepted_by = $who, accepted_reason = $reason, accepted_at = $now
            where
                run_id = $run_id and role = $role and account_id = $account and region = $region
                and listing = $listing
            """,
            {
                "who": who,
                "reason": reason,
                "now": datetime.now(UTC),
                "run_id": cell_run,
                "role": role,
                "account": account,
                "region": region,
                "listing": listing,
            },
        )
        evidence.renew_coverage(connection, listing)
    return (
        f"Accepted: {account} {region} {listing} is empty, says {who} ({reason}), until it is found again. "
        f"It was asked at {ended_at:%Y-%m-%d %H:%M} UTC. Next: cmdb nightly"
    )


def zeros_sentence(store: Store, run_id: str) -> str:
    """What a run's look into CloudTrail came to; empty where it came to none."""
    with store.read() as connection:
        row = connection.execute(
            "select observed from audit.check_result where run_id = $run_id and check_name = 'zeros_are_confirmed'",
            {"run_id": run_id},
        ).fetchone()
    return "" if row is None else str(row[0])


# -------------------------------------------------------------------------------------------- coverage


@dataclass(frozen=True)
class Coverage:
    """The newest cells, as a matrix of accounts by regions and as a list of what cannot be believed.

    Attributes:
        untrusted: with what stopped the last night, the answers too that a rule named though each was whole.
    """

    matrix_columns: list[str]
    matrix_rows: list[list[str]]
    untrusted: list[dict[str, Any]]
    cells: list[dict[str, Any]]
    refusals: list[str]


def read_coverage(store: Store, *, blocked: bool) -> Coverage:
    """Read the published file, or the working file where `blocked` asks what stopped the last night."""
    if not blocked:
        store.require_current_schema()
    source = store.read() if blocked else store.published()
    with source as connection:
        cursor = connection.execute(
            """
            select
                role, account_id, region, listing, outcome, is_trusted, last_trusted_at, record_count,
                coalesce(error_message, skip_reason, '') as why
            from audit.coverage order by all
            """
        )
        frame = pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description or ()])
        refusals = [
            str(sentence)
            for (sentence,) in connection.execute(
                """
                select observed from audit.check_result
                where
                    not passed and severity = 'ERROR'
                    and run_id = (select arg_max(run_id, started_at) from audit.run)
                order by checked_at
                """
            ).fetchall()
        ]
        disputed = (
            connection.execute(
                """
                select role, account_id, region, listing, outcome, check_name, d.scope
                from audit.disputed_cell as d
                join audit.coverage as v using (role, account_id, region, listing)
                where v.is_trusted
                order by all
                """
            ).fetchall()
            if blocked
            else []
        )
    # The cell of the matrix shows the worst of its listings.
    frame["rank"] = frame["outcome"].map({outcome: rank for rank, outcome in enumerate(WORST_FIRST)})
    worst = frame.pivot_table(index=["role", "account_id"], columns="region", values="rank", aggfunc="min")
    rows = [
        [*map(str, index), *("" if pd.isna(rank) else WORST_FIRST[int(rank)] for rank in ranks)]
        for index, ranks in zip(worst.index, worst.to_numpy(), strict=True)
    ]
    cells = [{str(name): value for name, value in row.items()} for row in frame.drop(columns="rank").to_dict("records")]
    doubtful = [
        {name: cell[name] for name in ("role", "account_id", "region", "listing", "outcome", "why")}
        for cell in cells
        if not cell["is_trusted"] and cell["outcome"] != "skipped"
    ]
    doubtful += [
        {
            "role": role,
            "account_id": account,
            "region": region,
            "listing": listing,
            "outcome": outcome,
            "why": f"{check} of {scope} refused what was built of it",
        }
        for role, account, region, listing, outcome, check, scope in disputed
    ]
    return Coverage(["role", "account_id", *map(str, worst.columns)], rows, doubtful, cells, refusals)


# ------------------------------------------------------------------------------------------------- sql


def answer_sql(store: Store, query: str, output: str, *, raw: bool = False) -> str:
    """The answer of the published file, as text.

    Money stays decimal: the frame holds Python objects, not pandas' floats.

    Args:
        output: table, csv, json or markdown.
        raw: give a CSV's values as they are stored: for programs, never for a terminal or a spreadsheet.

    Raises:
        NoSuchQuestion: DuckDB refused the query; the message is its own.
    """
    store.require_current_schema()
    with store.published() as connection:
        try:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchall()
        except duckdb.Error as error:
            raise NoSuchQuestion(f"DuckDB refused the query: {error} Nothing was changed.") from error
    if output == "csv":
        names = names if raw else [_csv_cell(name) for name in names]
        cells = rows if raw else [[_csv_cell(value) for value in row] for row in rows]
        return pd.DataFrame(cells, columns=names, dtype=object).to_csv(index=False).rstrip("\n")
    if output == "json":
        frame = pd.DataFrame(rows, columns=names, dtype=object)
        return as_json([{str(name): value for name, value in row.items()} for row in frame.to_dict("records")])
    if output == "markdown":
        return _markdown(names, rows)
    names = [plain(name) for name in names]
    if not rows:
        return "  ".join(names) + "\n(no rows)"
    frame = pd.DataFrame([[_text(value) for value in row] for row in rows], columns=names, dtype=object)
    return frame.to_string(index=False, na_rep="", max_colwidth=None)


def _text(value: Any) -> Any:
    """A value as people look at it; numbers and what stands in lists and maps keep the form that pandas gives them."""
    match value:
        case None | bool() | int() | float() | Decimal():
            return value
        case list() | tuple():
            return [_text(part) for part in value]
        case dict():
            return {_text(name): _text(part) for name, part in value.items()}
        case _:
            return plain(value)


def _csv_cell(value: Any) -> Any:
    """A value that a spreadsheet may open: a line feed stays one, a number a number."""
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    return as_csv_cell(plain(value, lines=True))


def _markdown(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    def line(values: Any) -> str:
        texts = ("" if value is None else _markdown_cell(value) for value in values)
        return f"| {' | '.join(texts)} |"

    return "\n".join([line(names), f"|{' --- |' * len(names)}", *(line(row) for row in rows)])


def _markdown_cell(value: Any) -> str:
    return as_markdown(" ".join(str(value).split("\n"))).replace("|", "\\|")
