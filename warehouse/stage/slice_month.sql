-- The months of each slice of the bill that a trusted response brought: what can be held against each other. Not part of the
-- public interface.
-- materialized: view
-- key: slice, month
-- slice: Which slice of the bill, as in cost.daily.
-- month: First day of the month.
-- answered_date: Day (UTC) of the response.
select
    regexp_extract(listing, '^cost_daily:(.*):[^:]*$', 1) as slice,
    (regexp_extract(listing, '[^:]*$') || '-01')::date as "month",
    max(ended_at at time zone 'UTC')::date as answered_date
from audit.coverage
where starts_with(listing, 'cost_daily:') and is_trusted and outcome = 'found'
group by all
