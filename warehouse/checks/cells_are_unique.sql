-- A cell has one row in a run.
-- about: published
-- refetch: nothing
select
    run_id,
    role,
    account_id,
    region,
    listing,
    count(*) as row_count
from audit.collection
group by all
having count(*) > 1
