-- Every amount of cost.daily that AWS changed after it had been published here: what it was, what it is. Where the bill was that of
-- another account in between, also in a run that was refused, it begins anew: no amount is compared with one before.
-- materialized: log
-- logs: cost.daily
-- key: usage_date, slice, account_id, dimension_value, run_id
-- usage_date: Day of use.
-- slice: Which cut of the money, as in cost.daily.
-- account_id: The linked account, 12 digits.
-- dimension_value: Value of the slice's dimension.
-- run_id: The run that saw the new amount; leads to audit.collection.
-- old_unblended_cost: Unblended cost before, in the currency beside it; NULL where there was no row.
-- new_unblended_cost: Unblended cost now, in the currency beside it; NULL where the row is gone.
-- currency: Billing currency of both amounts, ISO 4217.
-- observed_at: When the new amount was seen, UTC.
-- listing: The cell that brought it, with slice and month; leads to audit.collection.
-- collected_at: When AWS gave the new amount, UTC.
with answer as (
    -- A cell that was skipped because another account answers now brings nothing, and restates nothing.
    select a.*
    from landed_cell as a
    where
        a.outcome <> 'skipped'
        -- The same answer loaded a second time restates nothing.
        and not exists (
            select 1
            from cost.daily as d
            where
                d.role = a.role
                and d.caller_account_id = a.caller_account_id
                and d.cell_region = a.cell_region
                and d.listing = a.listing
                and d.run_id = a.run_id
        )
),

old_row as (
    select d.*
    from cost.daily as d
    inner join answer as a
        on
            d.role = a.role
            and d.caller_account_id = a.caller_account_id
            and d.cell_region = a.cell_region
            and d.listing = a.listing
),

covered as (
    -- Up to which day the earlier answers went: later days are new, not restated.
    select
        listing,
        max(usage_date) as last_date
    from old_row
    group by listing
),

replaced as (
    -- An answer may have some days of its cell only; the rows of the others stay.
    select old_row.*
    from old_row
    inner join answer using (listing)
    where answer.days is null or list_contains(answer.days, old_row.usage_date)
),

n as (select i.* from incoming as i semi join covered as c on i.listing = c.listing)

select
    coalesce(n.usage_date, o.usage_date) as usage_date,
    coalesce(n.slice, o.slice) as slice,
    coalesce(n.account_id, o.account_id) as account_id,
    coalesce(n.dimension_value, o.dimension_value) as dimension_value,
    answer.run_id,
    o.unblended_cost as old_unblended_cost,
    n.unblended_cost as new_unblended_cost,
    coalesce(n.currency, o.currency) as currency,
    answer.collected_at as observed_at,
    answer.listing,
    answer.collected_at
from replaced as o
full outer join n
    using (usage_date, slice, account_id, dimension_value)
inner join covered on coalesce(n.listing, o.listing) = covered.listing
inner join answer on coalesce(n.listing, o.listing) = answer.listing
where
    o.unblended_cost is distinct from n.unblended_cost
    and coalesce(n.usage_date, o.usage_date) <= covered.last_date
