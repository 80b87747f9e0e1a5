"""The coverage of the listings: the newest cell of every key, read from `audit.coverage`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from resources.audit.cells import NewestCell

if TYPE_CHECKING:
    import duckdb

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Accounts:
    """A range of account ids, `since` included and `before` excluded; the database reads such a range fast."""

    since: str = ""
    # equivalent: An account is twelve digits, which come before either.
    before: str = "~"

    def __contains__(self, account_id: str) -> bool:
        return self.since <= account_id < self.before

    @property
    def parameters(self) -> dict[str, str]:
        """Parameters for SQL with the condition `account_id >= $since_account and account_id < $before_account`."""
        return {"since_account": self.since, "before_account": self.before}


EVERY_ACCOUNT = Accounts()

NO_ACCOUNT = Accounts(before="")


def coverage(
    connection: "duckdb.DuckDBPyConnection",
    listings: Sequence[str],
    *,
    accounts: Accounts = EVERY_ACCOUNT,
    without_quiet: bool = False,
    without_workload: bool = False,
) -> list[NewestCell]:
    """The newest cell of every key of the given listings, with or without a parameter in the name.

    Args:
        accounts: the range of accounts to read.
        without_quiet: leave out the trusted cells and the zeros that wait for CloudTrail. Of the hundreds of thousands
            of cells in a large organisation a few remain.
        without_workload: only the cells of the central roles.
    """
    columns = ", ".join(column.name for column in fields(NewestCell))
    rows = connection.execute(
        f"""
        select {columns}
        from audit.coverage
        where
            list_contains($listings, split_part(listing, ':', 1))
            and account_id >= $since_account and account_id < $before_account
            and not (
                $without_quiet and (is_trusted or (outcome = 'empty_unconfirmed' and error_code is null))
            )
            and not ($without_workload and role = 'workload')
        order by role, listing, account_id, region
        """,
        {
            "listings": list(listings),
            "without_quiet": without_quiet,
            "without_workload": without_workload,
            **accounts.parameters,
        },
    ).fetchall()
    return [NewestCell(*row) for row in rows]


def by_listing(cells: Iterable[NewestCell]) -> dict[str, list[NewestCell]]:
    """Cells grouped by listing name, without the listing's parameter."""
    found: dict[str, list[NewestCell]] = {}
    for cell in cells:
        found.setdefault(cell.name, []).append(cell)
    return found


@dataclass(frozen=True)
class Standing:
    """A summary of the newest cells of a listing.

    Attributes:
        trusted: number of trusted cells.
        waiting: number of zeros that wait for CloudTrail's record of the call.
        answered_at: when the latest response arrived, or was confirmed later.
        others: number of cells that are neither trusted nor wait. Skipped ones count where no cell was requested, and
            else for the reasons alone that were given. Where there are any, `coverage` returns `without_quiet` all.
    """

    trusted: int = 0
    waiting: int = 0
    answered_at: datetime = NEVER
    others: int = 0


def newest_trusted_at(connection: "duckdb.DuckDBPyConnection") -> datetime | None:
    """When the newest trusted response came; None where none is."""
    newest: datetime | None
    ((newest,),) = connection.execute("select max(ended_at) from audit.collection where is_trusted").fetchall()
    return newest


def standing(
    connection: "duckdb.DuckDBPyConnection", listings: Sequence[str], skip_reasons: Iterable[str] = ()
) -> dict[str, Standing]:
    """The standing of each listing that was ever requested, by its name without a parameter.

    Args:
        skip_reasons: of the skipped cells those that are counted although other cells were requested.
    """
    rows = connection.execute(
        """
        select
            split_part(listing, ':', 1) as name,
            count(*) filter (is_trusted) as trusted,
            count(*) filter (not is_trusted and outcome = 'empty_unconfirmed' and error_code is null) as waiting,
            max(greatest(ended_at, confirmed_at)),
            count(*) filter (
                not is_trusted and outcome = 'skipped' and not list_contains($skip_reasons, skip_reason)
            ) as quiet,
            count(*) - trusted - waiting - case when trusted + waiting > 0 then quiet else 0 end
        from audit.coverage
        where list_contains($listings, name)
        group by name
        """,
        {"listings": list(listings), "skip_reasons": list(skip_reasons)},
    ).fetchall()
    return {
        name: Standing(trusted, waiting, answered_at, others) for name, trusted, waiting, answered_at, _, others in rows
    }


def trusted_regions(connection: "duckdb.DuckDBPyConnection", listings: Sequence[str]) -> dict[str, set[str]]:
    """The regions of which each listing has a trusted cell, by its name without a parameter."""
    rows = connection.execute(
        """
        select distinct split_part(listing, ':', 1) as name, region from audit.coverage
        where list_contains($listings, name) and is_trusted
        """,
        {"listings": list(listings)},
    ).fetchall()
    found: dict[str, set[str]] = {}
    for name, region in rows:
        found.setdefault(name, set()).add(region)
    return found
