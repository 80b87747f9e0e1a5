-- What holds for a resource of an account whose own tags do not state it: cmdb.resource takes it where the tag is absent, empty
-- or could not be read, and records it in owner_source. An account may have nothing in its row, or no row. Seed:
-- warehouse/ref/account_default.csv, owned by those who own the accounts; what is there is an example, to be replaced.
-- key: account_id
-- account_id: 12 digits, text because some begin with 0.
-- business_service: Its business service where a resource has no bc:business-service; NULL for none.
-- business_owner: Who answers for a resource without bc:business-owner; NULL for nobody.
-- cost_centre: Who pays for a resource without bc:cost-centre; NULL for nobody.
-- capability: Its business capability where a resource has no bc:capability; NULL for none.
-- environment: Its environment where a resource has no bc:environment; NULL for none.
-- project: Its project where a resource has no bc:project; NULL for none.
-- source: Who states it; example where nobody does.
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
        getvariable('ref_folder') || '/account_default.csv',
        header = true,
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
