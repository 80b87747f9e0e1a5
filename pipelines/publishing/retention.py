"""How long the store keeps landings, cells and their plans, verbatim zeros and check results."""

from pipelines.catalogue.registry import read_back
from pipelines.collection import landing
from resources.store.store import Store

LANDINGS_KEPT = 3
"""Number of runs whose landed records stay."""

RUNS_KEPT = 30
"""Number of runs whose cells and check results stay."""

ZERO_RUNS_KEPT = 7
"""Number of runs whose zeros keep AWS's verbatim response."""


def prune(store: Store) -> dict[str, int]:
    """Remove what is older than the retention: landings, cells and their plans, verbatim zeros, check results."""
    with store.transaction() as connection:
        # The next collection reads these landings back, so they stay, however many single assets ran since.
        needed = [
            run
            for (run,) in connection.execute(
                """
                select distinct run_id from audit.coverage
                where outcome = 'found' and list_contains($listings, split_part(listing, ':', 1))
                """,
                {"listings": sorted(read_back())},
            ).fetchall()
        ]
        gone = landing.prune(store.landing, LANDINGS_KEPT, needed)
        connection.execute(
            """
            create or replace temp table recent as
            -- Only runs that requested something count: a pre-flight every ten minutes must not push them out.
            select run_id, row_number() over (order by max(ended_at) desc) as place
            from audit.collection
            group by run_id
            """
        )
        removed = connection.execute(
            """
            delete from audit.collection as c
            where
                c.run_id not in (select run_id from recent where place <= $runs)
                -- What audit.newest_cell is made from stays for ever, so that it could be made again.
                and c.accepted_at is null
                and exists (
                    -- equivalent in where: Whether there is a row does not depend on what it says.
                    select 1 from audit.newest_cell as n
                    where
                        n.role = c.role and n.account_id = c.account_id and n.region = c.region
                        and n.listing = c.listing
                        and c.ended_at < n.newest.ended_at
                        and not list_contains(
                            [
                                n.found_at, n.suspected_at, n.trusted_at, n.trusted[1].ended_at,
                                n.trusted[2].ended_at
                            ],
                            c.ended_at
                        )
                )
            """,
            {"runs": RUNS_KEPT},
        ).fetchall()
        connection.execute(
            """
            update audit.collection set raw_response = null
            where
                -- equivalent in where: It spares writing nothing where nothing is.
                raw_response is not null
                and run_id not in (select run_id from recent where place <= $runs)
            """,
            {"runs": ZERO_RUNS_KEPT},
        )
        connection.execute(
            """
            delete from audit.step_plan
            where planned_at < (
                select min(r.started_at) from audit.run as r
                where r.run_id in (select run_id from recent where place <= $runs)
            )
            """,
            {"runs": RUNS_KEPT},
        )
        connection.execute(
            """
            delete from audit.check_result
            where checked_at < (
                -- From the beginning of the run: its pre-flight stands before its first cell.
                select min(r.started_at) from audit.run as r
                where r.run_id in (select run_id from recent where place <= $runs)
            )
            """,
            {"runs": RUNS_KEPT},
        )
        connection.execute(
            """
            delete from audit.check_cell
            where (run_id, check_name, scope) not in (select (run_id, check_name, scope) from audit.check_result)
            """
        )
        connection.execute(
            """
            delete from audit.caller_identity as i
            where
                run_id not in (select run_id from recent where place <= $runs)
                -- Which account a profile reached last is needed for as long as the profile exists.
                and checked_at < (
                    select max(n.checked_at) from audit.caller_identity as n
                    where n.role = i.role and n.profile = i.profile and n.caller_account_id is not null
                )
            """,
            {"runs": RUNS_KEPT},
        )
    # equivalent (2): What was deleted is reported in one row of one column.
    return {"landings_removed": len(gone), "cells_removed": int(removed[0][0])}
