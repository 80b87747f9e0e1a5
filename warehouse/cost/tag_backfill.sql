-- The backfills of cost allocation tags that somebody requested, as ce:ListCostAllocationTagBackfillHistory lists them, where
-- the optional grant is given. A backfill gives the closed months since backfill_from the status that each tag key has when it is
-- requested, so amounts move between the values of a key; cost.restatement holds each amount that moved.
-- key: requested_at
-- backfill_from: First day (UTC) of the months that the backfill changes; it changes them up to requested_at.
-- requested_at: When somebody requested it, UTC.
-- completed_at: When AWS completed it, UTC; NULL while AWS processes it.
-- status: PROCESSING, SUCCEEDED or FAILED; a backfill that failed or is processed has changed nothing.
select
    (item.BackfillFrom at time zone 'UTC')::date as backfill_from,
    item.RequestedAt as requested_at,
    item.CompletedAt as completed_at,
    item.BackfillStatus as status,
    cell.*
from landing(
        'cost_tag_backfill',
        'STRUCT(
        BackfillFrom TIMESTAMPTZ, RequestedAt TIMESTAMPTZ, CompletedAt TIMESTAMPTZ, BackfillStatus VARCHAR
    )'
    )
