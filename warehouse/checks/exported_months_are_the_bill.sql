-- Each closed month of the data export agrees with Cost Explorer to the cent, account by account and in total; a month that does
-- not is left out of cost.export_resource_cost.
-- about: cost.export_reconciliation
-- severity: warn
-- refetch: cost_export
select
    "month",
    account_id,
    export_cost,
    cost_explorer_cost,
    difference,
    currency
from cost.export_reconciliation
where verdict = 'not reconciled'
order by account_id is not null, "month" desc, abs(difference) desc
