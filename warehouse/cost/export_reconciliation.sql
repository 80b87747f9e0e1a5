-- Whether the data export is the bill: for each month of cost.export_line, account by account and in total, what the export has
-- and what Cost Explorer has by the same metric, tax, credits and refunds included on both sides. A month counts when it is
-- closed and every row of it agrees to the cent; else its reason stands beside it. Months that only Cost Explorer has are unknown.
-- materialized: view
-- key: month, account_id
-- month: First day of the month (UTC).
-- account_id: The linked account, 12 digits; NULL for the total, whose other side is the monthly total of Cost Explorer,
--   of months that it is not asked for any more the sum of its days.
-- metric: The metric of Cost Explorer that was compared: UnblendedCost or BilledCost; NULL where the export lacks the month.
-- export_cost: What the export has, in the currency beside it; NULL where it lacks the month.
-- cost_explorer_cost: What Cost Explorer has, in its own currency; NULL where that is unknown.
-- difference: export_cost less cost_explorer_cost; NULL where one is unknown.
-- currency: Billing currency of the export, or of Cost Explorer where the export lacks the month, ISO 4217.
-- verdict: reconciled (closed, and less than half a cent apart), not reconciled, or unknown.
-- reason: Why it is not reconciled, or unknown; NULL where it is reconciled.
-- is_counted: True where the whole month is reconciled, so that cost.export_resource_cost has it.
-- account_count: Accounts of the month that one of the two has.
-- reconciled_count: Accounts of the month that are reconciled.
-- is_stale: True where the newest response about the month of the export is not trusted: its rows are the last that were.
-- delivered_at: When the export of the month was read, UTC; NULL where it lacks the month.
with line as (
    select
        "month" as bill_month,
        account_id,
        any_value(metric) as metric,
        any_value(currency) as currency,
        sum(cost)::decimal(28, 10) as cost,
        bool_or(is_stale) as is_stale,
        max(collected_at) as collected_at
    from cost.export_line
    group by "month", account_id
),

exported as (
    select
        bill_month,
        any_value(metric) as metric,
        any_value(currency) as currency,
        sum(cost)::decimal(28, 10) as cost,
        bool_or(is_stale) as is_stale,
        max(collected_at) as collected_at
    from line
    group by bill_month
),

bill as (
    select
        date_trunc('month', usage_date)::date as bill_month,
        account_id,
        any_value(currency) as currency,
        sum(unblended_cost)::decimal(28, 10) as unblended_cost,
        case when count(*) = count(billed_cost) then sum(billed_cost) end::decimal(28, 10) as billed_cost
    from cost.daily
    where slice = 'service'
    group by date_trunc('month', usage_date), account_id
),

-- Cost Explorer is asked for the totals of the newest months alone. A month that is older keeps its days, which were the total.
total as (
    select
        "month" as bill_month,
        unblended_cost,
        billed_cost,
        currency,
        is_stale
    from stage.cost_monthly

    union all by name

    select
        bill_month,
        sum(unblended_cost)::decimal(28, 10) as unblended_cost,
        case when count(*) = count(billed_cost) then sum(billed_cost) end::decimal(28, 10) as billed_cost,
        any_value(currency) as currency,
        false as is_stale
    from bill
    where bill_month < (select min(newest."month") from stage.cost_monthly as newest)
    group by bill_month
),

-- Every month from the first that the export has.
expected as (
    select
        coalesce(exported.bill_month, total.bill_month) as bill_month,
        exported.metric,
        exported.currency,
        total.currency as bill_currency,
        exported.cost,
        case exported.metric
            when 'BilledCost' then total.billed_cost
            else total.unblended_cost
        end as bill_cost,
        coalesce(exported.is_stale, false) as is_stale,
        exported.collected_at,
        case
            when exported.bill_month is null then 'The export has nothing of the month.'
            when total.bill_month is null then 'Cost Explorer''s costs of the month are not in the warehouse.'
            when total.is_stale or closing.is_stale
                then 'The newest response of Cost Explorer about the month is not trusted.'
            when exported.currency <> total.currency
                then
                    'The export is in ' || exported.currency || ', Cost Explorer in ' || total.currency || '.'
            when exported.metric = 'BilledCost' and total.billed_cost is null
                then 'Cost Explorer gives no BilledCost, which is what an export of FOCUS has.'
            when closing.is_final then null
            when closing.month is null then 'Cost Explorer has no day of the month.'
            when
                closing.is_estimated
                or last_day(closing.month) > (closing.collected_at at time zone 'UTC')::date - 2
                then 'The month is open: AWS still changes it, and refreshes the two at different times.'
            when closing.first_date > closing.month
                then
                    'The month is closed, but what is known of Cost Explorer begins on ' || closing.first_date
                    || '.'
            else
                'The month is closed, but Cost Explorer''s costs of '
                || datediff('day', closing.month, last_day(closing.month)) + 1 - closing.day_count
                || ' of its days are missing.'
        end as unknown_reason
    from exported
    full join total on exported.bill_month = total.bill_month
    left join cost.month_coverage as closing
        on coalesce(exported.bill_month, total.bill_month) = closing.month and closing.slice = 'service'
    where
        coalesce(exported.bill_month, total.bill_month)
        >= (select min(first_month.bill_month) from exported as first_month)
),

-- An account that one of the two lacks has nothing there.
by_account as (
    select
        coalesce(line.bill_month, bill.bill_month) as bill_month,
        coalesce(line.account_id, bill.account_id) as account_id,
        coalesce(line.cost, 0)::decimal(28, 10) as export_cost,
        coalesce(bill.unblended_cost, 0)::decimal(28, 10) as unblended_cost,
        case when bill.account_id is null then 0 else bill.billed_cost end::decimal(28, 10) as billed_cost
    from line
    full join bill on line.bill_month = bill.bill_month and line.account_id = bill.account_id
),

compared as (
    select
        expected.bill_month,
        null::varchar as account_id,
        expected.cost as export_cost,
        expected.bill_cost as bill_cost
    from expected

    union all by name

    select
        by_account.bill_month,
        by_account.account_id,
        case when expected.metric is not null then by_account.export_cost end as export_cost,
        case expected.metric
            when 'BilledCost' then by_account.billed_cost
            else by_account.unblended_cost
        end as bill_cost
    from by_account
    inner join expected on by_account.bill_month = expected.bill_month
),

judged as (
    select
        compared.bill_month,
        compared.account_id,
        compared.export_cost,
        compared.bill_cost,
        (compared.export_cost - compared.bill_cost)::decimal(28, 10) as difference,
        case
            when expected.unknown_reason is not null or compared.bill_cost is null then 'unknown'
            -- The sums of an export are of numbers with a binary fraction: below half a cent nothing is left to tell.
            when abs(compared.export_cost - compared.bill_cost) < 0.005 then 'reconciled'
            else 'not reconciled'
        end as verdict
    from compared
    inner join expected on compared.bill_month = expected.bill_month
),

counted as (
    select
        bill_month,
        count(account_id) as account_count,
        count(account_id) filter (where verdict = 'reconciled') as reconciled_count,
        bool_and(verdict = 'reconciled') as is_counted
    from judged
    group by bill_month
)

select
    judged.bill_month as "month",
    judged.account_id,
    expected.metric,
    judged.export_cost,
    judged.bill_cost as cost_explorer_cost,
    judged.difference,
    coalesce(expected.currency, expected.bill_currency) as currency,
    judged.verdict,
    case judged.verdict
        when 'reconciled' then null
        when 'unknown'
            then coalesce(expected.unknown_reason, 'Cost Explorer does not say what the account cost.')
        else
            'The export has '
            || round(abs(judged.difference), 4)::decimal(28, 4) || ' ' || expected.currency
            || case when judged.difference > 0 then ' more' else ' less' end || ' than Cost Explorer.'
    end as reason,
    counted.is_counted,
    counted.account_count,
    counted.reconciled_count,
    expected.is_stale,
    expected.collected_at as delivered_at
from judged
inner join expected on judged.bill_month = expected.bill_month
inner join counted on judged.bill_month = counted.bill_month
