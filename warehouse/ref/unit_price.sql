-- Public list prices, for estimates alone: what an organisation pays stands in its bill, with its discounts. Seed:
-- warehouse/ref/unit_price.csv; a row of unit_price.csv in the organisation's own folder (CMDB_REFERENCE), such as a
-- price of your contract, takes the place of the seed's row with the same key.
-- key: service, usage, region, valid_from
-- service: AWS's code of the service, such as AmazonEC2.
-- usage: AWS's usage type without the region in front of it, such as EBS:VolumeUsage.gp3; of a DB instance with its engine.
-- region: AWS region; NULL for the price that holds wherever a region has none of its own.
-- unit: What the amount is for: GB-month, hour, IOPS-month, ….
-- amount: Price of one unit, in the currency beside it.
-- currency: ISO 4217.
-- valid_from: The first day that the price is used for.
-- source: Where it was read.
select
    service,
    usage,
    region,
    unit,
    amount,
    currency,
    valid_from,
    source
from
    read_csv(
        getvariable('reference_files')['unit_price'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        filename = true,
        columns = {
            'service': 'VARCHAR',
            'usage': 'VARCHAR',
            'region': 'VARCHAR',
            'unit': 'VARCHAR',
            'amount': 'DECIMAL(28, 10)',
            'currency': 'VARCHAR',
            'valid_from': 'DATE',
            'source': 'VARCHAR'
        }
    )
-- A line of nothing but commas keeps a place free.
where service is not null
qualify
    -- A row of the organisation's own takes the place of the shipped one.
    rank() over (
        partition by service, usage, region, valid_from
        order by filename = getvariable('ref_folder') || '/unit_price.csv'
    ) = 1
