-- Billing services and the listings whose resources explain what they cost. What a service costs in an account without a
-- resource of any of its listings is not inventoried. Where the service maps without doubt its usage also is a witness that
-- not all of its listings are empty there; what the bill calls EC2 - Other may be traffic alone. Seed:
-- warehouse/ref/service_listing.csv.
-- key: service, listing
-- service: The service's name in the bill, as Cost Explorer spells it (dimension SERVICE).
-- listing: A listing of pipelines/catalogue/ whose resources cause that usage.
-- is_witness: Whether usage of the service is a witness that not all of its listings are empty in the account.
-- explains_rest: Whether its resources explain what is left of a service that is divided into families (ref.usage_family): snapshots
--    explain no traffic.
-- witness_from: What a day of it costs at least, in the currency of the bill, where that is a witness; NULL for any amount. To list
--    the buckets of an account that has none costs a request too, such as each of this product's.
select
    service,
    listing,
    is_witness,
    explains_rest,
    witness_from
from
    read_csv(
        getvariable('ref_folder') || '/service_listing.csv',
        header = true,
        columns = {
            'service': 'VARCHAR',
            'listing': 'VARCHAR',
            'is_witness': 'BOOLEAN',
            'explains_rest': 'BOOLEAN',
            'witness_from': 'DECIMAL(28, 10)'
        }
    )
