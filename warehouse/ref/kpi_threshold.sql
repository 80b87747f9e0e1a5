-- The figures of org.governance_kpi: what each is, when it is green or amber, and the query that shows its evidence.
-- Seed: warehouse/ref/kpi_threshold.csv. A row of kpi_threshold.csv in the organisation's own folder (CMDB_REFERENCE)
-- takes the place of the seed's thresholds of that figure; unit, description and evidence that it leaves empty stay.
-- key: kpi
-- kpi: Name of the figure.
-- unit: account, service or percent.
-- description: What the figure counts.
-- green_min: Green from here on; NULL where green has no lower end.
-- green_max: Green up to here; NULL where green has no upper end.
-- amber_min: Where not green, amber from here on; NULL where amber has no lower end.
-- amber_max: Where not green, amber up to here; NULL where amber has no upper end. Without both, nothing is amber.
-- evidence: Query over the published tables; its rows are what the value counts, or what a percentage lacks.
with written as (
    select
        *,
        filename = getvariable('ref_folder') || '/kpi_threshold.csv' as is_seed
    from
        read_csv(
            getvariable('reference_files')['kpi_threshold'],
            header = true,
            auto_detect = false,
            delim = ',',
            quote = '"',
            escape = '"',
            strict_mode = false,
            filename = true,
            columns = {
                'kpi': 'VARCHAR',
                'unit': 'VARCHAR',
                'description': 'VARCHAR',
                'green_min': 'DECIMAL(18, 2)',
                'green_max': 'DECIMAL(18, 2)',
                'amber_min': 'DECIMAL(18, 2)',
                'amber_max': 'DECIMAL(18, 2)',
                'evidence': 'VARCHAR'
            }
        )
    -- A line of nothing but commas keeps a place free.
    where kpi is not null
),

own as (
    select * from written
    where not is_seed
),

seed as (
    select * from written
    where is_seed
)

select
    kpi,
    coalesce(own.unit, seed.unit) as unit,
    coalesce(own.description, seed.description) as description,
    if(own.is_seed is null, seed.green_min, own.green_min) as green_min,
    if(own.is_seed is null, seed.green_max, own.green_max) as green_max,
    if(own.is_seed is null, seed.amber_min, own.amber_min) as amber_min,
    if(own.is_seed is null, seed.amber_max, own.amber_max) as amber_max,
    coalesce(own.evidence, seed.evidence) as evidence
from seed
full outer join own using (kpi)
