-- Usage types that only one listing explains, where the service (ref.service_listing) leaves several: snapshots are billed
-- by the same service as the database instances that run. Such usage in an account is a witness that the listing is not
-- empty there. Seed: warehouse/ref/usage_type_listing.csv.
-- key: part, listing
-- part: What the usage type in the bill contains, behind the prefix of its region.
-- listing: The listing of pipelines/catalogue/ whose resources cause that usage.
select
    part,
    listing
from
    read_csv(
        getvariable('ref_folder') || '/usage_type_listing.csv',
        header = true,
        columns = { 'part': 'VARCHAR', 'listing': 'VARCHAR' }
    )
