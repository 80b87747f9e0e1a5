-- Families of usage into which cost.explained_spend divides what a service costs: by usage types that no other service that the
-- account pays for calls the same, by this table or ref.shared_usage. Names are those of AWS's price list and user guides.
-- Seed: warehouse/ref/usage_family.csv.
-- key: service, usage_family, listing
-- service: The service's name in the bill, as Cost Explorer spells it (dimension SERVICE).
-- usage_family: What the usage is of.
-- usage_pattern: Regular expression of the usage types.
-- listing: A listing of pipelines/catalogue/ whose resources cause that usage; NULL where none does, as of a load
--    balancer, which is known by its interfaces.
-- charge: What the usage is in place of use of resources: commitment, the fee of a reservation; else NULL.
select
    service,
    usage_family,
    usage_pattern,
    listing,
    charge
from
    read_csv(
        getvariable('ref_folder') || '/usage_family.csv',
        header = true,
        columns = {
            'service': 'VARCHAR',
            'usage_family': 'VARCHAR',
            'usage_pattern': 'VARCHAR',
            'listing': 'VARCHAR',
            'charge': 'VARCHAR'
        }
    )
