-- Usage types that cannot be without a record of each of these listings, where the service (ref.service_listing) states it of
-- several together or of none: an instance that runs lies in a VPC, and snapshots are billed by the same service as the
-- databases that run. Such usage on the newest complete day is a witness that each listing is not empty in the account.
-- Seed: warehouse/ref/usage_type_listing.csv.
-- key: part, listing
-- part: What the usage type in the bill contains, behind the prefix of its region.
-- listing: A listing of pipelines/catalogue/ that has a record wherever there is such usage.
select
    part,
    listing
from
    read_csv(
        getvariable('ref_folder') || '/usage_type_listing.csv',
        header = true,
        columns = { 'part': 'VARCHAR', 'listing': 'VARCHAR' }
    )
