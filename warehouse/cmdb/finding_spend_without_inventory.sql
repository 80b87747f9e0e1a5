-- One row per account, billed service and reason of what cost money in the last seven complete days, and that the inventory does
-- not explain: families of the service's usage that have resources, by cost.explained_spend, are not in it. Either every listing
-- that explains such usage was collected there, can be trusted, and shows nothing that was there in those days: then something is
-- not listed, or it was made and gone between two runs. Or nothing that is collected explains it. What could not be requested is no finding: cmdb.finding_unknown names it, and the KPI uninventoried_spend of cmdb.health
-- shows how much money it is.
-- key: account_id, service, reason
-- account_id: The linked account, 12 digits.
-- account_name: Name of the account.
-- service: The service's name in the bill.
-- unblended_cost: What such usage of the service cost in these days, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- first_date: First of the seven days.
-- last_spend_date: The last of them on which the service cost anything.
-- reason: not inventoried, where its listings show nothing; no listing, where none explains it.
-- listings: The listings that ought to show what costs; empty where there is none.
-- answered_at: When the least recent of their responses was complete, UTC; NULL where there is none.
select
    spend.account_id,
    account.account_name,
    spend.service,
    spend.unblended_cost,
    spend.currency,
    spend.first_date,
    spend.last_spend_date,
    spend.verdict as reason,
    spend.listings,
    spend.answered_at
from stage.inventoried_spend as spend
left join org.account as account using (account_id)
where spend.verdict in ('not inventoried', 'no listing')
