"""What outcomes and reasons of cells are worth: which count, which block, and which leave nothing open."""

from resources.aws.messages import DENIED_BY_POLICY, Outcome

TRUSTED: frozenset[Outcome] = frozenset({"found", "empty_verified"})
"""Outcomes whose records, or whose absence of records, count."""

FAILURES: frozenset[Outcome] = frozenset({"denied", "failed", "wrong_account"})
"""Outcomes of a central role's cell that block what reads it; of a workload account they freeze their cell."""

CONCLUSIVE_SKIPS = frozenset(
    {
        "group_unresolved",
        "no_parents",
        "no_resource_policy",
        "not_offered",
        "not_requested",
        "optional_grant_not_given",
        "parent_gone",
        "policy_type_not_enabled",
    }
)
"""Reasons of a skipped cell by which there is nothing to ask, by AWS's own word or by that of who runs this."""

WAITING_SKIPS = frozenset({"parents_unconfirmed"})
"""Reasons of a skipped cell that CloudTrail will settle: nothing was to be asked, if its parents' zero is confirmed."""

REGION_NOT_SELECTED = "region_not_selected"
"""Reason of a cell in regions that are enabled and that CMDB_REGIONS leaves out."""

CLOSED = frozenset({DENIED_BY_POLICY, REGION_NOT_SELECTED})
"""Reasons of a skipped cell that somebody decided: nothing blocks by it, yet it is no answer, and rows stay stale."""

FOR_LATER = "request_limit"
"""Reason of a cell that waits for the next night, since what tonight may cost was spent on what is needed more."""

UNREACHED = frozenset({"account_left", "account_suspended", "no_profile", "region_not_enabled"})
"""Reasons of a skipped cell that say nothing of the listing: nobody is there to be asked."""

NO_LONGER_REQUESTED = "no_longer_asked"
"""Reason of a cell that only an earlier night asked: it speaks neither for the listing nor against it."""

TOO_MANY_PAGES = "more_pages_than_the_limit"
"""Reason of a cell that takes more requests than a whole night may: it is never answered until that is changed."""

RETIRING = frozenset({"account_left", "caller_changed", "no_resource_policy", "parent_gone", "policy_type_not_enabled"})
"""Reasons of a skipped cell that are knowledge, not ignorance: its rows are removed, as by a trusted zero."""
