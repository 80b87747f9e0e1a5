-- The bill in the words of FOCUS 1.2, one charge for each day, account and service: its column names and types. The rules that
-- `make focus-check` asks of it hold, but for one that Cost Explorer cannot fulfil.
-- materialized: view
-- key: ChargePeriodStart, SubAccountId, ServiceName
-- "BilledCost": What is invoiced, in the billing currency: AWS's BilledCost where it is granted, else the unblended cost.
-- "BillingAccountId": The payer, 12 digits.
-- "BillingAccountName": Name of the payer.
-- "BillingCurrency": Currency of every cost in the row, ISO 4217.
-- "BillingPeriodEnd": First instant after the month, UTC.
-- "BillingPeriodStart": First instant of the month, UTC.
-- "ChargeCategory": Tax for the service Tax, Credit for an amount below zero, else Usage: the bill comes by service, where a day's credits and usage are one amount.
-- "ChargeClass": NULL: corrections of earlier months come as changed amounts; see cost.restatement.
-- "ChargeDescription": The service's name in the bill.
-- "ChargeFrequency": Usage-Based, or One-Time for tax and credits.
-- "ChargePeriodEnd": First instant after the day, UTC.
-- "ChargePeriodStart": First instant of the day, UTC.
-- "ContractedCost": Cost at negotiated rates; the unblended cost where AWS does not give it.
-- "EffectiveCost": Amortized cost after discounts; before them where AWS does not give it.
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
select
    coalesce(cost.billed_cost, cost.unblended_cost) as "BilledCost",
    cost.caller_account_id as "BillingAccountId",
    payer.account_name as "BillingAccountName",
    cost.currency as "BillingCurrency",
    (date_trunc('month', cost.usage_date) + interval 1 month)::timestamp as "BillingPeriodEnd",
    date_trunc('month', cost.usage_date)::timestamp as "BillingPeriodStart",
    case
        when cost.dimension_value = 'Tax' then 'Tax'
        when cost.unblended_cost < 0 then 'Credit'
        else 'Usage'
    end as "ChargeCategory",
    null::varchar as "ChargeClass",
    cost.dimension_value as "ChargeDescription",
    case when cost.dimension_value = 'Tax' or cost.unblended_cost < 0 then 'One-Time' else 'Usage-Based' end
        as "ChargeFrequency",
    (cost.usage_date + interval 1 day)::timestamp as "ChargePeriodEnd",
    cost.usage_date::timestamp as "ChargePeriodStart",
    coalesce(cost.contracted_cost, cost.unblended_cost) as "ContractedCost",
    coalesce(cost.net_amortized_cost, cost.amortized_cost) as "EffectiveCost",
    null::varchar as "InvoiceId",
    'AWS' as "InvoiceIssuerName",
    coalesce(cost.list_cost, cost.unblended_cost) as "ListCost",
    null::decimal(28, 10) as "PricingQuantity",
    null::varchar as "PricingUnit",
    'AWS' as "ProviderName",
    'AWS' as "PublisherName",
    coalesce(category.service_category, 'Other') as "ServiceCategory",
    cost.dimension_value as "ServiceName",
    coalesce(category.service_subcategory, 'Other (Other)') as "ServiceSubcategory",
    cost.account_id as "SubAccountId",
    account.account_name as "SubAccountName",
    null::varchar as "Tags"
from cost.daily as cost
left join org.account as account using (account_id)
left join org.account as payer on cost.caller_account_id = payer.account_id
left join ref.service_category as category on cost.dimension_value = category.service
where cost.slice = 'service'
