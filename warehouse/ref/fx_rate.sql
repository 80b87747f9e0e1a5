-- Exchange rates: what one unit of a currency is worth in another from a day on, by kind. Read from the seed
-- warehouse/ref/fx_rate.csv, owned by finance, and from what `cmdb fx import` brought (fx_rate.csv beside the published
-- file), which takes the place of the seed's rate of the same day. Rates whose source is example are nobody's: they
-- count only as long as there is no other rate of the pair and kind.
-- key: from_currency, to_currency, kind, valid_from
-- from_currency: The currency that is converted, ISO 4217.
-- to_currency: The currency that it is converted into, ISO 4217.
-- kind: invoice (what the invoice used), month_average, spot, or budget (what the budget was set at).
-- valid_from: The first day that it holds for, until the next rate of the same kind; the first of the month for invoice and month_average.
-- rate: Units of to_currency for one unit of from_currency.
-- source: Who published it; example where nobody did.
with rate_file as (
    select
        *,
        filename = getvariable('ref_folder') || '/fx_rate.csv' as is_seed
    from
        read_csv(
            getvariable('fx_rate_files'),
            header = true,
            filename = true,
            columns = {
                'from_currency': 'VARCHAR',
                'to_currency': 'VARCHAR',
                'kind': 'VARCHAR',
                'valid_from': 'DATE',
                'rate': 'DECIMAL(18, 10)',
                'source': 'VARCHAR'
            }
        )
)

select
    from_currency,
    to_currency,
    kind,
    valid_from,
    rate,
    source
from rate_file
qualify
    -- A rate that stands twice in one file is for the uniqueness check to find.
    rank() over (partition by from_currency, to_currency, kind, valid_from order by is_seed) = 1
    and (
        source is distinct from 'example'
        or not bool_or(source is distinct from 'example') over (partition by from_currency, to_currency, kind)
    )
