-- The last seven complete days of the bill by service, over which cost.explained_spend looks; no row without a complete day.
-- materialized: view
-- key: through_date
-- first_date: First of the days (UTC).
-- through_date: Last of the days (UTC): the last complete one, as in cost.month_coverage.
select
    max(through_date) - 6 as first_date,
    max(through_date) as through_date
from cost.month_coverage
where slice = 'service'
having max(through_date) is not null
