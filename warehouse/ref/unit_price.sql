-- Public list prices, for estimates alone: what an organisation pays stands in its bill, with its discounts. Seed:
-- warehouse/ref/unit_price.csv, owned by finance; replace an amount by the amount of your contract.
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
        getvariable('ref_folder') || '/unit_price.csv',
        header = true,
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
