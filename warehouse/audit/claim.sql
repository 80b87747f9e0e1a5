-- One row per table or view of org, aws, cost and cmdb: how much of what its figures are about was judged. Read it before "none",
-- "100 %" or a sum is shown: that holds only where unknown is 0. The scope is what ought to have been requested, not what was found:
-- every cell of the listings that the table rests on (audit.claim_listing), in every account and region, requested or not.
-- audit.claim_gap names each unknown one.
-- materialized: view
-- key: claim
-- claim: The table or view, such as cmdb.finding_open_rule.
-- unit: What scope, judged and unknown count: cell, one listing of one account and region, or of the bill one slice and month.
-- scope: Cells that ought to be known; judged and unknown together.
-- judged: Cells whose newest response counts.
-- unknown: Cells whose newest response does not count, or that were never requested. Rows that they once brought stand, stale.
-- unknown_reason: Why they are unknown, with how many each, the most frequent first; NULL where unknown is 0.
-- unknown_accounts: AWS accounts that these cells are about.
-- as_of: When the least recent of the responses that count was complete, UTC; of the bill, its newest month.
with counted as (
    select
        account_id,
        listing_name,
        part,
        unknown_reason,
        count(*) as cells,
        -- Closed months of the bill are not requested again: its newest response is its age.
        case when role = 'billing' then max(known_at) else min(known_at) end as known_at,
        role = 'billing' as is_bill
    from audit.expected_cell
    group by account_id, listing_name, part, unknown_reason, role
),

rests_on as (
    select
        claim,
        listing,
        part
    from audit.claim_listing
    where left_out_because is null
),

by_listing as (
    select
        listing_name,
        part,
        unknown_reason,
        sum(cells) as cells,
        case when bool_or(is_bill) then max(known_at) else min(known_at) end as known_at
    from counted
    group by all
),

by_reason as (
    select
        rests_on.claim,
        by_listing.unknown_reason,
        sum(by_listing.cells)::bigint as cells,
        min(by_listing.known_at) as known_at
    from rests_on
    inner join by_listing on rests_on.listing = by_listing.listing_name and rests_on.part = by_listing.part
    group by all
),

account_in_doubt as (
    select
        rests_on.claim,
        count(distinct counted.account_id) as unknown_accounts
    from rests_on
    inner join counted on rests_on.listing = counted.listing_name and rests_on.part = counted.part
    where counted.unknown_reason is not null
    group by rests_on.claim
)

select
    named.claim,
    'cell' as unit,
    coalesce(sum(by_reason.cells), 0)::bigint as scope,
    coalesce(sum(by_reason.cells) filter (where by_reason.unknown_reason is null), 0)::bigint as judged,
    coalesce(sum(by_reason.cells) filter (where by_reason.unknown_reason is not null), 0)::bigint as unknown,
    string_agg(
        by_reason.unknown_reason || ' ' || by_reason.cells,
        ', '
        order by by_reason.cells desc, by_reason.unknown_reason asc
    ) filter (where by_reason.unknown_reason is not null) as unknown_reason,
    coalesce(any_value(account_in_doubt.unknown_accounts), 0) as unknown_accounts,
    min(by_reason.known_at) as as_of
from (select distinct each_claim.claim from audit.claim_listing as each_claim) as named
left join by_reason using (claim)
left join account_in_doubt using (claim)
group by named.claim
