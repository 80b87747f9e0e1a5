-- One row per account and billed service that cost money in the last seven billed days, although every listing that explains
-- that service was answered there, can be believed, and shows nothing that was there in those days. Either something is not
-- listed, or it was made and gone between two nights. What could not be asked is no finding: see the KPI uninventoried_spend
-- of cmdb.health.
-- key: account_id, service
-- account_id: The linked account, 12 digits.
-- account_name: Name of the account.
-- service: The service's name in the bill.
-- unblended_cost: What it cost in these days, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- first_date: First of the seven days.
-- last_spend_date: The last of them on which it cost anything.
-- listings: The listings that ought to show what costs.
-- answered_at: When the least recent of these was answered, UTC.
select
    spend.account_id,
    account.account_name,
    spend.service,
    spend.unblended_cost,
    spend.currency,
    spend.first_date,
    spend.last_spend_date,
    spend.listings,
    spend.answered_at
from stage.inventoried_spend as spend
left join org.account as account using (account_id)
where spend.verdict = 'not inventoried'
