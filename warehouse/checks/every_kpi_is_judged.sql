-- Every figure has its thresholds and its evidence, and every threshold its figure.
-- about: org.governance_kpi
-- refetch: nothing
with figure as (
    select kpi
    from org.governance_kpi
    where as_of_date = (select max(newest.as_of_date) from org.governance_kpi as newest)
)

select coalesce(figure.kpi, threshold.kpi) as kpi
from ref.kpi_threshold as threshold
full outer join figure using (kpi)
where
    threshold.kpi is null or figure.kpi is null or threshold.evidence is null
