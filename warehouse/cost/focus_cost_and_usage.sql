-- The bill in the words of FOCUS 1.2, one charge for each day, account and service, and one more where a commitment was paid for
-- within a service: its column names and types. `cmdb export focus` writes it in those of 1.4 too, and `make focus-check` judges
-- both.
-- materialized: view
-- key: ChargePeriodStart, SubAccountId, ServiceName, ChargeCategory, ChargeFrequency
-- "BilledCost": What is invoiced, in the billing currency: AWS's BilledCost where it is granted, else the unblended cost, after discounts where AWS gives it so.
-- "BillingAccountId": The payer, 12 digits.
-- "BillingAccountName": Name of the payer.
-- "BillingCurrency": Currency of every cost in the row, ISO 4217.
-- "BillingPeriodEnd": First instant after the month, UTC.
-- "BillingPeriodStart": First instant of the month, UTC.
-- "ChargeCategory": Tax for the service Tax; Purchase for fees of savings plans, reservations (as far as the bill by usage type shows them) and support; Credit for an amount below zero; else Usage: the bill comes by service, where a day's credits and usage are one amount.
-- "ChargeClass": NULL: corrections of earlier months come as changed amounts; see cost.restatement.
-- "ChargeDescription": The service's name in the bill, and what was bought.
-- "ChargeFrequency": Usage-Based; Recurring for fees month by month; One-Time for upfront fees, tax and credits. An account's fees of one day are told apart by the bill by record type; where that does not hold the day they are Recurring.
-- "ChargePeriodEnd": First instant after the day, UTC.
-- "ChargePeriodStart": First instant of the day, UTC.
-- "ContractedCost": Cost at negotiated rates; the unblended cost where AWS does not give it.
-- "EffectiveCost": Amortized cost after discounts; before them where AWS does not give it. 0 for fees of savings plans and reservations: what nobody used of them is the Usage of their service. Of a credit, what is billed.
-- "InvoiceId": NULL: Cost Explorer does not say which invoice a charge is on.
-- "InvoiceIssuerName": AWS.
-- "ListCost": Cost at public rates; the unblended cost where AWS does not give it.
-- "PricingQuantity": NULL: the bill by service has no quantities.
-- "PricingUnit": NULL: the bill by service has no quantities.
-- "ProviderName": AWS.
-- "PublisherName": AWS.
-- "ServiceCategory": FOCUS's category of the service, by ref.service_category; Other where it does not stand there.
-- "ServiceName": The service's name in the bill.
-- "ServiceSubcategory": FOCUS's subcategory of the service, by ref.service_category.
-- "SubAccountId": The linked account that used it, 12 digits.
-- "SubAccountName": Name of the linked account; NULL where the organisation never listed it.
-- "Tags": NULL: the bill by service has no tags; see cost.by_tag.
with service_cost as (
    select
        usage_date,
        account_id,
        caller_account_id,
        dimension_value as service,
        currency,
        unblended_cost,
        coalesce(billed_cost, net_unblended_cost, unblended_cost) as billed_cost,
        coalesce(contracted_cost, unblended_cost) as contracted_cost,
        coalesce(net_amortized_cost, amortized_cost) as effective_cost,
        coalesce(list_cost, unblended_cost) as list_cost
    from cost.daily
    where slice = 'service'
),

-- Fees of reservations are usage types of the service that is reserved. Of what is not known here, the fee stays in its service.
reservation as (
    select
        usage_date,
        account_id,
        case
            when contains(dimension_value, 'HeavyUsage:db.') then 'Amazon Relational Database Service'
            when contains(dimension_value, 'HeavyUsage:cache.') then 'Amazon ElastiCache'
            when contains(dimension_value, 'HeavyUsage:dynamodb.') then 'Amazon DynamoDB'
            when regexp_matches(dimension_value, 'HeavyUsage:(dc|ds|ra)[0-9]') then 'Amazon Redshift'
            when ends_with(dimension_value, '.search') then 'Amazon OpenSearch Service'
            when regexp_matches(dimension_value, 'HeavyUsage:[^.]+[.][^.]+$')
                then 'Amazon Elastic Compute Cloud - Compute'
        end as service,
        sum(unblended_cost) as unblended_cost,
        sum(coalesce(billed_cost, net_unblended_cost, unblended_cost)) as billed_cost,
        sum(coalesce(contracted_cost, unblended_cost)) as contracted_cost,
        0::decimal(28, 10) as effective_cost,
        sum(coalesce(list_cost, unblended_cost)) as list_cost
    from cost.daily
    where slice = 'usage_type' and contains(dimension_value, 'HeavyUsage:')
    group by all
),

-- The part of an account's fees on a day that was paid once.
upfront as (
    select
        usage_date,
        account_id,
        (
            coalesce(sum(abs(unblended_cost)) filter (
                where dimension_value in ('Upfront', 'UpfrontFee')
            ), 0)::double
            / nullif(sum(abs(unblended_cost)) filter (
                where dimension_value in ('Upfront', 'UpfrontFee', 'RIFee', 'Recurring')
            ), 0)::double
        )::decimal(18, 10) as reservation_share,
        (
            coalesce(sum(abs(unblended_cost)) filter (
                where dimension_value = 'SavingsPlanUpfrontFee'
            ), 0)::double
            / nullif(sum(abs(unblended_cost)) filter (
                where dimension_value in ('SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee')
            ), 0)::double
        )::decimal(18, 10) as plan_share
    from cost.daily
    where slice = 'record_type'
    group by usage_date, account_id
),

-- What was bought, whether it is all of a service or a part of it. What covers other charges has no effective cost of its own:
-- what is amortized on its day is the part that nobody used, and stays with the use.
bought as (
    select
        usage_date,
        account_id,
        service,
        'reservation' as what,
        unblended_cost,
        billed_cost,
        contracted_cost,
        effective_cost,
        list_cost
    from reservation
    union all by name
    select
        * exclude (caller_account_id, currency)
        replace (
            case
                when starts_with(service, 'Savings Plans for ') then 0 else effective_cost
            end::decimal(28, 10) as effective_cost
        ),
        case when starts_with(service, 'Savings Plans for ') then 'savings plan' else 'support' end as what
    from service_cost
    where
        unblended_cost >= 0
        and (
            starts_with(service, 'Savings Plans for ')
            or starts_with(service, 'AWS Support')
            or service in (
                select named.service from ref.service_action as named
                where named.charge = 'support'
            )
        )
),

shared as (
    select
        bought.*,
        case bought.what
            when 'reservation' then coalesce(upfront.reservation_share, 0)
            when 'savings plan' then coalesce(upfront.plan_share, 0)
            else 0
        end::decimal(18, 10) as share
    from bought
    left join upfront using (usage_date, account_id)
),

-- Recurring is what is left of a fee once the upfront part is cut to ten decimals, so that both are the fee.
purchase as (
    select
        *,
        'One-Time' as frequency
    from (
        select
            usage_date,
            account_id,
            service,
            what,
            (unblended_cost * share)::decimal(28, 10) as unblended_cost,
            (billed_cost * share)::decimal(28, 10) as billed_cost,
            (contracted_cost * share)::decimal(28, 10) as contracted_cost,
            (effective_cost * share)::decimal(28, 10) as effective_cost,
            (list_cost * share)::decimal(28, 10) as list_cost
        from shared
        where share > 0
    ) as paid_once
    union all by name
    select
        usage_date,
        account_id,
        service,
        what,
        'Recurring' as frequency,
        unblended_cost - (unblended_cost * share)::decimal(28, 10) as unblended_cost,
        billed_cost - (billed_cost * share)::decimal(28, 10) as billed_cost,
        contracted_cost - (contracted_cost * share)::decimal(28, 10) as contracted_cost,
        effective_cost - (effective_cost * share)::decimal(28, 10) as effective_cost,
        list_cost - (list_cost * share)::decimal(28, 10) as list_cost
    from shared
    where share < 1
),

purchased as (
    select
        usage_date,
        account_id,
        service,
        sum(unblended_cost) as unblended_cost,
        sum(billed_cost) as billed_cost,
        sum(contracted_cost) as contracted_cost,
        sum(effective_cost) as effective_cost,
        sum(list_cost) as list_cost
    from purchase
    group by usage_date, account_id, service
),

-- Without what was bought; a service of which nothing else is left has no row of its own.
used as (
    select
        whole.usage_date,
        whole.account_id,
        whole.caller_account_id,
        whole.service,
        whole.currency,
        whole.unblended_cost - coalesce(purchased.unblended_cost, 0) as unblended_cost,
        whole.billed_cost - coalesce(purchased.billed_cost, 0) as billed_cost,
        whole.contracted_cost - coalesce(purchased.contracted_cost, 0) as contracted_cost,
        whole.effective_cost - coalesce(purchased.effective_cost, 0) as effective_cost,
        whole.list_cost - coalesce(purchased.list_cost, 0) as list_cost,
        purchased.service is not null as is_parted
    from service_cost as whole
    left join purchased
        on
            whole.usage_date = purchased.usage_date
            and whole.account_id = purchased.account_id
            and whole.service = purchased.service
),

categorized as (
    select
        * exclude (is_parted),
        case
            when service = 'Tax' then 'Tax'
            when unblended_cost < 0 then 'Credit'
            else 'Usage'
        end as category,
        service as description
    from used
    where
        not is_parted
        or unblended_cost <> 0
        or billed_cost <> 0
        or contracted_cost <> 0
        or effective_cost <> 0
        or list_cost <> 0
),

charge as (
    select
        * replace (
            case when category = 'Credit' then billed_cost else effective_cost end as effective_cost
        ),
        case when category = 'Usage' then 'Usage-Based' else 'One-Time' end as frequency
    from categorized
    union all by name
    -- A credit is as effective as it is billed. More on its day is use that a commitment covers.
    select
        * replace (
            0::decimal(28, 10) as unblended_cost,
            0::decimal(28, 10) as billed_cost,
            0::decimal(28, 10) as contracted_cost,
            0::decimal(28, 10) as list_cost,
            effective_cost - billed_cost as effective_cost,
            'Usage' as category
        ),
        'Usage-Based' as frequency
    from categorized
    where category = 'Credit' and effective_cost <> billed_cost
    union all by name
    select
        purchase.* exclude (what),
        whole.caller_account_id,
        whole.currency,
        'Purchase' as category,
        purchase.service
        || case when purchase.what = 'reservation' then ', reservation' else '' end as description
    from purchase
    inner join service_cost as whole
        on
            purchase.usage_date = whole.usage_date
            and purchase.account_id = whole.account_id
            and purchase.service = whole.service
)

select
    charge.billed_cost::decimal(28, 10) as "BilledCost",
    charge.caller_account_id as "BillingAccountId",
    payer.account_name as "BillingAccountName",
    charge.currency as "BillingCurrency",
    (date_trunc('month', charge.usage_date) + interval 1 month)::timestamp as "BillingPeriodEnd",
    date_trunc('month', charge.usage_date)::timestamp as "BillingPeriodStart",
    charge.category as "ChargeCategory",
    null::varchar as "ChargeClass",
    charge.description as "ChargeDescription",
    charge.frequency as "ChargeFrequency",
    (charge.usage_date + interval 1 day)::timestamp as "ChargePeriodEnd",
    charge.usage_date::timestamp as "ChargePeriodStart",
    charge.contracted_cost::decimal(28, 10) as "ContractedCost",
    charge.effective_cost::decimal(28, 10) as "EffectiveCost",
    null::varchar as "InvoiceId",
    'AWS' as "InvoiceIssuerName",
    charge.list_cost::decimal(28, 10) as "ListCost",
    null::decimal(28, 10) as "PricingQuantity",
    null::varchar as "PricingUnit",
    'AWS' as "ProviderName",
    'AWS' as "PublisherName",
    coalesce(category.service_category, 'Other') as "ServiceCategory",
    charge.service as "ServiceName",
    coalesce(category.service_subcategory, 'Other (Other)') as "ServiceSubcategory",
    charge.account_id as "SubAccountId",
    account.account_name as "SubAccountName",
    null::varchar as "Tags"
from charge
left join org.account as account using (account_id)
left join org.account as payer on charge.caller_account_id = payer.account_id
left join ref.service_category as category using (service)
