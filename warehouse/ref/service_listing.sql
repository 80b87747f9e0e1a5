-- Billing services that only these listings explain: usage of such a service in an account is a witness that not all of
-- the service's listings are empty there. Only services that map without doubt: what the bill calls EC2 - Other may be
-- traffic alone. Seed: warehouse/ref/service_listing.csv.
-- key: service, listing
-- service: The service's name in the bill, as Cost Explorer spells it (dimension SERVICE).
-- listing: The listing of pipelines/catalogue/ whose resources cause that usage.
select
    service,
    listing
from
    read_csv(
        getvariable('ref_folder') || '/service_listing.csv',
        header = true,
        columns = { 'service': 'VARCHAR', 'listing': 'VARCHAR' }
    )
