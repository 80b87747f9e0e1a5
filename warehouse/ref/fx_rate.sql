-- Exchange rates: what one unit of a currency is worth in another from a day on, by kind. Read from fx_rate.csv in the
-- organisation's own folder (CMDB_REFERENCE), owned by finance, and from what `cmdb fx import` brought (fx_rate.csv beside
-- the published file), which takes the place of the folder's rate of the same day. Without either there is no rate: the
-- product ships none. Rates whose source is example are nobody's: they count only as long as there is no other rate of
-- the pair and kind.
-- key: from_currency, to_currency, kind, valid_from
-- from_currency: The currency that is converted, ISO 4217.
-- to_currency: The currency that it is converted into, ISO 4217.
-- kind: invoice (what the invoice used), month_average, spot, or budget (what the budget was set at).
-- valid_from: The first day that it holds for, until the next rate of the same kind; the first of the month for invoice and month_average.
-- rate: Units of to_currency for one unit of from_currency.
-- source: Who published it; example in the demo's file.
with rate_file as (
    select
        *,
        filename = getvariable('imported_rates') as is_imported
    from
        read_csv(
            getvariable('reference_files')['fx_rate'],
            header = true,
            auto_detect = false,
            delim = ',',
            quote = '"',
            escape = '"',
            strict_mode = false,
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
    -- A line of nothing but commas keeps a place free.
    where from_currency is not null
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
    rank() over (partition by from_currency, to_currency, kind, valid_from order by is_imported desc) = 1
    and (
        source is distinct from 'example'
        or not bool_or(source is distinct from 'example') over (partition by from_currency, to_currency, kind)
    )
