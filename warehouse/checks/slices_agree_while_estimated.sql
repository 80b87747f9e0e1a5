-- Every slice of the bill is the same money as the slice service, for each account and each day that AWS may still
-- change. The slices are requested one after the other.
-- about: stage.slice_difference
-- severity: warn
select *
from stage.slice_difference
where is_estimated
