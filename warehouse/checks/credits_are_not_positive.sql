-- Credits and refunds take money off the bill: none is above zero, but where AWS takes one back.
-- about: cost.daily
-- severity: warn
-- refetch: nothing
select
    usage_date,
    account_id,
    dimension_value as record_type,
    unblended_cost,
    currency
from cost.daily
where slice = 'record_type' and dimension_value in ('Credit', 'Refund') and unblended_cost > 0
