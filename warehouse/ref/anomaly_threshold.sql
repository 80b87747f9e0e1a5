-- How far a day's cost may lie from all that is usual for it, by slice: cost.anomaly looks at the slices that stand here. Amounts are in
-- the billing currency. Seed: warehouse/ref/anomaly_threshold.csv, owned by finance.
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
        getvariable('ref_folder') || '/anomaly_threshold.csv',
        header = true,
        columns = {
            'slice': 'VARCHAR',
            'min_score': 'DECIMAL(18, 2)',
            'money_floor': 'DECIMAL(28, 10)',
            'relative_floor': 'DECIMAL(18, 4)'
        }
    )
