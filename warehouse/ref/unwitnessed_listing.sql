-- Listings of which no usage type of the bill proves that there is a record (ref.usage_type_listing has the others), and why: an
-- empty response is judged without the bill there. A listing that is never empty by itself is in neither.
-- Seed: warehouse/ref/unwitnessed_listing.csv.
-- key: listing
-- listing: A listing of pipelines/catalogue/.
-- reason: Why no usage type proves a record, as a sentence.
select
    listing,
    reason
from
    read_csv(
        getvariable('ref_folder') || '/unwitnessed_listing.csv',
        header = true,
        columns = { 'listing': 'VARCHAR', 'reason': 'VARCHAR' }
    )
