"""Sets of outcomes and skip reasons: which are trusted, which block, and which leave nothing open."""

from collections.abc import Mapping

from resources.aws.messages import DENIED_BY_POLICY, OPTIONAL_GRANT, Outcome

TRUSTED: frozenset[Outcome] = frozenset({"found", "empty_verified"})
"""Outcomes whose records, or whose absence of records, are trusted."""

FAILURES: frozenset[Outcome] = frozenset({"denied", "failed", "wrong_account"})
"""Outcomes that block downstream assets for a central role; in a workload account the cell keeps its last rows."""

REMEDIES: Mapping[str, str] = {
    "denied": (
        "Grant it to the role (`cmdb policy {role}` prints the policy), then run `cmdb nightly --only-untrusted`."
    ),
    "failed": "`cmdb nightly --only-untrusted` requests again.",
    "wrong_account": "Correct the profile {profile}, then run `cmdb nightly --only-untrusted`.",
}
"""What the operator does about each failure."""

BY_MONTH = "delivered_by_month"
"""Skip reason of the data export as a whole: each of its months is a cell of its own."""

NOT_COMPARED = "not_compared"
"""Skip reason of the bill by account where the slices were requested whole, so that it is not needed."""

NOT_OFFERED = "not_offered"
"""Skip reason of what AWS does not have in a region, or not at all."""

REQUESTED_ELSEWHERE = "requested_elsewhere"
"""Skip reason of a shared listing where another account of the region is requested: the records are the same."""

NO_PARENTS = "no_parents"
"""Skip reason of a listing where its parents were listed, and there are none."""

CONCLUSIVE_SKIPS = frozenset(
    {
        BY_MONTH,
        NO_PARENTS,
        NOT_COMPARED,
        REQUESTED_ELSEWHERE,
        "group_unresolved",
        "no_resource_policy",
        NOT_OFFERED,
        "not_requested",
        OPTIONAL_GRANT,
        "parent_gone",
        "policy_type_not_enabled",
    }
)
"""Skip reasons that are final: AWS's response or the configuration shows that there is nothing to request."""

WAITING_SKIPS = frozenset({"parents_unconfirmed"})
"""Skip reasons that CloudTrail will settle: there was nothing to request if the parents' zero is confirmed."""

PARENTS_UNKNOWN = "parents_unknown"
"""Skip reason of a cell whose parents have no trusted list, so that nobody knows what to request."""

REGION_NOT_SELECTED = "region_not_selected"
"""Skip reason of a cell in enabled regions that CMDB_REGIONS leaves out."""

REGION_DISABLED = "region_disabled"
"""Skip reason of a cell in a region that its account has not enabled, although something of the account lies there."""

CLOSED = frozenset({DENIED_BY_POLICY, REGION_DISABLED, REGION_NOT_SELECTED})
"""Skip reasons that somebody decided: they do not block, but they are no response, so the last rows stay, marked stale.
"""

FOR_LATER = "request_limit"
"""Skip reason of a cell that waits for the next run, since this run spent its request limit on more urgent cells."""

UNREACHED = frozenset({"account_left", "account_suspended", "no_profile", "region_not_enabled"})
"""Skip reasons of an account or region without requests, which are no evidence about the listing."""

NO_LONGER_REQUESTED = "no_longer_asked"
"""Skip reason of a cell that only an earlier run requested: it is evidence neither for nor against the listing."""

NO_COST_DATA = "no_cost_data"
"""Skip reason of a month of the bill that Cost Explorer itself reports it has not, while no cost up to that month was
ever known: the bill is unknown until AWS has prepared it."""

TOO_MANY_PAGES = "more_pages_than_the_limit"
"""Skip reason of a cell that takes more requests than the limit of a whole run: it never completes below that limit."""

NOT_YET = frozenset({FOR_LATER, NO_COST_DATA, TOO_MANY_PAGES})
"""Skip reasons of cells that the operator waits for, or makes room for: they are unknown until then."""

JUDGED_SKIPS = NOT_YET | {OPTIONAL_GRANT}
"""Skip reasons that count for the silent-zero rule even where other cells of the listing were requested."""

DECIDED = CONCLUSIVE_SKIPS | WAITING_SKIPS | CLOSED
"""Skip reasons by which nothing is left to the operator: AWS or somebody decided them, or CloudTrail will."""

DECIDED_OR_LATER = DECIDED | NOT_YET - {TOO_MANY_PAGES}
"""These, and those that a later run settles by itself."""

RETIRING = frozenset({"account_left", "caller_changed", "no_resource_policy", "parent_gone", "policy_type_not_enabled"})
"""Skip reasons that end a cell's rows: the rows are removed, as after a trusted zero."""
