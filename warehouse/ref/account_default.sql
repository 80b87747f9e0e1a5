-- What holds for a resource of an account whose own tags do not state it: cmdb.resource takes it where the tag is absent, empty
-- or could not be read, and records it in owner_source. An account may have nothing in its row, or no row. Read from
-- account_default.csv in the organisation's own folder (CMDB_REFERENCE), owned by those who own the accounts; without
-- that file no account has any.
-- key: account_id
-- account_id: 12 digits, text because some begin with 0.
-- business_service: Its business service where a resource has no tag for it; NULL for none.
-- business_owner: Who answers for a resource without a tag for it; NULL for nobody.
-- cost_centre: Who pays for a resource without a tag for it; NULL for nobody.
-- capability: Its business capability where a resource has no tag for it; NULL for none.
-- environment: Its environment where a resource has no tag for it; NULL for none.
-- project: Its project where a resource has no tag for it; NULL for none.
-- source: Who states it; example in the demo's file.
select
    account_id,
    nullif(trim(business_service), '') as business_service,
    nullif(trim(business_owner), '') as business_owner,
    nullif(trim(cost_centre), '') as cost_centre,
    nullif(trim(capability), '') as capability,
    nullif(trim(environment), '') as environment,
    nullif(trim(project), '') as project,
    source
from
    read_csv(
        getvariable('reference_files')['account_default'],
        header = true,
        auto_detect = false,
        delim = ',',
        quote = '"',
        escape = '"',
        strict_mode = false,
        columns = {
            'account_id': 'VARCHAR',
            'business_service': 'VARCHAR',
            'business_owner': 'VARCHAR',
            'cost_centre': 'VARCHAR',
            'capability': 'VARCHAR',
            'environment': 'VARCHAR',
            'project': 'VARCHAR',
            'source': 'VARCHAR'
        }
    )
-- A line of nothing but commas keeps a place free.
where account_id is not null
