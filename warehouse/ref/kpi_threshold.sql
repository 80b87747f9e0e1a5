-- The figures of org.governance_kpi: what each is, when it is green or amber, and the query that shows its evidence.
-- Seed: warehouse/ref/kpi_threshold.csv, owned by those who govern the organisation.
-- key: kpi
-- kpi: Name of the figure.
-- unit: account, service or percent.
-- description: What the figure counts.
-- green_min: Green from here on; NULL where green has no lower end.
-- green_max: Green up to here; NULL where green has no upper end.
-- amber_min: Where not green, amber from here on; NULL where amber has no lower end.
-- amber_max: Where not green, amber up to here; NULL where amber has no upper end. Without both, nothing is amber.
-- evidence: Query over the published tables; its rows are what the value counts, or what a percentage lacks.
select
    kpi,
    unit,
    description,
    green_min,
    green_max,
    amber_min,
    amber_max,
    evidence
from
    read_csv(
        getvariable('ref_folder') || '/kpi_threshold.csv',
        header = true,
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
