"""`cmdb accept`: accept a zero that a person vouches for."""

import getpass
import os
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pipelines.cli.command import (
    Command,
    InvalidRequest,
    as_typed,
    demo_option,
    json_option,
    offering,
    plainly,
    print_json,
    say,
    store_of,
)
from pipelines.trust.ages import moment
from resources import release

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import duckdb

    from resources.store.store import Store


@click.command(cls=Command)
@click.argument("account", shell_complete=offering("account"))
@click.argument("region", shell_complete=offering("region"))
@click.argument("listing", shell_complete=offering("cell"))
@click.option("--reason", required=True, help="Why this zero is right; kept with your name.")
@demo_option
@json_option
@plainly
def accept(account: str, region: str, listing: str, reason: str, demo: bool, as_json: bool) -> None:
    """Accept one zero that is suspect, not confirmed or refused by a check, until the cell has records again.

    Example: cmdb accept 111122223333 us-east-1 ec2_instance --reason "decommissioned, CHG-1234"
    """
    who = _user()
    sentence = as_typed(accept_zero(store_of(demo=demo), account, region, listing, reason, who), demo=demo)
    if as_json:
        cell = {"account_id": account, "region": region, "listing": listing}
        # `said` is the name of the release before, for one version.
        print_json({**cell, "accepted_by": who, "accepted_reason": reason, "sentence": sentence, "said": sentence})
        return
    say(sentence)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user id that has no name.
        return f"uid {os.getuid()}"


def accept_zero(store: "Store", account: str, region: str, listing: str, reason: str, who: str) -> str:
    """Mark a cell's newest zero, which is in doubt, as accepted; returns the sentence to print.

    Raises:
        InvalidRequest: the newest cell of that key is no such zero.
    """
    from resources.audit.cells import renew_coverage

    run_id = f"accept-{uuid.uuid4()}"
    if not reason.strip():
        raise InvalidRequest("A zero is accepted for a reason: give one with --reason. Nothing was changed.")
    release.require("warehouse/migrations")
    # Looked up before anything is made or held: a refused command leaves no trace.
    with _read(store) as connection:
        _zero(connection, account, region, listing)
    with store.holding(run_id, "cmdb accept"), store.transaction() as connection:
        cell_run, role, ended_at = _zero(connection, account, region, listing)
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
        renew_coverage(connection, listing)
    return (
        f"Accepted: {account} {region} {listing} is empty, as {who} stated ({reason}), until it is found again. "
        f"It was requested at {moment(ended_at)}. Next: `cmdb nightly`"
    )


def _read(store: "Store") -> "AbstractContextManager[duckdb.DuckDBPyConnection]":
    """What runs know: the working file, or what is published where there is none yet."""
    return store.read() if store.working.exists() else store.published()


def _zero(
    connection: "duckdb.DuckDBPyConnection", account: str, region: str, listing: str
) -> tuple[str, str, datetime]:
    """Run, role and end of the newest cell of a key, which can be accepted.

    Raises:
        InvalidRequest: the newest cell of that key is no such zero.
    """
    rows = connection.execute(
        """
        select
            cell.outcome, cell.run_id, cell.role, cell.ended_at, cell.empty_policy,
            exists (
                select 1 from audit.disputed_cell as disputed
                where
                    disputed.role = cell.role and disputed.account_id = cell.account_id
                    and disputed.region = cell.region and disputed.listing = cell.listing
            ) as is_disputed
        from audit.coverage as cell
        where cell.account_id = $account and cell.region = $region and cell.listing = $listing
        -- Where two roles requested it, the zero is meant.
        order by cell.outcome in ('empty_suspect', 'empty_unconfirmed') desc, is_disputed desc, cell.ended_at desc
        """,
        {"account": account, "region": region, "listing": listing},
    ).fetchall()
    if not rows:
        raise InvalidRequest(
            f"No cell {account} {region} {listing} is known. `cmdb coverage --blocked` lists the untrusted ones."
        )
    outcome, cell_run, role, ended_at, empty_policy, is_disputed = rows[0]
    if empty_policy == "impossible":
        raise InvalidRequest(
            f"{listing} is never empty, so no zero of it can be accepted. Nothing was changed. "
            f"`cmdb ask {role} {listing} --verbose` shows what AWS returns."
        )
    # CloudTrail proves that the call returned nothing; a check may still know better, until a person settles it.
    if outcome not in ("empty_suspect", "empty_unconfirmed") and not (outcome == "empty_verified" and is_disputed):
        raise InvalidRequest(
            f"{account} {region} {listing} is {outcome}; only empty_suspect and empty_unconfirmed can be accepted, and "
            "empty_verified where a check refused it. Nothing was changed."
        )
    return cell_run, role, ended_at
