-- Every slice of the bill is the same money as the slice service, for each account and each day that AWS has closed.
-- about: stage.slice_difference
-- refetch: cost_daily, cost_tag_service_daily
select *
from stage.slice_difference
where not is_estimated
