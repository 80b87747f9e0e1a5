"""A run's outcome, and the published dataset in a few figures: for people and for programs."""

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store


@dataclass(frozen=True)
class RunSummary:
    """The outcome of a run.

    Attributes:
        sentences: why the run was refused, rules first; or what failed after publishing.
        warnings: what was published stale, or should be fixed.
        exit_code: 0 published, 1 a rule failed, 2 the configuration is wrong, 130 it was interrupted. A failure after
            publishing, which only the report can have, does not undo the publishing but has a code other than 0.
        refused_by_preflight: whether the pre-flight refused it, so that no cell was requested.
    """

    run_id: str
    published: bool
    exit_code: int
    sentences: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused_by_preflight: bool = False


@dataclass(frozen=True)
class PaidApi:
    """What a run requested of one API that AWS charges for.

    Attributes:
        units: what AWS prices: requests, or metrics of CloudWatch.
    """

    api: str
    requests: int
    units: int
    cost_usd: Decimal

    def __str__(self) -> str:
        metrics = "" if self.units == self.requests else f" requests with {self.units:,} metrics"
        return f"{self.api} {self.requests:,}{metrics}, {self.cost_usd:,.4f} USD"


@dataclass(frozen=True)
class Summary:
    """The published dataset in a few figures.

    Attributes:
        month_to_date: None where no complete day of the bill was read.
        through: the last complete day of it; None likewise.
        anomalies: how many are new, or why that is not known.
    """

    accounts: int
    active_accounts: int
    resources: int
    resource_accounts: int
    month_to_date: Decimal | None
    currency: str
    through: str | None
    anomalies: str
    cells: dict[str, int]
    requests: int
    api_cost_usd: Decimal
    paid: list[PaidApi]
    stale: int


def paid_apis(connection: "duckdb.DuckDBPyConnection") -> dict[str, list[PaidApi]]:
    """What each run requested of the APIs that AWS charges for, by run id."""
    found: dict[str, list[PaidApi]] = {}
    for run_id, *figures in connection.execute(
        """
        select run_id, api, sum(request_count)::bigint, sum(unit_count)::bigint, sum(cost_usd)
        from audit.paid_request group by run_id, api order by run_id, api
        """
    ).fetchall():
        found.setdefault(run_id, []).append(PaidApi(*figures))
    return found


def summarise(store: "Store") -> Summary:
    """Read the figures from the published file.

    Raises:
        WarehouseError: nothing is published yet.
    """
    from pipelines.memory import READING_MEMORY, within_memory
    from pipelines.report.digest import new_anomalies

    store.require_current_schema()
    # It has a memory limit of its own.
    anomalies = new_anomalies(store)
    return within_memory(lambda memory: _summary(store, anomalies, memory), READING_MEMORY)


def _summary(store: "Store", anomalies: str, memory: int | None) -> Summary:
    with store.published(memory) as connection:

        def one(sql: str) -> tuple[Any, ...]:
            row = connection.execute(sql).fetchone()
            assert row is not None, "an aggregate always has a row"
            return tuple(row)

        accounts = one("select count(*), count(*) filter (state = 'ACTIVE') from org.account where state <> 'LEFT'")
        resources = one(
            """
            select count(*), count(distinct account_id), count(*) filter (is_stale)
            from cmdb.resource where status <> 'retired'
            """
        )
        cost = one(
            """
            select sum(cost.unblended_cost), any_value(cost.currency), max(cost.usage_date)
            from cost.daily as cost
            inner join cost.month_coverage as coverage
                on
                    cost.slice = coverage.slice
                    and cost.usage_date between coverage.month and coverage.through_date
            where
                cost.slice = 'service'
                and coverage.month = (
                    select max(newest.month) from cost.month_coverage as newest
                    where newest.slice = 'service' and newest.through_date is not null
                )
            """
        )
        run = one("select request_count, api_cost_usd, run_id from audit.run order by started_at desc limit 1")
        paid = paid_apis(connection).get(run[2], [])
        cells = connection.execute(
            "select outcome, count(*) from audit.coverage group by outcome order by outcome"
        ).fetchall()
    return Summary(
        accounts=accounts[0],
        active_accounts=accounts[1],
        resources=resources[0],
        resource_accounts=resources[1],
        month_to_date=cost[0],
        currency=cost[1] or "",
        through=None if cost[2] is None else str(cost[2]),
        anomalies=anomalies,
        cells=dict(cells),
        requests=run[0],
        api_cost_usd=run[1],
        paid=paid,
        stale=resources[2],
    )


def run_as_json(ended: RunSummary, summary: Summary | None, database: str, next_command: str) -> dict[str, Any]:
    """The outcome of a run as JSON for programs; money stays text, so that no digit is lost."""
    facts: dict[str, Any] = {
        "run_id": ended.run_id,
        "published": ended.published,
        "exit_code": ended.exit_code,
        "database": database,
        "sentences": ended.sentences,
        "warnings": ended.warnings,
        "next": next_command,
    }
    return facts if summary is None else facts | {"summary": asdict(summary)}
