-- Usage types that cannot be without a record of each of these listings, where the service (ref.service_listing) states it of
-- several together or of none: an instance that runs lies in a VPC, and snapshots are billed by the same service as the
-- databases that run. Such usage on the newest complete day is a witness that each listing is not empty in the account. What
-- several services or several kinds of record call the same is no witness (ref.unwitnessed_listing says of what).
-- Seed: warehouse/ref/usage_type_listing.csv.
-- key: part, listing
-- part: Regular expression of what the usage type begins with, behind the prefix of its region.
-- listing: A listing of pipelines/catalogue/ that has a record wherever there is such usage.
-- source: Where AWS names the usage type.
select
    part,
    listing,
    source
from
    read_csv(
        getvariable('ref_folder') || '/usage_type_listing.csv',
        header = true,
        columns = { 'part': 'VARCHAR', 'listing': 'VARCHAR', 'source': 'VARCHAR' }
    )
