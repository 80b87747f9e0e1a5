-- The newest rate of each currency of the bill. Not part of the public interface; read cost.exchange_rate.
-- materialized: view
-- key: currency
-- currency: Billing currency, ISO 4217.
-- rate: Units of the reporting currency for one of it; NULL where there is none.
select
    currency,
    rate
from cost.exchange_rate
qualify row_number() over (partition by currency order by usage_date desc) = 1
