-- The slices of the daily bill: every row is the whole bill once more, by account and one dimension of Cost Explorer.
-- Requests are sent in the order of the rows. Seed: warehouse/ref/cost_slice.csv, owned by finance.
-- key: slice
-- slice: Value of cost.daily.slice; the row `tag` stands for one slice `tag:KEY` for each key of ref.tag_key.
-- dimension: Dimension of Cost Explorer's GroupBy, such as SERVICE; TAG in the row `tag`.
-- is_probed: Whether a refusal by Cost Explorer means that this payer is not offered the slice; else it is a failure.
-- description: What the slice shows.
select
    slice,
    dimension,
    is_probed,
    description
from
    read_csv(
        getvariable('ref_folder') || '/cost_slice.csv',
        header = true,
        columns = {
            'slice': 'VARCHAR',
            'dimension': 'VARCHAR',
            'is_probed': 'BOOLEAN',
            'description': 'VARCHAR'
        }
    )
