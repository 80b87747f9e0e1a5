-- What each organizational unit cost, day by day, by the place that each account had on that day: an account that moves takes
-- nothing of its past along. Read from the slice by service, so the rows add up to the bill.
-- materialized: view
-- key: usage_date, account_id
-- usage_date: Day of use (UTC).
-- account_id: The linked account, 12 digits.
-- account_name: Name of the account at the end of that day; NULL of one that the organisation never listed.
-- ou_id: Id of the OU that it stood in at the end of that day, or of the root; NULL where that was never known.
-- ou_path: Names of the OUs from the root down; NULL where that was never known.
-- is_place_known: True where a version of org.account_version covers the day; false where the first one begins later and stands for it: nobody looked then.
-- unblended_cost: What the usage cost at the rate it was charged, in the billing currency.
-- amortized_cost: The same with upfront and recurring fees of commitments spread over their term, in the billing currency.
-- currency: Billing currency, ISO 4217.
-- is_estimated: True while AWS may still change the amounts.
with spent as (
    select
        usage_date,
        account_id,
        sum(unblended_cost)::decimal(28, 10) as unblended_cost,
        sum(amortized_cost)::decimal(28, 10) as amortized_cost,
        currency,
        bool_or(is_estimated) as is_estimated
    from cost.daily
    where slice = 'service'
    group by usage_date, account_id, currency
),

placed as (
    select
        account_id,
        account_name,
        ou_id,
        ou_path,
        valid_from,
        row_number() over (partition by account_id order by valid_from) = 1 as is_first,
        coalesce(valid_to, 'infinity'::timestamptz) as valid_to
    from org.account_version
)

select
    spent.usage_date,
    spent.account_id,
    placed.account_name,
    placed.ou_id,
    placed.ou_path,
    coalesce((placed.valid_from at time zone 'UTC') < spent.usage_date + 1, false) as is_place_known,
    spent.unblended_cost,
    spent.amortized_cost,
    spent.currency,
    spent.is_estimated
from spent
left join placed
    on
        spent.account_id = placed.account_id
        and (placed.is_first or (placed.valid_from at time zone 'UTC') < spent.usage_date + 1)
        and (placed.valid_to at time zone 'UTC') >= spent.usage_date + 1
