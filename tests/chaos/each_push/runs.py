"""Which faults of the table share a run, so that all of them together take minutes.

Faults of one run leave each other alone: each is of an operation, or of an account and region, that no other one of its
run is about. So each is asserted by itself: its sentences, which cells it makes doubtful, and that it alone would have
kept the run from being published.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace

from chaos.lies import ALONE, PATIENT, REGIONAL, WAITS, Doubt, Fate, Lie, denied, give
from resources.aws import client, retry

Run = tuple[Lie, ...]


def of(name: str, fate: Fate, *, about: int | None = None, doubts: Sequence[Doubt] = (), late: bool = False) -> Lie:
    """The first lie of the table of a name and a fate.

    Args:
        about: the number of the workload account that has it, in place of the first.
        doubts: in place of the table's, which would take those of other lies of the run for its own.
    """
    found = next(lie for lie in ALONE if (lie.told[:1], lie.fate, lie.late) == ((name,), fate, late))
    told = found.told if about is None else (f"{name}@{about}", *found.told[1:])
    return replace(found, told=told, doubts=tuple(doubts) or found.doubts, mends=False)


def tolerated(*lies: Lie) -> Run:
    """Lies that freeze cells, with the tolerance that all of them together need."""
    return tuple(replace(lie, settings={**lie.settings, **PATIENT}) for lie in lies)


def refused(*names: str) -> Run:
    """Faults that are refused, in one run."""
    return tuple(of(name, "refused") for name in names)


BEFORE_ANYTHING = (
    refused("same_account_twice"),
    # One that is misrouted in each: they all lead to the same account, which is another fault.
    refused("misrouted_management", "expired_operations"),
    refused("misrouted_operations", "expired"),
    refused("misrouted_billing", "expired_management"),
)
"""Refused by the pre-flight, which judges each role by a rule of its own."""

WITHOUT_ACCOUNTS = tuple(
    refused(name)
    for name in (
        "no_accounts",
        "down_management",
        "throttle_forever_management",
        "misrouted_midway_management",
        "expired_midway_management",
    )
)
"""Refused where the list of accounts is: nothing else is requested."""

COST_FAILED: tuple[Doubt, ...] = (("cost_*", "failed"),)
"""How many listings of the bill are tried before Cost Explorer is given up depends on how long each is."""

REFUSED: tuple[Run, ...] = (
    *BEFORE_ANYTHING,
    *WITHOUT_ACCOUNTS,
    # With it no workload account is left, so that nothing is requested in regions.
    refused("truncated_accounts", "denied_management", "denied_billing", "no_bill"),
    (
        *refused("truncated_units", "no_service_control_policies", "no_databases", "no_functions", "no_buckets"),
        *refused("denied_everywhere", "slow_forever", "denied_operations", "down_operations"),
        of("down_billing", "refused", doubts=COST_FAILED),
    ),
    (
        of("throttle_forever", "refused", doubts=COST_FAILED),
        of("throttle_forever_operations", "refused"),
        of("down_workload", "refused", about=1),
        of("hidden_denial", "refused", about=2),
    ),
    refused("denied_region", "bill_without_account"),
    refused("silent_zero"),
    refused("misrouted_midway_workload", "no_trail_workload"),
    refused("denied_everywhere_workload", "no_trail"),
    (
        # With it nothing is requested in the regions of any account.
        *refused("expired_workload"),
        of("expired_midway_billing", "refused", doubts=(("cost_*", "denied"), ("budget*", "denied"))),
    ),
    (
        of("expired_midway_operations", "refused", doubts=(("tagged_resource", "denied"), ("*", WAITS))),
        of("expired_midway_workload", "refused", about=1),
    ),
    (of("foreign_record", "refused", about=2, doubts=(("*", "wrong_account"),)),),
)
"""Runs of which nothing is published."""


def persistent() -> None:
    """Request a page again as often as the faults of one run together need it."""
    give(client, "Retry", functools.partial(retry.Retry, transient_attempts=8, first_delay=0.02))


SHARED = ("aws.rds_db_major_engine_version", "cost.extended_support_forecast")
"""Tables of what each account lists alike: where one is not trusted, the rows of another are kept."""

SURVIVED = (
    *(
        replace(of(name, "survived"), prepare=persistent)
        for name in ("empty_page", "throttle", "error_500", "html_503", "reset", "cut", "garbage")
    ),
    of("slow", "survived"),
)
"""Whatever passes when it is requested again."""

FROZEN = (
    *tolerated(
        of("region_closed", "frozen", about=1),
        of("denied_listing", "frozen", about=3),
        of("garbage_forever", "frozen", about=4),
        # This account has no parents of what the first one is asked for beside.
        replace(of("denied", "frozen", about=5, doubts=denied((*REGIONAL, "ec2_region", "s3_bucket"))), differs=SHARED),
    ),
    *(of(f"no_trail_{role}", "frozen") for role in ("billing", "management", "operations")),
    of("truncated", "missing", about=2),
    # After what stays as it was: of two faults of one request the later one comes first.
    *SURVIVED,
)
"""No more than one cell in four of any listing, zeros of the central roles, half a list, and what passes."""

DOUBTED = (
    # An account that no profile reaches any more. The run that confirms zeros signs in to none, and has no such check.
    replace(of("misrouted_workload", "frozen"), fate="doubted", late=True, fails=()),
    of("hidden_denial_unbilled", "doubted", late=True),
    of("hidden_denial_operations", "doubted", late=True),
)

PUBLISHED: tuple[Run, ...] = (FROZEN, DOUBTED)
"""Runs that publish what there is, as far as it can be known."""
