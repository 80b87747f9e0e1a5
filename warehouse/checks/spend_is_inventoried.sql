-- Whatever costs money and has its listing is in the inventory, in every account whose responses can be trusted.
-- about: cmdb.finding_spend_without_inventory
-- severity: warn
select
    account_id,
    account_name,
    service,
    unblended_cost,
    currency,
    last_spend_date
from cmdb.finding_spend_without_inventory
where reason = 'not inventoried'
