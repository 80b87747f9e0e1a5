-- How far a day's cost may lie from all that is usual for it, by slice: cost.anomaly looks at the slices that stand here. Amounts are in
-- the billing currency. Seed: warehouse/ref/anomaly_threshold.csv; a row of anomaly_threshold.csv in the organisation's
-- own folder (CMDB_REFERENCE) takes the place of the seed's row with the same key.
-- key: slice
-- slice: The slice of the bill, as in cost.daily.
-- min_score: From this robust z score on, up or down, a day is an anomaly.
-- money_floor: A smaller difference is none, whatever its score.
-- relative_floor: The spread is taken for at least this share of what is expected, so that a line that never varied is not judged by its first cent.
select
    slice,
    min_score,
    money_floor,
    relative_floor
from
    read_csv(
        getvariable('reference_files')['anomaly_threshold'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        filename = true,
        columns = {
            'slice': 'VARCHAR',
            'min_score': 'DECIMAL(18, 2)',
            'money_floor': 'DECIMAL(28, 10)',
            'relative_floor': 'DECIMAL(18, 4)'
        }
    )
-- A line of nothing but commas keeps a place free.
where slice is not null
qualify
    -- A row of the organisation's own takes the place of the shipped one.
    rank() over (
        partition by slice
        order by filename = getvariable('ref_folder') || '/anomaly_threshold.csv'
    ) = 1
